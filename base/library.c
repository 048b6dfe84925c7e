/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"
#include <dlfcn.h>
#include <string.h>
#include "base/error.h"

static int fail(const struct library *library, const char *why, struct error *err)
{
	size_t len = strlen(library->soname);

	if (!strncmp(why, library->soname, len) && !strncmp(why + len, ": ", 2))
		why += len + 2; /* the loader names it too */
	error_set(err, ERR_ENV, "cannot load %s: %s", library->soname, why);
	return error_help(err, "run: apt-get install %s", library->package);
}

static const char *lacks(const struct library *library, void *handle)
{
	for (const char *const *name = library->names; *name; name++)
		if (!dlsym(handle, *name))
			return *name;
	return NULL;
}

static void fill(const struct library *library, void *handle)
{
	char *slot = library->table;

	for (const char *const *name = library->names; *name; name++) {
		void *function = dlsym(handle, *name);

		memcpy(slot, &function, sizeof(function));
		slot += sizeof(function);
	}
}

static int load(struct library *library, struct error *err)
{
	/* all at once: a function it lacks itself must not end the program in the middle of a call */
	void *handle = dlopen(library->soname, RTLD_NOW | RTLD_LOCAL);
	const char *name;

	if (!handle)
		return fail(library, dlerror(), err);
	name = lacks(library, handle);
	if (name) {
		error_set(err, ERR_ENV, "cannot load %s: it has no %s", library->soname, name);
		error_help(err, "run: apt-get install %s", library->package);
		dlclose(handle);
		return -1;
	}
	fill(library, handle);
	if (library->init)
		library->init();
	library->loaded = true;
	return 0;
}

int library_load(struct library *library, struct error *err)
{
	int rc = 0;

	pthread_mutex_lock(&library->lock);
	if (!library->loaded)
		rc = load(library, err);
	pthread_mutex_unlock(&library->lock);
	return rc;
}
