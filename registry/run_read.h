/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Runs as MLflow's JSON, in text: {info{}, data{metrics[], params[], tags[]}, inputs{dataset_inputs[], model_inputs[]},
 * outputs{model_outputs[]}}, each list only when there is something in it. The one encoder of runs: what reads a run
 * and what searches for some both answer with its text, as js_raw.
 *
 * The inputs of a pipeline's runs are data sets, too: name is the path, digest that of the content, context its use.
 */
struct db;
struct error;
struct strbuf;

/* Each appends. A row that is gone is left out. */
int run_write(struct db *, int64_t row, struct strbuf *ret, struct error *);
/* ERR_NOT_FOUND: "Run with id=X not found". */
int run_write_by_id(struct db *, const char *run_id, struct strbuf *ret, struct error *);
/* Of a run that is only begun: {info{}, data{tags[]}, inputs{}}. */
int run_write_begun(struct db *, int64_t row, struct strbuf *ret, struct error *);
/* The info alone. */
int run_write_info(struct db *, int64_t row, struct strbuf *ret, struct error *);
/* An array, in this order. */
int runs_write(struct db *, const int64_t *rows, size_t n, struct strbuf *ret, struct error *);
