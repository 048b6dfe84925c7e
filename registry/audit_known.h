/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * The log against every checkpoint that is known: each must be of its beginning, and signed by a key that could then. So a
 * log that was written anew from some event on, or rolled back, differs from what it said before, wherever that is kept.
 */
struct error;
struct findings;
struct js;
struct project;

struct audit_known {
	int64_t checkpoints;  /* that were compared, each once, however often it is kept */
	uint64_t signed_size; /* of the largest that holds: so many events stand under a signature */
};
/* `text`: more checkpoints, one note after the other, by somebody who kept them; NULL: none. `name`: what it is called.
 * ERR_USAGE: it holds none, or those of another log. */
int audit_check_known(struct project *, const char *text, size_t len, const char *name, struct js *notes,
		      struct findings *, struct audit_known *ret, struct error *);
