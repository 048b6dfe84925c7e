/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
/*
 * Processes. Two ways to start one:
 *
 * process_capture runs a short helper (git, python3 --version) and waits for it.
 *
 * The spawner is a child forked before libraries, database and locks are opened. It
 * starts steps, each in its own process group, reaps them, and reports over a socket.
 * It is a subreaper: what a step left behind, in whatever session, gets 0.1 s to end
 * by itself, then TERM, 1 s, KILL; only then the step has EXITED. When the owner sent
 * TERM, the owner's grace and KILL count instead (30 s at most). A left-over process
 * is told by the environment variable MLOPS_SPAWN_ID that the spawner adds, or by its
 * group; one that shed both is killed when no other step runs. When the parent dies,
 * however it dies, the socket closes and the spawner kills every group (TERM, 2 s,
 * KILL) and exits. When the spawner is killed, its steps (not their children) die.
 * It opens no lock and no database, and has a session without a terminal.
 *
 * Threads: the spawner's functions belong to the thread that runs the loop.
 */
struct error;
struct strbuf;
struct spawner;

struct process_exit {
	int code;            /* exit status, or -1 when killed */
	int signal;          /* or 0 */
	int64_t user_us, system_us; /* CPU time of it and its waited-for children */
	int64_t max_rss;     /* bytes, of the largest of them */
};
struct process_spec {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in env's PATH */
	const char *const *env;  /* NULL-terminated NAME=VALUE */
	const char *cwd;
	int out, err;            /* descriptors for stdout and stderr; stdin is /dev/null */
};
enum spawn_event_kind { SPAWN_STARTED, SPAWN_FAILED, SPAWN_EXITED };
struct spawn_event {
	enum spawn_event_kind kind;
	uint32_t id;
	pid_t pid;   /* STARTED: also the process group */
	int sys;     /* FAILED: errno of exec or chdir; argv[0] missing is ENOENT */
	struct process_exit exit; /* EXITED */
};

/* Forks the spawner. Call while the process has one thread and nothing opened. */
int spawner_start(struct spawner **ret, struct error *);
/* Closes the socket, waits until the spawner has killed what was left and is gone. */
void spawner_stop(struct spawner *);
int spawner_fd(const struct spawner *); /* readable when an event waits */
int spawner_spawn(struct spawner *, uint32_t id, const struct process_spec *, struct error *);
/* The spawner keeps a duplicate of the descriptor open until it exits, which is after its last child:
 * a flock taken through it outlives a parent that was killed, as long as steps of it may still write.
 * Steps do not inherit it. Nothing but the spawner's end gives it back. */
int spawner_hold(struct spawner *, int fd, struct error *);
/* Signals the step's whole process group; an unknown or ended id is ignored. */
int spawner_kill(struct spawner *, uint32_t id, int signo, struct error *);
/* 1 an event, 0 none waits, -1 the spawner is gone. Call it until it returns 0: some may wait in
 * memory, where poll does not see them. */
int spawner_next(struct spawner *, struct spawn_event *ret, struct error *);

/* Runs argv in cwd (NULL: here) with this process's environment (stderr dropped) and appends its
 * stdout; more than max bytes, or longer than timeout_ms (negative: no limit), kills it and is an
 * error. Returns the exit status, or -1 with *err. Any thread. */
int process_capture(const char *const *argv, const char *cwd, int timeout_ms, size_t max,
		    struct strbuf *out, struct error *);
/* The same with the input's bytes on its stdin; NULL: none. */
int process_tell(const char *const *argv, const char *cwd, const struct strbuf *input, int timeout_ms, size_t max,
		 struct strbuf *out, struct error *);
/* Absolute path of a program as execvp would find it from cwd, symlinks resolved; NULL when absent.
 * A NULL path_env is a usual default. Caller frees. */
char *process_find(const char *name, const char *path_env, const char *cwd);
/* "SIGKILL", "SIGSEGV", ... */
const char *process_signal_name(int signo);
