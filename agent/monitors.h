/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Monitors of registered projects, checked by the agent: soon after rows came over HTTP, when files look other than before,
 * and once after it was started. What a crash cut short is done then: windows are judged once (monitor/watch/watch.h).
 *
 * A thread of its own does it, one monitor at a time, with a project of its own. Files are looked at every few seconds, and
 * less often when that takes long.
 */
struct error;
struct followed;
struct project;

int monitors_start(const char *dir, struct error *);
void monitors_stop(void);
/* Something came for it. Any thread. */
void monitors_wake(const char *monitor);
/* Definitions may be others. Any thread. */
void monitors_refresh(void);
/* Calls `with` for the monitor of this name, which stays as it is meanwhile. ERR_NOT_FOUND, with the nearest. Any thread;
 * `project` is the caller's. */
int monitors_with(struct project *, const char *monitor, int (*with)(void *ctx, const struct followed *, struct error *),
		  void *ctx, struct error *);
