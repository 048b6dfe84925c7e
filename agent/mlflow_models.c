/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "base/mem.h"

#define MODELS "/registered-models"

static const struct mlflow_route rows[] = {
	{ "POST", MODELS "/create", "model.create", NULL, NULL },
	{ "GET", MODELS "/get", "model.get", NULL, NULL },
	{ "GET", MODELS "/search", "model.search", NULL, NULL },
	{ "PATCH", MODELS "/update", "model.describe", NULL, NULL },
	{ "POST", MODELS "/rename", "model.rename", NULL, NULL },
	{ "DELETE", MODELS "/delete", "model.delete", NULL, NULL },
	{ "POST", MODELS "/set-tag", "model.tag", NULL, NULL },
	{ "DELETE", MODELS "/delete-tag", "model.untag", NULL, NULL },
	{ "GET", MODELS "/get-latest-versions", "model.latest", NULL, NULL },
	{ "POST", MODELS "/get-latest-versions", "model.latest", NULL, NULL },
	{ "POST", MODELS "/alias", "alias.set", NULL, NULL },
	{ "GET", MODELS "/alias", "alias.get", NULL, NULL },
	{ "DELETE", MODELS "/alias", "alias.delete", NULL, NULL },
};
const struct mlflow_table mlflow_models = { rows, ARRAY_LEN(rows) };
