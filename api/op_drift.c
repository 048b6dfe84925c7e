/* SPDX-License-Identifier: Apache-2.0 */
/* drift: is a table still like another? And, where labels are known, is the model as good as it was? */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/ops.h"
#include "api/tables.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/drift/drift.h"
#include "monitor/drift/evidently.h"
#include "monitor/page/page.h"
#include "monitor/profile/profile.h"

#define SETTLE_NUMBERS ((uint64_t)8 << 20) /* of all columns that are read again, both tables */
#define WINDOWS_LEAST 10
#define WINDOWS_MOST  50 /* of the reference, evenly spread: their rows are in memory */

struct comparison {
	struct op_context *ctx;
	const struct js *args;
	struct table_options table;
	struct table_inputs inputs[2]; /* reference, current */
	struct profile *profiles[2];
	struct drift_options options;
	struct calibration *calibration;
	struct outcomes outcomes[2];
};

static void comparison_release(struct comparison *c)
{
	for (size_t i = 0; i < 2; i++) {
		table_inputs_release(&c->inputs[i]);
		profile_free(c->profiles[i]);
		outcomes_release(&c->outcomes[i]);
	}
	drift_options_release(&c->options);
	calibration_free(c->calibration);
}

/* ---- what was asked ---- */

/* Names with ',' between, given once or more often. */
static void add_names(const struct js *args, const char *key, struct strlist *ret)
{
	const struct js *list = js_get(args, key);

	for (size_t i = 0; i < js_len(list); i++) {
		const char *text = js_text(js_at(list, i));

		while (*text) {
			size_t len = strcspn(text, ",");

			if (len)
				strlist_push_owned(ret, xstrndup(text, len));
			text += len + (text[len] == ',');
		}
	}
}

static int option_share(const struct js *args, const char *key, double most, double *ret, struct error *err)
{
	double value = js_get_real(args, key, *ret);

	if (!(value >= 0 && value <= most))
		return error_set(err, ERR_USAGE, isinf(most) ? "--%s must not be below 0" : "--%s is a share from 0 to 1", key);
	*ret = value;
	return 0;
}

static int read_options(struct comparison *c, struct error *err)
{
	const char *method = js_get_str(c->args, "method"), *test = js_get_str(c->args, "test");
	int64_t rows = js_get_int(c->args, "min_rows", (int64_t)c->options.min_rows);

	c->options.method = method && strcmp(method, "evidently") == 0 ? DRIFT_EVIDENTLY : DRIFT_MLOPS;
	if (test && c->options.method != DRIFT_EVIDENTLY)
		return error_set(err, ERR_USAGE, "--test goes with --method evidently");
	c->options.psi = test != NULL;
	c->options.min_rows = (uint64_t)rows;
	add_names(c->args, "columns", &c->options.columns);
	add_names(c->args, "ignore", &c->options.ignore);
	add_names(c->args, "critical", &c->options.critical);
	if (option_share(c->args, "threshold", INFINITY, &c->options.threshold, err) < 0 ||
	    option_share(c->args, "alpha", 1, &c->options.alpha, err) < 0 ||
	    option_share(c->args, "share", 1, &c->options.share, err) < 0 ||
	    table_options_of(c->args, &c->table, err) < 0)
		return -1;
	if (c->options.method == DRIFT_EVIDENTLY && !c->table.nulls)
		c->table.nulls = EVIDENTLY_NULLS;
	return 0;
}

/* ---- reading ---- */

static int open_inputs(struct comparison *c, struct error *err)
{
	const char *names[2] = { js_get_str(c->args, "reference"), js_get_str(c->args, "current") };

	if (strcmp(names[0], "-") == 0 && strcmp(names[1], "-") == 0)
		return error_set(err, ERR_USAGE, "only one of the tables can come from standard input");
	return table_inputs_open(c->ctx, names[0], &c->inputs[0], err) < 0 ||
			       table_inputs_open(c->ctx, names[1], &c->inputs[1], err) < 0 ?
		       -1 :
		       0;
}

static int make_profiles(struct comparison *c, struct error *err)
{
	struct profile_options how = {
		.exact = c->options.method == DRIFT_EVIDENTLY || js_get_bool(c->args, "exact"),
		.threads = (unsigned)js_get_int(c->args, "jobs", 0),
	};

	if (table_inputs_profile(c->ctx, &c->inputs[0], &c->table, &how, &c->profiles[0], err) < 0)
		return -1;
	how.reference = c->profiles[0];
	return table_inputs_profile(c->ctx, &c->inputs[1], &c->table, &how, &c->profiles[1], err);
}

typedef int take_rows(void *ctx, const struct table *, const struct rows *, struct error *);

/* The same tables once more, row by row. */
static int read_again(struct comparison *c, size_t side, take_rows *take, void *ctx, struct error *err)
{
	for (size_t i = 0; i < c->inputs[side].len; i++) {
		const struct table_input *input = &c->inputs[side].items[i];
		CLEANUP(cleanup_table) struct table *table = NULL;
		struct rows rows;
		int more;

		if (lseek(input->fd, 0, SEEK_SET) < 0) {
			error_set(err, ERR_USAGE, "%s is read twice, which a pipe cannot be", input->name);
			return error_help(err, "write it to a file first");
		}
		if (table_open(input->fd, input->name, &c->table, &table, err) < 0)
			return -1;
		while ((more = table_next(table, &rows, err)) > 0)
			if (take(ctx, table, &rows, err) < 0)
				return error_wrap(err, "%s", input->name);
		if (more < 0)
			return -1;
	}
	return 0;
}

/* ---- calibration by the windows of the reference ---- */

struct windows {
	struct profile *items[WINDOWS_MOST];
	size_t n;
	uint64_t size, every; /* rows of a window; from the begin of one to that of the next */
	uint64_t seen;
};

static void windows_release(struct windows *w)
{
	for (size_t i = 0; i < w->n; i++)
		profile_free(w->items[i]);
}

static int take_window_rows(void *ctx, const struct table *table, const struct rows *rows, struct error *err)
{
	static const struct profile_options plain = { 0 };
	struct windows *w = ctx;

	for (size_t done = 0; done < rows->nrows;) {
		uint64_t at = w->seen % w->every, left = (at < w->size ? w->size : w->every) - at;
		struct rows part = *rows;

		part.fields = rows->fields + done * rows->ncols;
		part.first = rows->first + done;
		part.nrows = left < rows->nrows - done ? (size_t)left : rows->nrows - done;
		if (at == 0 && w->n < WINDOWS_MOST)
			w->items[w->n++] = profile_new(&plain);
		if (at < w->size && w->seen / w->every < WINDOWS_MOST &&
		    profile_add(w->items[w->n - 1], table, &part, err) < 0)
			return -1;
		w->seen += part.nrows;
		done += part.nrows;
	}
	return 0;
}

static int calibrate(struct comparison *c, struct error *err)
{
	CLEANUP(windows_release) struct windows w = { .size = c->profiles[1]->rows };
	uint64_t rows = c->profiles[0]->rows, fit = w.size ? rows / w.size : 0;

	if (!js_get_bool(c->args, "calibrate"))
		return 0;
	if (fit < WINDOWS_LEAST) {
		error_set(err, ERR_UNDECIDED, "the reference has %llu rows, %d times those of the current table are needed to "
			  "calibrate by", (unsigned long long)rows, WINDOWS_LEAST);
		return error_help(err, "take a longer reference, or leave out --calibrate");
	}
	w.every = fit > WINDOWS_MOST ? rows / WINDOWS_MOST : w.size;
	if (read_again(c, 0, take_window_rows, &w, err) < 0)
		return -1;
	if (w.seen % w.every && w.seen % w.every < w.size && w.seen / w.every < WINDOWS_MOST)
		profile_free(w.items[--w.n]); /* the last one is not complete */
	for (size_t i = 0; i < w.n; i++)
		profile_finish(w.items[i]);
	return drift_calibrate((const struct profile *const *)w.items, w.n, &c->options, &c->calibration, err);
}

/* ---- what a sketch leaves open ---- */

static bool can_read_again(const struct comparison *c)
{
	for (size_t side = 0; side < 2; side++)
		for (size_t i = 0; i < c->inputs[side].len; i++)
			if (lseek(c->inputs[side].items[i].fd, 0, SEEK_SET) < 0)
				return false;
	return true;
}

/* As many of them as their numbers fit. */
static void find_undecided(const struct comparison *c, const struct js *verdict, struct strlist *ret)
{
	const struct js *columns = js_get(verdict, "columns");
	uint64_t numbers = c->profiles[0]->rows + c->profiles[1]->rows, left = SETTLE_NUMBERS;

	for (size_t i = 0; i < js_len(columns) && numbers <= left; i++) {
		const struct js *column = js_at(columns, i);

		if (strcmp(js_get_str(column, "state"), drift_state_name(DRIFT_UNDECIDED)) != 0)
			continue;
		strlist_push(ret, js_get_str(column, "name"));
		left -= numbers;
	}
}

/* The verdict; columns that are UNDECIDED are read once more, to keep every number of them alone. */
static int judge(struct comparison *c, enum drift_state *state, struct js **ret, struct error *err)
{
	CLEANUP(strlist_release) struct strlist open = STRLIST_INIT;
	struct profile_options how = { .only = &open, .exact = true, .threads = (unsigned)js_get_int(c->args, "jobs", 0) };

	if (drift_judge(c->profiles[0], c->profiles[1], c->calibration, &c->options, state, ret, err) < 0)
		return -1;
	if (c->options.method == DRIFT_MLOPS)
		find_undecided(c, *ret, &open);
	if (!open.len || !can_read_again(c))
		return 0;
	for (size_t side = 0; side < 2; side++) {
		CLEANUP(cleanup_profile) struct profile *exact = NULL;

		if (table_inputs_profile(c->ctx, &c->inputs[side], &c->table, &how, &exact, err) < 0)
			return -1;
		profile_take_numbers(c->profiles[side], exact);
	}
	js_free(steal(ret));
	return drift_judge(c->profiles[0], c->profiles[1], c->calibration, &c->options, state, ret, err);
}

/* ---- labels ---- */

struct labelled {
	const char *columns[3]; /* label, prediction, score; NULL: not asked for */
	struct outcomes *outcomes;
};

static int take_labels(void *ctx, const struct table *table, const struct rows *rows, struct error *err)
{
	struct labelled *l = ctx;
	size_t places[3] = { 0, 0, 0 };

	for (size_t i = 0; i < 3; i++)
		if (l->columns[i] && !table_find(table, l->columns[i], &places[i]))
			return error_set(err, ERR_NOT_FOUND, "there is no column %s", l->columns[i]);
	for (size_t row = 0; row < rows->nrows; row++) {
		CLEANUP(strlist_release) struct strlist texts = STRLIST_INIT;
		const char *of[3] = { NULL, NULL, NULL };

		for (size_t i = 0; i < 3; i++) {
			const struct field *field = &rows->fields[row * rows->ncols + places[i]];

			if (!l->columns[i] || field->kind == FIELD_NULL)
				continue;
			strlist_push_owned(&texts, xstrndup(field->text, field->len));
			of[i] = texts.items[texts.len - 1];
		}
		if (outcomes_add(l->outcomes, of[0], of[1], of[2], err) < 0)
			return error_wrap(err, "row %llu", (unsigned long long)(rows->first + row + 2));
	}
	return 0;
}

/* The verdict gains how good the model is, and may turn by it. */
static int judge_labels(struct comparison *c, struct js *verdict, enum drift_state *state, struct error *err)
{
	struct labelled l = { .columns = { js_get_str(c->args, "label"), js_get_str(c->args, "prediction"),
					   js_get_str(c->args, "score") } };
	enum drift_state own;
	struct js *performance;

	if (!l.columns[0] && (l.columns[1] || l.columns[2]))
		return error_set(err, ERR_USAGE, "--prediction and --score are compared with --label");
	if (!l.columns[0])
		return 0;
	if (!l.columns[1] && !l.columns[2])
		return error_set(err, ERR_USAGE, "--label needs --prediction or --score to compare it with");
	for (size_t i = 0; i < 2; i++) {
		l.outcomes = &c->outcomes[i];
		if (read_again(c, i, take_labels, &l, err) < 0)
			return -1;
	}
	if (drift_performance(&c->outcomes[0], &c->outcomes[1], &own, &performance, err) < 0)
		return -1;
	js_set(verdict, "performance", performance);
	if (own == DRIFT_FOUND && *state != DRIFT_QUARANTINED) {
		CLEANUP(cleanup_free) char *reason = xasprintf("the model is worse than it was; %s", js_get_str(verdict, "reason"));

		*state = own;
		js_set_str(verdict, "state", drift_state_name(own));
		js_set_str(verdict, "reason", reason);
	}
	return 0;
}

/* ---- the answer ---- */

static struct js *answer(const struct comparison *c, struct js *verdict)
{
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;
	struct js *result;

	js_set_str(verdict, "reference", c->inputs[0].name);
	js_set_str(verdict, "current", c->inputs[1].name);
	if (js_get_bool(c->args, "html"))
		page_drift(verdict, c->inputs[0].name, c->inputs[1].name, &page);
	else if (js_get_bool(c->args, "svg"))
		svg_drift(verdict, &page);
	else
		return js_ref(verdict);
	result = js_object();
	js_set_str(result, "page", page.buf);
	return result;
}

/* Exit statuses: what a script does next depends on them. */
static int conclude(const struct comparison *c, enum drift_state state, const char *reason, struct error *err)
{
	switch (state) {
	case DRIFT_NONE:
		return 0;
	case DRIFT_FOUND:
		return error_set(err, ERR_VERDICT, "drift: %s", reason);
	case DRIFT_QUARANTINED:
		return error_set(err, ERR_VERDICT, "not comparable: %s", reason);
	case DRIFT_UNDECIDED:
		error_set(err, ERR_UNDECIDED, "cannot judge: %s", reason);
		return c->options.method == DRIFT_EVIDENTLY || js_get_bool(c->args, "exact") ?
			       -1 :
			       error_help(err, "keep every number, which takes more memory: --exact");
	default:
		error_set(err, ERR_UNDECIDED, "cannot judge: %s", reason);
		return c->options.method == DRIFT_EVIDENTLY ?
			       -1 :
			       error_help(err, "--min-rows N asks for fewer values a side; --columns judges times and ids, too");
	}
}

/* drift.compare {reference, current, method, columns[], ...} -> what drift_judge returns, with {reference, current:
 * names, performance: see drift_performance}; or {page}. */
int op_drift(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(comparison_release) struct comparison c = {
		.ctx = ctx, .args = args, .inputs = { TABLE_INPUTS_INIT, TABLE_INPUTS_INIT },
		.options = DRIFT_OPTIONS_INIT, .outcomes = { OUTCOMES_INIT, OUTCOMES_INIT },
	};
	CLEANUP_JS struct js *verdict = NULL;
	enum drift_state state;

	if (read_options(&c, err) < 0 || open_inputs(&c, err) < 0 || make_profiles(&c, err) < 0 || calibrate(&c, err) < 0 ||
	    judge(&c, &state, &verdict, err) < 0 ||
	    judge_labels(&c, verdict, &state, err) < 0)
		return -1;
	*ret_result = answer(&c, verdict);
	return conclude(&c, state, js_get_str(verdict, "reason"), err);
}
