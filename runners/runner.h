/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
/*
 * A runner executes one command somewhere: a local process, a container. The
 * scheduler drives it from its event loop and is called back there. A runner knows
 * nothing of pipelines, the store or the database.
 *
 * Containers outlive us: when mlops was killed, starting a task of the same name
 * takes over the container that is there, running or ended, and reports it from
 * its first byte of output. So at most one container runs for a name.
 */
struct error;
struct loop;
struct runner;
struct spawner;

/* What a container sees of this machine, besides its image. A local process sees everything. */
struct runner_mount {
	const char *source; /* absolute, exists, no symlink in its last component */
	const char *target; /* absolute, inside */
	bool writable;
};
struct runner_spec {
	const char *name;        /* deterministic and unique: RUN-STEP-ATTEMPT */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated NAME=VALUE, complete */
	const char *workdir;     /* absolute; where the command runs (of a container: inside) */
	double cpu;              /* cores, 0 no limit */
	int64_t mem;             /* bytes, 0 no limit */
	/* Containers only: */
	const char *image;       /* what the engine has exactly: an image id, or REPOSITORY@DIGEST */
	const char *image_shown; /* as the user wrote it, for messages */
	const struct runner_mount *mounts; /* parents before what is mounted inside them */
	size_t nmounts;
	bool network;            /* the engine's default network; else none but loopback */
	bool agent;              /* reaches the agent of the runner's configuration at 127.0.0.1:5000 */
	uid_t uid;               /* of the command */
	gid_t gid;
	const char *gpus;        /* devices, "0,2"; NULL none */
	int64_t shm;             /* bytes of /dev/shm; 0: the runner's default */
	const char *run, *step;  /* labels */
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
	int64_t end_ms;      /* wall time; 0: just now */
	bool sampled;        /* max_rss is the largest of samples, not a measured peak */
	char message[512];
	bool lasting;        /* a CAUSE_START that another attempt would meet again */
	char help[256];      /* what to do, or "" */
};
/* The scheduler's side. Called from the loop, never from inside start. */
struct runner_events {
	/* At most once, before any output: it runs; `handle` names it for people (pid, container id). */
	void (*started)(void *task, const char *handle);
	/* Bytes as they come, any split; an empty read never. */
	void (*output)(void *task, enum runner_stream, const char *data, size_t len);
	/* Exactly once, after the last output. The task is gone for the runner afterwards. */
	void (*exited)(void *task, const struct runner_exit *);
	/* A remark for people about the runner itself: "waiting for the engine". May be NULL. */
	void (*note)(void *task, const char *text);
};
struct runner_ops {
	const char *name;
	/* 0 ready; -1 with the reason and the fix in *err. */
	int (*open)(struct loop *, const struct runner_events *, void *config, struct runner **ret, struct error *);
	/* Everything in the spec is copied. -1: nothing started and no callback will come. */
	int (*start)(struct runner *, const struct runner_spec *, void *task, struct error *);
	/* Sends a signal to all of the task's processes; ended tasks are ignored. */
	void (*kill)(struct runner *, void *task, int signo);
	/* The result of the task of this name is recorded: what is left of it (its container) goes. Returns at once.
	 * May be NULL. */
	void (*forget)(struct runner *, const char *name);
	/* Kills what still runs, without callbacks, and waits, up to some seconds, until what was to go has gone. */
	void (*close)(struct runner *);
};
struct runner {
	const struct runner_ops *ops;
};
extern const struct runner_ops runner_local;  /* config: struct spawner * */
extern const struct runner_ops runner_docker; /* config: struct docker_config *, runners/docker.h */
extern const struct runner_ops runner_fake;   /* config: struct fake_script *, runners/fake.h */
