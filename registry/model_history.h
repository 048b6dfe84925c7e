/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* What clients before MLflow 3 note of a model among the files of a run: the tag mlflow.log-model.history, a JSON list. */
struct db;
struct error;

/* `model_json`: the text of an MLmodel file as JSON. Inside a transaction. */
int model_history_add(struct db *, int64_t run, const char *model_json, struct error *);
