/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/process.h"
#include "base/strbuf.h"
/*
 * The two ends of the spawner's socket, a stream between one program's two processes,
 * so that structs travel as they are. Requests go one way, struct spawn_event the other.
 *
 * A REQUEST_START is followed by `len` bytes: cwd, argv and env as `1 + argc + envc`
 * NUL-terminated strings; its first byte carries the descriptors for stdout and stderr.
 * The first byte of a REQUEST_HOLD carries the descriptor to keep.
 */
enum spawn_op { REQUEST_START, REQUEST_KILL, REQUEST_HOLD };
struct spawn_request {
	uint32_t op, id, len, argc, envc;
	int32_t signo;
};
#define SPAWN_REQUEST_MAX (16U << 20) /* the kernel's own limit on argv and env is far below */
#define SPAWN_FDS_MAX     2          /* of one request */
#define SPAWN_MARKER      "MLOPS_SPAWN_ID"

/* The spawner process; returns when the socket closed and all that ran is dead. */
void warden_main(int socket_fd);

/*
 * Strays: processes that outlived their parent and came to the spawner, their subreaper.
 * A stray belongs to the step whose group or marker it bears, else to nobody known.
 */
struct warden_step {
	uint32_t id;
	pid_t pid;        /* its first process, and its group */
	bool runs;        /* else it ended, and what it left behind is being removed */
	bool asked;       /* its owner sent TERM or INT */
	unsigned stage;   /* of the removal, the last one begun */
	int64_t deadline; /* of the stage, monotonic ms */
	struct process_exit exit;
};
struct warden {
	int socket_fd, signal_fd;
	int children_fd; /* lists our children; -1 where the kernel has no such list */
	pid_t self;
	char marker[560]; /* NAME=VALUE. without the step's id */
	struct strbuf in, out;
	int fds[8]; /* received, not claimed by a request yet */
	size_t nfds;
	struct warden_step *steps;
	size_t nsteps, cap_steps;
};
/* The step has just ended. */
void strays_begin(struct warden_step *, int64_t now);
/* Moves the removal on. True: nothing of the step is left, or no more can be done. */
bool strays_removed(struct warden *, struct warden_step *, int64_t now);
/* The owner sent this signal to the step. */
void strays_hurry(struct warden_step *, int signo, int64_t now);
/* Signals all processes under the spawner, each with its group. */
void strays_signal_all(struct warden *, int signo);
