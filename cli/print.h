/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "cli/text.h"
/*
 * From results to text. A printer turns what one operation returned into what a
 * person reads; print.c maps operation names to printers. All text goes through
 * print_put or a table, which escape what could drive a terminal, so a file name, a
 * log line or a parameter is always harmless.
 */
struct error;
struct js;
struct op;

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	STYLE_NAME,
	STYLES
};

struct print {
	FILE *out;
	int width;  /* columns to fit into; 0: no limit, as in a file or pipe */
	bool color;
	bool utf8;  /* else own symbols are ASCII */
};
/* Formats, escapes control bytes other than newline and tab, writes in the style. Ends no line by
 * itself. */
void print_put(struct print *, enum style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A path, a log line, any text that may hold anything: also newlines and tabs are shown escaped. */
void print_word(struct print *, enum style, const char *text);
/* "a symbol or its ASCII form": print_symbol(p, "✓", "ok") */
const char *print_symbol(const struct print *, const char *utf8, const char *ascii);

/*
 * A table: cells row by row, then table_print, which also releases it. Columns are as
 * wide as their widest cell; when the whole does not fit the width, columns with a
 * `drop` are kept from the lowest on as they fit, then those marked `shrink` are cut with an
 * ellipsis, the widest first. Titles are lent until then; without any title there is
 * no heading. Two blanks stand between columns.
 */
struct table_column {
	const char *title;
	bool right;  /* align right: numbers */
	bool shrink; /* may be cut */
	int drop;    /* above 0: may be left out; no two are equal */
};
struct table_cell {
	char *text;
	int width;
	enum style style;
};
struct table {
	const struct table_column *columns;
	size_t ncolumns;
	struct table_cell *cells;
	size_t len, cap;
	int indent;  /* blanks before each line */
};
void table_init(struct table *, const struct table_column *, size_t ncolumns);
void table_cell(struct table *, enum style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Returns how many columns were left out. */
size_t table_print(struct table *, struct print *);

/* `result` is what the operation returned, also when it failed with a result (a failed run).
 * Lent. */
typedef void printer(struct print *, const struct js *result);
/* NULL: the operation has no text of its own (it wrote bytes). */
printer *printer_find(const char *op_name);
/* For operations whose events are what was asked for: prints one. NULL: they only tell how it goes (live.h). */
printer *event_printer_find(const char *op_name);

/* The error in its parts: "error: what", "  --> where", "help: fix". */
void print_error(struct print *, const struct error *);
/* One JSON value and a newline, safe to show on a terminal. */
void print_json(FILE *, const struct js *, bool pretty);

/* Printers, by file. */
printer print_init, print_doctor, print_config, print_version; /* print_project.c */
printer print_check, print_keys; /* print_pipeline.c */
/* print_data.c */
printer print_add, print_status, print_diff, print_checkout, print_lock_take, print_fsck;
printer print_image_list, print_image_update; /* print_image.c */
printer print_push, print_pull; /* print_share.c */
printer print_model_list, print_model_show, print_model_version; /* print_model.c */
printer print_model_moved, print_model_approvals, print_model_card; /* print_promote.c */
printer print_reproduce; /* print_reproduce.c */
printer print_lineage; /* print_lineage.c */
printer print_secret_add, print_secret_list, print_secret_rm; /* print_secret.c */
/* print_access.c */
printer print_token_add, print_token_list, print_token_rm, print_user_add, print_user_edit, print_user_list, print_user_rm;
printer print_permission_add, print_permission_list, print_permission_rm;
printer print_experiments; /* print_experiments.c; of run.start, when a param has several values */
printer print_secret_add, print_secret_list, print_secret_rm; /* print_secret.c */
printer print_hooks_install, print_hooks_remove, print_hooks_run, print_trigger_approve; /* print_hooks.c */
printer print_active, print_stop; /* print_active.c */
printer print_key_add, print_key_list, print_key_rotate, print_key_revoke, print_key_show; /* print_key.c */
/* print_forget.c */
printer print_forget, print_forget_agree, print_forget_withdraw, print_forget_list, print_forget_show;
/* print_attest.c */
printer print_attest, print_verify;
/* print_bundle.c */
printer print_bundle_create, print_bundle_verify, print_bundle_import;
/* print_ci.c */
printer print_ci, print_notify_list, print_notify_retry;
/* print_agent_projects.c; print_submitted: of run.start, when an agent is to run it */
printer print_project_add, print_project_list, print_project_rm, print_submitted;
printer print_run, print_dag, print_runs, print_show; /* print_run.c */
printer print_why, print_accept; /* print_why.c */
printer print_cache_list, print_cache_rm; /* print_cache.c */
printer print_profile; /* print_profile.c */
printer print_schema_infer, print_schema_check; /* print_schema.c */
printer print_split; /* print_split.c */
printer print_drift; /* print_drift.c */
printer print_monitor_list, print_monitor_show, print_monitor_check; /* print_monitor.c */
printer print_monitor_history, print_monitor_replay, print_monitor_said; /* print_policy.c */
/* print_trigger.c */
printer print_trigger_list, print_trigger_show, print_trigger_fire, print_trigger_paused, print_trigger_history,
	print_trigger_next;
printer print_events, print_event, print_whoami; /* print_events.c */
/* print_audit.c */
printer print_audit_list, print_audit_verify, print_audit_prove, print_audit_check, print_audit_checkpoint;
/* Steps that are not up to date [{name or step, of, state, reasons[]}], those of one step with equal reasons together;
 * then how many there are of each state. */
void print_plan(struct print *, const struct js *steps, int64_t fresh);
/* Instances of one step that are in one state for one reason come together, as "train@* (5 steps)". */
typedef void print_group(void *ctx, const struct js *first, const char *name);
void print_each_group(const struct js *steps, print_group *each, void *ctx);
/* Of a run that had nothing else to do: what was skipped, and why. */
void print_skipped(struct print *, const struct js *steps);
/* What was accepted of a run's results (api/op_history.c), or nothing. */
void print_accepted(struct print *, const struct js *accepted);
/* print_kept.c: what does not fit a schema [{path, schema, lines[]}], kept profiles of a run, what changed between two of
 * them (api/profiles.h). Each may be NULL. */
void print_misfits(struct print *, const struct js *reports);
/* Lines of a gate with what they found; candidates of a run. */
void print_gate_lines(struct print *, const struct js *lines);
void print_candidates(struct print *, const struct js *models);
void print_run_profiles(struct print *, const struct js *profiles);
void print_profile_changes(struct print *, const struct js *changes);
