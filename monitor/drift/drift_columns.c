/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns are judged, and what becomes of those that are not there on both sides. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/profile/profile.h"

void judgement_release(struct judgement *j)
{
	for (size_t i = 0; i < j->n; i++)
		free(j->columns[i].reason);
	free(j->columns);
	free(j->reason);
	strlist_release(&j->warnings);
}

bool column_is_text(const struct column *c)
{
	return c->type == COLUMN_CATEGORY || c->type == COLUMN_TEXT || c->type == COLUMN_BOOL;
}

uint64_t column_filled(const struct column *c)
{
	return column_is_text(c) ? c->count - c->nulls - c->nans - c->plus_infs - c->minus_infs : c->numbers;
}

static enum column_type kind_of(const struct column *c)
{
	switch (c->type) {
	case COLUMN_REAL:
		return COLUMN_INT;
	case COLUMN_TEXT:
		return COLUMN_CATEGORY;
	default:
		return c->type;
	}
}

/* Most rows of a side hold what the other side has, too: codes of which all happened to be digits this time. */
static bool is_subset(const struct column *part, const struct column *whole)
{
	size_t n, m;
	const struct value_count *values = column_values(part, &n), *known = column_values(whole, &m);
	uint64_t found = 0, all = 0;

	for (size_t i = 0; values && known && i < n; i++) {
		all += values[i].count;
		for (size_t k = 0; k < m; k++) {
			if (values[i].len == known[k].len && memcmp(values[i].text, known[k].text, known[k].len) == 0) {
				found += values[i].count;
				break;
			}
		}
	}
	return all && found * 2 >= all;
}

static bool type_changed(const struct column *ref, const struct column *cur)
{
	enum column_type was = kind_of(ref), is = kind_of(cur);

	if (was == is)
		return false;
	if (was == COLUMN_CATEGORY)
		return !is_subset(cur, ref);
	return is != COLUMN_CATEGORY || !is_subset(ref, cur);
}

/* Each value once, each above the one before: a number of the row, or a time. */
static bool is_id(const struct column *c)
{
	if (c->type == COLUMN_TEXT || c->type == COLUMN_CATEGORY)
		return column_distinct(c) >= 0.95 * (double)column_filled(c) && column_filled(c) > PROFILE_VALUES;
	return c->ascending && c->numbers > 1 && column_distinct(c) >= 0.95 * (double)c->numbers;
}

static enum drift_state first_state(const struct judged *c, bool named, const char **why)
{
	if (!c->ref) {
		*why = "the reference has no such column";
		return DRIFT_NEW;
	}
	if (!c->cur) {
		*why = "the current table has no such column";
		return DRIFT_MISSING;
	}
	if (c->ref->type == COLUMN_EMPTY) {
		*why = c->cur->type == COLUMN_EMPTY ? "no value on either side" : "the reference has no value here";
		return c->cur->type == COLUMN_EMPTY ? DRIFT_SKIPPED : DRIFT_NEW;
	}
	if (c->cur->type == COLUMN_EMPTY) {
		*why = c->cur->count ? "no value any more" : "the current table has no rows";
		return c->cur->count ? DRIFT_ALL_NULL : DRIFT_INSUFFICIENT;
	}
	if (named || type_changed(c->ref, c->cur))
		return type_changed(c->ref, c->cur) ? DRIFT_TYPE_CHANGED : DRIFT_NONE;
	if (c->ref->type == COLUMN_TIME) {
		*why = "a time: not judged unless it is named";
		return DRIFT_SKIPPED;
	}
	if (is_id(c->ref) && is_id(c->cur)) {
		*why = column_is_text(c->ref) ? "each value once, an id or prose: not judged unless it is named" :
						"ascending, each value once, an id: not judged unless it is named";
		return DRIFT_SKIPPED;
	}
	return DRIFT_NONE;
}

static void push_column(struct judgement *j, const struct column *ref, const struct column *cur)
{
	const struct drift_options *options = j->options;
	const char *name = (ref ? ref : cur)->name, *why = NULL;
	struct judged *c = &j->columns[j->n];
	bool named = strlist_has(&options->columns, name);

	if ((options->columns.len && !named) || strlist_has(&options->ignore, name))
		return;
	*c = (struct judged){ .name = name, .ref = ref, .cur = cur, .critical = strlist_has(&options->critical, name),
			      .effect = EFFECT_NONE, .nulls = EFFECT_NONE };
	c->state = first_state(c, named || c->critical, &why);
	if (c->state == DRIFT_TYPE_CHANGED)
		c->reason = xasprintf("was %s, is %s", column_type_name(ref->type), column_type_name(cur->type));
	else if (why)
		c->reason = xstrdup(why);
	j->n++;
}

static int check_names(const struct judgement *j, const struct strlist *names, struct error *err)
{
	for (size_t i = 0; i < names->len; i++) {
		CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
		const char *name = names->items[i], *near;

		if (profile_find(j->ref, name) || profile_find(j->cur, name))
			continue;
		for (size_t k = 0; k < j->ref->ncolumns; k++)
			strlist_push(&known, j->ref->columns[k].name);
		error_set(err, ERR_NOT_FOUND, "neither table has a column %s", name);
		near = strlist_nearest(&known, name);
		return near ? error_help(err, "did you mean %s?", near) : -1;
	}
	return 0;
}

int judgement_columns(struct judgement *j, struct error *err)
{
	const struct drift_options *options = j->options;

	if (check_names(j, &options->columns, err) < 0 || check_names(j, &options->ignore, err) < 0 ||
	    check_names(j, &options->critical, err) < 0)
		return -1;
	j->columns = xcalloc(j->ref->ncolumns + j->cur->ncolumns + 1, sizeof(*j->columns));
	for (size_t i = 0; i < j->ref->ncolumns; i++)
		push_column(j, &j->ref->columns[i], profile_find(j->cur, j->ref->columns[i].name));
	for (size_t i = 0; i < j->cur->ncolumns; i++)
		if (!profile_find(j->ref, j->cur->columns[i].name))
			push_column(j, NULL, &j->cur->columns[i]);
	return 0;
}
