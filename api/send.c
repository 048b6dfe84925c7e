/* SPDX-License-Identifier: Apache-2.0 */
#include "api/send.h"
#include <string.h>
#include "api/ops.h"
#include "base/address.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/project.h"
#include "store/remote.h"
#include "store/store.h"
#include "store/tree.h"

void data_ref_name(const char *path, char ret[DIGEST_HEX + 1])
{
	struct digest id;

	digest_of(path, strlen(path), &id);
	digest_format(&id, ret);
}

char *data_ref_text(const char *path, const struct content *content)
{
	CLEANUP_JS struct js *json = js_object();
	struct strbuf text = STRBUF_INIT;
	char value[CONTENT_TEXT];

	js_set_str(json, "content", content_format(content, value));
	js_set_str(json, "path", path);
	js_dump(json, JS_CANONICAL, &text);
	return strbuf_detach(&text);
}

int data_ref_read(const char *name, const char *text, char **ret_path, struct content *ret, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;
	const char *path, *value;
	char expected[DIGEST_HEX + 1];
	struct content content;

	if (js_parse(text, strlen(text), "a version of data", &json, err) < 0)
		return error_set(err, ERR_USAGE, "data/%s is no JSON", name);
	path = js_get_str(json, "path");
	value = js_get_str(json, "content");
	if (!path || !tree_path_valid(path))
		return error_set(err, ERR_USAGE, "data/%s names no path of a project", name);
	data_ref_name(path, expected);
	if (strcmp(expected, name) != 0)
		return error_set(err, ERR_USAGE, "data/%s is not the ref of %s", name, path);
	if (!value || !content_parse(value, &content) || content.kind == CONTENT_ABSENT)
		return error_set(err, ERR_USAGE, "data/%s names no content", name);
	*ret_path = xstrdup(path);
	*ret = content;
	return 0;
}

static void cleanup_remote(struct remote **remote)
{
	remote_close(*remote);
}

static int put_refs(struct remote *remote, const struct sent_version *versions, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *text = data_ref_text(versions[i].path, &versions[i].content), *ref = NULL;
		char name[DIGEST_HEX + 1];

		data_ref_name(versions[i].path, name);
		ref = xasprintf("data/%s", name);
		if (remote->ops->ref_put(remote, ref, text, strlen(text), err) < 0)
			return error_wrap(err, "%s", versions[i].path);
	}
	return remote->ops->commit(remote, err);
}

static int send_to(struct remote *remote, struct transfer *transfer, const struct sent_version *versions, size_t n,
		   struct error *err)
{
	CLEANUP(cleanup_free) struct content *contents = xcalloc(n + 1, sizeof(*contents));

	for (size_t i = 0; i < n; i++)
		contents[i] = versions[i].content;
	return transfer_push(transfer, remote, contents, n, err) < 0 ? -1 : put_refs(remote, versions, n, err);
}

int data_send(struct op_context *ctx, const char *url, const struct sent_version *versions, size_t n, struct js **ret,
	      struct error *err)
{
	struct transfer transfer = { .progress = ctx->progress };
	struct address address CLEANUP(address_release) = { .name = NULL };
	CLEANUP(cleanup_remote) struct remote *remote = NULL;
	struct js *result;

	if (address_parse(url, &address, err) < 0 || project_store(ctx->project, &transfer.store, err) < 0 ||
	    remote_open("agent", address.name, ctx->project->root, false, &remote, err) < 0 ||
	    send_to(remote, &transfer, versions, n, err) < 0)
		return -1;
	result = js_object();
	js_set_str(result, "agent", address.name);
	js_set_int(result, "objects", (int64_t)transfer.objects);
	js_set_int(result, "bytes", (int64_t)transfer.bytes);
	*ret = result;
	return 0;
}
