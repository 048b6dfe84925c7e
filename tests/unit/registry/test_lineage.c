/* SPDX-License-Identifier: Apache-2.0 */
/* Edges that facts leave, and walks along them. */
#include "registry/lineage.h"
#include "registry/artifacts.h"
#include "registry/cache.h"
#include "registry/candidates.h"
#include "registry/models.h"
#include "registry/promotions.h"
#include "registry/versions.h"
#include "tests/unit/registry/registry_fixture.h"

#define change(call)                    \
	do {                            \
		ok(db_begin(db, &err)); \
		ok(call);               \
		ok(db_commit(db, &err)); \
	} while (0)

static const char *object_name(const char *text)
{
	static char names[4][CONTENT_TEXT];
	static int next;
	struct content c = content_of(text, CONTENT_FILE);

	return content_format(&c, names[next++ % 4]);
}

static void io(const char *run, enum io_direction direction, const char *path, const char *text)
{
	struct content c = content_of(text, CONTENT_FILE);

	ok(run_log_content(db, run, direction, path, direction == RUN_INPUT ? "data" : "out", &c, &err));
}

/* Pipeline run 1 with steps 2 (raw -> clean) and 3 (clean, train.py -> model). */
static void make_pipeline(void)
{
	struct attempt a = { .parent = run_id(1), .number = 1, .state = "ok", .exit_code = 0, .start_ms = 2000 };
	struct content changes = content_of("diff", CONTENT_TREE), model = content_of("model", CONTENT_EXEC);
	int64_t number;
	bool made;

	make_run(1, NULL);
	ok(run_set_tag(db, run_id(1), "mlflow.source.git.commit", "c0ffee", &err));
	ok(run_log_content(db, run_id(1), RUN_INPUT, RUN_CODE_CHANGES, "code", &changes, &err));
	make_run(2, run_id(1));
	make_run(3, run_id(1));
	io(run_id(2), RUN_INPUT, "data/raw", "raw");
	io(run_id(2), RUN_OUTPUT, "data/clean", "clean");
	io(run_id(3), RUN_INPUT, "data/clean", "clean");
	io(run_id(3), RUN_INPUT, "train.py", "train");
	ok(run_log_content(db, run_id(3), RUN_OUTPUT, "model", "out", &model, &err));
	a.run = run_id(3);
	a.step = "train";
	a.record = "{\"image\":\"python@sha256:abc\",\"build\":{\"bases\":{\"debian:12\":\"debian@sha256:def\"}},\"inputs\":{}}";
	ok(attempt_store(db, &a, &err));
	change(artifact_record(db, "model", &model, run_id(3), "ann", 3000, &number, &made, &err));
	/* What sums up its steps. */
	io(run_id(1), RUN_INPUT, "data/raw", "raw");
	io(run_id(1), RUN_INPUT, "train.py", "train");
	io(run_id(1), RUN_OUTPUT, "model", "model");
}

static int64_t make_version(const char *text, int64_t champion, int run)
{
	CLEANUP_JS struct js *spec = js_object(), *lines = js_array(), *metrics = js_object();
	struct content content = content_of(text, CONTENT_FILE), table = content_of("clean", CONTENT_FILE);
	struct candidate_new new = { .model = "churn", .run_id = run_id(run), .content = &content, .path = "model",
				     .reference = &table, .spec = spec, .lines = lines, .metrics = metrics, .champion = champion,
				     .passed = true, .author = "ann", .now_ms = 5000 + run };
	int64_t number;

	change(candidate_add(db, &new, &number, &err));
	return number;
}

static void promote(int64_t number, int64_t now_ms)
{
	struct promotion p = { .model = "churn", .alias = "champion", .number = number, .how = PROMOTED_BY_GATE, .actor = "ann",
			       .origin = "cli", .now_ms = now_ms };
	int64_t before;

	change(promotion_do(db, &p, &before, &err));
}

static struct js *walk(struct lineage_query query)
{
	struct js *graph;

	ok(lineage_walk(db, &query, &graph, &err));
	return graph;
}

static int64_t place(const struct js *graph, const char *name)
{
	const struct js *nodes = js_get(graph, "nodes");

	for (size_t i = 0; i < js_len(nodes); i++)
		if (!strcmp(js_get_str(js_at(nodes, i), "name"), name))
			return (int64_t)i;
	return -1;
}

#define has(graph, name) (place(graph, name) >= 0)

static const char *role(const struct js *graph, const char *from, const char *to)
{
	const struct js *edges = js_get(graph, "edges");

	for (size_t i = 0; i < js_len(edges); i++) {
		const struct js *e = js_at(edges, i);
		if (js_get_int(e, "from", -1) == place(graph, from) && js_get_int(e, "to", -1) == place(graph, to))
			return js_get_str(e, "role");
	}
	return "none";
}

static int64_t depth(const struct js *graph, const char *name)
{
	return js_get_int(js_at(js_get(graph, "nodes"), (size_t)place(graph, name)), "depth", 99);
}

static void a_version_comes_from_the_steps_that_made_it_and_from_no_other(void **state)
{
	CLEANUP_JS struct js *graph = NULL;

	(void)state;
	make_pipeline();
	make_run(4, run_id(1)); /* a step beside */
	io(run_id(4), RUN_INPUT, "other", "other");
	io(run_id(1), RUN_INPUT, "other", "other");
	graph = walk((struct lineage_query){ .kind = "version", .name = "model@v1", .up = true });
	assert_string_equal(role(graph, object_name("raw"), run_id(2)), "data");
	assert_string_equal(role(graph, run_id(2), object_name("clean")), "out");
	assert_string_equal(role(graph, object_name("clean"), run_id(3)), "data");
	assert_string_equal(role(graph, run_id(3), object_name("model")), "out");
	assert_string_equal(role(graph, run_id(3), "model@v1"), "made");
	assert_string_equal(role(graph, "c0ffee", run_id(3)), "commit");
	assert_string_equal(role(graph, "c0ffee", run_id(2)), "commit");
	assert_string_equal(role(graph, "sha256:abc", run_id(3)), "image");
	assert_string_equal(role(graph, "sha256:def", "sha256:abc"), "base");
	assert_int_equal(depth(graph, "model@v1"), 0);
	assert_int_equal(depth(graph, object_name("raw")), -4);
	assert_false(has(graph, object_name("other")));
	assert_false(has(graph, run_id(1)));
	assert_int_equal(js_get_int(graph, "cut", -1), 0);
	assert_false(js_get_bool(graph, "more"));
}

static void what_data_touched_is_all_behind_it(void **state)
{
	CLEANUP_JS struct js *graph = NULL;

	(void)state;
	make_pipeline();
	make_version("model", 0, 1);
	promote(1, 7000);
	graph = walk((struct lineage_query){ .kind = "object", .name = object_name("raw"), .down = true });
	assert_true(has(graph, "model@v1"));
	assert_string_equal(role(graph, object_name("model"), "churn@v1"), "files");
	assert_string_equal(role(graph, "churn@v1", "churn@champion#1"), "moved");
	assert_string_equal(role(graph, "churn@v1/gate", "churn@champion#1"), "passed");
	assert_true(has(graph, run_id(1)));
	assert_false(has(graph, "c0ffee"));
}

static void a_model_does_not_come_from_the_champion_it_was_compared_with(void **state)
{
	CLEANUP_JS struct js *graph = NULL, *gate = NULL;

	(void)state;
	make_pipeline();
	make_version("model", 0, 1);
	promote(1, 7000);
	make_run(6, NULL);
	make_version("better", 1, 6);
	promote(2, 8000);
	graph = walk((struct lineage_query){ .kind = "alias", .name = "churn@champion#2", .up = true });
	assert_string_equal(role(graph, "churn@v1", "churn@v2/gate"), "champion");
	assert_false(has(graph, object_name("model")));
	assert_false(has(graph, "churn@champion#1"));
	gate = walk((struct lineage_query){ .kind = "gate", .name = "churn@v2/gate", .up = true });
	assert_true(has(gate, object_name("model")));
}

static void an_old_time_shows_what_was_there(void **state)
{
	struct lineage_query query = { .kind = "object", .name = object_name("raw"), .down = true, .at_ms = 3000 };
	CLEANUP_JS struct js *graph = NULL;

	(void)state;
	make_pipeline();
	make_version("model", 0, 1);
	graph = walk(query);
	assert_true(has(graph, "model@v1"));
	assert_false(has(graph, "churn@v1"));
}

static void cycles_end(void **state)
{
	CLEANUP_JS struct js *graph = NULL;

	(void)state;
	make_pipeline();
	change(lineage_edge(db, "version", "model@v1", "object", object_name("raw"), "odd", 1, &err));
	change(lineage_edge(db, "version", "model@v1", "version", "model@v1", "self", 1, &err));
	graph = walk((struct lineage_query){ .kind = "version", .name = "model@v1", .up = true, .down = true });
	assert_string_equal(role(graph, "model@v1", object_name("raw")), "odd");
	assert_string_equal(role(graph, "model@v1", "model@v1"), "self");
	for (size_t i = 0; i < js_len(js_get(graph, "edges")); i++)
		for (size_t k = 0; k < i; k++)
			assert_false(js_equal(js_at(js_get(graph, "edges"), i), js_at(js_get(graph, "edges"), k)));
}

static void walks_are_cut_with_counts(void **state)
{
	struct lineage_query query = { .kind = "object", .name = "file:hub", .down = true, .max_nodes = 10 };
	CLEANUP_JS struct js *cut = NULL, *counted = NULL, *near = NULL;
	char name[16], next[16];

	(void)state;
	ok(db_begin(db, &err));
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "run%d", i);
		snprintf(next, sizeof(next), "file:%d", i);
		ok(lineage_edge(db, "object", "file:hub", "run", name, "data", 1, &err));
		ok(lineage_edge(db, "run", name, "object", next, "out", 1, &err));
	}
	ok(db_commit(db, &err));
	cut = walk(query);
	assert_int_equal(js_len(js_get(cut, "nodes")), 10);
	assert_int_equal(js_len(js_get(cut, "edges")), 9);
	assert_true(js_get_bool(cut, "more"));
	query.count_nodes = 1000;
	counted = walk(query);
	assert_int_equal(js_len(js_get(counted, "nodes")), 10);
	assert_int_equal(js_get_int(counted, "cut", 0), 91);
	assert_false(js_get_bool(counted, "more"));
	query = (struct lineage_query){ .kind = "object", .name = "file:hub", .down = true, .depth = 1 };
	near = walk(query);
	assert_int_equal(js_len(js_get(near, "nodes")), 51);
	assert_int_equal(js_get_int(near, "cut", -1), 0);
}

static void a_root_without_a_row_goes_on_from_what_the_caller_knows(void **state)
{
	const struct lineage_also also[] = {
		{ true, "version", "model@v1", "answered", NULL, 4000 },
		{ true, "window", "serving#3", "window", NULL, 4000 },
		{ false, "object", "file:report", "report", "out/report", 4000 },
	};
	struct lineage_query query = { .kind = "prediction", .name = "serving/42", .up = true, .down = true };
	CLEANUP_JS struct js *graph = NULL, *none = NULL;

	(void)state;
	make_pipeline();
	refused(lineage_walk(db, &query, &none, &err), ERR_NOT_FOUND);
	query.also = also;
	query.nalso = ARRAY_LEN(also);
	graph = walk(query);
	assert_string_equal(role(graph, "model@v1", "serving/42"), "answered");
	assert_string_equal(role(graph, "serving#3", "serving/42"), "window");
	assert_string_equal(role(graph, "serving/42", "file:report"), "report");
	assert_true(has(graph, object_name("raw")));
	assert_int_equal(depth(graph, "serving#3"), -1);
}

/* Results of another machine: what its run read and made is what the step would have. */
static void a_cached_step_leads_to_the_run_that_made_it(void **state)
{
	struct cache_output out = { (char *)"model", content_of("model", CONTENT_FILE) };
	struct cache_entry entry = { .step = "train", .created_ms = 1, .outputs = &out, .noutputs = 1 };
	CLEANUP(cleanup_free) char *record = xasprintf("{\"inputs\":{\"train.py\":\"%s\"}}", object_name("train"));
	CLEANUP(cleanup_free) char *here = xstrdup(run_id(1)), *elsewhere = xstrdup(run_id(77));
	struct attempt a = { .parent = here, .step = "train", .number = 1, .state = "cached", .exit_code = -1, .start_ms = 1,
			     .source = elsewhere, .record = record };
	CLEANUP_JS struct js *graph = NULL;

	(void)state;
	make_run(1, NULL);
	digest_of("key", 3, &a.key);
	memcpy(entry.run, elsewhere, 33);
	ok(cache_store(db, &a.key, &entry, &err));
	ok(attempt_store(db, &a, &err));
	graph = walk((struct lineage_query){ .kind = "object", .name = object_name("model"), .up = true });
	assert_string_equal(role(graph, elsewhere, object_name("model")), "out");
	assert_string_equal(role(graph, object_name("train"), elsewhere), "data");
}

static void nodes_follow_a_model_to_its_new_name_and_leave_the_old_one(void **state)
{
	(void)state;
	make_pipeline();
	make_version("model", 0, 1);
	promote(1, 7000);
	change(model_rename(db, "churn", "leave", 9, &err));
	assert_int_equal(lineage_has(db, "model", "leave@v1", &err), 1);
	assert_int_equal(lineage_has(db, "alias", "leave@champion#1", &err), 1);
	assert_int_equal(lineage_has(db, "model", "churn@v1", &err), 0);
	change(model_delete(db, "leave", &err));
	assert_int_equal(lineage_has(db, "model", "leave@v1", &err), 0);
	make_version("model", 0, 1);
	change(model_rename(db, "churn", "leave", 9, &err));
	change(model_delete(db, "leave", &err));
	make_version("model", 0, 1);
	assert_int_equal(lineage_has(db, "model", "churn@v1", &err), 1);
}

/* All of before: the views that made it are those that the triggers use. */
static void facts_of_before_are_taken_in(void **state)
{
	static const char *const views[] = { "parent", "code", "contents", "attempt", "artifact", "version", "candidate", "move" };
	CLEANUP_STMT struct db_stmt *q = NULL;

	(void)state;
	make_pipeline();
	make_version("model", 0, 1);
	promote(1, 7000);
	for (size_t i = 0; i < ARRAY_LEN(views); i++) {
		CLEANUP(cleanup_free) char *sql =
			xasprintf("SELECT count(*) FROM lineage_of_%s v WHERE v.to_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lineage l"
				  " WHERE l.from_name = v.from_name AND l.to_name = v.to_name AND l.role = v.role AND l.path = v.path"
				  " AND l.from_kind = v.from_kind AND l.to_kind = v.to_kind)", views[i]);
		db_done(steal(&q));
		ok(db_query_dynamic(db, sql, &q, &err));
		assert_int_equal(db_step(q, &err), 1);
		assert_int_equal(db_int(q, 0), 0);
	}
}

/* The database of a program that knew no lineage. */
static void an_older_database_is_converted(void **state)
{
	static const char *const rows[] = {
		"INSERT INTO runs (id, run_id, name, experiment, user_id, start_time, parent, step) VALUES (1, 'top', 'a', 0, 'u', 1, NULL,"
		" NULL), (2, 'nested', 'b', 0, 'u', 2, 1, 'train')",
		"INSERT INTO tags (run, key, value) VALUES (1, 'mlflow.source.git.commit', 'c0ffee')",
		"INSERT INTO contents (id, digest, kind, size, files) VALUES (1, zeroblob(32), 'file', 1, 1)",
		"INSERT INTO run_contents (run, direction, path, use, content) VALUES (2, 'in', 'raw', 'data', 1)",
		"INSERT INTO attempts (parent, step, number, run, state, start_time, user_us, system_us, max_rss, record)"
		" VALUES (1, 'train', 1, 2, 'ok', 2, 0, 0, 0, '{\"image\":\"sha256:abc\"}'),"
		" (1, 'other', 1, NULL, 'failed', 2, 0, 0, 0, 'no json')",
	};
	struct db_migration before[19] = { 0 };
	CLEANUP_JS struct js *graph = NULL;
	char path[96], lock[96];

	(void)state;
	db_close(db);
	snprintf(path, sizeof(path), "%s/old.db", dir);
	snprintf(lock, sizeof(lock), "%s/db", dir);
	memcpy(before, registry_schema, 18 * sizeof(before[0]));
	ok(db_open(path, lock, before, DB_READ_WRITE, &db, &err));
	ok(db_begin(db, &err));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ok(db_exec(db, rows[i], &err));
	ok(db_commit(db, &err));
	db_close(db);
	ok(db_open(path, lock, registry_schema, DB_READ_WRITE, &db, &err));
	graph = walk((struct lineage_query){ .kind = "run", .name = "nested", .up = true });
	assert_string_equal(role(graph, "c0ffee", "nested"), "commit");
	assert_string_equal(role(graph, "sha256:abc", "nested"), "image");
	assert_string_equal(role(graph, "file:0000000000000000000000000000000000000000000000000000000000000000", "nested"), "data");
	assert_int_equal(lineage_has(db, "run", "top", &err), 1);
}

static void a_statement_that_replaces_its_row_replaces_no_node(void **state)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	static const char *const sql[] = {
		"INSERT INTO monitors (id, name, shape) VALUES (1, 'serving', '{}')",
		"INSERT INTO monitor_windows (monitor, number, start, stop, rows, state, verdict, judged) VALUES (1, 3, 0, 1, 1, 'OK',"
		" '{}', 5)",
	};

	(void)state;
	ok(db_begin(db, &err));
	for (size_t i = 0; i < ARRAY_LEN(sql); i++)
		ok(db_exec(db, sql[i], &err));
	ok(lineage_edge(db, "alias", "churn@champion#1", "window", "serving#3", "watched", 5, &err));
	ok(db_exec(db, "INSERT OR REPLACE INTO monitor_windows (monitor, number, start, stop, rows, state, verdict, judged, profile)"
		       " VALUES (1, 3, 0, 1, 1, 'OK', '{}', 6, zeroblob(32))", &err));
	ok(db_commit(db, &err));
	q = db_query(db, "SELECT count(*) FROM lineage WHERE to_name = 'serving#3' AND from_name = 'churn@champion#1'");
	assert_int_equal(db_step(q, &err), 1);
	assert_int_equal(db_int(q, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_version_comes_from_the_steps_that_made_it_and_from_no_other),
		TEST(what_data_touched_is_all_behind_it),
		TEST(a_model_does_not_come_from_the_champion_it_was_compared_with),
		TEST(an_old_time_shows_what_was_there),
		TEST(cycles_end),
		TEST(walks_are_cut_with_counts),
		TEST(a_root_without_a_row_goes_on_from_what_the_caller_knows),
		TEST(a_cached_step_leads_to_the_run_that_made_it),
		TEST(nodes_follow_a_model_to_its_new_name_and_leave_the_old_one),
		TEST(facts_of_before_are_taken_in),
		TEST(an_older_database_is_converted),
		TEST(a_statement_that_replaces_its_row_replaces_no_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
