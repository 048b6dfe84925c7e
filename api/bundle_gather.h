/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "api/bundle_internal.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/audit.h"
/* What belongs into a bundle: facts, whose texts lie in a file without a name until they are written in their order, and
 * objects. */
struct db;
struct error;
struct js;
struct op_context;
struct store;

struct bundle_fact {
	enum bundle_part part;
	char name[TAR_NAME + 1];
	uint64_t at, size; /* in the scratch file */
	struct digest id;
};
struct gather {
	struct op_context *ctx;
	struct db *db;
	struct store *store;
	bool partial;		/* what is missing may be */
	bool whole;		/* the project */
	struct js *roots;	/* names */
	struct js *notes, *missing;
	int scratch;
	struct bundle_fact *facts;
	size_t nfacts, cap;
	uint64_t scratch_len;
	struct strlist runs;	/* that are to be added; ids of runs at the top */
	struct strmap seen;	/* of them, those that were */
	struct strmap subjects; /* of events and statements */
	struct strmap contents; /* text -> 1 + its index in list */
	struct content *list;
	size_t ncontents, contents_cap;
	struct bundle_objects trees, objects;
	uint64_t bytes;
	size_t nabsent;
};
void gather_release(struct gather *);
/* bundle_gather.c: everything that NAME needs; "." is the project. ERR_NOT_FOUND names what is missing. */
int gather_all(struct gather *, const char *name, struct error *);

/* Adds a text; of the part's log it may go on in pieces. */
int gather_fact(struct gather *, enum bundle_part, const char *id, const void *text, size_t len, struct error *);
int gather_json(struct gather *, enum bundle_part, const char *id, const struct js *, struct error *);
int gather_more(struct gather *, const void *text, size_t len, struct error *); /* of the fact that was added last */
/* bundle_evidence.c: statements, reproductions, lineage, the log and keys. */
int gather_evidence(struct gather *, struct error *);
/* bundle_closure.c: the objects of all contents. */
int gather_objects(struct gather *, struct error *);
/* bundle_readme.c: what an auditor types. Appended. */
void bundle_readme(const struct gather *, const char *key_id, struct strbuf *ret);
