/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strmap.h"
/*
 * What must be so when the events are: facts, each by the event that made it so last. A fact belongs to a model, and is
 * renamed and deleted with it, or to none.
 */
enum fact_book {
	FACT_VERSION,    /* v3 -> the run that made it, or "" */
	FACT_CONTENT,    /* v3 -> file:HEX, tree:HEX of its files */
	FACT_SOURCE,     /* v3 -> where its files are, as it was registered */
	FACT_STAGE,      /* v3 -> production */
	FACT_VERDICT,    /* v3 -> passed, and what the lines of its gate found */
	FACT_ALIAS,      /* champion -> v3 */
	FACT_MOVE,       /* champion#2 -> v3 by ann */
	FACT_APPROVAL,   /* 7 -> waiting champion v3 */
	FACT_REJECTED,   /* v3 -> "" */
	FACT_HELD,       /* champion -> "" */
	FACT_PERMISSION, /* ann -> edit; of an experiment: "ann 3" -> edit */
	FACT_USER,       /* ann -> approver */
	FACT_DISABLED,   /* ann -> "" */
	FACT_TOKEN,      /* laptop -> ann */
	FACT_KEY,        /* ID -> retired 120 */
	FACT_DATA,       /* data/raw@v3 -> tree:HEX */
	FACT_FORGOTTEN,  /* HEX -> "" */
	FACT_REPRODUCED, /* SUBJECT -> IDENTICAL RUN, the newest */
	FACT_ATTESTED,   /* 120, its event -> PREDICATE of SUBJECT by KEY in HEX */
	FACT_BOOKS
};
struct fact {
	int64_t seq;
	char *value; /* NULL: it is no more */
	bool seen;   /* in the tables */
};
struct fact_model {
	char *name;
	bool dead;
	struct strmap books[FACT_BOOKS]; /* -> struct fact */
};
struct facts {
	struct fact_model world;  /* of no model */
	struct fact_model **all;  /* models, also those that are no more */
	size_t len, cap;
	struct strmap living;     /* name -> struct fact_model, dead or not: the newest of that name */
};
#define FACTS_INIT { .len = 0 }
void facts_release(struct facts *);
/* The model of that name, made when there is none; NULL is the world. Lent. */
struct fact_model *facts_model(struct facts *, const char *name);
struct fact_model *facts_find(const struct facts *, const char *name); /* NULL: none */
void facts_rename(struct facts *, const char *from, const char *to);
void facts_delete(struct facts *, const char *name);
void fact_set(struct fact_model *, enum fact_book, const char *key, const char *value, int64_t seq);
/* NULL when it is not, or no more. */
struct fact *fact_get(const struct fact_model *, enum fact_book, const char *key);
