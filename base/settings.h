/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Settings: one table holds every key with its type, default and help; files and
 * `mlops config` only look up there. .mlops/config.ini overrides the default, and
 * the environment variable MLOPS_SECTION_KEY (upper case) overrides the file.
 */
struct error;
/* id, key, type, default, what it may be, help */
#define SETTINGS(X)                                                                                \
	X(RUN_JOBS, "run.jobs", SETTING_INT, "0", "0..1024", "steps at a time; 0 is one a core")   \
	X(RUN_CPU, "run.cpu", SETTING_INT, "0", "0..4096", "cores that steps may use together; 0 is all")   \
	X(RUN_MEM, "run.mem", SETTING_SIZE, "0", NULL, "memory that steps may use together; 0 is all")       \
	X(RUN_GPU, "run.gpu", SETTING_GPUS, "auto", NULL,                                          \
	  "GPUs that steps may use: a number, or their ids as 0,2; auto is those seen here")       \
	X(RUN_LOCAL, "run.local", SETTING_WORD, "yes", "yes|no",                                   \
	  "whether steps may run on this machine itself, outside of containers")                   \
	X(AGENT_RUNS, "agent.runs", SETTING_INT, "2", "1..64", "runs of projects that an agent executes at a time") \
	X(AGENT_DIRS, "agent.dirs", SETTING_TEXT, "", NULL,                                        \
	  "directories, as /DIR:/DIR, below which an agent may take projects from")                \
	X(AGENT_ANONYMOUS, "agent.anonymous", SETTING_WORD, "tracking", "tracking|nothing",        \
	  "what programs of this machine may do with an agent without a token")                    \
	X(MONITOR_SQLITE, "monitor.sqlite", SETTING_WORD, "no", "yes|no",                          \
	  "whether monitors may read databases of other programs, as this user")                   \
	X(MONITOR_INFLOW, "monitor.inflow", SETTING_SIZE, "8G", "1M",                               \
	  "bytes of rows that came over HTTP and wait to be judged, of one monitor")               \
	X(NOTIFY_ALLOW, "notify.allow", SETTING_NETWORKS, "", NULL,                                \
	  "networks, as 10.0.0.0/8, that notifications may go to beside the public internet")      \
	X(NOTIFY_COMMAND, "notify.command", SETTING_TEXT, "", NULL,                                \
	  "program, and its words, that an agent tells each notification as JSON on its input")    \
	X(OPENLINEAGE_URL, "openlineage.url", SETTING_TEXT, "", NULL,                              \
	  "where runs are told in OpenLineage's words, as https://HOST[/api/v1/lineage]")          \
	X(OPENLINEAGE_SECRET, "openlineage.secret", SETTING_TEXT, "", NULL,                        \
	  "name of the secret that is sent there as Authorization: Bearer")                        \
	X(OPENLINEAGE_FILE, "openlineage.file", SETTING_TEXT, "", NULL,                            \
	  "file to which the same is appended, a line each; relative to the project")              \
	X(OPENLINEAGE_NAMESPACE, "openlineage.namespace", SETTING_TEXT, "", NULL,                  \
	  "namespace of jobs and data sets there; empty: the pipeline's name")                     \
	X(AUDIT_EVENTS, "audit.events", SETTING_INT, "1000", "0..1000000000",                      \
	  "events after which a checkpoint of the audit log is signed; 0: by time alone")         \
	X(AUDIT_MINUTES, "audit.minutes", SETTING_INT, "10", "0..100000",                          \
	  "minutes after which one is signed when events came; 0: by their number alone")         \
	X(AUDIT_FILE, "audit.file", SETTING_TEXT, ".mlops/audit/checkpoints", NULL,                \
	  "file that each checkpoint is appended to, seen from the project; empty: none")         \
	X(AUDIT_REF, "audit.ref", SETTING_TEXT, "", NULL,                                          \
	  "git ref, as refs/mlops/audit, that each checkpoint becomes a commit of; empty: none")  \
	X(AUDIT_REMOTE, "audit.remote", SETTING_TEXT, "", NULL,                                    \
	  "git remote that this ref is pushed to; empty: none")                                   \
	X(ATTEST_RUNS, "attest.runs", SETTING_WORD, "no", "yes|no",                                \
	  "whether runs that went well are attested, as versions of models are")                  \
	X(LOG_MAX, "log.max", SETTING_SIZE, "256M", "1M",                                          \
	  "bytes kept of what a step prints, half of them of its end; 0 is all")                   \
	X(CHECKOUT_LINK, "checkout.link", SETTING_WORD, "copy", "copy|hardlink|symlink",           \
	  "how checkout places files: a link saves the space, and is read-only")                   \
	X(UI_COLOR, "ui.color", SETTING_WORD, "auto", "auto|always|never",                         \
	  "color in the terminal")                                                                 \
	X(UI_PAGER, "ui.pager", SETTING_TEXT, "less -FRX", NULL,                                   \
	  "program long output goes through; empty: none")

enum setting {
#define X(id, key, type, fallback, allowed, help) SETTING_##id,
	SETTINGS(X)
#undef X
	SETTING_COUNT
};
#define SETTING_GPUS_MAX 64
enum setting_type { SETTING_INT, SETTING_SIZE /* 512M */, SETTING_GPUS /* auto, a number up to SETTING_GPUS_MAX, or ids */, SETTING_WORD, SETTING_NETWORKS /* base/reach.h */, SETTING_TEXT };
struct setting_def {
	const char *key;
	enum setting_type type;
	const char *fallback;
	const char *allowed; /* a number's range "0..9"; the least size besides 0; words "a|b"; NULL: any one line */
	const char *help;
};
extern const struct setting_def setting_defs[SETTING_COUNT];

struct settings {
	char *values[SETTING_COUNT]; /* NULL: the default */
};
void settings_release(struct settings *);
/* The file, then the environment. An absent file is no error; an unknown key is, with the nearest
 * right one, and so is a key that stands twice. On error the settings are as before. */
int settings_load(struct settings *, const char *path, struct error *);
/* Replaces one value in the file, keeping comments and order; NULL removes it. The file is made
 * when absent. Blanks around the value are not kept. Two writers at once: the later one wins. */
int settings_store(const char *path, enum setting, const char *value, struct error *);
/* ERR_USAGE with the nearest key when there is none. */
int settings_find(const char *key, enum setting *ret, struct error *);
/* ERR_USAGE when the text does not fit the type. */
int settings_check(enum setting, const char *value, struct error *);
const char *settings_get(const struct settings *, enum setting); /* lent */
/* Of an INT or a SIZE. */
int64_t settings_int(const struct settings *, enum setting);
