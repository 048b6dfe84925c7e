/* SPDX-License-Identifier: Apache-2.0 */
/* MLflow's filters and orders, by the runs they find. */
#include "registry/filter.h"
#include "registry_fixture.h"
#include "base/strlist.h"
#include <math.h>

/*
 * run  auc   loss  model  lr    tag team  input          status    end
 *  1   0.9         xgb    0.1   risk      data/raw       FINISHED  1500
 *  2   0.8   NaN   mlp    0.01  Risk      data/clean     FAILED    2500
 *  3   0.7   -1    xgb          it's 50%                 RUNNING
 *  4         2     cat*         a_b       data/raw       FINISHED  9000
 */
static void log_example(int n, double auc, double loss, const char *model, const char *lr,
			const char *team, const char *input)
{
	const char *id = make_run(n, NULL);
	struct content c = content_of(input ? input : "", CONTENT_FILE);

	if (auc > 0)
		ok(run_log_metric(db, id, "auc", auc, 0, 0, &err));
	if (loss != 0)
		ok(run_log_metric(db, id, "loss", loss, 0, 0, &err));
	ok(run_log_param(db, id, "model", model, &err));
	if (lr)
		ok(run_log_param(db, id, "train.lr", lr, &err));
	ok(run_set_tag(db, id, "team", team, &err));
	ok(run_set_tag(db, id, "mlflow.runName", n == 1 ? "first one" : "other", &err));
	if (input)
		ok(run_log_content(db, id, RUN_INPUT, input, "data", &c, &err));
	ok(run_log_content(db, id, RUN_OUTPUT, "model.pkl", "out", &c, &err));
}

static int enter_examples(void **state)
{
	if (enter(state) < 0)
		return -1;
	log_example(1, 0.9, 0, "xgb", "0.1", "risk", "data/raw");
	log_example(2, 0.8, NAN, "mlp", "0.01", "Risk", "data/clean");
	log_example(3, 0.7, -1, "xgb", NULL, "it's 50%", NULL);
	log_example(4, 0, 2, "cat*", NULL, "a_b", "data/raw");
	ok(run_finish(db, run_id(1), RUN_FINISHED, 1500, &err));
	ok(run_finish(db, run_id(2), RUN_FAILED, 2500, &err));
	ok(run_finish(db, run_id(4), RUN_FINISHED, 9000, &err));
	return 0;
}

static void finds(const char *filter, const char *order_by, const char *want)
{
	struct run_query query = {.filter = filter, .order_by = order_by};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *list = NULL;

	if (run_search(db, &query, &list, &err) < 0)
		fail_msg("%s: %s", filter ? filter : order_by, err.msg);
	for (size_t i = 0; i < js_len(list); i++)
		strbuf_printf(&text, "%s", js_get_str(js_at(list, i), "run_id") + 31);
	if (strcmp(text.buf, want) != 0)
		fail_msg("%s / %s finds %s, not %s", filter, order_by, text.buf, want);
}

static int compile(const char *filter, const char *order_by, struct filter_sql *ret)
{
	struct strlist orders = STRLIST_INIT;
	int r;

	if (order_by)
		strlist_push(&orders, order_by);
	r = filter_compile(&filter_runs, filter, &orders, ret, &err);
	strlist_release(&orders);
	return r;
}

static void filters_find_what_mlflow_finds(void **state)
{
	static const struct {
		const char *filter, *runs;
	} rows[] = {
	    {NULL, "4321"},
	    {" ", "4321"},
	    {"metrics.auc > 0.7", "21"},
	    {"metrics.auc>=0.7", "321"},
	    {"metric.auc < 8e-1", "3"},
	    {"metrics.auc <= .8 AND metrics.auc != 0.7", "2"},
	    {"metrics.auc = 0.9", "1"},
	    {"metrics.loss < 0", "3"},
	    {"metrics.loss > -10", "43"}, /* NaN is not more than anything */
	    {"metrics.loss != 0", "432"}, /* but unlike everything */
	    {"metrics.loss = 0", ""},
	    {"params.model = 'xgb'", "31"},
	    {"param.model = \"xgb\"", "31"},
	    {"parameters.`train.lr` = '0.1'", "1"},
	    {"parameter.\"train.lr\" = '0.1'", "1"},
	    {"params.train.lr != '0.1'", "2"}, /* without the param: not found */
	    {"params.train.lr IS NULL", "43"},
	    {"params.train.lr is  not null", "21"},
	    {"tags.nothing IS NULL AND tags.team IS NOT NULL", "4321"},
	    {"params.model LIKE 'X%'", ""},
	    {"params.model LIKE 'x%'", "31"},
	    {"params.model ILIKE 'X_B'", "31"},
	    {"params.model LIKE 'cat*'", "4"},
	    {"params.model LIKE 'c*'", ""},
	    {"params.model LIKE '_a%'", "4"},
	    {"params.model LIKE '[c]at*'", ""},
	    {"tags.team LIKE 'risk'", "1"},
	    {"tags.team ILIKE 'RISK'", "21"},
	    {"tag.team = 'it''s 50%'", "3"},
	    {"tags.team = \"it's 50%\"", "3"},
	    {"tags.team IN ('risk', \"Risk\",'x')", "21"},
	    {"tags.team NOT IN ('risk')", "432"},
	    {"tags.`mlflow.runName` = 'first one'", "1"},
	    {"tags.mlflow.runName = 'first one'", "1"},
	    {"run_name = 'first one'", "1"},
	    {"attributes.\"Run name\" LIKE 'f%'", "1"},
	    {"`run name` LIKE 'f%'", "1"},
	    {"status = 'FINISHED'", "41"},
	    {"attributes.status != 'FINISHED'", "32"},
	    {"attr.status IN ('FAILED','RUNNING')", "32"},
	    {"run.start_time >= 2000 and end_time < 9000", "2"},
	    {"created = 3000", "3"},
	    {"run_id = '00000000000000000000000000000003'", "3"},
	    {"run_id NOT IN ('00000000000000000000000000000003')", "421"},
	    {"user_id = 'ann@host'", "4321"},
	    {"artifact_uri LIKE 'mlflow-artifacts:/0/%/artifacts'", "4321"},
	    {"datasets.name = 'data/raw'", "41"},
	    {"dataset.name LIKE 'data/%' AND datasets.name != 'data/raw'", "2"},
	    {"datasets.context = 'data'", "421"},
	    {"datasets.context = 'out'", ""},
	    {"datasets.digest LIKE '9b4%' AND metrics.auc > 0", ""},
	    {"metrics.auc > 0.5 AND params.model = 'xgb' AND tags.team IS NOT NULL AND status = "
	     "'RUNNING'",
	     "3"},
	    {"`metrics`.`auc` > 0.7", "21"},
	    {"run_id IN ('00000000000000000000000000000003',)", "3"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		finds(rows[i].filter, NULL, rows[i].runs);
}

static void alternatives_and_parentheses_are_more_than_mlflow_has(void **state)
{
	static const struct {
		const char *filter, *runs;
	} rows[] = {
	    {"metrics.auc > 0.85 OR params.model = 'mlp'", "21"},
	    {"metrics.auc > 0.85 or metrics.loss = 2 OR tags.team = 'Risk'", "421"},
	    {"metrics.auc > 0.75 AND params.model = 'xgb' OR metrics.loss = 2", "41"},
	    {"metrics.auc > 0.75 AND (params.model = 'xgb' OR metrics.loss != 7)", "21"},
	    {"(tags.team = 'risk')", "1"},
	    {"((tags.team = 'risk') OR (status = 'RUNNING'))", "31"},
	    {"NOT metrics.auc > 0.75", "43"}, /* what is not there is not more */
	    {"NOT (tags.team = 'risk' OR tags.team = 'Risk') AND metrics.auc > 0", "3"},
	    {"not not params.model='mlp'", "2"},
	    {"params.model IN ('mlp', 'cat*') OR params.`train.lr` NOT IN ('0.01')", "421"},
	    {"datasets.name = 'data/raw' OR params.model = 'mlp'", "421"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		finds(rows[i].filter, NULL, rows[i].runs);
}

static void a_data_set_is_found_by_its_digest(void **state)
{
	struct content c = content_of("data/raw", CONTENT_FILE);
	char hex[DIGEST_HEX + 1], filter[200];

	(void)state;
	digest_format(&c.id, hex);
	snprintf(filter, sizeof(filter), "datasets.digest = '%s'", hex);
	finds(filter, NULL, "41");
	snprintf(filter, sizeof(filter), "datasets.digest LIKE '%.6s%%'", hex);
	finds(filter, NULL, "41");
}

static void orders_put_missing_values_last(void **state)
{
	static const struct {
		const char *order, *runs;
	} rows[] = {
	    {"start_time", "1234"},
	    {"start_time ASC", "1234"},
	    {"Created desc", "4321"},
	    {"metrics.auc", "3214"},
	    {"metrics.auc DESC", "1234"},
	    {"metrics.loss", "3421"}, /* values, then NaN, then none */
	    {"metrics.loss DESC", "4321"},
	    {"params.model DESC, metrics.auc", "3124"},
	    {"params.`train.lr`", "2143"},
	    {"params.`train.lr` DESC , start_time", "1234"},
	    {"end_time", "1243"},
	    {"end_time DESC", "4213"},
	    {"attributes.status, run_id", "2143"},
	    {"tags.team", "2431"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		finds(NULL, rows[i].order, rows[i].runs);
	finds("metrics.auc > 0.75 AND params.model IS NOT NULL", "metrics.auc, params.model", "21");
}

static void mistakes_are_told_with_their_column(void **state)
{
	static const struct {
		const char *filter, *order, *message;
	} rows[] = {
	    {"metrics.auc", NULL, "filter, column 12: Invalid clause(s) in filter string: expected an operator"},
	    {"metrics.auc > ", NULL, "filter, column 15: Expected numeric value type for metric. Found "},
	    {"metrics.auc > 'x'", NULL, "filter, column 15: Expected numeric value type for metric. Found 'x'"},
	    {"metrics.auc > 1e", NULL, "Expected numeric value type for metric. Found 1e"},
	    {"metrics.auc > 0x10", NULL, "Expected numeric value type for metric. Found 0x10"},
	    {"metrics.auc > nan", NULL, "Expected numeric value type for metric. Found nan"},
	    {"start_time > 'x'", NULL, "Expected numeric value type for numeric attribute: start_time. Found 'x'"},
	    {"metrics.auc LIKE 'x'", NULL, "Expected numeric value type for metric. Found 'x'"},
	    {"metrics.auc LIKE 5", NULL, "filter, column 13: Invalid comparator 'LIKE' not one of ['!=', '>=',"},
	    {"metrics.auc IS NULL", NULL, "column 13: IS NULL is only supported for tags and params, not for 'metric' 'auc'"},
	    {"params.a > '1'", NULL, "filter, column 10: Invalid comparator '>' not one of ['!=', '=', 'LIKE', "},
	    {"params.a = 1", NULL, "filter, column 12: Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"},
	    {"params.a = `x`", NULL, "Parameter value is either not quoted or unidentified quote types used for string value `x`"},
	    {"params.a = 'x", NULL, "filter, column 12: Invalid clause(s) in filter string: this ' is not closed"},
	    {"params.\"a = 'x'", NULL, "filter, column 8: Invalid clause(s) in filter string: this \" is not closed"},
	    {"params. = 'x'", NULL, "filter, column 8: Invalid clause(s) in filter string: expected a key"},
	    {"= 'x'", NULL, "filter, column 1: Invalid clause(s) in filter string: expected a key"},
	    {"sauce.a = 'x'", NULL, "filter, column 1: Invalid entity type 'sauce'. Valid values are ['attribute', 'metric', "},
	    {"stat = 'x'", NULL,
	     "filter, column 1: Invalid attribute key 'stat' specified. Valid keys are 'run_id', 'run_name', 'status', "},
	    {"datasets.size = 'x'", NULL,
	     "filter, column 1: Invalid dataset key 'size' specified. Valid keys are 'name', 'digest', 'context'"},
	    {"status IS NULL", NULL, "filter, column 8: IS NULL is only supported for tags and params"},
	    {"tags.a IN 'x'", NULL, "filter, column 11: expected a list"},
	    {"tags.a IN ()", NULL, "expected a non-empty list of string values, but got empty list"},
	    {"tags.a IN ('x'", NULL, "filter, column 15: While parsing a list"},
	    {"run_id IN ('x', 5)", NULL, "expected string value, punctuation, or whitespace, but got different type in list: 5"},
	    {"(tags.a = 'x'", NULL, "filter, column 14: Invalid clause(s) in filter string: expected ')'"},
	    {"tags.a = 'x')", NULL, "filter, column 13: Invalid clause(s) in filter string: ')'"},
	    {"NOT", NULL, "filter, column 4: Invalid clause(s) in filter string: expected a key"},
	    {"tags.a = 'x' OR", NULL, "filter, column 16: Invalid clause(s) in filter string: expected a key"},
	    {"tags.a = 'x' tags.b = 'y'", NULL, "filter, column 14: Invalid clause(s) in filter string: 'tags.b = 'y''"},
	    {"tags.a = 'x' AND", NULL, "filter, column 17: Invalid clause(s) in filter string: expected a key"},
	    {"tags.\xc3\xa4\xc3\xa4 ~ 'x'", NULL,
	     "filter, column 9: Invalid clause(s) in filter string: expected an operator, not '~ 'x''"},
	    {"tags.a = '\xff'", NULL, "filter is not valid UTF-8"},
	    {NULL, "metrics.auc DOWN", "order_by, column 13: Invalid order_by clause"},
	    {NULL, "metrics.auc,", "order_by, column 13: "},
	    {NULL, "metrics.auc DESC, metric.auc", "order_by, column 19: `order_by` contains duplicate fields"},
	    {NULL, "start_time, created DESC", "`order_by` contains duplicate fields"},
	    {NULL, "datasets.name", "order_by, column 1: Invalid dataset key 'name' specified. Valid keys are none"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct filter_sql sql;

		error_clear(&err);
		if (compile(rows[i].filter, rows[i].order, &sql) != -1)
			fail_msg("%s compiles", rows[i].filter);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, rows[i].message))
			fail_msg("%s: %s", rows[i].filter ? rows[i].filter : rows[i].order,
				 err.msg);
	}
	error_clear(&err);
}

static void sizes_are_bounded(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct filter_sql sql;

	(void)state;
	for (int i = 0; i < 200; i++)
		strbuf_printf(&text, "%sparams.p%d IS NULL", i ? " AND " : "", i);
	finds(text.buf, "metrics.auc", "3214");
	strbuf_puts(&text, " AND tags.a IS NULL");
	refused(compile(text.buf, NULL, &sql), ERR_USAGE);

	strbuf_clear(&text);
	for (int i = 0; i < 200; i++)
		strbuf_printf(&text, "%sparams.p%d = 'x'", i ? " OR " : "", i);
	finds(text.buf, NULL, "");

	strbuf_clear(&text);
	for (int i = 0; i < 50; i++)
		strbuf_puts(&text, i % 2 ? "(" : "not ");
	strbuf_puts(&text, "params.model = 'mlp'");
	for (int i = 0; i < 25; i++)
		strbuf_putc(&text, ')');
	finds(text.buf, NULL, "431");
	refused(compile("((((((((((((((((((((((((((((((((((((((((((((((((((((a = 'x'", NULL, &sql), ERR_USAGE);

	strbuf_clear(&text);
	for (int i = 0; i < 20; i++)
		strbuf_printf(&text, "%smetrics.m%d", i ? "," : "", i);
	finds("params.model IS NOT NULL", text.buf, "4321");
	strbuf_puts(&text, ", metrics.n");
	refused(compile(NULL, text.buf, &sql), ERR_USAGE);

	strbuf_clear(&text);
	strbuf_puts(&text, "run_id IN ('x'");
	for (int i = 0; i < 19000; i++)
		strbuf_puts(&text, ",'00000000000000000000000000000003'");
	strbuf_puts(&text, ")");
	finds(text.buf, NULL, "3");
	text.len--;
	for (int i = 0; i < 2000; i++)
		strbuf_puts(&text, ",'x'");
	strbuf_puts(&text, ")");
	refused(compile(text.buf, NULL, &sql), ERR_USAGE);

	strbuf_clear(&text);
	strbuf_puts(&text, "params.model LIKE '");
	for (int i = 0; i < 16666; i++)
		strbuf_putc(&text, '*');
	strbuf_puts(&text, "'");
	finds(text.buf, NULL, "");
	text.len--;
	strbuf_puts(&text, "*'");
	refused(compile(text.buf, NULL, &sql), ERR_USAGE);
}

static void nothing_in_a_filter_reaches_the_sql(void **state)
{
	static const char *const attacks[] = {
	    "params.\"x' OR 1=1 --\" = 'a'",
	    "params.`\"; DROP TABLE runs; --` IS NULL",
	    "tags.a = '''; DELETE FROM runs; --'",
	    "run_id IN ('\"', '?1', ');--')",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		struct filter_sql sql;
		struct js *list;

		ok(compile(attacks[i], attacks[i][0] == 'p' ? "params.`x; DROP`" : NULL, &sql));
		assert_null(strstr(sql.where.buf, "DROP"));
		assert_null(strstr(sql.joins.buf, "DROP"));
		assert_null(strstr(sql.where.buf, "--"));
		assert_null(strstr(sql.joins.buf, "--"));
		assert_null(strstr(sql.order.buf, "DROP"));
		filter_release(&sql);
		ok(run_search(db, &(struct run_query){.filter = attacks[i]}, &list, &err));
		js_free(list);
	}
	finds(NULL, NULL, "4321");
}

int main(void)
{
#define EXAMPLE(name) cmocka_unit_test_setup_teardown(name, enter_examples, leave)
	const struct CMUnitTest tests[] = {
	    EXAMPLE(filters_find_what_mlflow_finds),
	    EXAMPLE(alternatives_and_parentheses_are_more_than_mlflow_has),
	    EXAMPLE(a_data_set_is_found_by_its_digest),
	    EXAMPLE(orders_put_missing_values_last),
	    EXAMPLE(mistakes_are_told_with_their_column),
	    EXAMPLE(sizes_are_bounded),
	    EXAMPLE(nothing_in_a_filter_reaches_the_sql),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
