/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of aliases, questions to people, and what is kept of both. */
#include "registry/candidates.h"
#include "registry/events.h"
#include "registry/models.h"
#include "registry/promotions.h"
#include "registry/versions.h"
#include "tests/unit/registry/registry_fixture.h"

#define DAY 86400000LL
#define change(call)                    \
	do {                            \
		ok(db_begin(db, &err)); \
		ok(call);               \
		ok(db_commit(db, &err)); \
	} while (0)
#define change_refused(call, wanted)    \
	do {                            \
		ok(db_begin(db, &err)); \
		refused(call, wanted);  \
		db_rollback(db);        \
	} while (0)

/* A version whose files are `text`, made by a pipeline that says `spec`. */
static int64_t candidate(const char *text, const char *spec, int64_t champion)
{
	struct content content = content_of(text, CONTENT_FILE), table = content_of(spec, CONTENT_FILE);
	CLEANUP_JS struct js *section = NULL;
	CLEANUP_JS struct js *lines = js_array();
	CLEANUP_JS struct js *metrics = js_object();
	struct candidate_new new = { .model = "churn", .run_id = run_id(1), .content = &content, .path = "model",
				     .lines = lines, .metrics = metrics, .champion = champion, .passed = true,
				     .author = "ann@host", .committer = "Ben <ben@example.org>", .now_ms = 5 };
	int64_t number;

	ok(js_parse(spec, strlen(spec), "spec", &section, &err));
	new.spec = section;
	new.reference = strstr(spec, "trained") ? &table : NULL;
	change(candidate_add(db, &new, &number, &err));
	return number;
}

static const char *ask(int64_t number, int64_t now_ms)
{
	CLEANUP_JS struct js *row = NULL;
	const char *what;

	ok(candidate_load(db, "churn", number, &row, &err));
	change(promotion_ask(db, row, "trigger shop/drift", "trigger", now_ms, &what, &err));
	return what;
}

static int64_t promote(int64_t number, enum promotion_how how)
{
	struct promotion p = { .model = "churn", .alias = "champion", .number = number, .how = how, .actor = "ann",
			       .origin = "cli", .now_ms = 9 };
	int64_t before;

	change(promotion_do(db, &p, &before, &err));
	return before;
}

static int64_t champion(void)
{
	int64_t number;

	return alias_find(db, "churn", "champion", &number, NULL) < 0 ? 0 : number;
}

static int64_t count_events(const char *operation)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT count(*) FROM events WHERE operation = ?1");

	db_bind(q, 1, operation);
	ok(db_step(q, &err));
	return db_int(q, 0);
}

#define OPEN	  "{\"alias\":\"champion\"}"
#define ASKS	  "{\"alias\":\"champion\",\"approve\":[\"approver\"],\"approve_within\":1000}"
#define PROTECTED "{\"alias\":\"champion\",\"gate\":[\"auc >= 0.9\"],\"protect\":true}"
#define WEAKER	  "{\"alias\":\"champion\",\"gate\":[\"auc >= 0.1\"],\"protect\":true}"

static void a_candidate_takes_its_alias(void **state)
{
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	assert_string_equal(ask(candidate("a", OPEN, 0), 7), "promoted");
	assert_int_equal(champion(), 1);
	assert_string_equal(ask(candidate("b", OPEN, 1), 8), "promoted");
	assert_int_equal(champion(), 2);
	assert_int_equal(count_events("model.promote"), 2);
	ok(promotions_list(db, "churn", 10, &list, &err));
	assert_string_equal(json_text(js_at(list, 0)),
			    "{\"model\":\"churn\",\"alias\":\"champion\",\"before\":1,\"after\":2,\"how\":\"gate\","
			    "\"actor\":\"trigger shop/drift\",\"time\":8}");
	assert_string_equal(ask(candidate("c", "{}", 2), 9), "registered");
}

static void what_was_judged_against_another_is_to_be_judged_again(void **state)
{
	CLEANUP_JS struct js *row = NULL;
	const char *what;

	(void)state;
	ask(candidate("a", OPEN, 0), 7);
	candidate("b", OPEN, 0);
	ok(candidate_load(db, "churn", 2, &row, &err));
	change_refused(promotion_ask(db, row, "ann", "cli", 8, &what, &err), ERR_CONFLICT);
	assert_int_equal(champion(), 1);
}

static void the_same_version_again_is_no_move(void **state)
{
	(void)state;
	candidate("a", OPEN, 0);
	assert_int_equal(promote(1, PROMOTED_BY_PERSON), 0);
	assert_int_equal(promote(1, PROMOTED_BY_PERSON), 1);
	assert_int_equal(count_events("model.promote"), 1);
}

static void a_deleted_version_cannot_be_promoted(void **state)
{
	struct promotion p = { .model = "churn", .alias = "champion", .number = 1, .actor = "ann", .origin = "cli" };
	int64_t before;

	(void)state;
	candidate("a", OPEN, 0);
	change(version_delete(db, "churn", 1, 9, &err));
	change_refused(promotion_do(db, &p, &before, &err), ERR_NOT_FOUND);
}

/* ---- questions ---- */

static void people_are_asked_once(void **state)
{
	CLEANUP_JS struct js *list = NULL;
	CLEANUP_JS struct js *found = NULL;

	(void)state;
	assert_string_equal(ask(candidate("a", ASKS, 0), 7), "pending");
	assert_string_equal(ask(1, 8), "pending");
	assert_int_equal(champion(), 0);
	assert_int_equal(count_events("approval.ask"), 1);
	ok(approvals_list(db, NULL, true, 8, &list, &err));
	assert_int_equal(js_len(list), 1);
	assert_string_equal(json_text(js_get(js_at(list, 0), "who")), "[\"approver\"]");
	assert_string_equal(js_get_str(js_at(list, 0), "committer"), "Ben <ben@example.org>");
	ok(approval_find(db, "churn", 1, "champion", 8, &found, &err));
	change(approval_close(db, js_get_int(found, "id", 0), "approved", "eva", NULL, 9, &err));
	change_refused(approval_close(db, js_get_int(found, "id", 0), "approved", "eva", NULL, 9, &err), ERR_CONFLICT);
	refused(approval_find(db, "churn", 1, "champion", 9, &(struct js *){ NULL }, &err), ERR_CONFLICT);
	refused(approval_find(db, "churn", 1, "other", 9, &(struct js *){ NULL }, &err), ERR_NOT_FOUND);
}

static void a_newer_question_and_a_move_end_the_older_one(void **state)
{
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	ask(candidate("a", ASKS, 0), 7);
	ask(candidate("b", ASKS, 0), 8);
	refused(approval_find(db, "churn", 1, "champion", 9, &(struct js *){ NULL }, &err), ERR_CONFLICT);
	candidate("c", ASKS, 0);
	promote(3, PROMOTED_BY_PERSON);
	refused(approval_find(db, "churn", 2, "champion", 9, &(struct js *){ NULL }, &err), ERR_CONFLICT);
	ok(approvals_list(db, "churn", true, 9, &list, &err));
	assert_int_equal(js_len(list), 0);
}

static void questions_expire_once(void **state)
{
	CLEANUP_JS struct js *list = NULL;
	int64_t next;

	(void)state;
	ask(candidate("a", ASKS, 0), 7);
	change(approvals_expire(db, "http", 8, &err));
	ok(approvals_next(db, &next, &err));
	assert_int_equal(next, 1007);
	refused(approval_find(db, "churn", 1, "champion", 1007, &(struct js *){ NULL }, &err), ERR_CONFLICT);
	change(approvals_expire(db, "http", 1007, &err));
	change(approvals_expire(db, "http", 1008, &err));
	ok(approvals_next(db, &next, &err));
	assert_int_equal(next, 0);
	assert_int_equal(count_events("approval.expire"), 1);
	ok(approvals_list(db, NULL, false, 8, &list, &err));
	assert_string_equal(js_get_str(js_at(list, 0), "state"), "expired");
	assert_string_equal(ask(1, 2000), "pending");
	assert_int_equal(count_events("approval.ask"), 2);
}

/* ---- rules ---- */

static void other_rules_than_the_holders_are_for_an_admin(void **state)
{
	CLEANUP(alias_rules_release) struct alias_rules rules = { 0 };
	char *alias = NULL;

	(void)state;
	assert_string_equal(ask(candidate("a", PROTECTED, 0), 7), "promoted");
	assert_string_equal(ask(candidate("b", PROTECTED, 1), 8), "promoted");
	assert_string_equal(ask(candidate("c", WEAKER, 2), 9), "pending");
	ok(alias_rules_load(db, "churn", "champion", 3, &rules, &err));
	assert_true(rules.protect);
	assert_string_equal(json_text(rules.approve), "[\"admin\"]");
	assert_int_equal(rules.within_ms, 7 * DAY);
	assert_string_equal(ask(candidate("d", OPEN, 2), 10), "pending");
	ok(model_is_protected(db, "churn", 0, &alias, &err));
	assert_string_equal(alias, "champion");
	free(alias);
	assert_int_equal(model_is_protected(db, "churn", 1, &alias, &err), 0);
}

static void going_back_loosens_no_rules(void **state)
{
	CLEANUP(alias_rules_release) struct alias_rules rules = { 0 };
	char *alias = NULL;

	(void)state;
	assert_string_equal(ask(candidate("a", OPEN, 0), 7), "promoted");
	assert_string_equal(ask(candidate("b", PROTECTED, 1), 8), "promoted");
	assert_int_equal(promote(1, PROMOTED_BY_ROLLBACK), 2);
	assert_string_equal(ask(candidate("c", OPEN, 1), 9), "pending");
	ok(alias_rules_load(db, "churn", "champion", 0, &rules, &err));
	assert_true(rules.protect);
	assert_int_equal(rules.holder, 1);
	/* nor does it go with the version that brought the rules */
	assert_int_equal(model_is_protected(db, "churn", 2, &alias, &err), 1);
	free(alias);
	assert_int_equal(promote(3, PROMOTED_BY_PERSON), 1);
	assert_int_equal(model_is_protected(db, "churn", 0, &alias, &err), 0);
}

static void what_is_held_or_rejected_stays_where_it_is(void **state)
{
	char *reason = NULL;

	(void)state;
	candidate("a", OPEN, 0);
	change(version_reject(db, "churn", 1, "too slow", &err));
	assert_int_equal(version_is_rejected(db, "churn", 1, &reason, &err), 1);
	assert_string_equal(reason, "too slow");
	free(reason);
	assert_string_equal(ask(1, 7), "held");
	change(version_unreject(db, "churn", 1, &err));
	change(alias_hold(db, "churn", "champion", "ann", 8, &err));
	assert_string_equal(ask(1, 8), "held");
	change(alias_release(db, "churn", "champion", &err));
	ok(db_begin(db, &err));
	assert_int_equal(alias_release(db, "churn", "champion", &err), 0);
	ok(db_commit(db, &err));
	assert_string_equal(ask(1, 9), "promoted");
}

static void the_former_holder_is_one_that_is_still_good(void **state)
{
	int64_t number, before;

	(void)state;
	candidate("a", OPEN, 0);
	candidate("b", OPEN, 0);
	candidate("c", OPEN, 0);
	candidate("d", OPEN, 0);
	change(alias_set(db, "churn", "champion", 1, &before, &err));
	refused(alias_former(db, "churn", "champion", 0, &number, &err), ERR_NOT_FOUND);
	promote(2, PROMOTED_BY_GATE);
	promote(3, PROMOTED_BY_GATE);
	promote(4, PROMOTED_BY_GATE);
	ok(alias_former(db, "churn", "champion", 0, &number, &err));
	assert_int_equal(number, 3);
	change(version_reject(db, "churn", 3, "no", &err));
	change(version_delete(db, "churn", 2, 9, &err));
	ok(alias_former(db, "churn", "champion", 0, &number, &err));
	assert_int_equal(number, 1);
}

/* ---- monitors ---- */

static void monitors_compare_with_what_the_holder_was_trained_on(void **state)
{
	struct content want = content_of("{\"trained\":1}", CONTENT_FILE), got = { 0 };
	int64_t first, second, third;

	(void)state;
	candidate("a", "{\"trained\":1}", 0);
	candidate("b", "{\"trained\":2}", 0);
	candidate("c", "{}", 0);
	assert_int_equal(monitor_reference_find(db, "churn@champion", &got, &first, &err), 0);
	assert_int_equal(first, 0);
	promote(1, PROMOTED_BY_GATE);
	assert_int_equal(monitor_reference_find(db, "churn@champion", &got, &first, &err), 1);
	assert_true(content_equal(&got, &want));
	promote(2, PROMOTED_BY_GATE);
	assert_int_equal(monitor_reference_find(db, "churn@champion", &got, &second, &err), 1);
	assert_false(content_equal(&got, &want));
	promote(1, PROMOTED_BY_ROLLBACK);
	assert_int_equal(count_events("model.rollback"), 1);
	assert_int_equal(monitor_reference_find(db, "churn@champion", &got, &third, &err), 1);
	assert_true(content_equal(&got, &want) && first < second && second < third);
	promote(3, PROMOTED_BY_PERSON);
	assert_int_equal(monitor_reference_find(db, "churn@champion", &got, &second, &err), 0);
	assert_true(second > third);
	assert_int_equal(monitor_reference_find(db, "churn", &got, &first, &err), 0);
}

/* ---- names ---- */

static void one_person_has_several_names(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "anna", "anna", true },
		{ "anna (token laptop)", "Anna", true },
		{ "anna@laptop", "anna", true },
		{ "anna", "Anna Smith <anna@example.org>", true },
		{ "anna@example.org", "Anna Smith <anna@example.org>", true },
		{ "anna", "Ben <ben@example.org>\nA. Smith <anna@example.org>", true },
		{ "anna@a.example", "anna@b.example", false },
		{ "anna", "annabel", false },
		{ "token ci", "token cd", false },
		{ "anna", "", false },
		{ "", "", false },
		{ "ben", "Anna <anna@example.org>", false },
		{ "anna", "trigger shop/drift", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (person_is(rows[i].a, rows[i].b) != rows[i].same)
			fail_msg("%s, %s", rows[i].a, rows[i].b);
	assert_false(person_is(NULL, "anna"));
	assert_false(person_is("anna", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_candidate_takes_its_alias),
		TEST(what_was_judged_against_another_is_to_be_judged_again),
		TEST(the_same_version_again_is_no_move),
		TEST(a_deleted_version_cannot_be_promoted),
		TEST(people_are_asked_once),
		TEST(a_newer_question_and_a_move_end_the_older_one),
		TEST(questions_expire_once),
		TEST(other_rules_than_the_holders_are_for_an_admin),
		TEST(going_back_loosens_no_rules),
		TEST(what_is_held_or_rejected_stays_where_it_is),
		TEST(the_former_holder_is_one_that_is_still_good),
		TEST(monitors_compare_with_what_the_holder_was_trained_on),
		cmocka_unit_test(one_person_has_several_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
