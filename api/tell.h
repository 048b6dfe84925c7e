/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * From events to letters (registry/outbox.h), and from letters to those who are told: [notify.NAME] of the project's
 * default branch, the operator's command, the project's forge.
 *
 * Who follows the events calls tell_read with a project of its own, which only reads and may take long, and then tell_store
 * in a transaction: letters and how far the events were read become true together.
 */
struct db;
struct definitions;
struct error;
struct js;
struct letter;
struct project;

/* Where reading goes on; the first time at the newest event, so that nobody is told of what was before. Inside a
 * transaction. */
int tell_begin(struct db *, int64_t *ret_seen, struct error *);
/* Some of the events after `seen`. *ret_letters: [{kind, target, cause, body}], maybe none; *ret_seen: how far they are
 * read. 1: there may be more. `definitions` are kept from call to call. */
int tell_read(struct project *, struct definitions *, int64_t seen, struct js **ret_letters, int64_t *ret_seen,
	      struct error *);
int tell_store(struct db *, const struct js *letters, int64_t seen, int64_t now_ms, struct error *);

/* Sends one. 0, or -1: *ret_again_ms is after what time it may be tried again at the earliest, -1 for never. Messages hold
 * no secret, also none that is part of a URL. Any thread, with a project of its own. */
int tell_send(struct project *, const struct letter *, int64_t *ret_again_ms, struct error *);
