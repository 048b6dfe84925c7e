/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * What a person sees while an operation works, on stderr: a view that is redrawn in
 * place on a terminal, lines that are only appended otherwise. Events of a run
 * (pipeline/run.h) drive it; it has no timer and no thread, and draws at most ten
 * times a second. Long hashing comes in as progress, from any one thread at a time.
 */
struct js;
struct live;
struct progress;
struct term;

enum live_mode {
	LIVE_SCREEN, /* redrawn in place */
	LIVE_LINES,  /* appended */
	LIVE_EVENTS, /* each event as one line of JSON on stdout */
	LIVE_SILENT,
};
struct live *live_new(enum live_mode, struct term *);
void live_event(struct live *, const struct js *event);
const struct progress *live_progress(struct live *);
/* Wipes the view; what follows starts on a line of its own. */
void live_free(struct live *);
