/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/agent.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/agent_options.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"

#define PROGRAM "mlops-agent"

const struct op command_agent = {
	.name = "cli.agent", .command = "agent", .method = "POST", .flags = OP_NO_PROJECT,
	.params = agent_params,
	.summary = agent_summary,
	.details = agent_details,
};

static void add_option(struct strlist *words, const char *name, const char *value)
{
	CLEANUP(cleanup_free) char *word = xasprintf("--%s=%s", name, value);

	strlist_push(words, word);
}

static void add_options(struct strlist *words, const struct js *args)
{
	for (const struct op_param *p = agent_params; p->name; p++) {
		char key[64];
		const struct js *value = js_get(args, op_param_key(p, key));

		if (js_text(value))
			add_option(words, p->name, js_text(value));
		for (size_t i = 0; i < js_len(value); i++)
			add_option(words, p->name, js_text(js_at(value, i)));
	}
}

/* The directory of this program, with its slash; false when the kernel does not tell. */
static bool own_directory(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (!slash)
		return false;
	slash[1] = '\0';
	return true;
}

int agent_execute(const struct js *args, struct error *err)
{
	static const char *const places[] = { "", "../libexec/mlops/", "../lib/mlops/" };
	CLEANUP(strlist_release) struct strlist words = STRLIST_INIT;
	CLEANUP(cleanup_free) char **argv = NULL;
	char dir[PATH_MAX];

	strlist_push(&words, PROGRAM);
	add_options(&words, args);
	argv = xcalloc(words.len + 1, sizeof(*argv));
	for (size_t i = 0; i < words.len; i++)
		argv[i] = words.items[i];
	for (size_t i = 0; i < ARRAY_LEN(places) && own_directory(dir); i++) {
		CLEANUP(cleanup_free) char *path = xasprintf("%s%s%s", dir, places[i], PROGRAM);

		execv(path, argv);
		if (errno != ENOENT)
			return error_sys(err, errno, "cannot execute %s", path);
	}
	execvp(PROGRAM, argv);
	error_set(err, ERR_ENV, "cannot execute the program " PROGRAM ": %s", strerror(errno));
	return error_help(err, "it belongs beside mlops: install the package again, or put both into one directory");
}
