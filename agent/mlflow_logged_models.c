/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "base/mem.h"

#define MODELS "/logged-models"

static const struct mlflow_route rows[] = {
	{ "POST", MODELS, "logged_model.create", NULL, NULL },
	{ "POST", MODELS "/search", "logged_model.search", NULL, NULL },
	{ "GET", MODELS "/{model_id}", "logged_model.get", NULL, NULL },
	{ "PATCH", MODELS "/{model_id}", "logged_model.finalize", NULL, NULL },
	{ "DELETE", MODELS "/{model_id}", "logged_model.delete", NULL, NULL },
	{ "PATCH", MODELS "/{model_id}/tags", "logged_model.tag", NULL, NULL },
	{ "DELETE", MODELS "/{model_id}/tags/{key}", "logged_model.untag", NULL, NULL },
	{ "POST", MODELS "/{model_id}/params", "logged_model.params", NULL, NULL },
	{ "POST", "/runs/log-model", "run.log_model", NULL, NULL },
};
const struct mlflow_table mlflow_logged_models = { rows, ARRAY_LEN(rows) };
