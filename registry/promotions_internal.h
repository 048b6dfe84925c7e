/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* What the files of promotions share. */
struct db;
struct error;
struct js;

/* Number of the version that holds the alias; 0: none does. */
int alias_holder(struct db *, int64_t model, const char *alias, int64_t *ret, struct error *);
/* Questions about the alias that wait are over: version `number` has it, or is asked about. */
int approvals_supersede(struct db *, int64_t model, const char *alias, int64_t number, int64_t now_ms, struct error *);
/* A statement that ends like this one changed a row: 1, 0, or -1. */
struct db_stmt;
int run_changed(struct db *, struct db_stmt *, struct error *);
