/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "store/remote.h"
/* The remotes that pipeline.ini names, and what operations ask of them. */
struct content;
struct error;
struct js;
struct op_context;
struct pipeline;
struct project;

/* Without pipeline.ini there are none; a mistake in a [remote.NAME] section is an error, one elsewhere is not.
 * What goes wrong with one of them later is said once and pushed to `notes` (an array, lent for the life of *ret; may
 * be NULL). */
int remotes_load(struct op_context *, struct js *notes, struct remotes *ret, struct error *);
/* The same of a pipeline that was read. */
void remotes_of(const struct project *, const struct pipeline *, struct remotes *ret);
/* ERR_NOT_FOUND with the lines to add to pipeline.ini, when there is none. */
int remotes_need(const struct remotes *, struct error *);
/* remotes_open that suggests the nearest name. */
int remotes_choose(struct remotes *, const char *name, bool create, struct remote **ret, struct error *);
/* Leaves only the one of that name. */
void remotes_keep_only(struct remotes *, const char *name);

/*
 * transfer_pull in which a content that nobody has whole does not keep the others from coming. 1: all came; 0: all
 * but some, of which *ret_why tells one, a damaged one first; -1: trouble of this machine.
 */
int remotes_bring(struct transfer *, struct remotes *, const struct content *, size_t n, struct error *ret_why,
		  struct error *);

/*
 * For what finds that the store lacks something: brings these contents from whichever remote has them. Without
 * remotes, or when pipeline.ini cannot be read, it does nothing. What no remote has stays absent, which the caller
 * finds again; an error is one of this machine. *ret_objects (may be NULL) counts what was brought.
 */
int remotes_fetch(struct op_context *, const struct content *, size_t n, struct js *notes, uint64_t *ret_objects,
		  struct error *);
/* Only the objects that list the tree. */
int remotes_fetch_listing(struct op_context *, const struct content *tree, struct js *notes, struct error *);
