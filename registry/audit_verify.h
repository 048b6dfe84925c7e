/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * All that can be checked of the audit log where it is kept: the events against their tree, the tree against every known
 * checkpoint and its signature, tables and runs against the events.
 */
struct error;
struct js;
struct project;

/* `against`: checkpoints that somebody kept, one note after the other; NULL: none. `name`: what it is called.
 * {origin, events, root, checkpoints, signed (events under a signature that holds), runs, edited (by later events),
 *  findings: findings_json, found (all of them), notes[]}. ERR_DAMAGED, with the result: something was found. */
int audit_verify(struct project *, const char *against, size_t len, const char *name, struct js **ret, struct error *);
