/* SPDX-License-Identifier: Apache-2.0 */
/* Statements are made of facts alone, and a policy holds when each of its rules finds what it wants. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "policy/trust.h"
#include "store/content.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOON 1795392000000 /* 2026-11-23T00:00:00Z */
#define DAY 86400000

static struct error err;

static struct js *parse(const char *text)
{
	struct js *value = NULL;

	if (js_parse(text, strlen(text), "test", &value, &err) < 0)
		fail_msg("%s", err.msg);
	return value;
}

/* ---- statements ---- */

static const char run_text[] =
	"{\"run_id\":\"r1\",\"experiment\":\"churn\",\"user\":\"anna@host\",\"start_time\":1795391999000,\"end_time\":1795392000000,"
	"\"params\":{\"lr\":\"0.1\"},\"tags\":{\"mlops.host\":\"build 1\",\"mlflow.source.git.commit\":\"c0ffee\",\"mlops.code.dirty\":\"false\","
	"\"mlflow.source.git.repoURL\":\"https://git.example.org/churn.git\",\"mlflow.source.git.branch\":\"main\"},"
	"\"inputs\":[{\"path\":\"data.csv\",\"use\":\"data\",\"content\":\"file:" A "\"},{\"path\":\"/code/changes\",\"content\":\"tree:" B "\"}],"
	"\"outputs\":[{\"path\":\"m.json\",\"use\":\"metrics\",\"content\":\"file:" B "\"}]}";

static struct js *make_statement(const char *job_text)
{
	CLEANUP_JS struct js *run = parse(run_text), *job = job_text ? parse(job_text) : NULL, *subjects = js_array();
	const struct provenance_facts facts = { .run = run, .job = job };
	struct content content;

	assert_true(content_parse("file:" A, &content));
	js_push(subjects, statement_subject("model.bin", "pkg:mlflow/churn@3", &content));
	return provenance_slsa(&facts, subjects);
}

static void the_same_facts_give_the_same_bytes(void **state)
{
	CLEANUP_JS struct js *one = make_statement(NULL), *two = make_statement(NULL), *again = NULL;
	CLEANUP_STRBUF struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	(void)state;
	js_dump(one, JS_CANONICAL, &a);
	js_dump(two, JS_CANONICAL, &b);
	assert_string_equal(a.buf, b.buf);
	assert_int_equal(statement_parse(a.buf, a.len, &again, &err), 0);
	assert_true(statement_covers(again, A, NULL) && statement_covers(again, A, "pkg:mlflow/churn@3"));
	assert_false(statement_covers(again, A, "pkg:mlflow/churn@4") || statement_covers(again, B, NULL));
	assert_non_null(strstr(a.buf, "\"id\":\"mlops://unknown/client\"")); /* nobody knows a step of it */
	assert_non_null(strstr(a.buf, "\"branch\":\"main\""));
	assert_non_null(strstr(a.buf, "\"finishedOn\":\"2026-11-23T00:00:00.000Z\""));
}

static void the_branch_of_a_job_is_that_of_its_push(void **state)
{
	CLEANUP_JS struct js *run = parse("{\"run_id\":\"r1\",\"tags\":{\"mlflow.source.git.commit\":\"c0ffee\"}}");
	CLEANUP_JS struct js *job = parse("{\"actor\":\"ben\",\"args\":{\"ref\":\"refs/heads/release/1\"}}"), *subjects = js_array();
	const struct provenance_facts facts = { .run = run, .job = job };
	CLEANUP_JS struct js *said = provenance_slsa(&facts, subjects);
	const struct js *made = js_get(js_get(said, "predicate"), "buildDefinition");

	(void)state;
	assert_string_equal(js_get_str(js_get(made, "externalParameters"), "branch"), "release/1");
	assert_string_equal(js_get_str(js_get(made, "internalParameters"), "asked_by"), "ben");
}

static void what_is_no_statement_is_told(void **state)
{
	static const char *const none[] = {
		"", "[]", "{}", "{\"_type\":\"https://in-toto.io/Statement/v0.1\"}", "{\"_type\":\"https://in-toto.io/Statement/v1\"}",
		"{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"name\":\"a\"}]}",
		"{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":\"a\"}}],\"predicateType\":\"a\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct js *value = NULL;

		error_clear(&err);
		assert_int_equal(statement_parse(none[i], strlen(none[i]), &value, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(value);
	}
}

/* ---- policies ---- */

static struct trust_policy *policy_of(const char *rules)
{
	CLEANUP(cleanup_free) char *text = xasprintf("[verify]\n%s\n", rules);
	struct trust_policy *policy = NULL;

	if (trust_parse(text, strlen(text), "p.ini", &policy, &err) < 0)
		fail_msg("%s: %s", rules, err.msg);
	return policy;
}

static const char *gate_text = "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[],\"predicateType\":\"" PROVENANCE_TEST
			       "\",\"predicate\":{\"result\":\"PASSED\",\"passedTests\":[\"auc >= 0.8\",\"f1 > champion.f1\"]}}";

/* The rule that did not hold, or "". */
static const char *failing(const char *rules, const struct trust_statement *list, size_t n, int64_t now)
{
	CLEANUP(cleanup_trust) struct trust_policy *policy = policy_of(rules);
	CLEANUP_JS struct js *lines = NULL;
	static char found[64];
	bool holds = trust_check(policy, list, n, now, &lines);

	found[0] = '\0';
	for (size_t i = 0; i < js_len(lines); i++)
		if (!js_get_bool(js_at(lines, i), "holds"))
			snprintf(found, sizeof(found), "%s", js_get_str(js_at(lines, i), "rule"));
	assert_int_equal(holds, !*found);
	return found;
}

static void each_rule_finds_what_it_wants(void **state)
{
	CLEANUP_JS struct js *made = make_statement("{\"actor\":\"ben\"}"), *gate = parse(gate_text);
	const struct trust_statement list[] = { { KEY, "team", made }, { KEY, "team", gate } };
	static const struct {
		const char *rules, *failing;
	} cases[] = {
		{ "signed_by = team", "" }, { "signed_by = others, 01234567", "" }, { "signed_by = others", "signed_by" },
		{ "signed_by = 01234568", "signed_by" }, { "builder = mlops://build-1/agent", "" }, { "builder = mlops://*/agent", "" },
		{ "builder = mlops://*/cli", "builder" }, { "user = ben", "" }, { "user = anna*", "user" },
		{ "repository = https://git.example.org/*", "" }, { "repository = https://git.example.org", "repository" },
		{ "branch = release-*, main", "" }, { "branch = dev\n  mai", "branch" }, { "clean = yes", "" },
		{ "clean = no\nbranch = main", "" }, { "data = *.csv", "" }, { "data = *.tsv", "data" }, { "with = sha256:" A, "" },
		{ "with = " B ", " A, "" }, { "with = sha256:0000000000000000000000000000000000000000000000000000000000000000", "with" },
		{ "without = tree:" B, "without" }, { "without = " KEY, "" }, { "gate = auc >= 0.8", "" }, { "gate = *", "" },
		{ "gate = f1 > *\n  auc >= 0.8", "" }, { "gate = auc >= 0.9", "gate" }, { "max_age = 1d", "" },
		{ "max_age = 1h", "max_age" }, { "branch = main\ngate = x", "gate" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strcmp(failing(cases[i].rules, list, 2, NOON + DAY), cases[i].failing) != 0)
			fail_msg("%s", cases[i].rules);
	/* A clock that was set back makes nothing young. */
	assert_string_equal(failing("max_age = 1d", list, 2, NOON - DAY), "max_age");
}

static void a_directory_of_which_nothing_is_told_may_hold_anything(void **state)
{
	CLEANUP_JS struct js *run = parse("{\"run_id\":\"r\",\"tags\":{},\"inputs\":[{\"path\":\"raw\",\"content\":\"tree:" A "\"}]}");
	CLEANUP_JS struct js *files = parse("[{\"path\":\"raw/x.csv\",\"content\":\"file:" B "\"}]"), *subjects = js_array();
	const struct provenance_facts facts = { .run = run };
	CLEANUP_JS struct js *bare = provenance_slsa(&facts, subjects), *named = NULL;
	struct trust_statement list[] = { { KEY, "team", bare } };

	(void)state;
	assert_string_equal(failing("without = " KEY, list, 1, NOON), "without");
	js_set(js_at(js_get(run, "inputs"), 0), "files", js_ref(files));
	list[0].statement = named = provenance_slsa(&facts, subjects);
	assert_string_equal(failing("without = " KEY, list, 1, NOON), "");
	assert_string_equal(failing("without = " B, list, 1, NOON), "without");
	assert_string_equal(failing("with = " B "\ndata = raw", list, 1, NOON), "");
}

static void a_token_in_the_address_of_a_repository_is_not_stated(void **state)
{
	static const char *const urls[][2] = {
		{ "https://anna:s3cret@git.example.org/x.git", "https://git.example.org/x.git" },
		{ "https://s3cret@git.example.org/a@b", "https://git.example.org/a@b" },
		{ "ssh://git:s3cret@git.example.org:22/x", "ssh://git@git.example.org:22/x" },
		{ "git@git.example.org:x.git", "git@git.example.org:x.git" }, { "https://git.example.org/a@b", "https://git.example.org/a@b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf("{\"run_id\":\"r\",\"tags\":{\"mlflow.source.git.commit\":\"c0ffee\","
							     "\"mlflow.source.git.repoURL\":\"%s\"}}", urls[i][0]);
		CLEANUP_JS struct js *run = parse(text), *subjects = js_array();
		const struct provenance_facts facts = { .run = run };
		CLEANUP_JS struct js *made = provenance_slsa(&facts, subjects);
		CLEANUP_STRBUF struct strbuf said = STRBUF_INIT;
		const struct js *asked = js_get(js_get(js_get(made, "predicate"), "buildDefinition"), "externalParameters");

		js_dump(made, JS_CANONICAL, &said);
		assert_null(strstr(said.buf, "s3cret"));
		assert_string_equal(js_get_str(asked, "repository"), urls[i][1]);
	}
}

static void what_nobody_trusted_says_does_not_count(void **state)
{
	CLEANUP_JS struct js *made = make_statement("{\"actor\":\"ben\"}"), *other = make_statement(NULL), *gate = parse(gate_text);
	const struct trust_statement list[] = { { A, "stranger", made }, { KEY, "team", other }, { A, "stranger", gate } };

	(void)state;
	assert_string_equal(failing("builder = mlops://build-1/agent", list, 3, NOON), "");
	assert_string_equal(failing("signed_by = team\nbuilder = mlops://build-1/agent", list, 3, NOON), "builder");
	assert_string_equal(failing("signed_by = team\ngate = *", list, 3, NOON), "gate");
	assert_string_equal(failing("gate = *", list, 2, NOON), "gate");
	assert_string_equal(failing("branch = main", NULL, 0, NOON), "branch");
	/* All that is asked of its making must hold of one statement. */
	assert_string_equal(failing("builder = mlops://unknown/client\nuser = ben", list, 2, NOON), "user");
}

static void wrong_policies_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text, *where, *part;
	} cases[] = {
		{ "", "", "asks for nothing" }, { "[verify]\n", "", "asks for nothing" }, { "[verify]\nclean = no\n", "", "asks for nothing" },
		{ "[verify]\nbuilders = a\n", "p.ini:2:1", "builders" }, { "[trust]\nbuilder = a\n", "p.ini:1:2", "no section" },
		{ "[verify]\nbranch = a\nbranch = b\n", "p.ini:3:1", "twice" }, { "[verify]\nbranch = a\n[verify]\n", "p.ini:3:2", "two sections" },
		{ "[verify]\nbranch =\n", "p.ini:2:1", "no value" }, { "[verify]\nclean = maybe\n", "p.ini:2:9", "maybe" },
		{ "[verify]\nmax_age = 1d, 2d\n", "p.ini:2:1", "one value" }, { "[verify]\nmax_age = soon\n", "p.ini:2:11", "soon" },
		{ "[verify]\nwith = sha256:abc\n", "p.ini:2:8", "abc" }, { "[verify]\nsigned_by = 0123\n", "p.ini:2:13", "0123" },
		{ "branch = main\n", "p.ini:1:1", "section" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct trust_policy *policy = NULL;

		error_clear(&err);
		assert_int_equal(trust_parse(cases[i].text, strlen(cases[i].text), "p.ini", &policy, &err), -1);
		assert_null(policy);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, cases[i].part) || strcmp(err.where, cases[i].where) != 0)
			fail_msg("%s: %s (%s)", cases[i].text, err.msg, err.where);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_facts_give_the_same_bytes),
		cmocka_unit_test(the_branch_of_a_job_is_that_of_its_push),
		cmocka_unit_test(what_is_no_statement_is_told),
		cmocka_unit_test(each_rule_finds_what_it_wants),
		cmocka_unit_test(a_directory_of_which_nothing_is_told_may_hold_anything),
		cmocka_unit_test(a_token_in_the_address_of_a_repository_is_not_stated),
		cmocka_unit_test(what_nobody_trusted_says_does_not_count),
		cmocka_unit_test(wrong_policies_are_told_with_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
