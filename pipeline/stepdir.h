/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * The outputs of a running step. A local step writes in the project itself, so what
 * stood there is moved to .mlops/work/RUN/STEP/old first, and a journal in
 * .mlops/work/RUN/STEP names every output and whether it existed. A step in a container
 * writes in a scratch directory beside the journal, .mlops/work/RUN/STEP/ATTEMPT:
 * what is in the project stays until the new outputs are true, and then makes room for them.
 *
 * begin -> (the step runs) -> accept, or reject. A crash at any point leaves the
 * journal: stepdir_recover then does what reject does, unless the facts say that the
 * step was accepted. Rejecting twice, or half and then again, gives the same end, and so does accepting.
 * Only renames and small files: nothing here is copied or waits for the disk.
 */
struct error;
struct plan_node;
struct project;
struct strlist;

/* Whether a directory below .mlops/work/RUN is that of a step, or of an instance, "STEP@KEY". */
bool stepdir_is_name(const char *);
/* Project path of a step's directory, or of what is in it. Caller frees. */
char *stepdir_path(const char *run, const char *step, const char *inside);

/* Journals, moves old outputs away, makes the parents of outputs. `precious`, by index of the node's outputs, or
 * NULL, tells which old ones must never be dropped. */
int stepdir_begin(struct project *, const char *run, const struct plan_node *, const bool *precious, struct error *);
/* The same for a step that will write in scratch: journals, and makes that directory, empty. Nothing is moved. */
int stepdir_begin_scratch(struct project *, const char *run, const struct plan_node *, int attempt, const bool *precious,
			  struct error *);
/* What stands at the node's output `index` in the project now must not be dropped when the step is accepted. */
int stepdir_set_precious(struct project *, const char *run, const struct plan_node *, int attempt, const bool *precious,
			 struct error *);
/* The new outputs are true: old ones are dropped, precious ones moved to .mlops/aside/RUN, with a note each. */
int stepdir_accept(struct project *, const char *run, const char *step, struct strlist *notes, struct error *);
/* New outputs go to .mlops/failed/RUN/STEP, old ones come back. *ret_kept (may be NULL) tells whether
 * there was anything to keep. */
int stepdir_reject(struct project *, const char *run, const char *step, bool *ret_kept, struct error *);
/* Drops what an earlier attempt of the step left there. */
void stepdir_forget_failed(struct project *, const char *run, const char *step);
/* Before the run becomes a fact: its work directory tells recovery that there is a run to end. */
int stepdir_begin_run(struct project *, const char *run, struct error *);
/* A file in the run's work directory by which an engine shows that it sees this machine's files. While it is there,
 * containers may be, too, and recovery leaves the directory. */
#define STEPDIR_PROBE ".probe"
/* After the run: drops its work directory, unless a step could be neither accepted nor rejected: then the next run
 * recovers it. */
int stepdir_end_run(struct project *, const char *run, struct error *);
/* Every run that left a work directory; `accepted` says whether a step's success is a recorded fact. Steps in scratch
 * that were not accepted are left: their containers may still run (orphans.h). */
int stepdir_recover(struct project *, int (*accepted)(void *ctx, const char *run, const char *step), void *ctx,
		    struct strlist *ret_notes, struct error *);
