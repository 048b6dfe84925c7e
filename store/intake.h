/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * For a program that takes files from many at once: each comes in pieces (intake_write) on whatever thread, and those
 * that end at the same moment become durable together, with one round of syncs.
 *
 * Life: intake_open; each file intake_begin, writes, intake_commit or intake_drop; then intake_close.
 */
struct digest;
struct error;
struct intake;
struct intake_file;
struct store;

/* The store must outlive it. */
int intake_open(struct store *, struct intake **ret, struct error *);
void intake_close(struct intake *); /* NULL is legal */

/* Does not wait for the disk. */
int intake_begin(struct intake *, struct intake_file **ret, struct error *);
int intake_write(struct intake_file *, const void *, size_t, struct error *);
uint64_t intake_size(const struct intake_file *);
/* No more bytes; what they are. */
void intake_digest(struct intake_file *, struct digest *ret);
/* Waits until the object is durable and visible. Frees the file, whatever the outcome. A commit that fails fails the
 * files that were begun before it, too; later ones start afresh. */
int intake_commit(struct intake_file *, struct digest *ret, uint64_t *ret_size, struct error *);
void intake_drop(struct intake_file *); /* NULL is legal */
