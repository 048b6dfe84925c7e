/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/notify.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/address.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "base/strbuf.h"

/* ---- what is told ---- */

/* What goes into a message: an event, and facts. */
struct telling {
	const struct js *event, *body, *facts;
	const char *subject, *after;
	struct js *message;
};
typedef void tell(const struct telling *);

static const char *text_of(const struct js *object, const char *key, const char *otherwise)
{
	const char *text = js_get_str(object, key);

	return text && *text ? text : otherwise;
}

static void say(const struct telling *t, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(const struct telling *t, const char *key, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	js_set_str(t->message, key, text.buf);
}

/* "mlops WORDS SUBJECT", as a shell takes it. */
static void next(const struct telling *t, const char *words, const char *subject)
{
	CLEANUP(cleanup_free) char *word = shell_word(subject);

	say(t, "next", "mlops %s %s", words, word);
}

static void tell_run(const struct telling *t, const char *how)
{
	const char *trigger = js_get_str(t->body, "trigger"), *project = text_of(t->body, "project", "a project");

	say(t, "title", "%s: run %.8s %s", project, t->subject, how);
	if (trigger)
		js_set_str(t->message, "trigger", trigger);
	js_set_str(t->message, "run_id", t->subject);
}

static void tell_fail(const struct telling *t)
{
	const char *trigger = js_get_str(t->body, "trigger"), *commit = js_get_str(t->body, "commit");
	CLEANUP(cleanup_free) char *run = xstrndup(t->subject, 8);
	CLEANUP_STRBUF struct strbuf why = STRBUF_INIT;

	tell_run(t, !strcmp(t->after, "lost") ? "was lost" : "failed");
	strbuf_puts(&why, text_of(t->facts, "error", "it did not succeed"));
	if (trigger)
		strbuf_printf(&why, "; started by the trigger %s", trigger);
	if (commit)
		strbuf_printf(&why, "; commit %.12s", commit);
	js_set_str(t->message, "text", why.buf);
	next(t, "logs", run);
}

/* A run in which nothing was new left no record to show. */
static void tell_fixed(const struct telling *t)
{
	CLEANUP(cleanup_free) char *run = xstrndup(t->subject, 8);
	const char *before = text_of(t->facts, "before", "failed"), *project = js_get_str(t->body, "project");

	tell_run(t, "succeeded again");
	if (project && !strcmp(text_of(t->body, "outcome", ""), "nothing new")) {
		say(t, "text", "the one before had %s; nothing was new", before);
		next(t, "trigger history", project);
		return;
	}
	say(t, "text", "the one before had %s", before);
	next(t, "show", run);
}

/* The first row that fits; `rule` NULL: any. */
static const struct {
	const char *outcome, *rule, *title, *text, *next;
} decisions[] = {
	{ "alarm", NULL, "drift", "what arrives is not what the model was trained on", "monitor show" },
	{ "retrain", NULL, "drift, a new model is being trained", "the model in service stays until a better one has passed its gate",
	  "monitor history" },
	{ "quarantine", NULL, "a window is broken", "columns are missing, of another type or against the schema; nothing is trained on it",
	  "monitor show" },
	{ "held", "stopped", "drift, and a person is asked", "retraining stopped after runs that failed or were rejected", "monitor ack" },
	{ "held", NULL, "drift, retraining has to wait", "the model in service stays; the alarm stands until scores fall or a new model is trained",
	  "monitor history" },
	{ "clear", NULL, "the drift is over", "scores are well below their thresholds again", "monitor history" },
};

/* Its place in the table; behind the end: people are not told of it. */
static size_t decision_of(const struct telling *t)
{
	const char *rule = text_of(t->body, "rule", "");
	size_t i = 0;

	for (; t->after && i < ARRAY_LEN(decisions); i++)
		if (!strcmp(decisions[i].outcome, t->after) && (!decisions[i].rule || !strcmp(decisions[i].rule, rule)))
			return i;
	return ARRAY_LEN(decisions);
}

static void tell_drift(const struct telling *t)
{
	const char *rule = js_get_str(t->body, "rule"), *detail = js_get_str(t->body, "detail");
	size_t i = decision_of(t);

	say(t, "title", "%s: %s (window %lld)", t->subject, decisions[i].title, (long long)js_get_int(t->body, "window", 0));
	say(t, "text", "%s%s%s%s%s", decisions[i].text, rule ? "; rule: " : "", rule ? rule : "", detail && *detail ? ", " : "",
	    detail ? detail : "");
	js_set_str(t->message, "monitor", t->subject);
	next(t, decisions[i].next, t->subject);
}

static void join(const struct js *list, struct strbuf *out)
{
	for (size_t i = 0; i < js_len(list); i++)
		strbuf_printf(out, "%s%s", i ? ", " : "", js_text(js_at(list, i)) ? js_text(js_at(list, i)) : "?");
}

static void tell_ask(const struct telling *t)
{
	CLEANUP_STRBUF struct strbuf who = STRBUF_INIT;

	join(js_get(t->body, "who"), &who);
	say(t, "title", "%s waits for approval", t->subject);
	say(t, "text", "it passed its gate and asks for the alias %s; %s may agree", text_of(t->body, "alias", "champion"),
	    who.len ? who.buf : "who has the role");
	next(t, "model approve", t->subject);
}

static void tell_reject(const struct telling *t)
{
	const char *reason = js_get_str(t->body, "reason");

	say(t, "title", "%s was rejected", t->subject);
	say(t, "text", "by %s%s%s", text_of(t->event, "actor", "somebody"), reason ? ": " : "", reason ? reason : "");
	next(t, "model show", t->subject);
}

static void tell_expire(const struct telling *t)
{
	say(t, "title", "%s was not approved in time", t->subject);
	js_set_str(t->message, "text", "nobody answered, so the alias stays where it is");
	next(t, "model show", t->subject);
}

static void tell_promoted(const struct telling *t)
{
	bool back = !strcmp(js_get_str(t->event, "operation"), "model.rollback");
	const char *before = js_get_str(t->event, "before"), *reason = js_get_str(t->body, "reason");

	say(t, "title", "%s %s %s", t->subject, back ? "went back to" : "is now", t->after ? t->after : "nothing");
	say(t, "text", "%s%s%s%s", before ? "before it was " : "it is the first", before ? before : "", reason ? "; " : "",
	    reason ? reason : "");
	if (back)
		next(t, "model release", t->subject);
	else
		next(t, "model rollback --reason TEXT", t->subject);
}

static bool job_failed(const struct telling *t)
{
	return t->after && (!strcmp(t->after, "failed") || !strcmp(t->after, "lost"));
}

static bool job_fixed(const struct telling *t)
{
	const char *before = js_get_str(t->facts, "before");

	return t->after && !strcmp(t->after, "finished") && before && strcmp(before, "finished") != 0;
}

/* What holds for window after window, an alarm, a broken source, a limit, is told when it begins. */
static bool decided(const struct telling *t)
{
	size_t i = decision_of(t);
	bool lasts = i < ARRAY_LEN(decisions) && (!strcmp(t->after, "held") || !strcmp(t->after, "quarantine"));
	const char *alarm = js_get_str(t->body, "alarm");

	if (lasts && !strcmp(text_of(t->body, "rule", ""), text_of(t->facts, "rule_before", "-")))
		return false;
	if (lasts && !strcmp(t->after, "held") && !decisions[i].rule && alarm && strcmp(alarm, "raised") != 0)
		return false;
	return i < ARRAY_LEN(decisions);
}

/* The first row that fits tells. */
static const struct {
	const char *operation, *on;
	bool (*fits)(const struct telling *);
	tell *tell;
} rows[] = {
	{ "job.end", "fail", job_failed, tell_fail },
	{ "job.end", "fixed", job_fixed, tell_fixed },
	{ "monitor.decide", "drift", decided, tell_drift },
	{ "approval.ask", "approval", NULL, tell_ask },
	{ "approval.reject", "approval", NULL, tell_reject },
	{ "approval.expire", "approval", NULL, tell_expire },
	{ "model.promote", "promoted", NULL, tell_promoted },
	{ "model.rollback", "promoted", NULL, tell_promoted },
};

static void add_frame(const struct telling *t, const char *on)
{
	static const char *const copied[] = { "operation", "subject", "before", "after", "actor" };
	char time[32];

	say(t, "id", "%lld", (long long)js_get_int(t->event, "seq", 0));
	clock_format_utc(js_get_int(t->event, "time", 0), time);
	js_set_str(t->message, "time", time);
	js_set_str(t->message, "on", on);
	for (size_t i = 0; i < ARRAY_LEN(copied); i++)
		js_set_str(t->message, copied[i], js_get_str(t->event, copied[i]));
	if (t->body)
		js_set(t->message, "details", js_ref(js_get(t->event, "body")));
}

struct js *notify_message(const struct js *event, const struct js *facts)
{
	const char *operation = js_get_str(event, "operation");
	struct telling t = {
		.event = event,
		.body = js_get(event, "body"),
		.facts = facts,
		.subject = text_of(event, "subject", "?"),
		.after = js_get_str(event, "after"),
	};

	for (size_t i = 0; operation && i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].operation, operation) != 0 || (rows[i].fits && !rows[i].fits(&t)))
			continue;
		t.message = js_object();
		add_frame(&t, rows[i].on);
		rows[i].tell(&t);
		return t.message;
	}
	return NULL;
}

/* ---- shapes ---- */

/* Slack takes '&', '<' and '>' for its own, and both call everybody for "@channel", whoever wrote it. */
static void chat_escape(struct strbuf *out, const char *text)
{
	static const char *const calls[] = { "@channel", "@here", "@all", "@everyone" };

	for (const char *c = text; *c; c++) {
		bool call = false;

		for (size_t i = 0; i < ARRAY_LEN(calls); i++)
			call |= !strncmp(c, calls[i], strlen(calls[i]));
		if (*c == '&')
			strbuf_puts(out, "&amp;");
		else if (*c == '<')
			strbuf_puts(out, "&lt;");
		else if (*c == '>')
			strbuf_puts(out, "&gt;");
		else
			strbuf_putc(out, *c);
		if (call)
			strbuf_puts(out, "\xe2\x80\x8b");
	}
}

void notify_render(const struct js *message, bool text, struct strbuf *out)
{
	static const char *const lines[] = { "title", "text", "next" };
	CLEANUP_STRBUF struct strbuf chat = STRBUF_INIT;
	CLEANUP_JS struct js *shaped = NULL;

	if (!text) {
		js_dump(message, JS_COMPACT, out);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		strbuf_puts(&chat, i ? "\n" : "");
		chat_escape(&chat, text_of(message, lines[i], ""));
	}
	shaped = js_object();
	js_set_str(shaped, "text", chat.buf);
	js_dump(shaped, JS_COMPACT, out);
}

/* ---- where to ---- */

static int refuse(const char *why, struct error *err)
{
	error_set(err, ERR_USAGE, "the URL is none to send to: %s", why);
	return error_help(err, "such as: https://chat.example.org/hooks/KEY");
}

static bool path_is_clean(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path <= ' ' || (unsigned char)*path >= 0x7f || strchr("#\"<>\\^`{|}", *path))
			return false;
	return true;
}

int endpoint_parse(const char *url, struct endpoint *ret, struct error *err)
{
	size_t scheme = !strncmp(url, "https://", 8) ? 8 : !strncmp(url, "http://", 7) ? 7 : 0;
	const char *path = url + scheme + strcspn(url + scheme, "/?#");
	CLEANUP(cleanup_free) char *host = xstrndup(url, (size_t)(path - url));
	struct address address = { 0 };

	if (!scheme)
		return refuse("it begins with neither https:// nor http://", err);
	if (!path_is_clean(path))
		return refuse("its path or query holds what must be escaped, or a fragment", err);
	if (address_parse(host, &address, NULL) < 0) {
		address_release(&address);
		return refuse("its host is none, or it has a name and a password", err);
	}
	*ret = (struct endpoint){
		.server = xstrdup(address.url),
		.path = *path == '/' ? xstrdup(path) : xasprintf("/%s", path),
		.plain = scheme == 7,
	};
	address_release(&address);
	return 0;
}

void endpoint_release(struct endpoint *endpoint)
{
	free(endpoint->server);
	free(endpoint->path);
	*endpoint = (struct endpoint){ 0 };
}
