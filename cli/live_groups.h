/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * What is worth telling of a run of ten or ten thousand steps: events in (pipeline/run.h), lines out. Steps of a
 * matrix are a group. One of more than LIVE_MANY steps is told by its counts; its failures are told in full,
 * always. An event costs the same however many steps there are, a view what it shows.
 *
 * No clock, no terminal, no thread: who calls gives the time, monotonic ms.
 */
#define LIVE_MANY 20

struct js;
struct live_groups;

enum live_mark { MARK_NONE, MARK_BUSY, MARK_BAD };
struct live_sink {
	/* A line that stays. `code` colours `word`, both may be "". The text may hold anything. */
	void (*say)(void *ctx, const char *code, const char *word, const char *text);
	/* A line of the view: harmless, and no wider than asked. */
	void (*show)(void *ctx, enum live_mark, const char *text);
	void *ctx;
};
/* `plain`: there is no view, so the first LIVE_MANY steps of a group and their output are told, and from then on
 * its counts, every 10 s. */
struct live_groups *live_groups_new(bool plain, const struct live_sink *, int64_t now);
void live_groups_free(struct live_groups *);
void live_groups_event(struct live_groups *, const struct js *event, int64_t now);
/* What goes on: failures, running steps, the slowest first, those that will be tried again, groups. */
void live_groups_view(struct live_groups *, int width, int height, bool utf8, int64_t now);
/* The last line: how far the run is. Nothing before a step has started. */
void live_groups_status(struct live_groups *, int width, bool utf8, int64_t now);
