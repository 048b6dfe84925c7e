/* SPDX-License-Identifier: Apache-2.0 */
#include "registry_fixture.h"
#include <string.h>
#include "base/json.h"
#include "registry/jobs.h"
#include "registry/projects.h"
#include "registry/runs.h"

static const char first[] = "11111111111111111111111111111111", second[] = "22222222222222222222222222222222";

static void add(const char *run)
{
	struct js *args = js_object();
	const struct job_new job = { run, "churn", args, "mlops run --project churn", "anna", 1000 };

	ok(job_add(db, &job, &err));
	js_free(args);
}

static void is(const char *run, const char *state, const char *status)
{
	struct js *job, *row;

	ok(job_load(db, run, &job, &err));
	assert_string_equal(js_get_str(job, "state"), state);
	ok(run_load(db, run, &row, &err));
	assert_string_equal(js_get_str(row, "status"), status);
	js_free(job);
	js_free(row);
}

static void a_job_is_a_run_that_is_scheduled(void **state)
{
	struct run_new row = { .id = first, .start_ms = 5000 };
	struct js *run;

	(void)state;
	add(first);
	is(first, "queued", "SCHEDULED");
	assert_int_equal(job_move(db, first, "starting", "running", 1, &err), 0);
	assert_int_equal(job_move(db, first, "queued", "starting", 1, &err), 1);
	assert_int_equal(job_move(db, first, "starting", "running", 1, &err), 1);
	ok(experiment_ensure(db, "other", &row.experiment, &err));
	assert_int_equal(job_run_begins(db, &row, &err), 1);
	assert_int_equal(job_run_begins(db, &row, &err), 0);
	is(first, "running", "RUNNING");
	ok(run_load(db, first, &run, &err));
	assert_string_equal(js_get_str(run, "experiment"), "other");
	assert_string_equal(js_get_str(run, "user"), "anna");
	js_free(run);
}

static void what_waits_is_cancelled_at_once_and_what_runs_is_not(void **state)
{
	const struct job_end end = { .state = "failed", .exit = 130, .now_ms = 3000 };

	(void)state;
	add(first);
	add(second);
	assert_int_equal(job_cancel(db, first, "bob", 2000, &err), 1);
	is(first, "cancelled", "KILLED");
	assert_int_equal(job_cancel(db, first, "bob", 2000, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(job_move(db, second, "queued", "running", 1, &err), 1);
	assert_int_equal(job_cancel(db, second, "bob", 2000, &err), 0);
	is(second, "running", "SCHEDULED");
	ok(job_finish(db, second, &end, &err));
	is(second, "cancelled", "KILLED");
}

static void the_end_of_a_job_ends_its_run_once(void **state)
{
	struct js *error = js_object(), *run, *open;
	const struct job_end failed = { .state = "failed", .exit = -1, .error = error, .now_ms = 3000 };
	const struct job_end later = { .state = "finished", .now_ms = 4000 };

	(void)state;
	js_set_str(error, "message", "cannot fetch");
	add(first);
	ok(job_finish(db, first, &failed, &err));
	ok(job_finish(db, first, &later, &err));
	is(first, "failed", "FAILED");
	ok(run_load(db, first, &run, &err));
	assert_string_equal(js_get_str(js_get(run, "tags"), "mlflow.note.content"), "cannot fetch");
	ok(jobs_open(db, &open, &err));
	assert_int_equal(js_len(open), 0);
	js_free(error);
	js_free(run);
	js_free(open);
}

static void a_project_is_added_once(void **state)
{
	struct project_row row = { .name = "churn", .source = "/srv/churn", .kind = SOURCE_DIR, .actor = "anna" };
	struct js *list;

	(void)state;
	ok(db_begin(db, &err));
	assert_int_equal(project_row_add(db, &row, &err), 1);
	assert_int_equal(project_row_add(db, &row, &err), 0);
	row.allow_local = true;
	assert_int_equal(project_row_add(db, &row, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	ok(db_commit(db, &err));
	add(first);
	ok(project_rows(db, &list, &err));
	assert_int_equal(js_get_int(js_at(list, 0), "queued", -1), 1);
	js_free(list);
	ok(db_begin(db, &err));
	ok(project_row_remove(db, "churn", &err));
	assert_int_equal(project_row_remove(db, "churn", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	ok(db_commit(db, &err));
}

static void names_of_branches_cannot_be_options_or_other_refs(void **state)
{
	static const char *const bad[] = { "", "-x", "a..b", "a:b", "a b", "/a", "a/", "a//b", ".a", "a@{1}", "a^", "a\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_non_null(branch_name_fault(bad[i]));
	assert_null(branch_name_fault("release/1.2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_is_a_run_that_is_scheduled),
		TEST(what_waits_is_cancelled_at_once_and_what_runs_is_not),
		TEST(the_end_of_a_job_ends_its_run_once),
		TEST(a_project_is_added_once),
		TEST(names_of_branches_cannot_be_options_or_other_refs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
