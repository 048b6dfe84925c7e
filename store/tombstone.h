/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Tombstones: contents whose bytes a store must not hold any more. forgotten/HEX says since when and why, so whoever misses
 * the bytes learns it, and a batch refuses to take them again. They are files and not rows, because a shared store has no
 * database, and because what is refused must be refused to every writer.
 */
struct digest;
struct error;
struct store;

#define TOMBSTONE_HELP "who asked for it, and who agreed: mlops forget list --all"
#define TOMBSTONE_REASON 400 /* bytes of a reason, without control bytes */
struct tombstone {
	char date[11]; /* "2026-11-22" */
	char reason[TOMBSTONE_REASON + 1];
};

bool tombstone_find(struct store *, const struct digest *, struct tombstone *ret); /* ret may be NULL */
/* ERR_DENIED with date and reason when there is one. */
int tombstone_refuse(struct store *, const struct digest *, struct error *);
/*
 * First all tombstones, on disk, then the bytes go, from objects/ and quarantine/. Killed in between, it is to be called again;
 * a tombstone that is there stays as it is. Who shares the store with writers keeps them away meanwhile.
 * *ret_removed (may be NULL) counts the objects that were there.
 */
int store_forget(struct store *, const struct digest *ids, size_t n, const struct tombstone *, uint64_t *ret_removed,
		 struct error *);
