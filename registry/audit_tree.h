/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * The events against the tree that was made when they were written (registry/audit.h): each leaf is hashed again, and each
 * node from those below it. Some threads share the work, each with a connection of its own.
 */
struct error;
struct findings;
struct project;

/* `size` leaves, as audit_size gives them. -1 only when it could not look. */
int audit_check_tree(struct project *, uint64_t size, struct findings *, struct error *);
