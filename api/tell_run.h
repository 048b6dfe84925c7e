/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tells of runs in OpenLineage's words while `mlops run` goes on, on a thread of its own, when no agent of the project is
 * there to do it. What cannot be told is told by the next run, or the next agent.
 */
struct op_context;
struct project;
struct run_teller;

/* NULL: the settings name nobody to tell. The project is lent until the end. */
struct run_teller *run_teller_new(struct project *);
/* The run is on record. More than once is legal. */
void run_teller_begin(struct run_teller *);
/* Takes some seconds for what is left, and frees. What could not be told is a note to who looks on. */
void run_teller_end(struct run_teller *, struct op_context *);
