/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Operations: every action a user can ask for, once. The CLI calls them in process;
 * the agent serves the same table. Parsing, help, completion and authorisation
 * derive from the row: a command is a row, a handler and a printer (cli/print.c).
 */
struct error;
struct js;
struct project;
struct settings;
struct spawner;
struct strbuf;

enum op_flags {
	OP_LOCAL = 1,     /* needs the work tree in which the user stands, so no agent can do it for him */
	OP_STREAM = 2,    /* emits events or bytes while it works */
	OP_AUDIT = 4,     /* writes an event row */
	OP_SPAWNS = 8,    /* the step spawner is started before anything is opened */
	OP_NO_PROJECT = 16, /* works outside a project; ctx->project is NULL */
	OP_PAGED = 32,    /* its text goes through the pager on a terminal */
	OP_BYTES = 64,    /* writes raw bytes through ctx->write */
	OP_INPUT = 256,   /* takes raw bytes through ctx->read: no argument, so no command line shows them */
	OP_TRY_PROJECT = 128, /* opens the project if there is one; else ctx->project is NULL */
	OP_WRITES = 512,  /* a short change of the database and nothing else: the agent commits many at once. The handler
			   * runs inside a transaction; what it wrote before an error is undone by its caller. */
	OP_ONCE = 1024,   /* twice is not once: the agent tells a repeated request, and gives the first answer again */
	OP_LONG = 4096,   /* reads or hashes stored bytes, or waits: never on a thread that answers many */
	OP_ROUTED = 8192, /* its body or its answer is the bytes of a file: the agent has a route of its own for it, and
			   * there is no handler */
	OP_OBJECTS = 32768, /* of a remote: tokens may have that scope alone */
	OP_MANAGES = 16384, /* deletes what it is about, or brings it back */
	OP_SENDS = 131072, /* works here, also with --agent, and then with that agent */
	OP_TRACKING = 2048, /* of tracking, as training code uses it: an agent on loopback asks no token for it */
};
/* REAL: a number, or "NaN", "Infinity", "-Infinity". JSON: the handler checks it. */
enum op_type { OP_TEXT, OP_INT, OP_BOOL, OP_REAL, OP_JSON };
enum op_param_flags {
	OPP_POSITIONAL = 1,
	OPP_REQUIRED = 2,
	OPP_MANY = 4, /* collects into a JSON array */
	OPP_SIGNED = 8, /* an INT that may be below 0 */
};
/* What a value is: offered by completion; a CHOICE is one of the words of `value` ("ours|theirs"), a PATH is
 * never empty. */
enum op_complete {
	COMPLETE_NONE,
	COMPLETE_PATH,
	COMPLETE_STEP,
	COMPLETE_PIPELINE, /* a file *.ini */
	COMPLETE_PIPELINE_STEP, /* either */
	COMPLETE_PARAM, /* KEY=VALUE */
	COMPLETE_RUN,
	COMPLETE_NAME,
	COMPLETE_IMAGE, /* that a step names */
	COMPLETE_SECRET, /* that is there, or that a step asks for */
	COMPLETE_MODEL, /* registered, or MODEL@ALIAS */
	COMPLETE_SETTING,
	COMPLETE_SETTING_VALUE, /* of the setting that is the argument before */
	COMPLETE_COMMAND,
	COMPLETE_CHOICE,
};
struct op_param {
	const char *name;  /* "jobs": --jobs, and the key of the JSON argument; '-' becomes '_' there */
	char letter;       /* 'j', or 0 */
	enum op_type type;
	unsigned flags;
	enum op_complete complete;
	const char *value; /* shown: "N", "FILE"; NULL for bool */
	const char *help;
};
enum op_role { ROLE_VIEWER, ROLE_ENGINEER, ROLE_APPROVER, ROLE_ADMIN };
/* The thing whose own permissions count, and the argument that names it. */
enum op_about {
	ABOUT_NOTHING,
	ABOUT_EXPERIMENT,   /* experiment_id, experiment_ids or experiment_name */
	ABOUT_RUN,          /* run_id or run_ids: those of its experiment */
	ABOUT_LOGGED_MODEL, /* model_id: those of its experiment */
	ABOUT_MODEL,        /* name */
	ABOUT_VERSION,      /* name, MODEL@vN or MODEL@ALIAS: those of the model */
	ABOUT_FILE,         /* path: those of what file_subject (registry/files.h) finds in it */
};

struct op_context {
	struct project *project; /* opened by op_open */
	bool adopted;            /* which made it: this is a fresh clone */
	const char *dir;         /* where the user stands, absolute */
	struct spawner *spawner; /* with OP_SPAWNS */
	const char *command_line; /* as typed */
	const char *agent;       /* OP_SENDS: the agent that is told, as typed; NULL: none */
	const char *origin;      /* "cli", "http" */
	const char *actor;       /* who asks; NULL: the project's actor. See op_actor. */
	const struct js *who;    /* what an agent knows of who asks: {actor, role, ...}; NULL: the user himself, here */
	/* Sends one event (lent). */
	void (*emit)(void *ctx, const struct js *event);
	bool events;             /* OP_BYTES: who can say more of them than bytes do emits events instead */
	/* OP_BYTES: sends bytes; -1 stops. */
	int (*write)(void *ctx, const void *data, size_t len);
	/* OP_INPUT: appends all of the input, at most `max` bytes, which are `what`; more is ERR_USAGE. A person is
	 * asked for it and types unseen. */
	int (*read)(void *ctx, const char *what, size_t max, struct strbuf *ret, struct error *);
	/* What waits or follows asks it now and then: nobody wants the rest. May be NULL. */
	bool (*stopped)(void *ctx);
	const struct progress *progress; /* for long hashing and copying; may be NULL */
	void *ctx;
};
/* *ret_result is owned by the caller and may be set together with an error (a failed run has a result). */
typedef int op_handler(struct op_context *, const struct js *args, struct js **ret_result, struct error *);

struct op {
	const char *name;    /* "run.start" */
	const char *command; /* "run", "lock take"; NULL: only for programs, over HTTP */
	const char *method, *path; /* HTTP below /api/v1 */
	enum op_role role;
	enum op_about about;
	unsigned flags;
	const struct op_param *params; /* ends with name NULL; may be NULL */
	const char *summary; /* one line, for the list */
	const char *details; /* help's text: what it does, examples */
	op_handler *handler;
	const char *remote;  /* the operation that an agent serves for this command; NULL: this one */
};
/* Every operation, commands first: NULL beyond the last. */
const struct op *op_at(size_t i);
const struct op *op_find(const char *name);

/* The key of a parameter in the JSON arguments: '-' becomes '_'. */
const char *op_param_key(const struct op_param *, char buf[64]);
/* Opens the project above ctx->dir into ctx->project, as the row's flags ask; in a fresh clone, which has an
 * mlops.lock and no .mlops yet, it makes one. op_call does it when the caller has not. */
int op_open(const struct op *, struct op_context *, struct error *);
void op_close(struct op_context *);
/* For events: who asks. */
const char *op_actor(const struct op_context *);
/* The work tree of the project is not where the user stands: an agent asks for him. */
bool op_is_remote(const struct op_context *);
/* Settings of the open project; NULL without one. */
const struct settings *op_settings(const struct op_context *);
/* Checks args against the row: unknown, missing, wrong type, not one of the choices. */
int op_check(const struct op *, const struct js *args, struct error *);
/* op_check, op_open, then the handler. */
int op_call(const struct op *, struct op_context *, const struct js *args, struct js **ret_result, struct error *);

/* The tables that op_at goes through. */
struct op_table {
	const struct op *rows;
	size_t len;
};
extern const struct op_table ops_commands; /* ops.c */
extern const struct op_table ops_access; /* ops_access.c: users, tokens, permissions */
extern const struct op_table ops_projects; /* ops_projects.c: what an agent runs */
extern const struct op_table ops_models;   /* ops_models.c: registered and logged models */
extern const struct op_table ops_promotions; /* ops_promotions.c: who gets an alias */
extern const struct op_table ops_search;   /* ops_search.c: searches of them, data sets, metrics of several runs */
extern const struct op_table ops_tracking; /* ops_tracking.c: experiments, runs, what they log, and searches */
extern const struct op_table ops_files; /* ops_files.c: files of runs and models, objects, refs */
extern const struct op_table ops_triggers; /* ops_triggers.c: what starts runs without a person */
extern const struct op_table ops_hooks; /* ops_hooks.c: what git and forges tell */
extern const struct op_table ops_ci;      /* ops_ci.c: runs in a CI, notifications */
extern const struct op_table ops_keys;    /* ops_keys.c: keys that sign */
extern const struct op_table ops_audit;   /* ops_audit.c: the audit log */
extern const struct op_table ops_lineage; /* ops_lineage.c: what made what */
extern const struct op_table ops_keys;    /* ops_keys.c: keys that sign */
extern const struct op_table ops_forget;  /* ops_forget.c: what has to be deleted */
extern const struct op_table ops_reproduce; /* ops_reproduce.c: making it again */
extern const struct op_table ops_bundle;  /* ops_bundle.c: a closure in one file */
extern const struct op_table ops_attest;  /* ops_attest.c: signed statements */
extern const struct op_table ops_monitor; /* ops_monitor.c: profiles, schemas, splits, drift, monitors */

/* Handlers, by file. */
op_handler op_init, op_config, op_version;                          /* op_project.c */
op_handler op_doctor;                                               /* op_doctor.c */
op_handler op_add, op_status, op_checkout, op_diff, op_cat, op_lock_take, op_fsck; /* op_data.c */
op_handler op_push, op_pull;                                        /* op_push.c, op_pull.c */
op_handler op_image_list, op_image_update;                          /* op_image.c */
op_handler op_run, op_dag, op_runs, op_show, op_logs;               /* op_run.c, op_history.c, op_logs.c */
op_handler op_why, op_accept;                                       /* op_why.c, op_accept.c */
op_handler op_cache_list, op_cache_rm;                              /* op_cache.c */
op_handler op_pipeline_check, op_pipeline_keys;                     /* op_pipeline.c */
op_handler op_stop;                                                 /* op_stop.c */
op_handler op_secret_add, op_secret_list, op_secret_rm;             /* op_secret.c */
op_handler op_token_add, op_token_list, op_token_rm;                /* op_token.c */
op_handler op_user_add, op_user_edit, op_user_list, op_user_rm;     /* op_user.c */
op_handler op_permission_add, op_permission_list, op_permission_rm; /* op_permission.c */
op_handler op_project_add, op_project_list, op_project_rm;          /* op_projects.c */
op_handler op_run_submit;                                           /* op_submit.c */
op_handler op_event_list, op_whoami;                                /* op_event.c */
op_handler op_model_create, op_model_get, op_model_search, op_model_describe, op_model_rename, op_model_delete,
	op_model_tag, op_model_untag, op_model_latest, op_model_show, op_alias_set, op_alias_get, op_alias_delete; /* op_models.c */
op_handler op_version_create, op_version_get, op_version_search, op_version_describe, op_version_delete,
	op_version_location, op_version_stage, op_version_tag, op_version_untag; /* op_versions.c */
op_handler op_logged_model_create, op_logged_model_get, op_logged_model_search, op_logged_model_finalize,
	op_logged_model_delete, op_logged_model_tag, op_logged_model_untag, op_logged_model_params,
	op_run_log_model;                                           /* op_logged_models.c */
op_handler op_artifact_list, op_artifact_rm, op_run_artifacts, op_logged_model_artifacts; /* op_files.c */
op_handler op_object_missing, op_object_verify;                     /* op_objects.c */
op_handler op_ref_list, op_ref_get, op_ref_put;                     /* op_refs.c */
op_handler op_run_search, op_experiment_search, op_dataset_search, op_run_inputs, op_run_outputs,
	op_metric_histories, op_metric_samples;                     /* op_search.c */
op_handler op_experiment_create, op_experiment_get, op_experiment_find, op_experiment_rename, op_experiment_delete,
	op_experiment_restore, op_experiment_tag, op_experiment_untag; /* op_experiment.c */
op_handler op_run_create, op_run_get, op_run_update, op_run_delete, op_run_restore, op_run_log, op_run_tag,
	op_run_untag, op_metric_log, op_param_log;                  /* op_tracking.c */
op_handler op_profile, op_drift, op_schema_infer, op_schema_check, op_split; /* op_profile.c, op_drift.c, op_schema.c, op_split.c */
op_handler op_monitor_list, op_monitor_show, op_monitor_check;      /* op_monitor.c */
op_handler op_monitor_history, op_monitor_replay, op_monitor_ack, op_monitor_pause, op_monitor_resume; /* op_policy.c */
op_handler op_model_promote, op_model_rollback, op_model_release;   /* op_promote.c */
op_handler op_model_approve, op_model_reject, op_model_approvals;   /* op_approve.c */
op_handler op_model_card;                                           /* op_card.c */
op_handler op_trigger_list, op_trigger_show, op_trigger_fire, op_trigger_pause, op_trigger_resume, op_trigger_history,
	op_trigger_next;                                            /* op_trigger.c */
op_handler op_trigger_push, op_trigger_approve;                     /* op_trigger_push.c */
op_handler op_hooks_install, op_hooks_remove, op_hooks_run;         /* op_hooks.c */
op_handler op_ci, op_notify_list, op_notify_retry;                  /* op_ci.c, op_notify.c */
op_handler op_metric_history;                                       /* op_metric.c */
op_handler op_key_add, op_key_list, op_key_rotate, op_key_revoke, op_key_show; /* op_key.c */
op_handler op_audit_list, op_audit_verify, op_audit_prove, op_audit_check, op_audit_checkpoint; /* op_audit.c */
op_handler op_lineage;                                              /* op_lineage.c */
op_handler op_forget, op_forget_agree, op_forget_withdraw, op_forget_list, op_forget_show, op_object_forget,
	op_object_forgotten;                                        /* op_forget.c */
op_handler op_reproduce;                                            /* op_reproduce.c */
op_handler op_bundle_create, op_bundle_verify, op_bundle_import;    /* op_bundle.c */
op_handler op_attest, op_verify;                                    /* op_attest.c, op_verify.c */

/* offer.c: calls with each word that could stand for such a value in the project at `dir` (NULL: here), and what
 * it is, or NULL. `before` is the argument before it, or NULL: a setting, or the pipeline file whose steps and
 * params are asked for. Trouble of any kind only means fewer words. */
typedef void op_offer(void *ctx, const char *word, const char *help);
void op_offer_values(const char *dir, enum op_complete, const char *before, op_offer *, void *ctx);
