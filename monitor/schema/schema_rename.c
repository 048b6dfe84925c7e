/* SPDX-License-Identifier: Apache-2.0 */
/* A missing and a new column that look alike. The schema says how the missing one looked. */
#include <math.h>
#include <string.h>
#include "monitor/schema/schema_check.h"

#define UNIQUE_NEARLY 0.95 /* distinct values may be an estimate */

bool type_fits(enum column_type type, enum column_type found)
{
	switch (type) {
	case COLUMN_REAL:
		return type_is_number(found);
	case COLUMN_CATEGORY:
	case COLUMN_TEXT:
		return found == COLUMN_CATEGORY || found == COLUMN_TEXT;
	default:
		return type == found;
	}
}

bool schema_knows(const struct check *check, const char *name)
{
	for (size_t i = 0; i < check->schema->ncolumns; i++)
		if (!strcmp(check->columns[i].found, name) || !strcmp(check->schema->columns[i].name, name))
			return true;
	return false;
}

static bool values_fit(const struct schema_column *spec, const struct column *column)
{
	const struct value_count *values;
	size_t n;

	if (!spec->has_values && !spec->has_pattern)
		return true;
	values = column_values(column, &n);
	if (!values)
		return !spec->has_values;
	for (size_t i = 0; i < n; i++) {
		if (spec->has_pattern && !pattern_fits(&spec->pattern, values[i].text, values[i].len))
			return false;
		if (spec->has_values && !type_is_number(spec->type) &&
		    !schema_word_allowed(spec, values[i].text, values[i].len))
			return false;
	}
	return true;
}

static bool profile_fits(const struct schema_column *spec, const struct column *column)
{
	uint64_t values = column->count - column->nulls;
	bool text = column->type == COLUMN_TEXT || column->type == COLUMN_CATEGORY;

	if (!spec->typed || !values || !type_fits(spec->type, column->type))
		return false;
	if ((double)column->nulls > spec->nulls * (double)column->count)
		return false;
	if (column->numbers && ((spec->has_min && column->min < spec->min) || (spec->has_max && column->max > spec->max)))
		return false;
	if (text && (column->min_len < spec->min_len || column->max_len > spec->max_len))
		return false;
	if ((spec->ascending && !column->ascending) ||
	    (spec->unique && column_distinct(column) < UNIQUE_NEARLY * (double)values))
		return false;
	return values_fit(spec, column);
}

const struct schema_column *schema_renamed(const struct check *check, const struct column *column)
{
	const struct schema_column *found = NULL;
	size_t alike = 0;

	for (size_t i = 0; i < check->schema->ncolumns; i++) {
		if (check->columns[i].at != SIZE_MAX || !profile_fits(&check->schema->columns[i], column))
			continue;
		found = &check->schema->columns[i];
		alike++;
	}
	if (alike != 1)
		return NULL;
	for (size_t i = 0; i < check->profile->ncolumns; i++) {
		const struct column *other = &check->profile->columns[i];

		if (other != column && !schema_knows(check, other->name) && profile_fits(found, other))
			return NULL;
	}
	return found;
}
