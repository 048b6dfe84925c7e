/* SPDX-License-Identifier: Apache-2.0 */
/* What routes leave in a call as its answer. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/call.h"
#include "agent/feed.h"
#include "agent/router.h"
#include "base/error_json.h"
#include "base/json.h"
#include "base/mem.h"

const char *call_field(const struct call *call, const char *name)
{
	for (size_t i = 0; i < call->nfields; i++)
		if (!strcmp(call->fields[i].name, name))
			return call->fields[i].value;
	return NULL;
}

void call_drop_answer(struct call *call)
{
	strbuf_release(&call->text);
	if (call->fd >= 0)
		close(call->fd);
	call->fd = -1;
	if (call->feed)
		feed_leave(call->feed);
	feed_free(call->feed);
	call->feed = NULL;
	free(call->headers);
	call->headers = NULL;
	call->status = 0;
}

static void set_type(struct call *call, int status, const char *type)
{
	call_drop_answer(call);
	call->status = status;
	if (type)
		call_add_header(call, "Content-Type", type);
}

void call_reply(struct call *call, int status, const char *type, const char *text, size_t len)
{
	set_type(call, status, type);
	strbuf_add(&call->text, text, len);
}

void call_reply_buf(struct call *call, int status, const char *type, struct strbuf *text)
{
	set_type(call, status, type);
	call->text = *text;
	*text = (struct strbuf)STRBUF_INIT;
}

void call_reply_json(struct call *call, int status, const struct js *json)
{
	struct strbuf text = STRBUF_INIT;

	js_dump(json, JS_COMPACT, &text);
	call_reply_buf(call, status, "application/json", &text);
}

void call_reply_file(struct call *call, int status, const char *type, int fd, uint64_t offset, uint64_t length)
{
	set_type(call, status, type);
	call->fd = fd;
	call->fd_offset = offset;
	call->fd_length = length;
}

struct feed *call_reply_feed(struct call *call, int status, const char *type)
{
	set_type(call, status, type);
	call->feed = feed_new();
	return call->feed;
}

void call_add_header(struct call *call, const char *name, const char *value)
{
	char *old = call->headers;

	for (const char *s = value; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return;
	call->headers = xasprintf("%s%s: %s\n", old ? old : "", name, value);
	free(old);
}

void call_fail_plainly(struct call *call, const struct error *err)
{
	CLEANUP_JS struct js *json = js_object();

	js_set(json, "error", error_to_json(err));
	call_reply_json(call, error_http_status(err->code), json);
}

void call_fail(struct call *call, const struct error *err)
{
	void (*fail)(struct call *, const struct error *) = router_fail(call);

	(fail ? fail : call_fail_plainly)(call, err);
	if (err->code == ERR_AUTH)
		call_add_header(call, "WWW-Authenticate", "Basic realm=\"mlops\", charset=\"UTF-8\"");
}
