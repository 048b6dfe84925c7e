/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "runners/runner.h"
/*
 * Steps in containers. The life of a task, each arrow a request that may be lost and is
 * then repeated, which its name makes harmless:
 *
 *     create -> start -> logs and wait -> inspect -> rest of the logs -> exited -> (forget) remove
 *
 * A container that exists already under the name is taken over (runner.h). What became
 * of it is read from its State, never from wait. The log that is followed may lose
 * its last line, so after the end it is read again from the last time stamp, and what
 * is new is added.
 *
 * Each slot has one pause container whose network (loopback only) the steps join, so
 * that a network namespace is made once a slot and not once a step. It runs mlops-pause,
 * a static program that this one carries, in an image of its own, and mounts the
 * probe file: an engine that does not see it, sees another machine's files and is refused.
 *
 * With an agent, pause containers also mount its directory, and mlops-pause carries what steps send to loopback's port
 * 5000 to the socket in it. A step that may reach the network and an agent joins a pause container that has the
 * network, too.
 *
 * Containers have no capabilities, no new privileges, a read-only root, /tmp in memory,
 * an init, at most 4,096 processes, and the labels mlops.project, mlops.run, mlops.step.
 *
 * Crash safety: the caller has noted the name durably enough to find it again, before
 * start. Everything we make has a deterministic name, so nothing is made twice.
 */
struct docker_engine;

/* The container of a task: "mlops-" and the name, with what an engine does not take as ".XX". Owned. */
char *docker_container_name(const char *task);

struct docker_config {
	struct docker_engine *engine; /* lent; stays open while the runner is */
	const char *project;          /* the label mlops.project of all containers */
	const char *run;              /* names the pause containers */
	const char *probe;            /* absolute path of a file that exists while the runner is open */
	const char *agent;            /* absolute path of a directory that holds agent.sock, for runner_spec.agent; or NULL */
};
