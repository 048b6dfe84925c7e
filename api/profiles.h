/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "store/content.h"
/* Profiles that runs keep of outputs (pipeline/tables.h): what show and diff tell of them. */
struct error;
struct js;
struct op_context;
struct profile;

/* From the store, or a remote. */
int profile_of_object(struct op_context *, const struct content *, struct profile **ret, struct error *);
/* The kept profile of this data, whatever run made it: 1, 0 when there is none, -1. */
int profile_of_data(struct op_context *, const struct content *data, struct profile **ret, struct error *);
/* {rows, columns: [{name, type, nulls (share), distinct, min, max, mean, median}]}; numbers for numeric columns only. */
struct js *profile_summary(const struct profile *);
/*
 * What changed in the data: {old_rows, new_rows, unchanged (columns), columns: [{name, change: added|removed|changed,
 * old_type, new_type, old_nulls, new_nulls, old_mean, new_mean, old_median, new_median, shift (of the mean, in old
 * standard deviations), old_distinct, new_distinct}]}, the columns that changed most first. What is equal is left out.
 */
struct js *profile_changes(const struct profile *old, const struct profile *now);
/* Sets "profiles" of a run: [{path, content, rows, columns}], or with `missing` true when it is not here. */
void profiles_of_run(struct op_context *, const struct js *run, struct js *result);
