/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of registered models, their versions and aliases, and of logged models. They take and give MLflow's own
 * JSON. */
#include "api/ops_rows.h"

#define NAME	FIELD("name", OPP_REQUIRED, OP_TEXT, "of the registered model")
#define VERSION FIELD("version", OPP_REQUIRED, OP_TEXT, "its number")
#define ALIAS	FIELD("alias", OPP_REQUIRED, OP_TEXT, "such as champion")
#define WHY	FIELD("reason", 0, OP_TEXT, "an admin's, for a protected alias")
#define KEY	FIELD("key", OPP_REQUIRED, OP_TEXT, "its name")
#define VALUE_	FIELD("value", 0, OP_TEXT, "at most 100,000 characters")
#define TAGS	FIELD("tags", 0, OP_JSON, "a list of {key, value}")
#define ABOUT	FIELD("description", 0, OP_TEXT, "what it is")
#define MODEL_ID FIELD("model-id", OPP_REQUIRED, OP_TEXT, "its id: m- and 32 hexadecimal digits")
#define PAGE                                                                                                   \
	FIELD("filter", 0, OP_TEXT, "conditions, as MLflow writes them"),                                      \
	FIELD("order-by", OPP_MANY, OP_TEXT, "such as \"name DESC\""),                                         \
	FIELD("max-results", 0, OP_INT, "of a page"), FIELD("page-token", 0, OP_TEXT, "of the page before")

#define READS  .role = ROLE_VIEWER, .flags = OP_TRACKING
#define WRITES .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES
#define DELETES .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES | OP_MANAGES
#define MAKES  .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES | OP_ONCE

static const struct op rows[] = {
	{ .name = "model.create", .method = "POST", .path = "/models", MAKES, .about = ABOUT_MODEL,
	  .handler = op_model_create, .params = PARAMS(NAME, ABOUT, TAGS), .summary = "register a name for a model" },
	{ .name = "model.get", .method = "GET", .path = "/models/{name}", READS, .about = ABOUT_MODEL,
	  .handler = op_model_get, .params = PARAMS(NAME),
	  .summary = "a registered model with its aliases, tags and newest versions" },
	{ .name = "model.search", .command = "model list", .method = "GET", .path = "/models", READS,
	  .handler = op_model_search, .params = PARAMS(PAGE), .summary = "registered models",
	  .details =
		"Examples:\n"
		"  mlops model list\n"
		"  mlops model list --filter \"name LIKE 'churn%' AND tags.team = 'growth'\"\n"
		"  mlops model list --order-by 'last_updated_timestamp DESC' --max-results 10\n"
		"\n"
		"Prompts are models with the tag mlflow.prompt.is_prompt, and shown to those who\n"
		"ask for it: --filter 'tags.`mlflow.prompt.is_prompt` = \"true\"'.\n" },
	{ .name = "model.show", .command = "model show", .method = "GET", .path = "/models/{name}/show", READS,
	  .handler = op_model_show, /* by a name that only it can read: for who may see all */
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "MODEL", COMPLETE_MODEL, "a model, or MODEL@vN, MODEL@ALIAS")),
	  .summary = "a registered model with its versions, or one version",
	  .details =
		"Examples:\n"
		"  mlops model show churn            all versions\n"
		"  mlops model show churn@v3         one of them\n"
		"  mlops model show churn@champion   the one that the alias points at\n"
		"\n"
		"Such a name does for other commands, too: mlops cat churn@champion/MLmodel.\n" },
	{ .name = "model.describe", .method = "PATCH", .path = "/models/{name}", WRITES, .about = ABOUT_MODEL,
	  .handler = op_model_describe, .params = PARAMS(NAME, ABOUT), .summary = "describe a registered model" },
	{ .name = "model.rename", .method = "POST", .path = "/models/{name}/rename", WRITES, .about = ABOUT_MODEL,
	  .handler = op_model_rename,
	  .params = PARAMS(NAME, FIELD("new-name", OPP_REQUIRED, OP_TEXT, "no other has it")),
	  .summary = "rename a registered model" },
	{ .name = "model.delete", .method = "DELETE", .path = "/models/{name}", DELETES, .about = ABOUT_MODEL,
	  .handler = op_model_delete, .params = PARAMS(NAME),
	  .summary = "delete a registered model with all its versions; their files stay" },
	{ .name = "model.tag", .method = "POST", .path = "/models/{name}/tags", WRITES, .about = ABOUT_MODEL,
	  .handler = op_model_tag, .params = PARAMS(NAME, KEY, VALUE_), .summary = "set a tag of a registered model" },
	{ .name = "model.untag", .method = "DELETE", .path = "/models/{name}/tags", WRITES, .about = ABOUT_MODEL,
	  .handler = op_model_untag, .params = PARAMS(NAME, KEY), .summary = "remove a tag of a registered model" },
	{ .name = "model.latest", .method = "GET", .path = "/models/{name}/latest", READS, .about = ABOUT_MODEL,
	  .handler = op_model_latest,
	  .params = PARAMS(NAME, FIELD("stages", OPP_MANY, OP_TEXT, "None, Staging, Production, Archived; default: all")),
	  .summary = "the newest version of each stage" },

	{ .name = "alias.set", .method = "POST", .path = "/models/{name}/aliases", WRITES, .about = ABOUT_MODEL,
	  .handler = op_alias_set, .params = PARAMS(NAME, ALIAS, VERSION, WHY), .summary = "point an alias at a version" },
	{ .name = "alias.get", .method = "GET", .path = "/models/{name}/aliases/{alias}", READS, .about = ABOUT_MODEL,
	  .handler = op_alias_get, .params = PARAMS(NAME, ALIAS), .summary = "the version that an alias points at" },
	{ .name = "alias.delete", .method = "DELETE", .path = "/models/{name}/aliases/{alias}", WRITES,
	  .about = ABOUT_MODEL, .handler = op_alias_delete, .params = PARAMS(NAME, ALIAS, WHY),
	  .summary = "remove an alias" },

	{ .name = "version.create", .method = "POST", .path = "/models/{name}/versions", MAKES, .about = ABOUT_MODEL,
	  .handler = op_version_create,
	  .params = PARAMS(NAME, FIELD("source", OPP_REQUIRED, OP_TEXT, "a URI of its files, or of a run or model"),
			   FIELD("run-id", 0, OP_TEXT, "the run that made it"),
			   FIELD("run-link", 0, OP_TEXT, "where to look at that run"),
			   FIELD("model-id", 0, OP_TEXT, "the logged model that it is"), ABOUT, TAGS),
	  .summary = "add a version to a registered model" },
	{ .name = "version.get", .method = "GET", .path = "/models/{name}/versions/{version}", READS,
	  .about = ABOUT_MODEL, .handler = op_version_get, .params = PARAMS(NAME, VERSION),
	  .summary = "one version of a registered model" },
	{ .name = "version.search", .method = "GET", .path = "/model-versions", READS, .handler = op_version_search,
	  .params = PARAMS(PAGE), .summary = "find versions of registered models" },
	{ .name = "version.describe", .method = "PATCH", .path = "/models/{name}/versions/{version}", WRITES,
	  .about = ABOUT_MODEL, .handler = op_version_describe, .params = PARAMS(NAME, VERSION, ABOUT),
	  .summary = "describe a version" },
	{ .name = "version.delete", .method = "DELETE", .path = "/models/{name}/versions/{version}", DELETES,
	  .about = ABOUT_MODEL, .handler = op_version_delete, .params = PARAMS(NAME, VERSION),
	  .summary = "delete a version and the aliases that point at it" },
	{ .name = "version.location", .method = "GET", .path = "/models/{name}/versions/{version}/location", READS,
	  .about = ABOUT_MODEL, .handler = op_version_location, .params = PARAMS(NAME, VERSION),
	  .summary = "where the files of a version are" },
	{ .name = "version.stage", .method = "POST", .path = "/models/{name}/versions/{version}/stage", WRITES,
	  .about = ABOUT_MODEL, .handler = op_version_stage,
	  .params = PARAMS(NAME, VERSION, FIELD("stage", OPP_REQUIRED, OP_TEXT, "None, Staging, Production or Archived"),
			   FIELD("archive-existing-versions", 0, OP_BOOL, "others leave the stage")),
	  .summary = "move a version to a stage, as was done before there were aliases" },
	{ .name = "version.tag", .method = "POST", .path = "/models/{name}/versions/{version}/tags", WRITES,
	  .about = ABOUT_MODEL, .handler = op_version_tag, .params = PARAMS(NAME, VERSION, KEY, VALUE_),
	  .summary = "set a tag of a version" },
	{ .name = "version.untag", .method = "DELETE", .path = "/models/{name}/versions/{version}/tags", WRITES,
	  .about = ABOUT_MODEL, .handler = op_version_untag, .params = PARAMS(NAME, VERSION, KEY),
	  .summary = "remove a tag of a version" },

	{ .name = "logged_model.create", .method = "POST", .path = "/logged-models", MAKES, .about = ABOUT_EXPERIMENT,
	  .handler = op_logged_model_create,
	  .params = PARAMS(FIELD("experiment-id", OPP_REQUIRED, OP_TEXT, "the experiment's number"),
			   FIELD("name", 0, OP_TEXT, "default: two words and a number"),
			   FIELD("model-type", 0, OP_TEXT, "any"),
			   FIELD("source-run-id", 0, OP_TEXT, "the run that makes it"),
			   FIELD("params", 0, OP_JSON, "a list of {key, value}"), TAGS),
	  .summary = "make a place for the files of a model" },
	{ .name = "logged_model.get", .method = "GET", .path = "/logged-models/{model_id}", READS,
	  .about = ABOUT_LOGGED_MODEL, .handler = op_logged_model_get,
	  .params = PARAMS(MODEL_ID, FIELD("allow-deleted", 0, OP_BOOL, "also when it was deleted")),
	  .summary = "one logged model with its params, tags and metrics" },
	{ .name = "logged_model.search", .method = "POST", .path = "/logged-models/search", READS,
	  .handler = op_logged_model_search,
	  .params = PARAMS(FIELD("experiment-ids", OPP_REQUIRED | OPP_MANY, OP_TEXT, "where to look"),
			   FIELD("filter", 0, OP_TEXT, "conditions, as MLflow writes them"),
			   FIELD("datasets", 0, OP_JSON, "a list of {dataset_name, dataset_digest}: with metrics on one of them"),
			   FIELD("order-by", 0, OP_JSON, "a list of {field_name, ascending, dataset_name, dataset_digest}"),
			   FIELD("max-results", 0, OP_INT, "of a page"),
			   FIELD("page-token", 0, OP_TEXT, "of the page before")),
	  .summary = "find logged models" },
	{ .name = "logged_model.finalize", .method = "PATCH", .path = "/logged-models/{model_id}", WRITES,
	  .about = ABOUT_LOGGED_MODEL, .handler = op_logged_model_finalize,
	  .params = PARAMS(MODEL_ID, FIELD("status", OPP_REQUIRED, OP_JSON, "LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED")),
	  .summary = "tell that all files of a logged model are there" },
	{ .name = "logged_model.delete", .method = "DELETE", .path = "/logged-models/{model_id}", DELETES,
	  .about = ABOUT_LOGGED_MODEL, .handler = op_logged_model_delete, .params = PARAMS(MODEL_ID),
	  .summary = "delete a logged model" },
	{ .name = "logged_model.tag", .method = "PATCH", .path = "/logged-models/{model_id}/tags", WRITES,
	  .about = ABOUT_LOGGED_MODEL, .handler = op_logged_model_tag, .params = PARAMS(MODEL_ID, TAGS),
	  .summary = "set tags of a logged model" },
	{ .name = "logged_model.untag", .method = "DELETE", .path = "/logged-models/{model_id}/tags", WRITES,
	  .about = ABOUT_LOGGED_MODEL, .handler = op_logged_model_untag, .params = PARAMS(MODEL_ID, KEY),
	  .summary = "remove a tag of a logged model" },
	{ .name = "logged_model.params", .method = "POST", .path = "/logged-models/{model_id}/params", WRITES,
	  .about = ABOUT_LOGGED_MODEL, .handler = op_logged_model_params,
	  .params = PARAMS(MODEL_ID, FIELD("params", 0, OP_JSON, "a list of {key, value}")),
	  .summary = "log params of a logged model, which keep their first value" },
	{ .name = "run.log_model", .method = "POST", .path = "/tracking/runs/{run_id}/models", WRITES,
	  .about = ABOUT_RUN, .handler = op_run_log_model,
	  .params = PARAMS(FIELD("run-id", OPP_REQUIRED, OP_TEXT, "its id, 32 hexadecimal digits"),
			   FIELD("model-json", OPP_REQUIRED, OP_TEXT, "the text of its MLmodel file, as JSON")),
	  .summary = "note a model among the files of a run, as clients before MLflow 3 do" },
};
OP_TABLE(ops_models, rows);
