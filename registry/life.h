/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is searched for, of things that can be deleted and restored: MLflow's ViewType. */
struct error;
struct js;

enum life_view { VIEW_ACTIVE = 1, VIEW_DELETED, VIEW_ALL }; /* its numbers */
/* "ACTIVE_ONLY", "DELETED_ONLY", "ALL", or a number, of the argument `key`; NULL is ACTIVE_ONLY. ERR_USAGE. */
int life_view_parse(const char *key, const struct js *, enum life_view *ret, struct error *);
/* What stands in SQL behind a column lifecycle_stage. */
const char *life_view_sql(enum life_view);
