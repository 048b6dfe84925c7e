/* SPDX-License-Identifier: Apache-2.0 */
/* What programs send, and the rows that it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/wire/wire.h"

static struct error err;

static const char *header(void *ctx, const char *name)
{
	return strcmp(name, "Content-Type") ? NULL : ctx;
}

static int read_as(const char *type, const char *body, const struct wire_columns *columns, struct wire *ret)
{
	const struct wire_request request = { header, (void *)(uintptr_t)type, body, strlen(body) };

	error_clear(&err);
	return wire_read(&request, columns, ret, &err);
}

static const struct wire_columns plain = { .id = "id", .time = "at" };
static const struct wire_columns paired = { .id = "id", .time = "at", .paired = true };

static void becomes(const char *type, const char *body, const char *lines)
{
	struct wire w CLEANUP_WIRE = WIRE_INIT;
	uint64_t n = 0;

	if (read_as(type, body, &plain, &w) < 0)
		fail_msg("%s: %s", body, err.msg);
	for (const char *p = lines; *p; p++)
		n += *p == '\n';
	assert_string_equal(w.lines.buf, lines);
	assert_int_equal(w.rows, n);
}

static void is_refused(const char *type, const char *body, enum error_code code, const char *message)
{
	struct wire w CLEANUP_WIRE = WIRE_INIT;

	assert_int_equal(read_as(type, body, &paired, &w), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, message))
		fail_msg("'%s' does not say '%s'", err.msg, message);
}

static void csv_becomes_what_its_values_are(void **state)
{
	(void)state;
	becomes("text/csv", "a,b\n1,x\n-2.50e1,\"say \"\"so\"\"\"\n",
		"{\"a\":1,\"b\":\"x\"}\n{\"a\":-2.50e1,\"b\":\"say \\\"so\\\"\"}\n");
	becomes("text/csv", "a,b\n007,+5\nNA,nan\ninf,-inf\n.5,1e400\n",
		"{\"a\":7.0,\"b\":5.0}\n{\"a\":null,\"b\":null}\n{\"a\":1e999,\"b\":-1e999}\n{\"a\":0.5,\"b\":1e400}\n");
	becomes("text/csv", "a;b\n1;0x10\n", "{\"a\":1,\"b\":\"0x10\"}\n");
	becomes("text/csv; header=present", "a\n\xff\n", "{\"a\":\"\xef\xbf\xbd\"}\n");
	becomes("text/csv", "a\n", "");
}

static void lines_stay_as_they_are(void **state)
{
	(void)state;
	becomes("application/x-ndjson", "{\"a\": 1e3, \"b\":\"\\u00e9\"}", "{\"a\": 1e3, \"b\":\"\\u00e9\"}\n");
	becomes("application/jsonl", "\xef\xbb\xbf{\"a\":1}\n", "{\"a\":1}\n");
	becomes("application/jsonl", "", "");
}

static void tensors_become_columns(void **state)
{
	(void)state;
	becomes("application/json",
		"{\"inputs\":[{\"name\":\"a\",\"shape\":[2,2],\"data\":[1,2,3,4]},{\"name\":\"b\",\"shape\":[2,1],\"data\":[[\"x\"],[null]]}]}",
		"{\"a_0\":1,\"a_1\":2,\"b\":\"x\"}\n{\"a_0\":3,\"a_1\":4,\"b\":null}\n");
	becomes("application/json", "{\"instances\":[{\"a\":1},[2,3],4]}", "{\"a\":1}\n{\"instance_0\":2,\"instance_1\":3}\n{\"instance\":4}\n");
	/* answers say nothing of features */
	becomes("application/json", "{\"outputs\":[{\"name\":\"said\",\"shape\":[1],\"data\":[1]}]}", "");
	/* a row may have columns of such names */
	becomes("application/json", "{\"inputs\":[1,2],\"outputs\":\"x\"}", "{\"inputs\":[1,2],\"outputs\":\"x\"}\n");
}

static void events_give_id_and_time(void **state)
{
	(void)state;
	becomes("application/cloudevents+json",
		"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"type\":\"t\",\"time\":\"2026-01-05T10:00:00Z\",\"data\":{\"a\":1}}",
		"{\"a\":1,\"at\":\"2026-01-05T10:00:00Z\",\"id\":\"e\"}\n");
	becomes("application/cloudevents+json",
		"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"type\":\"t\",\"data\":[{\"a\":1},{\"a\":2,\"id\":9}]}",
		"{\"a\":1,\"id\":\"e/0\"}\n{\"a\":2,\"id\":9}\n");
}

static void halves_meet(void **state)
{
	struct wire asked CLEANUP_WIRE = WIRE_INIT, answered CLEANUP_WIRE = WIRE_INIT;
	CLEANUP_STRBUF struct strbuf lines = STRBUF_INIT;
	uint64_t n;

	(void)state;
	assert_int_equal(read_as("application/json", "{\"id\":\"7\",\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"data\":[1]}]}",
				 &paired, &asked), 0);
	assert_int_equal(read_as("application/json",
				 "{\"id\":\"7\",\"outputs\":[{\"name\":\"a\",\"shape\":[1],\"data\":[2]},"
				 "{\"name\":\"said\",\"shape\":[1],\"data\":[3]}]}", &paired, &answered), 0);
	assert_int_equal(asked.rows + answered.rows, 0);
	assert_string_equal(asked.halves[0].id, answered.halves[0].id);
	assert_true(answered.halves[0].answer && !asked.halves[0].answer);
	assert_int_equal(wire_join(asked.halves[0].rows, answered.halves[0].rows, &lines, &n, &err), 0);
	assert_string_equal(lines.buf, "{\"a\":1,\"id\":\"7\",\"said\":3}\n");
	assert_int_equal(wire_join(asked.halves[0].rows, "[]", &lines, &n, &err), -1);
}

static void what_is_wrong_is_said(void **state)
{
	static const char json[] = "application/json";

	(void)state;
	is_refused(json, "{\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"data\":[1]}]}", ERR_USAGE, "without id");
	is_refused(json, "{\"id\":\"1\",\"inputs\":[{\"name\":\"a\",\"shape\":[2],\"data\":[1]}]}", ERR_USAGE, "1 values, its shape says 2");
	is_refused(json, "{\"id\":\"1\",\"inputs\":[{\"name\":\"a\",\"shape\":[-1],\"data\":[]}]}", ERR_USAGE, "shape that is none");
	is_refused(json, "{\"id\":\"1\",\"inputs\":[{\"name\":\"a\",\"shape\":[1]}]}", ERR_USAGE, "no data");
	is_refused(json, "{\"id\":\"1\",\"inputs\":[{\"name\":\"a\",\"shape\":[1],\"data\":[1]},{\"name\":\"b\",\"shape\":[2],"
			 "\"data\":[1,2]}]}", ERR_USAGE, "2 rows");
	is_refused(json, "[1]", ERR_USAGE, "row 1");
	is_refused("application/x-ndjson", "{\"a\":1}\n[]\n", ERR_USAGE, "row 2");
	is_refused("text/csv", "a,a\n1,2\n", ERR_USAGE, "a");
	is_refused("text/html", "", ERR_USAGE, "text/html");
}

/* A few bytes said once for many rows could become all of the memory. */
static void what_would_grow_without_end_is_refused(void **state)
{
	CLEANUP_STRBUF struct strbuf word = STRBUF_INIT, values = STRBUF_INIT, body = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < 8192; i++) {
		strbuf_putc(&word, 'w');
		strbuf_puts(&values, i ? ",1" : "1");
	}
	strbuf_printf(&body, "%s\n", word.buf);
	for (size_t i = 0; i < 10000; i++)
		strbuf_puts(&body, "1\n");
	is_refused("text/csv", body.buf, ERR_TOO_LARGE, "64 MiB");
	body.len = 0;
	strbuf_printf(&body, "{\"id\":\"1\",\"inputs\":[{\"name\":\"%s\",\"shape\":[1,8192],\"data\":[%s]}]}", word.buf, values.buf);
	is_refused("application/json", body.buf, ERR_TOO_LARGE, "64 MiB");
	body.len = 0;
	strbuf_printf(&body, "{\"id\":\"%s%s\",\"instances\":[%s]}", word.buf, word.buf, values.buf);
	is_refused("application/json", body.buf, ERR_TOO_LARGE, "64 MiB");
	body.len = 0;
	strbuf_printf(&body, "{\"id\":\"%s\",\"instances\":[1]}", word.buf);
	is_refused("application/json", body.buf, ERR_USAGE, "1024 bytes");
	body.len = 0;
	strbuf_printf(&body, "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"a\":1}}", word.buf);
	is_refused("application/cloudevents+json", body.buf, ERR_USAGE, "'id' of a CloudEvent has more than 1024 bytes");
	/* rows without values: many of them cost a request nothing */
	body.len = 0;
	for (size_t i = 0; i < 20; i++)
		strbuf_printf(&body, "%s{\"specversion\":\"1.0\",\"id\":\"%zu%.90s\",\"source\":\"s\",\"type\":\"t\",\"data\":"
			      "{\"inputs\":[{\"name\":\"a\",\"shape\":[40000,0],\"data\":[]}]}}", i ? "," : "[", i, word.buf);
	strbuf_puts(&body, "]");
	is_refused("application/cloudevents-batch+json", body.buf, ERR_TOO_LARGE, "64 MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_becomes_what_its_values_are), cmocka_unit_test(lines_stay_as_they_are),
		cmocka_unit_test(tensors_become_columns),	   cmocka_unit_test(events_give_id_and_time),
		cmocka_unit_test(halves_meet),			   cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(what_would_grow_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
