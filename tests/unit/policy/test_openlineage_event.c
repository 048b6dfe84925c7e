/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "policy/openlineage.h"

#define TOP  "\"run_id\":\"0123456789abcdef0123456789abcdef\",\"experiment\":\"churn\""
#define STEP "\"run_id\":\"fedcba9876543210fedcba9876543210\",\"experiment\":\"churn\",\"step\":\"train\""
#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct js *event(const char *type, const char *namespace, const char *facts_text)
{
	CLEANUP_JS struct js *facts = NULL;

	assert_int_equal(js_parse(facts_text, strlen(facts_text), "test", &facts, NULL), 0);
	return openlineage_event(type, 1795391388462, namespace, facts);
}

static const struct js *at(const struct js *value, const char *path)
{
	CLEANUP(cleanup_free) char *words = xstrdup(path);
	char *rest = NULL;

	for (char *word = strtok_r(words, "/", &rest); word && value; word = strtok_r(NULL, "/", &rest))
		value = js_get(value, word);
	return value;
}

static void a_step_stands_below_its_pipeline(void **state)
{
	CLEANUP_JS struct js *e = event("START", "", "{\"run\":{" STEP "},\"parent\":{" TOP "},\"root\":{" TOP "}}");
	CLEANUP_JS struct js *named = event("START", "prod", "{\"run\":{" STEP "},\"parent\":{" TOP "},\"root\":{" TOP "}}");

	(void)state;
	assert_string_equal(js_text(at(e, "eventTime")), "2026-11-22T23:49:48.462Z");
	assert_string_equal(js_text(at(e, "run/runId")), "fedcba98-7654-3210-fedc-ba9876543210");
	assert_string_equal(js_text(at(e, "job/name")), "churn.train");
	assert_string_equal(js_text(at(e, "job/namespace")), "churn");
	assert_string_equal(js_text(at(e, "run/facets/parent/root/run/runId")), "01234567-89ab-cdef-0123-456789abcdef");
	assert_string_equal(js_text(at(e, "run/facets/parent/job/name")), "churn");
	assert_null(at(e, "run/facets/executionParameters"));
	assert_string_equal(js_text(at(named, "job/namespace")), "prod");
	assert_string_equal(js_text(at(named, "run/facets/parent/job/namespace")), "prod");
}

static void a_failure_always_has_a_reason(void **state)
{
	CLEANUP_JS struct js *said = event("FAIL", "", "{\"run\":{" TOP "},\"error\":\"why\",\"python\":true}");
	CLEANUP_JS struct js *not = event("FAIL", "", "{\"run\":{" TOP "}}");
	CLEANUP_JS struct js *stopped = event("ABORT", "", "{\"run\":{" TOP "},\"error\":\"why\"}");

	(void)state;
	assert_string_equal(js_text(at(said, "run/facets/errorMessage/message")), "why");
	assert_string_equal(js_text(at(said, "run/facets/errorMessage/programmingLanguage")), "PYTHON");
	assert_string_equal(js_text(at(not, "run/facets/errorMessage/message")), "it failed");
	assert_null(at(stopped, "run/facets/errorMessage"));
}

static void data_is_told_at_the_end(void **state)
{
	static const char facts[] = "{\"run\":{" TOP ",\"inputs\":[{\"path\":\"/code/changes\",\"content\":\"tree:" HEX "\"},"
				    "{\"path\":\"raw\",\"content\":\"tree:" HEX "\",\"size\":7,\"files\":2},"
				    "{\"path\":\"x\",\"content\":\"exec:" HEX "\"},{\"path\":\"y\",\"content\":\"?\"}]}}";
	CLEANUP_JS struct js *begun = event("START", "", facts), *ended = event("COMPLETE", "", facts);
	const struct js *inputs = at(ended, "inputs");

	(void)state;
	assert_int_equal(js_len(at(begun, "inputs")), 0);
	assert_int_equal(js_len(inputs), 3);
	assert_string_equal(js_text(at(js_at(inputs, 0), "name")), "raw");
	assert_string_equal(js_text(at(js_at(inputs, 0), "facets/version/datasetVersion")), "tree:" HEX);
	assert_int_equal(js_int_value(at(js_at(inputs, 0), "inputFacets/inputStatistics/fileCount")), 2);
	assert_string_equal(js_text(at(js_at(inputs, 1), "facets/version/datasetVersion")), "sha256:" HEX);
	assert_null(at(js_at(inputs, 2), "facets/version"));
}

static void where_code_is_is_a_uri(void **state)
{
	static const char *const cases[][2] = {
		{ "https://example.org/a/b.git", "git+https://example.org/a/b.git@abc#my%20%23%3C.ini" },
		{ "git@example.org:a/b c%\303\274%20", "git+ssh://git@example.org/a/b%20c%25%C3%BC%20@abc#my%20%23%3C.ini" },
		{ "example.org:/a", "git+ssh://example.org/a@abc#my%20%23%3C.ini" },
		{ "/srv/a", "git+file:///srv/a@abc#my%20%23%3C.ini" },
		{ "../a:b", "swh:1:rev:abc" },
		{ "", "swh:1:rev:abc" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(cleanup_free) char *facts =
			xasprintf("{\"run\":{" TOP ",\"tags\":{\"mlflow.source.git.commit\":\"abc\",\"mlflow.source.name\":\"my #<.ini\","
				  "\"mlflow.source.git.repoURL\":\"%s\"}}}", cases[i][0]);
		CLEANUP_JS struct js *e = event("START", "", facts);

		assert_string_equal(js_text(at(e, "job/facets/sourceCodeLocation/url")), cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_stands_below_its_pipeline),
		cmocka_unit_test(a_failure_always_has_a_reason),
		cmocka_unit_test(data_is_told_at_the_end),
		cmocka_unit_test(where_code_is_is_a_uri),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
