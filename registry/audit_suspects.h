/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/digest.h"
/*
 * Events that are not what their leaves say, and what was done to them. A leaf holds the event's number, so one that was
 * moved differs like one that was edited; but with its old number it gives the old leaf.
 */
struct db;
struct error;
struct findings;

#define SUSPECTS_MAX 65536 /* more are only counted */

struct suspect {
	int64_t seq;
	bool there;         /* the event is; else only its leaf */
	struct digest leaf; /* as it was logged */
};
struct suspects {
	struct suspect *items;
	size_t len, cap, more;
};
void suspects_release(struct suspects *);
void suspects_add(struct suspects *, int64_t seq, bool there, const struct digest *leaf);
/* Sorts them; adds what each is to the findings. -1 only when it could not look. */
int suspects_judge(struct db *, struct suspects *, struct findings *, struct error *);
