/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Contents whose bytes were removed because somebody had to: a tombstone keeps the digest, so lineage stays true, and whoever
 * misses the bytes learns why. One person asks, another agrees; only then are bytes removed.
 */
struct db;
struct error;
struct js;

/* 1: *ret is {digest, reason, asked_by, agreed_by, time}; 0: it was not forgotten. *ret may be NULL. */
int forgotten_find(struct db *, const struct digest *, struct js **ret, struct error *);
/* [{digest, kind, size, reason, asked_by, agreed_by, time}] */
int forgotten_list(struct db *, struct js **ret, struct error *);
