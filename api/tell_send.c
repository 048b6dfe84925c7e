/* SPDX-License-Identifier: Apache-2.0 */
/* From letters to those who are told. */
#include <stdio.h>
#include <string.h>
#include "api/tell.h"
#include "api/tell_internal.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "policy/forge.h"
#include "policy/notify.h"
#include "registry/outbox.h"
#include "registry/project.h"
#include "registry/projects.h"
#include "registry/secrets.h"

#define REPLY_MAX    (64u << 10) /* of who is only told */
#define COMMENTS_MAX (8u << 20)  /* of a page of comments */
#define PAGES	     10
#define COMMAND_MS   30000
#define COMMAND_MAX  (1u << 20)
#define SECRET	     "${secret."

/* ---- who is notified ---- */

/* The URL of a letter; a secret that is missing may come. */
static int url_of(struct project *p, const struct letter *letter, struct strbuf *ret, int64_t *again_ms, struct error *err)
{
	const char *url = js_get_str(letter->body, "url");
	CLEANUP(cleanup_free) char *name = NULL;

	if (strncmp(url, SECRET, strlen(SECRET)) != 0) {
		strbuf_puts(ret, url);
		return 0;
	}
	*again_ms = 0;
	name = xstrndup(url + strlen(SECRET), strcspn(url + strlen(SECRET), "}"));
	strbuf_reserve(ret, SECRET_MAX);
	if (secret_get(p, name, ret, err) < 0)
		return -1;
	while (ret->len && strchr("\r\n \t", ret->buf[ret->len - 1]))
		ret->buf[--ret->len] = '\0';
	return 0;
}

static int send_webhook(struct project *p, const struct letter *letter, int64_t *again_ms, struct error *err)
{
	CLEANUP(cleanup_free) char *key = xasprintf("Idempotency-Key: %s", letter->cause);
	const char *const headers[] = { "Content-Type: application/json", "User-Agent: mlops/" MLOPS_VERSION, key, NULL };
	const char *format = js_get_str(letter->body, "format");
	CLEANUP(secret_wipe) struct strbuf url = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct exchange x = { .project = p, .method = "POST", .headers = headers, .max = REPLY_MAX, .reply = STRBUF_INIT, .again_ms = again_ms };
	int r;

	notify_render(js_get(letter->body, "message"), format && !strcmp(format, "text"), &body);
	if (url_of(p, letter, &url, again_ms, err) < 0)
		return -1;
	x.url = url.buf;
	x.body = body.buf;
	r = tell_exchange(&x, err);
	strbuf_release(&x.reply);
	return r;
}

/* The words of the setting, split at blanks; the message is on its input. */
static int send_command(struct project *p, const struct letter *letter, int64_t *again_ms, struct error *err)
{
	const char *text = settings_get(&p->settings, SETTING_NOTIFY_COMMAND);
	CLEANUP(strlist_release) struct strlist words = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf input = STRBUF_INIT, out = STRBUF_INIT;
	int status;

	*again_ms = -1;
	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t len = strcspn(text, " \t");

		strlist_push_owned(&words, xstrndup(text, len));
		text += len;
	}
	if (!words.len)
		return error_set(err, ERR_USAGE, "notify.command is not set any more");
	GROW(words.items, words.len, words.cap);
	words.items[words.len] = NULL;
	*again_ms = 0;
	notify_render(js_get(letter->body, "message"), false, &input);
	strbuf_putc(&input, '\n');
	status = process_tell((const char *const *)words.items, p->top, &input, COMMAND_MS, COMMAND_MAX, &out, err);
	if (status <= 0)
		return status;
	return error_set(err, ERR_ENV, "%s ended with status %d", words.items[0], status);
}

/* ---- forges ---- */

struct calling {
	struct project *project;
	struct forge forge;
	struct strbuf token;
	char *authorization;
	int64_t *again_ms;
};

static void hang_up(struct calling *c)
{
	if (c->authorization)
		explicit_bzero(c->authorization, strlen(c->authorization));
	free(c->authorization);
	secret_wipe(&c->token);
	forge_release(&c->forge);
}

static int call_up(struct calling *c, const char *name, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;
	const struct js *config;
	struct db *db;

	*c->again_ms = -1;
	if (project_db(c->project, &db, err) < 0 || project_row_load(db, name, &row, err) < 0)
		return -1;
	config = js_get(row, "forge");
	if (!config)
		return error_set(err, ERR_NOT_FOUND, "project %s has no forge any more", name);
	*c->again_ms = 0;
	strbuf_reserve(&c->token, SECRET_MAX);
	if (forge_read(config, &c->forge, err) < 0 || secret_get(c->project, js_get_str(config, "secret"), &c->token, err) < 0)
		return -1;
	c->token.len = strcspn(c->token.buf, "\r\n");
	c->token.buf[c->token.len] = '\0';
	c->authorization = forge_authorization(&c->forge, c->token.buf);
	return 0;
}

/* Takes what the request holds. */
static int ask(struct calling *c, struct forge_request *request, size_t max, struct strbuf *reply, struct error *err)
{
	const char *const headers[] = { c->authorization, forge_accept(&c->forge), "User-Agent: mlops/" MLOPS_VERSION,
					"Content-Type: application/json", NULL };
	struct exchange x = {
		.project = c->project, .method = request->method, .url = request->url, .headers = headers, .body = request->body,
		.max = max, .reply = STRBUF_INIT, .again_ms = c->again_ms,
	};
	int r = tell_exchange(&x, err);

	if (r == 0)
		strbuf_add(reply, x.reply.buf, x.reply.len);
	strbuf_release(&x.reply);
	forge_request_release(request);
	return r;
}

static int send_status(struct calling *c, const struct letter *letter, struct error *err)
{
	const char *description = js_get_str(letter->body, "description");
	CLEANUP_STRBUF struct strbuf reply = STRBUF_INIT;
	enum forge_state state = FORGE_ERROR;
	struct forge_request request;

	forge_state_parse(js_get_str(letter->body, "state"), &state);
	forge_status(&c->forge, js_get_str(letter->body, "commit"), state, js_get_str(letter->body, "context"),
		     description ? description : "", &request);
	return ask(c, &request, REPLY_MAX, &reply, err);
}

/* 0 in *ret_id: there is none. */
static int find_comment(struct calling *c, int64_t number, const char *mark, int64_t *ret_id, struct error *err)
{
	int64_t before = 0, first = 0;
	size_t n = FORGE_PAGE;

	*ret_id = 0;
	for (int page = 1; page <= PAGES && n >= FORGE_PAGE; page++) {
		CLEANUP_STRBUF struct strbuf reply = STRBUF_INIT;
		struct forge_request request;
		int r;

		forge_comments(&c->forge, number, page, &request);
		if (ask(c, &request, COMMENTS_MAX, &reply, err) < 0)
			return -1;
		*c->again_ms = 0;
		r = forge_comment_find(reply.buf, reply.len, mark, ret_id, &n, &first, err);
		if (r != 0)
			return r < 0 ? -1 : 0;
		if (first == before) /* a server that knows no pages */
			return 0;
		before = first;
	}
	return 0;
}

static int send_comment(struct calling *c, const struct letter *letter, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, reply = STRBUF_INIT;
	int64_t number = js_get_int(letter->body, "number", 0), id;
	struct forge_request request;

	forge_mark(c->token.buf, letter->target, number, &text);
	if (find_comment(c, number, text.buf, &id, err) < 0)
		return -1;
	strbuf_puts(&text, js_get_str(letter->body, "markdown"));
	forge_comment(&c->forge, number, id, text.buf, &request);
	return ask(c, &request, REPLY_MAX, &reply, err);
}

static int send_forge(struct project *p, const struct letter *letter, int64_t *again_ms, struct error *err)
{
	struct calling c CLEANUP(hang_up) = { .project = p, .token = STRBUF_INIT, .again_ms = again_ms };

	if (call_up(&c, letter->target, err) < 0)
		return -1;
	return letter->kind == LETTER_STATUS ? send_status(&c, letter, err) : send_comment(&c, letter, err);
}

int tell_send(struct project *p, const struct letter *letter, int64_t *ret_again_ms, struct error *err)
{
	static int (*const ways[])(struct project *, const struct letter *, int64_t *, struct error *) = {
		[LETTER_WEBHOOK] = send_webhook,
		[LETTER_COMMAND] = send_command,
		[LETTER_STATUS] = send_forge,
		[LETTER_COMMENT] = send_forge,
		[LETTER_OPENLINEAGE] = tell_openlineage,
	};

	*ret_again_ms = 0;
	return ways[letter->kind](p, letter, ret_again_ms, err);
}
