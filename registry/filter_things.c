/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "registry/filter.h"

/* ---- runs ---- */

static const struct filter_entity run_entities[] = {
	{ .words = "attribute|attributes|attr|run", .flags = FILTER_ORDER },
	{ .words = "metric|metrics", .table = "latest_metrics", .owner = "run", .kind = FILTER_NUMBER,
	  .flags = FILTER_ORDER | FILTER_NAN },
	{ .words = "parameter|parameters|param|params", .table = "params", .owner = "run", .kind = FILTER_TEXT,
	  .flags = FILTER_ORDER | FILTER_NULL },
	{ .words = "tag|tags", .table = "tags", .owner = "run", .kind = FILTER_TEXT,
	  .flags = FILTER_ORDER | FILTER_NULL },
	{ .words = "dataset|datasets" },
};

#define RUN_TEXT(key_, sql_, flags_)                                                                              \
	{ .entity = "attribute", .key = (key_), .sql = (sql_), .kind = FILTER_TEXT, .flags = FILTER_ORDER | (flags_) }
#define RUN_NUMBER(key_, sql_, flags_)                                                                            \
	{ .entity = "attribute", .key = (key_), .sql = (sql_), .kind = FILTER_NUMBER, .flags = FILTER_ORDER | (flags_) }
#define ARTIFACT_URI                                                                                              \
	"((SELECT coalesce(e.artifact_location, 'mlflow-artifacts:/' || e.experiment_id) FROM experiments e"      \
	" WHERE e.experiment_id = r.experiment) || '/' || r.run_id || '/artifacts')"
/* A data set is an input that a client logged, or one of a pipeline's. */
#define LOGGED	"FROM run_datasets i CROSS JOIN datasets d ON d.id = i.dataset WHERE i.run = r.id"
#define TAGGED	"FROM run_dataset_tags g WHERE g.run = r.id AND g.key = 'mlflow.data.context'"
#define CONTENT "FROM run_contents i CROSS JOIN contents c ON c.id = i.content WHERE i.run = r.id AND i.direction = 'in'"
#define DATASET(key_, from_, sql_)                                                                                \
	{ .entity = "dataset", .key = (key_), .from = (from_), .sql = (sql_), .kind = FILTER_TEXT }

static const struct filter_column run_columns[] = {
	RUN_TEXT("run_id", "r.run_id", FILTER_UNIQUE),
	{ .entity = "attribute", .key = "run_name", .sql = "r.name", .kind = FILTER_TEXT, .flags = FILTER_ORDER,
	  .twin = "mlflow.runName" },
	RUN_TEXT("run name", "r.name", FILTER_ALIAS),
	RUN_TEXT("Run name", "r.name", FILTER_ALIAS),
	RUN_TEXT("Run Name", "r.name", FILTER_ALIAS),
	RUN_TEXT("status", "r.status", 0),
	RUN_TEXT("user_id", "r.user_id", 0),
	RUN_TEXT("artifact_uri", ARTIFACT_URI, 0),
	RUN_NUMBER("start_time", "r.start_time", 0),
	RUN_NUMBER("created", "r.start_time", FILTER_ALIAS),
	RUN_NUMBER("Created", "r.start_time", FILTER_ALIAS),
	RUN_NUMBER("end_time", "r.end_time", FILTER_NULL),
	DATASET("name", LOGGED, "d.name"),
	DATASET("name", CONTENT, "i.path"),
	DATASET("digest", LOGGED, "d.digest"),
	DATASET("digest", CONTENT, "lower(hex(c.digest))"),
	DATASET("context", TAGGED, "g.value"),
	DATASET("context", CONTENT, "i.use"),
};

const struct filter_thing filter_runs = {
	.id = "r.id",
	.entities = run_entities,
	.nentities = ARRAY_LEN(run_entities),
	.columns = run_columns,
	.ncolumns = ARRAY_LEN(run_columns),
	.ties = { { "r.start_time", "r.start_time DESC" }, { "r.run_id", "r.run_id" } },
};

/* ---- experiments ---- */

static const struct filter_entity experiment_entities[] = {
	{ .words = "attribute", .flags = FILTER_ORDER },
	{ .words = "tag|tags", .table = "experiment_tags", .owner = "experiment", .kind = FILTER_TEXT,
	  .flags = FILTER_NULL },
};

#define EXPERIMENT(key_, kind_)                                                                                   \
	{ .entity = "attribute", .key = #key_, .sql = "e." #key_, .kind = (kind_), .flags = FILTER_ORDER }

static const struct filter_column experiment_columns[] = {
	EXPERIMENT(name, FILTER_TEXT),
	EXPERIMENT(experiment_id, FILTER_ID),
	EXPERIMENT(creation_time, FILTER_NUMBER),
	EXPERIMENT(last_update_time, FILTER_NUMBER),
};

const struct filter_thing filter_experiments = {
	.id = "e.experiment_id",
	.entities = experiment_entities,
	.nentities = ARRAY_LEN(experiment_entities),
	.columns = experiment_columns,
	.ncolumns = ARRAY_LEN(experiment_columns),
	.order = { { "e.creation_time", "e.creation_time DESC" }, { "e.experiment_id", "e.experiment_id" } },
	.ties = { { "e.experiment_id", "e.experiment_id DESC" } },
};
