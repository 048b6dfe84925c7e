/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "api/definitions.h"
/*
 * Monitors of registered projects, as an agent follows them: what each takes over HTTP, when a look is worth it, and the
 * look itself. Names of monitors are those of the agent: of two projects with one name the first has it.
 *
 * Threads: one at a time.
 */
struct error;
struct js;
struct op_context;

struct followed {
	const struct definition *definition;
	const struct monitor_section *section;
	const char *monitor;
	bool takes_rows, takes_labels; /* over HTTP */
};
struct follow {
	struct definitions definitions;
	struct followed *items; /* lend from definitions */
	size_t len, cap;
};
void follow_release(struct follow *);
/* 1: something is another than before; 0. In both cases `items` are new. -1: all is as it was. */
int follow_refresh(struct op_context *, struct follow *, struct error *);
/* NULL: there is none. */
const struct followed *follow_find(const struct follow *, const char *monitor);
/* What its files look like now, without reading them: another number when there may be something new. What comes over
 * HTTP is not looked at, and where there is nothing it is 0. */
int follow_look(struct op_context *, const struct followed *, uint64_t *ret, struct error *);
/* Judges what is due, and lets the policy follow: 1, and *ret is as of watch_check. 0: there are no rows, and only the
 * policy was asked. With "held": true it is to be checked again soon: another process does it just now, or a retrain goes
 * on. */
int follow_check(struct op_context *, const struct followed *, struct js **ret, struct error *);
