/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/digest.h"
#include "base/strlist.h"
/*
 * Containers that outlived the mlops that started them. A step in scratch leaves
 * .mlops/work/RUN/STEP with its journal and, before its container is made, a note of
 * what the container is to do ("container", JSON). The next run finds those, asks the engine
 * what became of them, and each one is adopted by a step of the same key (task.c), or its
 * container is removed and its outputs are kept in failed/.
 */
struct docker_engine;
struct error;
struct project;

struct orphan {
	char run[33];    /* whose work directory it is in */
	char nested[33]; /* its own run */
	char *step;
	char *name;      /* of the runner's task */
	struct digest key;
	int attempt;
	int64_t start_ms;
	int64_t first_ms;    /* start of the step's first attempt, which its deadline counts from */
	int64_t points_read; /* of its $MLOPS_METRICS, bytes and lines that are recorded */
	int points_lines;
	bool alive;      /* the engine has its container, running or ended */
};
struct orphans {
	struct orphan *items;
	size_t len, cap;
	struct strlist pauses; /* names of containers that carry what orphans send to an agent: to go with the last of them */
	struct strlist runs; /* that used containers and did not end well, with or without such steps */
};
/* Notes what a container is to do, before it is made. */
int orphan_note(struct project *, const struct orphan *, struct error *);
/* Steps in scratch of runs that lost their executor: all that stand in .mlops/work. Cheap when there are none. */
int orphans_find(struct project *, struct orphans *ret, struct error *);
void orphans_release(struct orphans *);
/* The label mlops.project of a work tree's containers: device and inode of its .mlops, so that neither a copy nor
 * another directory mounted at the same path is taken for it, and a move changes nothing. Owned. */
char *orphans_label(const struct project *);
/* Does somebody work on the run? */
bool orphans_has_executor(struct project *, const char *run);
/* Asks the engine: `alive` of each is known then, containers that never ran are removed, and so is every container of
 * this work tree whose run has no executor and that is none of them, nor one of the `pauses`. Then `runs` is done
 * with. */
int orphans_ask(struct orphans *, struct project *, struct docker_engine *, struct error *);
/* The one with this step and key that is alive; NULL. */
struct orphan *orphans_match(struct orphans *, const char *step, const struct digest *key);
/* Moves its work directory to the run; it is no orphan then, and its fields but `run` stay. */
int orphan_adopt(struct orphan *, struct project *, const char *run, struct error *);
/* Removes its container (with an engine; NULL: it has none) and work directory; outputs go to failed/. */
int orphan_discard(struct orphan *, struct project *, struct docker_engine *, struct strlist *notes, struct error *);
void orphans_drop(struct orphans *, struct orphan *); /* forgets it */
