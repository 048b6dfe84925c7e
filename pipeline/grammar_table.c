/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "pipeline/grammar.h"

#define PIPELINE(field) offsetof(struct pipeline, field)
#define STEP(field)     offsetof(struct step, field)
#define REMOTE(field)   offsetof(struct remote_section, field)
#define IMAGE(field)    offsetof(struct image_section, field)

/* Rows of one section stand together. A section whose keys are all unsupported is refused as a whole. */
const struct grammar_key grammar_keys[] = {
	{ "pipeline", "name", G_NAME, "0.1", "the file's name without .ini", "experiment that its runs belong to",
	  PIPELINE(name) },
	{ "pipeline", "params", G_PATH, "0.1", NULL, "JSON file of params; [params] overrides it",
	  PIPELINE(params_file) },
	{ "pipeline", "env", G_ENV, "0.1", NULL, "environment of every step", PIPELINE(env) },
	{ "pipeline", "image", G_TEXT, "0.1", NULL, "container image of every step that names none", PIPELINE(image) },
	{ "pipeline", "parallel", G_COUNT, "0.1", "run.jobs of the settings", "steps at a time", PIPELINE(parallel) },
	{ "pipeline", "pool.*", G_POOL, "0.1", NULL, "how many steps of the pool run at a time", 0 },

	{ "params", "*", G_ANY, "0.1", NULL, "a param: JSON when it parses as JSON, else text; dots nest", 0 },

	{ "step.", "cmd", G_COMMAND, "0.1", NULL, "command, split into words once; there is no shell", STEP(cmd) },
	{ "step.", "in", G_PATHS, "0.1", NULL, "inputs: files, directories, patterns", STEP(in) },
	{ "step.", "out", G_PATHS, "0.1", NULL, "outputs: files or directories", STEP(out) },
	{ "step.", "params", G_LIST, "0.1", NULL, "params that the step reads: keys, groups, patterns",
	  STEP(params) },
	{ "step.", "metrics", G_PATHS, "0.1", NULL, "JSON files of metrics; outputs too", STEP(metrics) },
	{ "step.", "plots", G_PLOTS, "0.1", NULL, "files to plot, with x=COLUMN y=COLUMN; outputs too",
	  STEP(plots) },
	{ "step.", "after", G_LIST, "0.1", NULL, "steps that must end before, beyond what inputs say",
	  STEP(after) },
	{ "step.", "env", G_ENV, "0.1", NULL, "environment of the step, over that of [pipeline]", STEP(env) },
	{ "step.", "cpu", G_NUMBER, "0.1", NULL, "cores it occupies while it runs", STEP(cpu) },
	{ "step.", "mem", G_SIZE, "0.1", NULL, "memory it occupies while it runs", STEP(mem) },
	{ "step.", "timeout", G_DURATION, "0.1", "none", "time after which it is stopped and has failed",
	  STEP(timeout_ms) },
	{ "step.", "cache", G_BOOL, "0.1", "yes", "no: run always, and never reuse a result", STEP(cache) },
	{ "step.", "image", G_TEXT, "0.1", "that of [pipeline]", "container image to run in; none: run on this machine",
	  STEP(image) },
	{ "step.", "network", G_BOOL, "0.1", "no", "whether its container reaches the network", STEP(network) },
	{ "step.", "user", G_USER, "0.1", "user", "who runs it inside the container: user, or root without capabilities",
	  STEP(root) },
	{ "step.", "tracking", G_BOOL, "0.1", "no", "whether MLflow's clients in it find a server, and log to its run",
	  STEP(tracking) },
	{ "step.", "gpu", G_COUNT, "0.1", "0", "GPUs it gets", STEP(gpu) },
	{ "step.", "shm", G_SIZE, "0.1", "1G", "size of /dev/shm in its container", STEP(shm) },
	{ "step.", "pool", G_TEXT, "0.1", NULL, "pool of [pipeline] whose limit it counts against", STEP(pool) },
	{ "step.", "matrix.*", G_AXIS, "0.1", NULL, "values of one axis; the step runs once a combination", 0 },
	{ "step.", "exclude", G_LIST, "0.1", NULL, "combinations of the matrix to leave out: model=mlp seed=3",
	  STEP(exclude) },
	{ "step.", "include", G_LIST, "0.1", NULL, "combinations to add to the matrix", STEP(include) },
	{ "step.", "retries", G_COUNT, "0.1", "0", "further attempts after a failure", STEP(retries) },
	{ "step.", "backoff", G_BACKOFF, "0.1", "1s..5m", "wait between attempts: at random up to FIRST, doubled up to LAST",
	  STEP(backoff_ms) },
	{ "step.", "retry_on", G_CAUSES, "0.1", "exit, signal, oom, timeout, engine",
	  "causes worth another attempt; a number is one exit status", STEP(retry_on) },
	{ "step.", "deadline", G_DURATION, "0.1", "none", "time for all attempts together", STEP(deadline_ms) },
	{ "step.", "checkpoints", G_PATHS, "0.1", NULL, "directories that outlive attempts and runs; never part of the key",
	  STEP(checkpoints) },
	{ "step.", "secrets", G_SECRETS, "0.1", NULL, "secrets it may read: NAME as a file, NAME env as a variable, too", 0 },
	{ "step.", "env_file", G_PATH, "0.1", NULL, "file of NAME=VALUE lines, below env", STEP(env_file) },
	{ "step.", "when", G_TEXT, "0.1", NULL, "condition; the step is skipped when it does not hold", STEP(when) },
	{ "step.", "workdir", G_PATH, NULL, NULL, "directory to start in", 0 },

	{ "image.", "context", G_PATH, "0.1", NULL, "directory that the image is built from", IMAGE(context) },
	{ "image.", "file", G_PATH, "0.1", "Dockerfile in the context", "its Dockerfile", IMAGE(file) },
	{ "image.", "args", G_ENV, "0.1", NULL, "arguments of the build", IMAGE(args) },
	{ "image.", "push", G_TEXT, "0.1", NULL, "REGISTRY/NAME that it is pushed to, so that others pull it", IMAGE(push) },
	{ "image.", "network", G_BOOL, "0.1", "yes", "whether its RUN instructions reach the network", IMAGE(network) },
	{ "image.", "timeout", G_DURATION, "0.1", "1h", "time after which the build is stopped", IMAGE(timeout_ms) },

	{ "model.", "from", G_PATH, NULL, NULL, "output that becomes a version of the model", 0 },
	{ "model.", "gate", G_LIST, NULL, NULL, "conditions before the alias moves to it", 0 },
	{ "model.", "alias", G_NAME, NULL, NULL, "alias that moves", 0 },
	{ "model.", "approve", G_NAME, NULL, NULL, "role that has to agree", 0 },
	{ "model.", "*", G_ANY, NULL, NULL, "further settings of the model", 0 },

	{ "schema.", "path", G_PATH, NULL, NULL, "tables that must fit the schema", 0 },
	{ "schema.", "file", G_PATH, NULL, NULL, "the schema", 0 },
	{ "schema.", "*", G_ANY, NULL, NULL, "further settings of the schema", 0 },

	{ "monitor.", "model", G_TEXT, NULL, NULL, "model that is watched", 0 },
	{ "monitor.", "data", G_PATH, NULL, NULL, "tables that arrive", 0 },
	{ "monitor.", "reference", G_PATH, NULL, NULL, "table to compare with", 0 },
	{ "monitor.", "window", G_TEXT, NULL, NULL, "rows or time judged together", 0 },
	{ "monitor.", "critical", G_LIST, NULL, NULL, "columns whose drift alone decides", 0 },
	{ "monitor.", "*", G_ANY, NULL, NULL, "further settings of the monitor", 0 },

	{ "trigger.", "branch", G_LIST, NULL, NULL, "branches whose pushes start a run", 0 },
	{ "trigger.", "paths", G_LIST, NULL, NULL, "only pushes that change one of these", 0 },
	{ "trigger.", "cron", G_TEXT, NULL, NULL, "times of day and week that start a run", 0 },
	{ "trigger.", "tz", G_TEXT, NULL, NULL, "time zone of cron", 0 },
	{ "trigger.", "monitor", G_NAME, NULL, NULL, "monitor whose drift starts a run", 0 },
	{ "trigger.", "update", G_PATH, NULL, NULL, "data to refresh before the run", 0 },
	{ "trigger.", "cooldown", G_DURATION, NULL, NULL, "shortest time between two runs", 0 },
	{ "trigger.", "*", G_ANY, NULL, NULL, "further settings of the trigger", 0 },

	{ "notify.", "on", G_LIST, NULL, NULL, "events to tell about", 0 },
	{ "notify.", "url", G_TEXT, NULL, NULL, "where to tell it", 0 },
	{ "notify.", "*", G_ANY, NULL, NULL, "further settings of the notification", 0 },

	{ "remote.", "url", G_TEXT, "0.1", NULL, "a directory or an agent that holds objects, runs and results for all",
	  REMOTE(url) },
};
const size_t grammar_keys_len = ARRAY_LEN(grammar_keys);

const char *grammar_type_name(enum grammar_type type)
{
	static const char *const names[] = {
		[G_TEXT] = "text",
		[G_NAME] = "name",
		[G_PATH] = "path",
		[G_PATHS] = "list of paths",
		[G_LIST] = "list",
		[G_COMMAND] = "command",
		[G_ENV] = "list of NAME=VALUE",
		[G_BOOL] = "yes or no",
		[G_NUMBER] = "number",
		[G_COUNT] = "whole number",
		[G_USER] = "user or root",
		[G_SIZE] = "size",
		[G_DURATION] = "duration",
		[G_PLOTS] = "list of plots",
		[G_ANY] = "any value",
		[G_AXIS] = "list of values",
		[G_POOL] = "whole number",
		[G_BACKOFF] = "FIRST..LAST",
		[G_CAUSES] = "list of causes",
		[G_SECRETS] = "list of secrets",
	};

	return names[type];
}
