/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * Runs of pipelines and steps as programs follow them that speak OpenLineage. Where settings say that they are told,
 * triggers of the schema write a letter (registry/outbox.h) with each change of a run's state, in its transaction.
 */
struct db;
struct error;
struct js;
struct project;

#define OPENLINEAGE_URL	 "url" /* targets of letters */
#define OPENLINEAGE_FILE "file"

/* `target` NULL: to any of them. */
bool openlineage_is_on(const struct project *, const char *target);
/* From now on what the settings say, for all runs of the project. Within the transaction that begins a run. */
int openlineage_agree(const struct project *, struct db *, struct error *);
/* What there is to tell of a run: {run: of run_load, parent: of run_load, root: of run_load, error, python}. `parent` and
 * `root` are left out at the top, `error` when there was none; `python`: the program that failed is written in it.
 * ERR_NOT_FOUND. */
int openlineage_facts(struct db *, const char *run, struct js **ret, struct error *);
