/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rows and labels for monitors (docs/agent.md):
 *
 *     POST /api/v1/monitors/NAME/rows
 *     POST /api/v1/monitors/NAME/labels     Idempotency-Key: KEY    {"rows": N}
 *
 * A body is read on a lane for slow work, then the writer puts its rows behind those that are there. All that is put in
 * one commit is synced once, before it: who gets 200 may forget what he sent.
 */
struct error;
struct project;

/* Adds the routes. Before lanes_start. */
int ingest_start(const struct project *, struct error *);
/* What was put is there. On the writer's thread, after each commit. */
void ingest_committed(void);
void ingest_stop(void); /* after the last call */
