/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "agent/call.h"
#include "agent/router.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define REFUSALS_A_SECOND 5

static const char *const levels[] = { "info", "warn", "error" };

/* A word as it is; all else in quotes, where what is not printable is escaped as in JSON. */
static void add_logfmt(struct strbuf *line, const char *name, const char *value)
{
	bool word = *value;

	for (const char *s = value; *s; s++)
		word &= (unsigned char)*s > ' ' && *s != '"' && *s != '=' && *s != '\\' && *s != 0x7f;
	strbuf_printf(line, "%s%s=", line->len ? " " : "", name);
	if (!word)
		strbuf_putc(line, '"');
	for (const char *s = value; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			strbuf_printf(line, "\\u%04x", (unsigned char)*s);
		else if (*s == '"' || *s == '\\')
			strbuf_printf(line, "\\%c", *s);
		else
			strbuf_putc(line, *s);
	}
	if (!word)
		strbuf_putc(line, '"');
}

static void add_member(struct strbuf *line, struct js *json, const char *name, const char *value)
{
	if (json)
		js_set_str(json, name, value);
	else
		add_logfmt(line, name, value);
}

void log_event(enum log_level level, const char *msg, ...)
{
	CLEANUP_JS struct js *json = isatty(STDERR_FILENO) ? NULL : js_object();
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	const char *name, *value;
	char now[32];
	ssize_t n;
	va_list ap;

	clock_format_utc(clock_wall_ms(), now);
	add_member(&line, json, "ts", now);
	add_member(&line, json, "level", levels[level]);
	add_member(&line, json, "msg", msg);
	va_start(ap, msg);
	while ((name = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		if (value)
			add_member(&line, json, name, value);
	}
	va_end(ap);
	if (json)
		js_dump(json, JS_COMPACT, &line);
	strbuf_putc(&line, '\n');
	n = write(STDERR_FILENO, line.buf, line.len);
	(void)n; /* nowhere else to say it */
}

void log_failed_call(const struct call *call)
{
	char status[16];

	snprintf(status, sizeof(status), "%d", call->status);
	log_event(LOG_LEVEL_ERROR, "request failed", "method", call->method, "route",
		  call->route ? call->route->path : "", "status", status, "peer", call->peer.address, "error",
		  *call->err.msg ? call->err.msg : NULL, NULL);
}

/* Whether one more may be logged; *ret_lost were not, before. */
static bool may_log(unsigned *ret_lost)
{
	static atomic_llong second;
	static atomic_uint logged, lost;
	long long now = clock_mono_ms() / 1000;

	if (atomic_exchange(&second, now) != now)
		atomic_store(&logged, 0);
	if (atomic_fetch_add(&logged, 1) >= REFUSALS_A_SECOND) {
		atomic_fetch_add(&lost, 1);
		return false;
	}
	*ret_lost = atomic_exchange(&lost, 0);
	return true;
}

void log_refusal(const struct call *call)
{
	char status[16], others[16];
	unsigned lost;

	if (call->status == 404 || call->status == 405 || !may_log(&lost))
		return;
	snprintf(status, sizeof(status), "%d", call->status);
	snprintf(others, sizeof(others), "%u", lost);
	log_event(LOG_LEVEL_WARN, "request refused", "route", call->route ? call->route->path : NULL, "status", status,
		  "peer", call->peer.address, "error", call->err.msg, "unlogged", lost ? others : NULL, NULL);
}
