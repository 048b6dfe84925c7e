/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/strbuf.h"
#include "runners/docker_internal.h"
#include "runners/docker_log.h"
#include "runners/oom.h"
#include "runners/runner.h"
/*
 * What the files of the Docker runner share. Each has one story:
 *
 *     docker.c         the runner: slots, tasks, signals, close
 *     docker_ask.c     a request that is repeated until it is answered
 *     docker_create.c  a spec as the JSON of create
 *     docker_pause.c   the pause image, and the pause container of a slot
 *     docker_begin.c   a task's container is created and started
 *     docker_task.c    what becomes of it
 *     docker_output.c  its log: followed, and completed at the end
 *     docker_sample.c  how much memory it used
 *     docker_why.c     why it could not start, and how it ended
 */
struct docker;
struct docker_engine;
struct docker_task;
struct http_call;
struct http_client;
struct js;
struct loop;
struct loop_timer;

/* Milliseconds. Tests make them short. */
extern struct docker_patience {
	int64_t call;        /* one short request */
	int64_t lost;        /* without an answer, until the engine is given up */
	int64_t pause_first, pause_most; /* between two tries */
	int64_t doubt;       /* before what an engine refused for no reason we know is asked once more */
	int64_t note;        /* without an answer, until people are told */
	int64_t kill;        /* after SIGKILL */
	int64_t idle;        /* of a followed log whose container has ended */
	int64_t look;        /* after a followed log ended by itself, until its container is looked at */
	int64_t poll;        /* between two readings of a log that is not followed */
	int64_t sample_first, sample;
	int64_t close;
} docker_patience;

/* -- docker_ask.c -- */

struct docker_answer {
	int status;                /* 0: none came for docker_patience.lost */
	const struct strbuf *body; /* lent */
	const struct js *json;     /* of the body, or NULL; lent */
	int sys;                   /* with once: errno of why none came, 0 unknown */
};
struct docker_ask {
	const char *method;
	char *path;                /* after the prefix; taken */
	struct strbuf body;        /* taken; empty: none */
	const char *type;          /* of the body; NULL: JSON */
	int64_t timeout_ms;        /* 0: docker_patience.call */
	bool once;                 /* not repeated: done with status 0 when no answer came */
	struct docker_task *task;  /* told of when the engine is silent; may be NULL */
	struct docker_asked **handle; /* holds the request until it is done; may be NULL */
	/* Exactly once, unless cancelled. */
	void (*done)(void *ctx, const struct docker_answer *);
	void *ctx;
};
void docker_ask(struct docker *, const struct docker_ask *);
void docker_ask_cancel(struct docker_asked *); /* NULL is legal; clears the handle */
void docker_ask_cancel_all(struct docker *);
void docker_ask_forget_task(struct docker *, const struct docker_task *); /* it is told of nothing any more */
/* The engine's words, or that there were none, on one line; appended. */
void docker_answer_words(const struct docker *, const struct docker_answer *, struct strbuf *);
/* The name is in use. */
bool docker_answer_conflicts(const struct docker_answer *);
/* For requests that are none of docker_ask: a path with the prefix. Owned. */
char *docker_path(const struct docker *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* -- the runner -- */

enum docker_slot_state { SLOT_EMPTY, SLOT_WAITS_FOR_IMAGE, SLOT_MAKES_PAUSE, SLOT_READY };
struct docker_slot {
	struct docker *docker;
	char *pause; /* name of its pause container */
	bool network; /* which has the engine's default one */
	enum docker_slot_state state;
	bool tried;     /* it may be there */
	int tries;      /* to start it */
	struct docker_task *task; /* NULL: free */
	struct docker_asked *asked;
	struct loop_timer *timer;
};

enum docker_image_state { IMAGE_UNKNOWN, IMAGE_ASKED, IMAGE_READY };
struct docker {
	struct runner runner; /* first: a struct runner * is a struct docker * */
	struct loop *loop;
	const struct runner_events *events;
	struct docker_engine *engine;
	struct http_client *client;
	char *project, *run, *probe, *agent, *address, *log_driver, *platform;
	double cpus;
	bool podman;
	bool probed; /* the engine sees the files of this machine */
	bool silent; /* people were told that it does not answer */
	enum docker_image_state image_state;
	char *image; /* name of the pause image */
	struct docker_slot **slots;
	size_t nslots, cap_slots;
	struct docker_task **tasks;
	size_t ntasks, cap_tasks;
	struct docker_asked *asked; /* all of them */
	struct docker_removal *removals;
	size_t removing;
	struct oom_count oom;
};

struct docker_output {
	struct docker_task *task;
	struct docker_log log;
	struct http_call *call;
	struct loop_timer *timer;
	bool finishing;     /* the container has ended */
	bool reading;       /* the whole or its end, not following */
	bool any;
	struct error why;   /* what came is no log */
	bool tail;          /* this reading is of the end only: what follows last_mark is new */
	bool matched;
	uint64_t seen[2];   /* bytes of each stream handed on */
	uint64_t skip[2];   /* of them, what this reading has still to pass over */
	uint64_t open[2];   /* stamp of a line that each stream has begun and not ended; 0 none */
	uint64_t messages;  /* handed on */
	uint64_t at;        /* messages of this reading */
	uint64_t last_mark; /* of the last one handed on */
	bool twin;          /* the one before it had the same */
	int64_t sent_ms;
	int64_t moved_ms;   /* when bytes came last */
	int64_t pause_ms;
	struct strbuf batch;
	enum runner_stream batch_stream;
	char err_end[512];  /* the last bytes of stderr */
	size_t err_len;
};

struct docker_sample {
	struct http_call *call;
	struct loop_timer *timer;
	bool any;
	int64_t peak, user_us, system_us;
};

struct docker_task {
	struct docker *docker;
	void *owner;
	struct docker_slot *slot;
	char *name;    /* of the container */
	char *program, *image, *image_shown, *run, *step;
	char *create;  /* JSON */
	int64_t mem;
	uid_t uid;
	bool joins;    /* the slot's pause container */
	bool begun;    /* `started` was called */
	bool repaired; /* its pause container was made anew once */
	bool renewed;  /* the container was */
	bool doubted;  /* what the engine refused was asked once more */
	bool ended;    /* and `exit` says how */
	int starts, waits, undecided;
	char id[72];
	char refusal[400]; /* the engine's words, while its pause container is looked at */
	int pending;   /* signal that waits for the start */
	bool killed;   /* by us, for good */
	int64_t oom_before;
	struct docker_asked *asked;  /* the request that the task waits for */
	struct http_call *wait;
	struct loop_timer *timer, *kill_timer;
	struct docker_output output;
	struct docker_sample sample;
	struct runner_exit exit;
};

/* -- docker_create.c -- */

/* `network` is what NetworkMode shall be. */
void docker_create_body(const struct docker *, const struct runner_spec *, const char *network, struct strbuf *ret);
void docker_pause_body(const struct docker *, const char *image, const char *network, struct strbuf *ret);

/* -- docker_pause.c -- */

/* Leads to docker_task_create, or ends the slot's task. */
void docker_pause_ensure(struct docker_slot *);
/* The slot's pause container is made anew, and the task created again. */
void docker_pause_renew(struct docker_slot *);
/* Whether an ended pause container has seen that the probe is not there; then the slot's task ends with that. */
bool docker_pause_is_blind(const struct docker_answer *inspect);
void docker_pause_blind(struct docker_slot *);

/* -- docker_begin.c -- */

void docker_task_create(struct docker_task *);
/* It is created. */
void docker_task_start(struct docker_task *);

/* -- docker_task.c -- */

/* A request of its life: one at a time. */
void docker_task_ask(struct docker_task *, struct docker_ask *);
void docker_task_runs(struct docker_task *);
void docker_task_look_later(struct docker_task *, int64_t ms);
/* Ends it, with `exit` as it is unless the image is for other machines. */
void docker_task_ask_platform(struct docker_task *);
/* Asks for the state of the container and goes on from there. */
void docker_task_look(struct docker_task *);
void docker_task_kill(struct docker_task *, int signo);
/* The log is complete; `why` it may not be, or NULL. */
void docker_task_logged(struct docker_task *, const char *why);
/* Ends it: `exited` is called, the task is freed. */
void docker_task_end(struct docker_task *);
/* CAUSE_START or CAUSE_LOST, and the end. */
void docker_task_fail(struct docker_task *, enum runner_cause, const char *message, const char *help);
void docker_task_lost(struct docker_task *, const struct docker_answer *, const char *what);
void docker_task_note(struct docker_task *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void docker_task_free(struct docker_task *);

/* -- docker_output.c -- */

void docker_output_init(struct docker_output *, struct docker_task *);
void docker_output_follow(struct docker_output *); /* nothing when it is followed already */
/* The container has ended. Leads to docker_task_logged. */
void docker_output_finish(struct docker_output *);
void docker_output_release(struct docker_output *);

/* -- docker_sample.c -- */

void docker_sample_start(struct docker_task *);
void docker_sample_stop(struct docker_task *);

/* -- docker_why.c -- */

/* Why create or start was refused. False: for no reason we know. */
bool docker_why_refused(const struct docker_task *, const char *words, struct runner_exit *ret);
/* How it ended, from inspect; `oom_rose`: the kernel killed something meanwhile. False: it has not ended. */
bool docker_why_ended(const struct docker_task *, const struct js *inspect, bool oom_rose, struct runner_exit *ret);
/* The init of the container could not run the program, by the end of stderr. True: *ret says why, and
 * *ret_foreign that the image may be for other machines. */
bool docker_why_no_program(const struct docker_task *, const char *err_end, size_t len, struct runner_exit *ret,
			   bool *ret_foreign);
