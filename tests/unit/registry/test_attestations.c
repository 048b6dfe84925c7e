/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that are kept, and whether a run is still what it was when it ended. */
#include "registry/attestations.h"
#include "registry/events.h"
#include "tests/unit/registry/registry_fixture.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int add(const char *key, const char *bytes, int64_t *ret_id)
{
	CLEANUP_JS struct js *subjects = NULL;
	static const char text[] = "[{\"name\":\"m\",\"digest\":{\"sha256\":\"" A "\"}},{\"digest\":{\"sha512\":\"00\"}}]";
	const struct attestation_new new = {
		.subject = "churn@v1", .predicate = "p", .key = key, .envelope = content_of(bytes, CONTENT_FILE), .actor = "ann",
		.origin = "cli", .now_ms = 7, .subjects = (js_parse(text, strlen(text), "t", &subjects, &err), subjects),
	};
	int r;

	ok(db_begin(db, &err));
	r = attestation_add(db, &new, ret_id, &err);
	ok(r);
	ok(db_commit(db, &err));
	return r;
}

static size_t about(const char *hex)
{
	CLEANUP_JS struct js *list = NULL;
	struct digest digest;

	assert_true(digest_parse(hex, &digest));
	ok(attestations_about(db, &digest, &list, &err));
	return js_len(list);
}

static void a_statement_is_kept_once_with_its_event(void **state)
{
	CLEANUP_JS struct js *list = NULL, *events = NULL;
	int64_t id, again;

	(void)state;
	assert_int_equal(add("k1", "one", &id), 1);
	assert_int_equal(add("k1", "one", &again), 0);
	assert_int_equal(id, again);
	assert_int_equal(add("k1", "two", &again), 1);
	ok(attestations_list(db, "churn@v1", &list, &err));
	ok(event_find(db, &(struct event_query){ .limit = 10, .oldest_first = true }, &events, &err));
	assert_int_equal(js_len(list), 2);
	assert_int_equal(js_len(events), 2);
	assert_int_equal(js_get_int(js_at(list, 0), "seq", 0), js_get_int(js_at(events, 0), "seq", -1));
	assert_string_equal(js_get_str(js_at(events, 0), "operation"), "attest");
	assert_string_equal(js_get_str(js_get(js_at(events, 0), "body"), "content"), js_get_str(js_at(list, 0), "content"));
	assert_int_equal(about(A), 2);
	assert_int_equal(about("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"), 0);
}

/* The row was changed by hand: no event is found that tells of this envelope. */
static void a_row_that_no_event_tells_of_has_no_seq(void **state)
{
	CLEANUP_JS struct js *list = NULL;
	int64_t one, two;

	(void)state;
	add("k1", "one", &one);
	add("k2", "two", &two);
	ok(db_exec(db, "UPDATE attestations SET seq = 1 WHERE key = 'k2'", &err));
	ok(attestations_list(db, "churn@v1", &list, &err));
	assert_int_equal(js_get_int(js_at(list, 0), "seq", 0), 1);
	assert_null(js_get(js_at(list, 1), "seq"));
}

/* ---- runs ---- */

static struct js *load(const char *id)
{
	struct js *run;

	ok(run_load(db, id, &run, &err));
	return run;
}

static void end(const char *id)
{
	CLEANUP_JS struct js *run = NULL, *body = js_object();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	const struct event event = { .actor = "ann", .origin = "cli", .operation = "run.start", .subject = id, .body = body };

	ok(run_finish(db, id, RUN_FINISHED, 9000, &err));
	run = load(id);
	js_dump(run, JS_CANONICAL, &text);
	digest_of(text.buf, text.len, &digest);
	js_set_str(body, "record", digest_format(&digest, hex));
	ok(event_append(db, &event, 9000, NULL, &err));
}

static void edit(const char *id, const char *key, const char *value, bool told)
{
	CLEANUP_JS struct js *body = js_object();
	const struct event event = { .actor = "eve", .origin = "http", .operation = "run.tag", .subject = id, .body = body };

	ok(run_set_tag(db, id, key, value, &err));
	js_set_str(body, "key", key);
	if (told)
		ok(event_append(db, &event, 9001, NULL, &err));
}

static int check(const char *id)
{
	CLEANUP_JS struct js *run = load(id);

	error_clear(&err);
	return run_is_as_it_ended(db, run, &err) < 0 ? (int)err.code : 0;
}

static void nobody_vouches_for_what_was_edited(void **state)
{
	const char *goes_on = make_run(1, NULL), *noted = make_run(2, NULL), *bent = make_run(3, NULL), *silent = make_run(4, NULL);

	(void)state;
	assert_int_equal(check(goes_on), ERR_CONFLICT);
	end(noted);
	assert_int_equal(check(noted), 0);
	edit(noted, "mlflow.note.content", "the best so far", true);
	assert_int_equal(check(noted), 0);
	end(bent);
	edit(bent, "note", "x", true);
	edit(bent, "mlflow.source.git.branch", "main", true);
	edit(bent, "note", "y", true);
	assert_int_equal(check(bent), ERR_CONFLICT);
	end(silent);
	edit(silent, "note", "x", false);
	assert_int_equal(check(silent), ERR_DAMAGED);
	error_clear(&err);
}

static void a_run_of_elsewhere_has_no_end_here(void **state)
{
	const char *id = make_run(5, NULL);

	(void)state;
	ok(run_finish(db, id, RUN_FINISHED, 9000, &err));
	assert_int_equal(check(id), ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "somewhere else"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_statement_is_kept_once_with_its_event),
		TEST(a_row_that_no_event_tells_of_has_no_seq),
		TEST(nobody_vouches_for_what_was_edited),
		TEST(a_run_of_elsewhere_has_no_end_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
