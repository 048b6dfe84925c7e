/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"
/* Images: what an engine has under a name, and how a name becomes exact bytes. */

/* -- looking -- */

static bool is_id(const struct docker_ref *ref)
{
	return !ref->repository;
}

/* No byte of a name needs an escape but the brackets of an address. */
static void add_name(struct strbuf *path, const char *name)
{
	for (; *name; name++)
		if (*name == '[' || *name == ']')
			strbuf_puts(path, *name == '[' ? "%5B" : "%5D");
		else
			strbuf_putc(path, *name);
}

static char *platform_of(const struct js *image)
{
	const char *os = js_get_str(image, "Os"), *arch = js_get_str(image, "Architecture");
	const char *variant = js_get_str(image, "Variant");

	return xasprintf("%s/%s%s%s", os && *os ? os : "unknown", arch && *arch ? arch : "unknown",
			 variant && *variant ? "/" : "", variant ? variant : "");
}

static struct js *describe(const struct js *image, const char *id)
{
	CLEANUP(cleanup_free) char *full = xasprintf("%s%s", strchr(id, ':') ? "" : "sha256:", id);
	CLEANUP(cleanup_free) char *platform = platform_of(image);
	const struct js *digests = js_get(image, "RepoDigests");
	struct js *ret = js_object(), *list = js_array();

	for (size_t i = 0; i < js_len(digests); i++)
		if (js_text(js_at(digests, i)))
			js_push_str(list, js_text(js_at(digests, i)));
	js_set_str(ret, "id", full);
	js_set(ret, "digests", list);
	js_set_str(ret, "platform", platform);
	js_set_int(ret, "size", js_get_int(image, "Size", 0));
	js_set_str(ret, "created", js_get_str(image, "Created"));
	return ret;
}

/* 1 there, 0 absent, -1 error. `shown` is for messages. */
static int look(struct docker_engine *engine, const struct docker_ref *ref, const char *shown, struct js **ret,
		struct error *err)
{
	CLEANUP(cleanup_free) char *name = docker_ref_format(ref);
	CLEANUP(cleanup_free) char *what = xasprintf("cannot look at the image %s", shown);
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	CLEANUP_JS struct js *image = NULL;
	struct docker_request request = { .method = "GET" };
	int status;

	strbuf_puts(&path, "/images/");
	add_name(&path, name);
	strbuf_puts(&path, "/json");
	request.path = path.buf;
	if (docker_request(engine, &request, &status, &body, err) < 0)
		return -1;
	if (status == 404)
		return 0;
	if (status != 200)
		return docker_reply_error(status, &body, what, err);
	if (docker_reply_json(&body, what, &image, err) < 0)
		return -1;
	if (!js_get_str(image, "Id"))
		return error_set(err, ERR_ENV, "%s: the engine tells no id", what);
	*ret = describe(image, js_get_str(image, "Id"));
	return 1;
}

static int absent(const struct docker_engine *engine, const struct docker_ref *ref, const char *shown,
		  struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "%s has no image %s", docker_engine_product(engine), shown);
	if (is_id(ref))
		return error_help(err, "docker images --no-trunc shows the ids of those it has");
	return error_help(err, "docker pull %.300s", shown);
}

int docker_image_inspect(struct docker_engine *engine, const char *name, struct js **ret, struct error *err)
{
	struct docker_ref ref;
	int rc;

	if (docker_ref_parse(name, &ref, err) < 0)
		return -1;
	rc = look(engine, &ref, name, ret, err);
	if (rc == 0)
		absent(engine, &ref, name, err);
	docker_ref_release(&ref);
	return rc == 1 ? 0 : -1;
}

/* -- getting -- */

/* It is there already, or is pulled; with `newest` it is pulled in any case. */
static int get(struct docker_engine *engine, const struct docker_ref *ref, const char *shown, bool newest,
	       const struct progress *progress, struct js **ret, struct error *err)
{
	int rc = newest && !is_id(ref) ? 0 : look(engine, ref, shown, ret, err);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (is_id(ref))
		return absent(engine, ref, shown, err);
	if (docker_pull(engine, ref, shown, progress, err) < 0)
		return -1;
	rc = look(engine, ref, shown, ret, err);
	if (rc == 0)
		error_set(err, ERR_ENV, "%s pulled %s, and does not have it", docker_engine_product(engine), shown);
	return rc == 1 ? 0 : -1;
}

/* A digest that a registry knows; one below "localhost/" Podman made up for an image built here. */
static const char *registry_digest(const struct docker_ref *ref, const struct js *image)
{
	const struct js *digests = js_get(image, "digests");

	for (size_t i = 0; strcmp(ref->registry, "localhost") != 0 && i < js_len(digests); i++) {
		const char *text = js_text(js_at(digests, i));

		if (docker_ref_is_pinned(text) && docker_repository_equal(text, ref->repository))
			return strchr(text, '@') + 1;
	}
	return NULL;
}

static char *pin_of(const struct docker_ref *ref, const struct js *image)
{
	const char *digest = is_id(ref) ? NULL : ref->digest;

	if (!is_id(ref) && !digest)
		digest = registry_digest(ref, image);
	return digest ? xasprintf("%s@%s", ref->repository, digest) : xstrdup(js_get_str(image, "id"));
}

int docker_image_resolve(struct docker_engine *engine, const char *name, bool newest,
			 const struct progress *progress, char **ret_pin, struct error *err)
{
	CLEANUP_JS struct js *image = NULL;
	struct docker_ref ref;
	int rc;

	if (docker_ref_parse(name, &ref, err) < 0)
		return -1;
	rc = get(engine, &ref, name, newest, progress, &image, err);
	if (rc == 0)
		*ret_pin = pin_of(&ref, image);
	docker_ref_release(&ref);
	return rc;
}

static int pin_lost(const char *name, const char *pin, const struct docker_ref *ref, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "image %s is pinned in mlops.lock to %s, which %s does not have", name, pin,
		  is_id(ref) ? "this engine" : ref->registry);
	return error_help(err, "%s, or: mlops image update %.300s",
			  is_id(ref) ? "load it (docker load)" : "push it again", name);
}

int docker_image_ensure(struct docker_engine *engine, const char *name, const char *pin,
			const struct progress *progress, struct error *err)
{
	CLEANUP_JS struct js *image = NULL;
	struct error why = { 0 };
	struct docker_ref ref;
	int rc;

	if (docker_ref_parse(pin, &ref, err) < 0)
		return error_wrap(err, "the pin of image %s", name);
	rc = get(engine, &ref, name, false, progress, &image, &why);
	if (rc < 0 && why.code == ERR_NOT_FOUND)
		pin_lost(name, pin, &ref, err);
	else if (rc < 0 && err)
		*err = why;
	docker_ref_release(&ref);
	return rc;
}
