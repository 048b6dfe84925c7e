/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/strbuf.h"
#include "pipeline/budget.h"
#include "pipeline/fetch.h"
#include "pipeline/orphans.h"
#include "pipeline/results.h"
#include "pipeline/run.h"
#include "pipeline/tables.h"
#include "pipeline/tracking.h"
#include "registry/git.h"
#include "registry/runs.h"
#include "runners/runner.h"
#include "store/scan.h"
/*
 * Inside one run, shared by run.c (before and after), schedule.c (the queue and the event
 * loop), task.c (one step), finish.c (what it left), tools.c and facts.c (what becomes
 * true). Only pipeline/ includes this.
 *
 * Threads: the loop's thread owns everything, except that a task in TASK_FINISHING or
 * TASK_RESTORING belongs to the worker it was handed to, and the project's database
 * belongs to the one facts_commit in flight.
 *
 *     WAITING -> READY -> RUNNING -> FINISHING -> DONE
 *                   ^  \               \-> BACKOFF -> READY   another attempt
 *                   |   \-> RESTORING ----------/
 *                   |   \-----------------------/  fresh, skipped, or blocked by a failure
 */
struct docker_engine;
struct loop;
struct loop_timer;
struct mask_stream;
struct run_secrets;
struct steplog;
struct store;
struct task;

enum task_phase { TASK_WAITING, TASK_READY, TASK_RESTORING, TASK_RUNNING, TASK_FINISHING, TASK_BACKOFF, TASK_DONE };
enum task_end {
	END_NONE,
	END_FRESH,    /* nothing to do */
	END_RESTORED, /* outputs of mlops.lock brought back */
	END_CACHED,   /* an earlier run's result */
	END_OK,
	END_SKIPPED,  /* its condition does not hold, or that of a step it needs */
	END_FAILED,
	END_TIMEOUT,
	END_KILLED,   /* the run was interrupted */
	END_BLOCKED,  /* not tried: something above it failed */
};
const char *task_end_name(enum task_end);

struct task {
	struct engine *engine;
	struct plan_node *node;
	enum task_phase phase;
	enum task_end end;
	size_t waits;             /* needed tasks that are not DONE */
	const struct task *blocked_by; /* one of them that did not succeed */
	const struct step_look *look;
	char *reason;             /* why it runs, one line */
	bool fetched;             /* its result came, or was to come, from a remote */
	char run[33];             /* its nested run */
	int64_t experiment;       /* of its nested run */
	char *token;              /* for MLflow's clients in it; NULL: it has none */
	bool launching;           /* it starts when its run is a fact: its clients must find it */
	struct js *record;
	int attempt;              /* 1..; 0 before the first */
	char *gpus;               /* ids of those it holds, "0,2"; NULL none */
	/* In a container: */
	char *container;          /* the runner's name for it; NULL on this machine */
	bool adopted;             /* an earlier mlops started it */
	bool checked;             /* by container_check */
	struct content *before;   /* by index of the node's outputs: what stood in the project when it started */
	bool *precious;           /* by index of the node's outputs */
	struct steplog *log;
	struct mask_stream *masks[2]; /* by stream; NULL: nothing is masked */
	struct strlist tail;      /* last lines of the log */
	struct strbuf unseen[2];  /* by stream: what no event has told yet */
	struct loop_timer *output_timer; /* the log and the events get what came; NULL: nothing did */
	int64_t start_ms, end_ms, start_mono_ms, duration_ms; /* of the attempt */
	int64_t first_mono_ms;    /* start of the first attempt */
	unsigned passed;          /* how often others started while it did not fit */
	struct loop_timer *timer; /* the timeout, then the grace before KILL; in BACKOFF until the next attempt */
	bool timed_out, interrupted;
	char *stopped_by;         /* the user who asked for the end of this step, not of the run; else NULL */
	struct runner_exit *exit; /* its memory is not touched before the first attempt */
	struct content *inputs;   /* by index of the node's inputs, as they were when it started */
	struct content *outputs;  /* by index of the node's outputs */
	struct table_found *found; /* by index of the node's outputs, about those that were looked at; else NULL */
	struct metric_list metrics; /* of metrics= files */
	off_t points_read;        /* bytes of $MLOPS_METRICS already taken */
	int points_line;          /* lines of it */
	size_t points_bad;        /* lines that were no metric */
	char *points_why;         /* the first of them */
	bool points_over;         /* no more is read: what is there is no list of metrics, or too long */
	bool inputs_changed, kept;
	struct strlist notes;     /* made by a worker, shown by the loop */
	struct error *err;        /* why it failed; its memory is not touched before it does */
};

enum fact_kind { FACT_RUN, FACT_START, FACT_POINTS, FACT_NOT_RUN, FACT_END };
struct fact {
	enum fact_kind kind;
	struct task *task; /* NULL for FACT_RUN */
	struct metric_list points;
	off_t points_read; /* with them: bytes and lines */
	int points_line;
};
struct fact_list {
	struct fact *items;
	size_t len, cap;
};

struct engine {
	struct project *project;
	struct plan *plan;
	const struct run_options *opt;
	struct looker *looker;
	struct fetcher fetcher;
	struct store *store;
	struct db *db;
	struct scanner scanner;   /* hash only; facts.c adds a batch */
	struct loop *loop;
	struct runner *runner;    /* of steps on this machine */
	struct docker_engine *containers; /* opened when first needed */
	struct runner *docker;    /* of steps in containers, the same; on `containers`, or the one that tests give */
	bool rootless, asked_rootless; /* what the engine is */
	struct strmap images;     /* [image.NAME] -> struct engine_image *; container_build.c */
	bool building;            /* one of them, on a worker */
	char *probe;
	struct orphans orphans;   /* not adopted yet */
	struct tracking tracking;
	mode_t umask;
	char run[33];             /* id of the pipeline run */
	char host[128];
	bool recorded;            /* its row is (being) written */
	bool written;             /* and stands: steps may start */
	int run_lock;             /* fd of run-ID, -1 before */
	int64_t start_ms, start_mono_ms;
	struct code_version code;
	struct content deleted;   /* object that lists the files the code lacks */
	struct content files;     /* the code as a tree (pipeline/code_files.h) */
	bool files_whole;
	struct js *tools;         /* program and PATH -> {version, packages, packages_digest} */

	struct task *tasks;       /* by index of the node */
	struct error *errors;     /* of the tasks, by the same index */
	struct runner_exit *exits;
	struct task **ready;      /* in order of becoming ready */
	size_t nready;
	size_t total, done, todo; /* selected tasks; those not fresh at the first look */
	int jobs, running, restoring, finishing, backing_off;
	struct budget budget;
	struct run_secrets *secrets; /* of the selected steps */

	struct fact_list queue;   /* not yet handed to the worker */
	struct fact_list group;   /* in the worker's hands */
	bool committing;
	struct loop_timer *commit_timer;
	struct error commit_err;

	bool stopping;            /* start nothing more */
	atomic_int interrupts;    /* asked of by workers, too */
	int interrupt_signal;
	bool suspending;          /* stops as soon as nothing is being committed */
	int64_t suspended_ms;     /* monotonic; since when steps on this machine stand still */
	struct task *failure;     /* the first */
	struct task *check_failed; /* nothing ran: what container_check refused */
	struct tables *tables;    /* NULL: none are looked at */
	struct table_found refused; /* nothing ran: tables that do not fit */
	struct task *refused_by;  /* and the step that they are of */
	struct error fatal;       /* ends the run: facts could not be recorded */
};

/* run.c: events */
void engine_emit(struct engine *, struct js *event); /* takes it */
void engine_emit_run(struct engine *);
void engine_emit_recorded(struct engine *);
void engine_note(struct engine *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* allowed.c: what a run may not do is told before its first step */
int check_local(const struct engine *, struct error *);   /* steps on this machine, where only containers may run */
int check_trigger(const struct engine *, struct error *); /* ${trigger.*} that this run has no value for */
int check_trust(const struct engine *, struct error *);   /* secrets and network, when it is not trusted; after the look */
bool task_may_run(const struct task *);                   /* by the first look */

/* schedule.c */
int schedule_run(struct engine *, struct error *); /* every task of the engine to its end */
void schedule_pump(struct engine *);               /* starts what can start, ends what has ended */
void schedule_done(struct task *, enum task_end);  /* lets the tasks below it go on */
void schedule_again(struct task *);                /* puts it back into the queue */
void schedule_fact(struct engine *, enum fact_kind, struct task *);

/* task.c: one step, in the loop's thread. Each ends in schedule_done or in FACT_END. */
extern const struct runner_events task_events;
void task_start(struct task *);
void task_launch(struct task *);  /* the FACT_START of one that is launching was committed, or not */
void task_restore(struct task *); /* task_restore.c */
void task_interrupt(struct task *, bool force);
void task_finished(struct task *);               /* its FACT_END was committed */
void task_emit(struct task *, const char *state);
char *task_attempt_name(const struct task *); /* RUN-STEP-ATTEMPT, of which a container has its name. Caller frees. */
void task_tell_notes(struct task *);
bool task_succeeded(const struct task *); /* its outputs are in place; false for a skipped one */
/* For the person who runs it; from the loop or from the worker that has the task. */
void task_note(struct task *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Project path of a file through which the step reports. Caller frees. */
char *task_file(const struct task *, const char *name);

/* task_output.c: what a step prints, with secrets masked before anybody sees it */
void task_output_begin(struct task *);
void task_output(void *task, enum runner_stream, const char *data, size_t len);
void task_output_end(struct task *);
void task_emit_unfinished(struct task *, bool all); /* the start of an output line */
void task_mask_error(struct task *);                /* the task's own */
char *task_masked(const struct task *, const char *text); /* caller frees */

/*
 * container.c: steps in containers. Before the run: images become pins, engine, images and
 * inputs are checked, so that what cannot work is told before anything runs.
 */
int container_pin_images(struct engine *, struct error *);
int container_check(struct engine *, struct error *);
/*
 * container_build.c: images that are built here. They are had before the run for steps that are known to run, else on a
 * worker when their step's turn comes.
 */
int container_pin_image(struct engine *, const char *name, struct error *); /* container.c */
int container_pin_bases(struct engine *, const struct plan_node *, struct error *);
/* The engine has it afterwards: it was there, or is pulled, or built; and it is pushed where that is asked. Waits. */
int container_have_image(struct engine *, const struct plan_node *, struct error *);
/* Whether the task must wait for its image, which a worker then gets; schedule_pump is called when it is had, or not. */
bool container_image_waits(struct task *);
const char *container_image_id(struct engine *, const struct plan_node *); /* lent; NULL: it is not had */
/* The end of what a build that failed printed; NULL: none failed. */
const struct strlist *container_build_tail(struct engine *, const struct plan_node *);
void container_stop_builds(struct engine *);
void container_images_release(struct engine *);
/* Looks for containers that an earlier mlops left, and drops those that no selected step can want. */
int container_find_orphans(struct engine *, struct error *);
/* An orphan that is what the task would start: the task becomes its continuation. */
bool container_adopt(struct task *, struct error *);
int container_start(struct task *, struct error *);
/* On the worker that has the task, before its outputs are scanned. *ret_fd: the directory they are in, to be closed. */
int container_finish(struct task *, int *ret_fd, struct error *);
/* After a failure: an input that was not declared may be the cause. */
void container_explain(struct task *);
/* The task's facts are recorded. */
void container_forget(struct task *);
/* Drops the orphans that nobody adopted, too. */
void container_close(struct engine *);

/* task.c, for both kinds of steps */
void task_argv(const struct task *, struct strlist *ret);
void task_declared_env(const struct task *, struct strlist *ret); /* of the step, and what mlops tells it */
int task_write_params(const struct task *, struct error *);
extern const char *const task_inherited[]; /* names of our environment that steps on this machine get, up to NULL */

/* finish.c: on the worker that has the task. One struct finishing a group: inputs that several steps
 * share are scanned once. */
struct finishing {
	struct scanner scanner;
	struct strmap seen; /* input path -> struct content * */
};
void finishing_release(struct finishing *);
/* Outputs, inputs and metrics of a step; what is wrong with them becomes its error. */
void finish_step(struct finishing *, struct task *, struct metric_list *points);
/* Appends the metrics of its metrics= files below `rootfd`. */
int finish_metrics(struct task *, int rootfd, struct metric_list *, struct error *);
/* Appends what is new in its $MLOPS_METRICS; with `all`, to the end and with an unfinished last line. */
void finish_read_points(struct task *, bool all, struct metric_list *);

/*
 * table_tasks.c: schemas and profiles of what the run reads and makes. Before the first step, on the loop's thread: inputs
 * that no step of the run makes, and outputs that are up to date. At the end: results of the past are recorded, and get
 * their profiles. What does not fit is ERR_VERDICT.
 */
int tables_before_run(struct engine *, struct error *);
int tables_after_run(struct engine *, struct error *);
/* On the worker that has the task: an output that was scanned just now, `tree` when it is a directory; what is wrong is
 * the task's error. And all outputs of one that is restored, which are in the store. */
int tables_finish(struct finishing *, struct task *, size_t output, const struct tree *);
int tables_restore(struct task *, struct error *);
/* In the transaction of its end; and when that was committed, or not. */
int tables_record_step(struct task *, struct error *);
void tables_step_done(struct task *);
void tables_forget(struct task *);
/* Profiles of its outputs as outputs of `run`. */
int tables_record_profiles(struct task *, const char *run, struct error *);
void task_close_log(struct task *); /* task.c */

/* host_facts.c: adds to the step's record what is known of the machine. */
void host_facts_add(struct task *);
/* tools.c: adds to the step's record what is known of its program. On a worker. */
void tools_add(struct task *);

/*
 * facts.c: what a group of events makes true, off the loop's thread. Ended steps are
 * finished here; then one store commit and one database transaction for the whole
 * group. A step that cannot be finished fails alone, with its old outputs put back. An
 * error of facts_commit itself means that nothing of the group became true.
 */
int facts_commit(struct engine *, struct fact_list *, struct error *);
/* The whole run: inputs, outputs and metrics of every selected step, its end and its event. */
int facts_finish(struct engine *, enum run_status, struct error *);
void fact_list_release(struct fact_list *);
