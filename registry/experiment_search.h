/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "registry/life.h"
struct db;
struct error;
struct js;
struct strlist;

struct experiment_query {
	const char *filter;             /* MLflow's grammar (registry/filter.h); may be NULL */
	const struct strlist *order_by; /* may be NULL: the newest first */
	enum life_view view;
	size_t limit;
	const char *token;              /* of the page before; may be NULL */
};
/* An array of experiment_load's. *ret_token, which the caller frees: for the next page, NULL when this is the last. */
int experiment_search(struct db *, const struct experiment_query *, struct js **ret, char **ret_token, struct error *);
