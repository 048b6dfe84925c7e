/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Runs as MLflow means them: experiments, runs (nested by their parent), params,
 * metrics with history and latest value, tags; and what a pipeline run adds: inputs
 * and outputs by digest, and attempts (one execution of a step instance).
 *
 * Limits, key rules, "latest" and idempotence follow MLflow's server: metric and param
 * keys up to 250 characters of [/\w.\- :] that stay clean paths, param values up to 6,000
 * and tag values up to 8,000 characters (cut beyond), the latest metric is the
 * largest by (step, timestamp, value), an exact repeat of a metric is dropped, a param keeps its
 * first value (another one is ERR_CONFLICT). NaN is stored, infinities are clamped to DBL_MAX.
 *
 * Writers call these inside db_begin/db_commit; each also works alone. What they refuse
 * (ERR_USAGE, ERR_NOT_FOUND, ERR_CONFLICT) was not written and leaves the caller's transaction usable.
 */
struct db;
struct error;
struct js;
struct strlist;

enum run_status { RUN_RUNNING, RUN_SCHEDULED, RUN_FINISHED, RUN_FAILED, RUN_KILLED };
const char *run_status_name(enum run_status); /* "RUNNING" "SCHEDULED" "FINISHED" "FAILED" "KILLED" */
bool run_status_parse(const char *, enum run_status *ret);

/* Finds or creates. Experiment 0 "Default" always exists. */
int experiment_ensure(struct db *, const char *name, int64_t *ret_id, struct error *);

struct run_new {
	const char *id;     /* 32 hex */
	int64_t experiment;
	const char *name;   /* NULL: "adjective-noun-NNN" */
	const char *user;
	const char *parent; /* NULL at the top */
	const char *step;   /* step instance of a nested run, else NULL */
	int64_t start_ms;
};
int run_create(struct db *, const struct run_new *, struct error *);
/* A run whose executor is gone runs again, below another parent. 1, or 0 when it was never recorded. */
int run_adopt(struct db *, const char *id, const char *parent, struct error *);
int run_finish(struct db *, const char *id, enum run_status, int64_t end_ms, struct error *);

int run_log_param(struct db *, const char *run, const char *key, const char *value, struct error *);
int run_log_metric(struct db *, const char *run, const char *key, double value, int64_t timestamp_ms,
		   int64_t step, struct error *);
int run_set_tag(struct db *, const char *run, const char *key, const char *value, struct error *);

enum io_direction { RUN_INPUT, RUN_OUTPUT };
/* kind of use: "data", "out", "metrics", "plots". Repeating replaces. The code of a run stands among its
 * inputs, at paths that no project path can be: the tree of changed files, an object that lists deleted
 * ones, a line each, and the tree of the whole code (pipeline/code_files.h). */
#define RUN_CODE_CHANGES "/code/changes"
#define RUN_CODE_DELETED "/code/deleted"
#define RUN_CODE_FILES	 "/code/files"
int run_log_content(struct db *, const char *run, enum io_direction, const char *path, const char *use,
		    const struct content *, struct error *);

/* One execution of a step instance, in the nested run `run` (or the pipeline run, when cached). */
struct attempt {
	const char *run;    /* the nested run; for a cached step NULL */
	const char *parent; /* the pipeline run */
	const char *step;
	int number;         /* 1.. */
	const char *state;  /* "running" "ok" "failed" "killed" "timeout" "cached" "skipped" "lost" */
	struct digest key;
	int exit_code;      /* -1: none */
	int signal;
	int64_t start_ms, end_ms;
	int64_t user_us, system_us, max_rss;
	bool sampled;       /* max_rss is the largest of samples */
	const char *source; /* nested run a cached result came from, else NULL */
	const char *reason; /* why it ran or not, one line; may be NULL */
	const char *record; /* JSON: argv, env, host, tools, ...; may be NULL */
};
int attempt_store(struct db *, const struct attempt *, struct error *); /* insert or replace (parent, step, number) */
/* How much of $MLOPS_METRICS became metrics, in bytes and lines: noted with them, and found again by the nested run. */
int attempt_set_points(struct db *, const char *parent, const char *step, int number, int64_t bytes, int lines,
		       struct error *);
int attempt_points(struct db *, const char *run, int64_t *ret_bytes, int *ret_lines, struct error *);
/* Attempts of a pipeline run as a JSON array, in order of start. */
int attempts_list(struct db *, const char *parent, struct js **ret, struct error *);
/* How far a pipeline run is: {states: {ok: 7, ...} of the newest attempt of each step, running: [{step, number,
 * start_time}], the oldest first}. */
int attempts_progress(struct db *, const char *parent, struct js **ret, struct error *);
/* The newest attempt in state "ok" with this step key: {run_id (of the pipeline), reason, run (nested), time, record}.
 * NULL when there is none. */
int attempt_of_key(struct db *, const struct digest *key, struct js **ret, struct error *);
/* The newest time that a step took a result of this key from the cache: {run_id, reason, run (nested, that made it)}.
 * NULL when it did not. */
int attempt_cached(struct db *, const char *step, const struct digest *key, struct js **ret, struct error *);
/* Attempts of a pipeline run that were running when it was killed become "lost". */
int attempts_lose(struct db *, const char *parent, int64_t end_ms, struct error *);
/* The record of the newest attempt in state "ok" of a step, in runs of the experiment. NULL when there is none. */
int attempt_last_record(struct db *, const char *experiment, const char *step, struct js **ret, struct error *);

/* One run as JSON: {run_id, name, experiment, status, start_time, end_time, user, parent, step, params{},
 * metrics{}, tags{}, inputs[], outputs[]}. ERR_NOT_FOUND. */
int run_load(struct db *, const char *id, struct js **ret, struct error *);
/* SHA-256 of its canonical text: the event of the run's end holds it. */
void run_digest(const struct js *run, char ret_hex[65]);
/* {key: [{step, timestamp, value}...]} */
int run_metric_history(struct db *, const char *id, const char *key, struct js **ret, struct error *);

struct run_query {
	const char *filter;   /* MLflow's grammar; NULL: all */
	const char *order_by; /* "metrics.auc DESC, start_time"; NULL: start_time DESC */
	int64_t limit;        /* 0: 1000 */
	const char *parent;   /* only children of this run; NULL: only top-level runs unless all */
	bool all;
};
/* Array of run_load's objects (without inputs and outputs). */
int run_search(struct db *, const struct run_query *, struct js **ret, struct error *);
/* The top-level run made last, whatever the clock said; ERR_NOT_FOUND when there is none. */
int run_last(struct db *, char ret_id[33], struct error *);
/* Appends the ids, newest first, of at most `max` runs whose id starts with `text` (4 digits or more) and of
 * top-level runs named so. */
int run_match(struct db *, const char *text, size_t max, struct strlist *ret, struct error *);
/* Runs of `mlops run` whose status is RUNNING: for recovery. Clients of MLflow say themselves when theirs end. */
int run_each_running(struct db *, int (*each)(void *ctx, const char *id), void *ctx, struct error *);
