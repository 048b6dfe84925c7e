/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * Tells other programs what happens (api/tell.h). One thread follows the events and writes letters, a few send them; each
 * has a project of its own, so neither lanes nor each other wait for somebody's slow server. A letter that does not arrive
 * is tried again after 10 s, then after twice as long each time, up to an hour, for a day.
 */
struct error;

/* After lanes_start; `dir` is the project's. */
int outbox_start(const char *dir, struct error *);
/* Begins no other letter; true when none is being sent. */
bool outbox_quiet(void);
/* What is being sent is waited for. Before lanes_stop. */
void outbox_stop(void);
/* From any thread: there may be new events. */
void outbox_wake(void);
