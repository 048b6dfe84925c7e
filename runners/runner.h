/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * A runner executes one command somewhere: a local process, later a container. The
 * scheduler drives it from its event loop and is called back there. A runner knows
 * nothing of pipelines, the store or the database.
 */
struct error;
struct loop;
struct runner;
struct spawner;

struct runner_mount {
	const char *path; /* project path, the same inside */
	bool writable;    /* an output */
};
struct runner_spec {
	const char *name;        /* deterministic and unique: RUN-STEP-ATTEMPT */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated NAME=VALUE, complete */
	const char *workdir;     /* absolute; where the command runs */
	const char *image;       /* NULL for a local process */
	const struct runner_mount *mounts; /* for isolation; a local process sees the whole project */
	size_t nmounts;
	double cpu;              /* cores, 0 no limit */
	int64_t mem;             /* bytes, 0 no limit */
};
enum runner_stream { RUNNER_STDOUT, RUNNER_STDERR };
enum runner_cause {
	CAUSE_EXIT,        /* code is the exit status */
	CAUSE_SIGNAL,      /* signal killed it */
	CAUSE_OOM,         /* the kernel killed it for memory */
	CAUSE_START,       /* never started: message says why */
	CAUSE_LOST,        /* the runner died under it */
};
struct runner_exit {
	enum runner_cause cause;
	int code, signal;
	int64_t user_us, system_us, max_rss; /* 0 unknown */
	char message[256];
};
/* The scheduler's side. Called from the loop, never from inside start. */
struct runner_events {
	/* At most once, before any output: it runs; `handle` names it for people (pid, container id). */
	void (*started)(void *task, const char *handle);
	/* Bytes as they come, any split; an empty read never. */
	void (*output)(void *task, enum runner_stream, const char *data, size_t len);
	/* Exactly once, after the last output. The task is gone for the runner afterwards. */
	void (*exited)(void *task, const struct runner_exit *);
};
struct runner_ops {
	const char *name;
	/* 0 ready; -1 with the reason and the fix in *err. */
	int (*open)(struct loop *, const struct runner_events *, void *config, struct runner **ret, struct error *);
	/* Everything in the spec is copied. -1: nothing started and no callback will come. */
	int (*start)(struct runner *, const struct runner_spec *, void *task, struct error *);
	/* Sends a signal to all of the task's processes; ended tasks are ignored. */
	void (*kill)(struct runner *, void *task, int signo);
	/* Kills what still runs, without callbacks. */
	void (*close)(struct runner *);
};
struct runner {
	const struct runner_ops *ops;
};
extern const struct runner_ops runner_local; /* config: struct spawner * */
extern const struct runner_ops runner_fake;  /* config: struct fake_script *, runners/fake.h */
