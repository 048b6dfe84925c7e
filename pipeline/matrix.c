/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/matrix.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "pipeline/axis.h"
#include "pipeline/params.h"
#include "pipeline/problems.h"
#include "pipeline/show.h"

struct expander {
	const struct step *step;
	const struct js *params;
	const char *file;
	struct problems *problems;
	struct matrix m;
	struct strmap names;       /* key -> row + 1, of the rows that stay */
	struct strmap *by_value;   /* of each axis: value -> index + 1 */
	size_t cap;                /* of rows */
	bool *excluded;            /* rows */
};

void matrix_release(struct matrix *m)
{
	for (size_t i = 0; m->axes && i < m->naxes; i++)
		strlist_release(&m->axes[i]);
	free(m->axes);
	free(m->cells);
	strlist_release(&m->keys);
	*m = (struct matrix){ 0 };
}

static void expander_release(struct expander *x)
{
	for (size_t i = 0; i < x->step->naxes; i++)
		strmap_release(&x->by_value[i]);
	free(x->by_value);
	free(x->excluded);
	strmap_release(&x->names);
	matrix_release(&x->m);
}

const char *matrix_value(const struct matrix *m, size_t row, size_t axis)
{
	return m->axes[axis].items[m->cells[row * m->naxes + axis]];
}

static int fault(struct expander *x, struct place at, struct error *why)
{
	error_wrap(why, "step %s", x->step->name);
	problems_once(x->problems, x->file, at, why);
	return -1;
}

/* "1000000000", or that it is beyond what can be counted. */
static int too_many(uint64_t count, struct error *err)
{
	if (count == UINT64_MAX)
		error_set(err, ERR_USAGE, "its matrix has more than 18446744073709551614 combinations; at most %d are "
			  "allowed", MATRIX_MAX);
	else
		error_set(err, ERR_USAGE, "its matrix has %ju combinations; at most %d are allowed", (uintmax_t)count,
			  MATRIX_MAX);
	return error_help(err, "'exclude' is applied after they are counted; take fewer values, or several steps");
}

/* Reads the values of all axes and counts their combinations. */
static int count_axes(struct expander *x, struct axis_item **items)
{
	uint64_t product = 1;
	struct error why = { 0 };
	int r = 0;

	for (size_t a = 0; a < x->step->naxes; a++) {
		const struct textlist *values = &x->step->axes[a].values;
		uint64_t sum = 0;
		items[a] = xcalloc(values->len + 1, sizeof(*items[a]));
		for (size_t i = 0; i < values->len; i++) {
			if (axis_item_read(values->items[i].text, x->params, &items[a][i], &why) < 0)
				r = fault(x, values->items[i].at, &why);
			else if (__builtin_add_overflow(sum, items[a][i].count, &sum))
				sum = UINT64_MAX;
		}
		if (__builtin_mul_overflow(product, sum, &product))
			product = UINT64_MAX;
	}
	if (r || product <= MATRIX_MAX)
		return r;
	too_many(product, &why);
	return fault(x, x->step->axes[0].at, &why);
}

static int fill_axis(struct expander *x, size_t axis, const struct axis_item *items)
{
	const struct matrix_axis *written = &x->step->axes[axis];
	struct strlist *values = &x->m.axes[axis];
	struct error why = { 0 };

	for (size_t i = 0; i < written->values.len; i++) {
		size_t before = values->len;
		axis_item_values(&items[i], values);
		for (size_t k = before; k < values->len; k++) {
			if (!strmap_set(&x->by_value[axis], values->items[k], (void *)(uintptr_t)(k + 1)))
				continue;
			error_set(&why, ERR_USAGE, "value '%s' stands twice in 'matrix.%s'", SHOW(values->items[k]),
				  written->name);
			return fault(x, written->values.items[i].at, &why);
		}
	}
	return 0;
}

static int fill_axes(struct expander *x)
{
	CLEANUP(cleanup_free) struct axis_item **items = xcalloc(x->step->naxes, sizeof(struct axis_item *));
	int r = count_axes(x, items);
	bool counted = !r;

	for (size_t a = 0; a < x->step->naxes; a++) {
		if (counted && fill_axis(x, a, items[a]) < 0)
			r = -1;
		free(items[a]);
	}
	return r;
}

/* ---- keys ---- */

/* What cannot stand in a file's name or would be taken for something else there becomes %XX. */
static void key_add(struct strbuf *key, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,-.";

	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (strchr(plain, *p) && (*p != '.' || key->len))
			strbuf_putc(key, (char)*p);
		else
			strbuf_printf(key, "%%%02X", *p);
	}
}

static void key_of_cells(const struct matrix *m, const uint32_t *cells, struct strbuf *key)
{
	strbuf_clear(key);
	for (size_t a = 0; a < m->naxes; a++) {
		if (a)
			strbuf_putc(key, '-');
		key_add(key, m->axes[a].items[cells[a]]);
	}
}

/* "model=xgb seed=1" */
static void describe(const struct expander *x, const uint32_t *cells, struct strbuf *text)
{
	for (size_t a = 0; a < x->m.naxes; a++)
		strbuf_printf(text, "%s%s=%s", a ? " " : "", x->step->axes[a].name, x->m.axes[a].items[cells[a]]);
}

/* Names the combination: a problem when the name is taken or too long. */
static int name_row(struct expander *x, size_t row, struct place at)
{
	const uint32_t *cells = &x->m.cells[row * x->m.naxes], *other;
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf these = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf those = STRBUF_INIT;
	size_t len = strlen(x->step->name) + 1;
	struct error why = { 0 };
	size_t taken;

	key_of_cells(&x->m, cells, &key);
	strlist_push(&x->m.keys, key.buf);
	taken = (size_t)(uintptr_t)strmap_set(&x->names, key.buf, (void *)(uintptr_t)(row + 1));
	if (!taken && len + key.len <= INSTANCE_NAME_BYTES)
		return 0;
	describe(x, cells, &these);
	if (!taken) {
		error_set(&why, ERR_USAGE, "the name of the instance with %s has %zu bytes; at most %d are allowed",
			  SHOW(these.buf), len + key.len, INSTANCE_NAME_BYTES);
		error_help(&why, "take short values, and map them to the long ones in the program");
		return fault(x, at, &why);
	}
	other = &x->m.cells[(taken - 1) * x->m.naxes];
	describe(x, other, &those);
	if (!memcmp(cells, other, x->m.naxes * sizeof(*cells)))
		error_set(&why, ERR_USAGE, "'include' adds %s, which the matrix has already", SHOW(these.buf));
	else
		error_set(&why, ERR_USAGE, "%s and %s would both be named %s@%s", SHOW(those.buf), SHOW(these.buf),
			  x->step->name, SHOW(key.buf));
	return fault(x, at, &why);
}

/* ---- exclude and include ---- */

struct condition {
	size_t axis;
	char *value;
};
struct conditions {
	struct condition *items;
	size_t len, cap;
};

static void conditions_release(struct conditions *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].value);
	free(list->items);
}

static int unknown_axis(const struct expander *x, const char *name, const char *key, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_free) char *all = NULL;
	const char *near;

	for (size_t a = 0; a < x->step->naxes; a++)
		strlist_push(&names, x->step->axes[a].name);
	near = strlist_nearest(&names, name);
	error_set(err, ERR_USAGE, "'%s' names an unknown axis '%s'", key, SHOW(name));
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	all = strlist_join(&names, ", ");
	return error_help(err, "its axes are: %s", SHOW(all));
}

/* One word, "model=xgb". */
static int read_condition(const struct expander *x, const char *word, const char *key, struct conditions *ret,
			  struct error *err)
{
	const char *equals = strchr(word, '=');
	CLEANUP(cleanup_free) char *name = xstrndup(word, strcspn(word, "="));
	size_t axis = 0;

	if (!equals || equals == word || !equals[1]) {
		error_set(err, ERR_USAGE, "'%s' of '%s' is not AXIS=VALUE", SHOW(word), key);
		return error_help(err, "write combinations like this: %s = model=xgb seed=1", key);
	}
	while (axis < x->step->naxes && strcmp(x->step->axes[axis].name, name) != 0)
		axis++;
	if (axis == x->step->naxes)
		return unknown_axis(x, name, key, err);
	for (size_t i = 0; i < ret->len; i++)
		if (ret->items[i].axis == axis)
			return error_set(err, ERR_USAGE, "'%s' names axis '%s' twice in one combination", key,
					 SHOW(name));
	GROW(ret->items, ret->len, ret->cap);
	ret->items[ret->len++] = (struct condition){ axis, xstrdup(equals + 1) };
	return 0;
}

static int read_conditions(const struct expander *x, const char *text, const char *key, struct conditions *ret,
			   struct error *err)
{
	while (*(text += strspn(text, " \t"))) {
		size_t len = strcspn(text, " \t");
		CLEANUP(cleanup_free) char *word = xstrndup(text, len);
		if (read_condition(x, word, key, ret, err) < 0)
			return -1;
		text += len;
	}
	return 0;
}

/* Which values of its axis the condition takes, by index. NULL and an error when none. */
static bool *values_taken(const struct expander *x, const struct condition *condition, struct error *err)
{
	const struct strlist *values = &x->m.axes[condition->axis];
	bool *taken = xcalloc(values->len, sizeof(*taken)), any = false;
	const char *near;

	for (size_t i = 0; i < values->len; i++) {
		taken[i] = param_match(condition->value, values->items[i]);
		any = any || taken[i];
	}
	if (any)
		return taken;
	free(taken);
	near = strlist_nearest(values, condition->value);
	error_set(err, ERR_USAGE, "'exclude' takes nothing away: no value of axis '%s' is '%s'",
		  x->step->axes[condition->axis].name, SHOW(condition->value));
	if (near)
		error_help(err, "did you mean '%s'?", SHOW(near));
	return NULL;
}

static void exclude_rows(struct expander *x, const struct conditions *conditions, bool *const *taken)
{
	for (size_t row = 0; row < x->m.len; row++) {
		const uint32_t *cells = &x->m.cells[row * x->m.naxes];
		bool all = true;
		for (size_t i = 0; all && i < conditions->len; i++)
			all = taken[i][cells[conditions->items[i].axis]];
		if (all)
			x->excluded[row] = true;
	}
}

/* Each value is on its axis and each axis stands once, so at least one combination is taken. */
static int exclude_item(struct expander *x, const struct text_at *item)
{
	struct conditions conditions CLEANUP(conditions_release) = { 0 };
	struct error why = { 0 };
	bool **taken;
	size_t n = 0;

	if (read_conditions(x, item->text, "exclude", &conditions, &why) < 0)
		return fault(x, item->at, &why);
	taken = xcalloc(conditions.len + 1, sizeof(*taken));
	while (n < conditions.len && (taken[n] = values_taken(x, &conditions.items[n], &why)))
		n++;
	if (n == conditions.len)
		exclude_rows(x, &conditions, taken);
	while (n--)
		free(taken[n]);
	free(taken);
	return why.code ? fault(x, item->at, &why) : 0;
}

static uint32_t *new_row(struct expander *x)
{
	if (x->m.len == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 16;
		x->m.cells = xreallocarray(x->m.cells, x->cap, x->m.naxes * sizeof(*x->m.cells));
	}
	return &x->m.cells[x->m.len++ * x->m.naxes];
}

/* The index of a value on its axis, which it joins when it is new there. */
static uint32_t value_index(struct expander *x, size_t axis, const char *value)
{
	size_t index = (size_t)(uintptr_t)strmap_get(&x->by_value[axis], value);

	if (!index) {
		strlist_push(&x->m.axes[axis], value);
		index = x->m.axes[axis].len;
		strmap_set(&x->by_value[axis], value, (void *)(uintptr_t)index);
	}
	return (uint32_t)(index - 1);
}

static int include_item(struct expander *x, const struct text_at *item)
{
	struct conditions conditions CLEANUP(conditions_release) = { 0 };
	struct error why = { 0 };
	uint32_t *cells;

	if (read_conditions(x, item->text, "include", &conditions, &why) < 0)
		return fault(x, item->at, &why);
	for (size_t a = 0; conditions.len < x->m.naxes && a < x->m.naxes; a++) {
		size_t i = 0;
		while (i < conditions.len && conditions.items[i].axis != a)
			i++;
		if (i < conditions.len)
			continue;
		error_set(&why, ERR_USAGE, "'include' does not say the value of axis '%s'", x->step->axes[a].name);
		error_help(&why, "name every axis: %s %s=VALUE", SHOW(item->text), x->step->axes[a].name);
		return fault(x, item->at, &why);
	}
	if (x->m.len == MATRIX_MAX) {
		too_many(x->m.len + 1, &why);
		return fault(x, item->at, &why);
	}
	cells = new_row(x);
	for (size_t i = 0; i < conditions.len; i++)
		cells[conditions.items[i].axis] = value_index(x, conditions.items[i].axis, conditions.items[i].value);
	return name_row(x, x->m.len - 1, item->at);
}

/* ---- all ---- */

/* Every combination of the axes, the last turning fastest. */
static void fill_rows(struct expander *x)
{
	size_t rows = 1;

	for (size_t a = 0; a < x->m.naxes; a++)
		rows *= x->m.axes[a].len;
	for (size_t row = 0; row < rows; row++) {
		uint32_t *cells = new_row(x);
		size_t left = row;
		for (size_t a = x->m.naxes; a-- > 0; left /= x->m.axes[a].len)
			cells[a] = (uint32_t)(left % x->m.axes[a].len);
	}
}

/* Takes the excluded ones away and names the others. */
static int keep_rows(struct expander *x)
{
	size_t kept = 0;
	int r = 0;

	for (size_t row = 0; row < x->m.len; row++) {
		if (x->excluded[row])
			continue;
		memmove(&x->m.cells[kept * x->m.naxes], &x->m.cells[row * x->m.naxes],
			x->m.naxes * sizeof(*x->m.cells));
		if (!r)
			r = name_row(x, kept, x->step->axes[0].at);
		kept++;
	}
	x->m.len = kept;
	return r;
}

static int without_axes(struct expander *x)
{
	const struct textlist *const lists[] = { &x->step->exclude, &x->step->include };
	struct error why = { 0 };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		if (!lists[l]->len)
			continue;
		error_set(&why, ERR_USAGE, "'%s' without a matrix", l ? "include" : "exclude");
		error_help(&why, "add an axis: matrix.model = xgb, mlp");
		fault(x, lists[l]->items[0].at, &why);
	}
	return why.code ? -1 : 0;
}

static int combine(struct expander *x)
{
	const struct step *step = x->step;
	struct error why = { 0 };
	int r = 0;

	if (step->exclude.len > MATRIX_MAX) {
		error_set(&why, ERR_USAGE, "'exclude' has more than %d items", MATRIX_MAX);
		error_help(&why, "let each take more away: AXIS=VALUE of fewer axes, or with * and ?");
		return fault(x, step->exclude.items[MATRIX_MAX].at, &why);
	}
	fill_rows(x);
	x->excluded = xcalloc(x->m.len, sizeof(*x->excluded));
	for (size_t i = 0; i < step->exclude.len; i++)
		if (exclude_item(x, &step->exclude.items[i]) < 0)
			r = -1;
	if (keep_rows(x) < 0)
		return -1;
	for (size_t i = 0; i < step->include.len; i++)
		if (include_item(x, &step->include.items[i]) < 0)
			r = -1;
	if (r || x->m.len)
		return r;
	error_set(&why, ERR_USAGE, "'exclude' leaves no combination of its matrix");
	error_help(&why, "take the step out of the file, or keep one of them");
	return fault(x, step->exclude.items[0].at, &why);
}

int matrix_expand(const struct step *step, const struct js *params, const char *file, struct problems *problems,
		  struct matrix *ret)
{
	struct expander x CLEANUP(expander_release) = {
		.step = step, .params = params, .file = file, .problems = problems,
	};

	if (!step->naxes) {
		if (without_axes(&x) < 0)
			return -1;
		*ret = (struct matrix){ 0 };
		return 0;
	}
	x.m.naxes = step->naxes;
	x.m.axes = xcalloc(step->naxes, sizeof(*x.m.axes));
	x.by_value = xcalloc(step->naxes, sizeof(*x.by_value));
	if (fill_axes(&x) < 0 || combine(&x) < 0)
		return -1;
	*ret = x.m;
	x.m = (struct matrix){ 0 };
	return 0;
}
