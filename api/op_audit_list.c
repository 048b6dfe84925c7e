/* SPDX-License-Identifier: Apache-2.0 */
/* audit list: events by person, subject and operation, also as CSV. */
#include <string.h>
#include <time.h>
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/strbuf.h"
#include "registry/events.h"
#include "registry/project.h"

#define LIMIT	  1000
#define LIMIT_MAX 100000

static int read_query(const struct js *args, struct event_query *ret, struct error *err)
{
	const char *since = js_get_str(args, "since");

	*ret = (struct event_query){
		.after = js_get_int(args, "after", 0),
		.limit = js_get_int(args, "limit", LIMIT),
		.oldest_first = js_get(args, "after") != NULL,
		.actor = js_get_str(args, "actor"),
		.subject = js_get_str(args, "subject"),
		.operation = js_get_str(args, "operation"),
	};
	if (since && parse_moment(since, clock_wall_ms(), &ret->since_ms, err) < 0)
		return error_wrap(err, "--since");
	if (ret->limit < 1 || ret->limit > LIMIT_MAX)
		return error_set(err, ERR_USAGE, "--limit is 1 to %d, not %lld", LIMIT_MAX, (long long)ret->limit);
	return 0;
}

/* ---- CSV ---- */

static void put_field(struct strbuf *out, const char *text)
{
	if (!text)
		return;
	if (!strpbrk(text, ",\"\r\n")) {
		strbuf_puts(out, text);
		return;
	}
	strbuf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			strbuf_putc(out, '"');
		strbuf_putc(out, *text);
	}
	strbuf_putc(out, '"');
}

static void put_time(struct strbuf *out, int64_t ms)
{
	time_t seconds = ms / 1000;
	struct tm tm;
	char text[40];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_printf(out, "%s.%03dZ", text, (int)(ms % 1000));
}

static void put_event(struct strbuf *out, const struct js *event)
{
	static const char *const texts[] = { "actor", "origin", "operation", "subject", "before", "after" };
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;

	strbuf_printf(out, "%lld,", (long long)js_get_int(event, "seq", 0));
	put_time(out, js_get_int(event, "time", 0));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		strbuf_putc(out, ',');
		put_field(out, js_get_str(event, texts[i]));
	}
	strbuf_putc(out, ',');
	if (js_get(event, "body")) {
		js_dump(js_get(event, "body"), JS_CANONICAL, &body);
		put_field(out, body.buf);
	}
	strbuf_puts(out, "\n");
}

static struct js *as_csv(const struct js *events)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	strbuf_puts(&out, "seq,time,actor,origin,operation,subject,before,after,body\n");
	for (size_t i = 0; i < js_len(events); i++)
		put_event(&out, js_at(events, i));
	return js_strn(out.buf, out.len);
}

/* audit.list {actor, subject, operation, since, after, limit, csv} -> {events: [...]} as event.list, or {csv} */
int op_audit_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *events = NULL;
	struct event_query query;
	struct db *db;

	if (read_query(args, &query, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    event_find(db, &query, &events, err) < 0)
		return -1;
	*ret_result = js_object();
	if (js_get_bool(args, "csv"))
		js_set(*ret_result, "csv", as_csv(events));
	else
		js_set(*ret_result, "events", steal(&events));
	return 0;
}
