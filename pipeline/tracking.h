/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
/*
 * What steps with tracking = yes log through MLflow's clients goes to an agent that lives as long as the run, in a
 * process of its own (mlops-agent steps). Each attempt has a token that may write its run and no other, until it ends.
 *
 * Its socket is in a directory of the work tree that every run of the tree uses, one at a time: a container that is
 * taken over from a killed run finds the agent of the next one there.
 */
struct db;
struct engine;
struct error;
struct strlist;
struct task;

struct tracking {
	pid_t pid;  /* 0: none was needed */
	int life;   /* closing it ends the process, and so does our death */
	char *url;  /* for steps on this machine */
	char *dir;  /* absolute; holds the socket, for containers */
};
#define TRACKING_INIT { .life = -1 }

/* Before the first step starts; nothing when no step that may run asks for it. */
int tracking_open(struct engine *, struct error *);
void tracking_close(struct tracking *);
/* In the transaction in which the task's run begins, and that in which it ends. */
int tracking_give_token(struct task *, struct db *, struct error *);
int tracking_take_token(struct task *, struct db *, struct error *);
/* The variables that MLflow's clients read, but those that the step declares itself. */
void tracking_env(const struct task *, struct strlist *env);
