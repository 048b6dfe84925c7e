/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
#include "base/strmap.h"
/*
 * pipeline.ini: one table of sections and keys, and the structure a file becomes.
 *
 * grammar_keys is the single place that knows a key: the parser, its errors, the
 * reference in docs/pipeline.md and "not supported by this version" follow from it.
 * Every problem is found in one reading; the first is the error, and its help says how
 * many more there are. Errors carry file, line, column, and the nearest right name.
 */
struct error;
struct js;

enum grammar_type {
	G_TEXT, G_NAME, G_PATH, G_PATHS /* list */, G_LIST, G_COMMAND, G_ENV /* NAME=VALUE list */,
	G_BOOL, G_NUMBER, G_COUNT, G_USER, G_SIZE /* 4G */, G_DURATION /* 2h, ms */, G_PLOTS, G_ANY,
	G_AXIS /* one of a matrix */, G_POOL, G_BACKOFF /* 10s..5m */, G_CAUSES, G_SECRETS,
	G_WINDOW /* 1000 rows, 7d, file */, G_TIMES, G_REFERENCE, G_SEASON, G_METHOD,
	G_LINES /* an item a line */, G_HOLDOUT, G_COOLDOWN,
};
struct grammar_key {
	const char *section; /* "pipeline", "params", "step.", ... ; a trailing dot takes a NAME */
	const char *key;     /* "cmd"; "*" any; "matrix.*" any with that prefix */
	enum grammar_type type;
	const char *since;   /* version that understands it; NULL: known, not supported yet */
	const char *fallback; /* shown as default; NULL none */
	const char *help;
	size_t field;        /* where the parser puts it: offsetof in the struct of its section */
};
extern const struct grammar_key grammar_keys[];
extern const size_t grammar_keys_len;
const char *grammar_type_name(enum grammar_type);

/* Where a value stands, for errors after parsing. */
struct place {
	int line, column;
};
struct text_at {
	char *text;
	struct place at;
};
struct textlist {
	struct text_at *items;
	size_t len, cap;
};

/* A continuation line of a command: where its first byte stands in the joined text and in the file. */
struct command_line {
	size_t offset;
	struct place at;
};

/* One axis of a matrix: its values as written, each an item, a range "1..3" or "0.1..0.5:0.1", or "${params.KEY}". */
struct matrix_axis {
	char *name;
	struct place at;
	struct textlist values;
};
/* Why another attempt may help. An exit status that is named alone stands in `codes`. */
enum retry_cause {
	RETRY_EXIT = 1, /* any exit status but 0 */
	RETRY_SIGNAL = 2,
	RETRY_OOM = 4,
	RETRY_TIMEOUT = 8,
	RETRY_ENGINE = 16, /* the container engine failed, or the runner was lost */
};
#define RETRY_DEFAULT (RETRY_EXIT | RETRY_SIGNAL | RETRY_OOM | RETRY_TIMEOUT | RETRY_ENGINE)
struct retry_on {
	unsigned causes;    /* of enum retry_cause */
	uint8_t codes[32];  /* a bit for each exit status */
};
struct secret_use {
	char *name;
	bool env;           /* as a variable, too */
	struct place at;
};

struct step {
	char *name;
	struct place at;
	/* One line, as written: continuation lines are joined by a blank, and a backslash that ends
	 * one of them is dropped, as a shell drops it. */
	struct text_at cmd;
	struct command_line *cmd_lines; /* of the second line and on; NULL when there is one */
	size_t ncmd_lines;
	struct textlist in;      /* project paths or globs, as written, may hold ${...}; plan_make cleans */
	struct textlist out;     /* project paths, as written, may hold ${...} */
	struct textlist metrics; /* outputs too */
	struct textlist plots;   /* outputs too; options after the path are in plot_options, same index */
	struct strlist plot_options;
	struct textlist params;  /* keys and globs like train.* */
	struct textlist after;   /* step names */
	struct textlist env;     /* NAME=VALUE, may hold ${...} */
	double cpu;              /* 0: not said */
	int64_t mem;             /* bytes, 0: not said */
	int64_t timeout_ms;      /* 0: none */
	bool cache;
	/* In a container: */
	struct text_at image;    /* may hold ${...}; text is NULL when not said, "none" for none */
	bool network, root;
	bool tracking;           /* MLflow's clients in it write to its run */
	int64_t shm;             /* bytes of /dev/shm, 0: not said */

	int64_t gpu;
	struct text_at pool;     /* text is NULL when not said */
	struct matrix_axis *axes; /* in file order */
	size_t naxes, axes_cap;
	struct textlist exclude; /* items "model=mlp seed=3" */
	struct textlist include;
	int64_t retries;         /* after the first attempt */
	int64_t backoff_ms, backoff_max_ms;
	struct retry_on retry_on;
	int64_t deadline_ms;     /* of all attempts together; 0: none */
	struct textlist checkpoints; /* project paths of directories, as written, may hold ${...} */
	struct text_at env_file; /* text is NULL when not said */
	struct secret_use *secrets;
	size_t nsecrets, secrets_cap;
	struct text_at when;     /* text is NULL when not said */
	struct textlist profile; /* outputs that are described; as written, may hold ${...} */
	bool faulty;             /* its section has mistakes; see pipeline_check */
};
/* [image.NAME]: an image that is built here. */
struct image_section {
	char *name;
	struct place at;
	struct text_at context;  /* project path of a directory */
	struct text_at file;     /* project path of its Dockerfile; text is NULL: Dockerfile in the context */
	struct textlist args;    /* NAME=VALUE, may hold ${params.KEY} */
	struct text_at push;     /* REGISTRY/NAME; text is NULL: it stays here */
	bool network;            /* of its RUN instructions */
	int64_t timeout_ms;
};
/* [schema.NAME]: tables that must fit a schema. */
struct schema_section {
	char *name;
	struct place at;
	struct textlist paths;   /* project paths, clean; directories and patterns too */
	struct text_at file;     /* project path, clean */
	struct text_at delimiter, nulls; /* how its tables are read; text is NULL when not said */
};
struct pool {
	char *name;
	struct place at;
	int64_t size;            /* steps at a time, 1 or more */
};
struct remote_section {
	char *name;
	struct place at;
	struct text_at url;
};
/* [monitor.NAME]: rows that arrive are compared with a reference, a window at a time. */
struct monitor_section {
	char *name;
	struct place at;
	struct text_at model;
	struct text_at data;     /* a pattern of files, an artifact, or sqlite:PATH */
	struct text_at query;    /* of sqlite */
	struct text_at reference; /* a table */
	int64_t first;           /* or the first so many windows; 0: a table */
	int64_t window_rows, window_ms; /* both 0: a file each */
	struct text_at time;     /* column of the rows' time; text is NULL when not said */
	int64_t step_ms, start_ms; /* or the time between two rows, and of the first one; step_ms is 0 when not said */
	int64_t season_ms, season_windows; /* at most one is not 0 */
	int64_t min_rows;
	struct text_at id, prediction, probability, label; /* columns */
	struct text_at labels;   /* a pattern of files with labels that come later */
	struct textlist columns, ignore, critical;
	bool evidently;
	double threshold, share; /* 0: not said */
	int64_t late_ms;
	struct text_at schema;   /* of a [schema.NAME] */
};
/* [model.NAME]: an output that becomes a version, and what an alias asks of it. Paths are project paths, clean. */
struct model_holdout {
	char *name;
	struct text_at path;
};
struct model_section {
	char *name;
	struct place at;
	struct text_at from;
	struct textlist gate;    /* a condition each: see gate.h */
	struct model_holdout *holdouts; /* in file order; the first is the one that tests mean */
	size_t nholdouts, holdouts_cap;
	char *alias;             /* NULL: not said */
	struct text_at champion;
	struct textlist approve; /* a role, or users; empty: nobody */
	int64_t approve_within_ms;
	bool protect;
	bool reproduced;         /* it must have been made again before the alias moves to it */
	struct text_at reference, slices, example, signature, limitations, policy;
};
/* [trigger.NAME]: what starts a run without a person. */
struct trigger_section {
	char *name;
	struct place at;
	struct textlist branch, paths, on;
	struct text_at cron, tz, catchup;
	int64_t jitter_ms;
	struct text_at data;
	char *monitor;
	struct text_at pipeline;
	struct text_at file;
	struct textlist steps, params, update;
	struct text_at cancel;
	char *group;
	struct textlist budget;
	int64_t cooldown_ms, cooldown_windows; /* at most one is not 0 */
	struct text_at alarm, clear;
	int64_t stop_after;
};
/* What its budget, alarm and clear say, with defaults of a trigger with a monitor where they say nothing. */
struct trigger_limits {
	int64_t per_day, per_week; /* 0: no limit */
	int64_t alarm_of, alarm_in;
	double clear_share;
	int64_t clear_for;
};
void trigger_limits(const struct trigger_section *, struct trigger_limits *ret);
/* [notify.NAME]: who is told of what. */
struct notify_section {
	char *name;
	struct place at;
	struct textlist on;
	struct text_at url, format;
};
struct pipeline {
	char *file;              /* project path, as errors print it */
	char *name;              /* [pipeline] name, else the file's name without .ini */
	struct textlist env;
	struct text_at params_file; /* [pipeline] params; text is NULL when absent */
	struct text_at image;    /* of steps that say none of their own */
	int64_t parallel;        /* steps at a time; 0: not said */
	struct pool *pools;      /* in file order */
	size_t npools, pools_cap;
	struct image_section *images; /* in file order */
	size_t nimages, images_cap;
	struct js *params;       /* nested object: params file, overridden by [params], overridden by -p */
	struct strlist params_files; /* project paths read for it */
	struct step *steps;      /* in file order */
	size_t nsteps, cap;
	struct strmap by_name;   /* name -> struct step * */
	bool partial;            /* not of the file: inputs of steps that are not selected may be absent */
	char *trigger_time, *trigger_window; /* not of the file: what ${trigger.*} stand for in this run, or NULL */
	struct monitor_section *monitors; /* in file order */
	size_t nmonitors, monitors_cap;
	struct remote_section *remotes; /* in file order */
	size_t nremotes, remotes_cap;
	struct schema_section *schemas; /* in file order */
	size_t nschemas, schemas_cap;
	struct model_section *models; /* in file order */
	size_t nmodels, models_cap;
	struct trigger_section *triggers; /* in file order */
	size_t ntriggers, triggers_cap;
	struct notify_section *notifies; /* in file order */
	size_t nnotifies, notifies_cap;
};
/* `overrides` are "K=V" from -p and may be NULL: V is JSON if it parses, else a string, as in [params];
 * an unknown K is ERR_USAGE with the nearest. `rootfd` is the project. */
int pipeline_load(int rootfd, const char *path, const struct strlist *overrides, struct pipeline **ret,
		  struct error *);
/* The same on text in memory, without files (tests, fuzzing); `params_text` may be NULL. */
int pipeline_parse(const char *text, size_t len, const char *file, const char *params_text,
		   const struct strlist *overrides, struct pipeline **ret, struct error *);
/* Only its [remote.NAME] sections: mistakes elsewhere, or no steps at all, do not matter. Only `file` and `remotes`
 * of the result are set. */
int pipeline_load_remotes(int rootfd, const char *path, struct pipeline **ret, struct error *);
int pipeline_parse_remotes(const char *text, size_t len, const char *file, struct pipeline **ret, struct error *);
/* Only its [schema.NAME] sections, likewise. */
int pipeline_load_schemas(int rootfd, const char *path, struct pipeline **ret, struct error *);
/* Only what watches and starts: its [model.NAME], [monitor.NAME], [trigger.NAME] and [notify.NAME], and [schema.NAME]
 * for monitors that name one, likewise. */
int pipeline_load_definitions(int rootfd, const char *path, struct pipeline **ret, struct error *);
int pipeline_parse_definitions(const char *text, size_t len, const char *file, struct pipeline **ret, struct error *);
/* Only its [trigger.NAME] sections, whose monitors may be elsewhere: a policy to try. */
int pipeline_parse_policy(const char *text, size_t len, const char *file, struct pipeline **ret, struct error *err);
/* Tells all mistakes. *ret receives what could be read, when the others allow to plan it: steps with mistakes of their
 * own are marked `faulty`. Else it stays as it is. -1 when there are mistakes. */
struct problems;
int pipeline_check(int rootfd, const char *path, struct problems *, struct pipeline **ret);
void pipeline_free(struct pipeline *);
void cleanup_pipeline(struct pipeline **);
/* NULL when absent; "train.lr" walks nested objects. Lent. */
struct js *pipeline_param(const struct pipeline *, const char *key);
/* All leaves flattened: calls with "train.lr" and the value. An array and an empty object are leaves. */
void pipeline_each_param(const struct js *params, void (*each)(void *ctx, const char *key, const struct js *value),
			 void *ctx);
