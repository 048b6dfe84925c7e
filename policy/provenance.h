/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Statements about what was made: in-toto Statement v1 (github.com/in-toto/attestation, spec/v1) with the predicates SLSA
 * provenance v1 (slsa.dev/spec/v1.0/provenance) of runs and model versions, and test-result v0.1 of gates. Pure functions
 * from facts, as the registry's readers give them, to JSON, and back to what a statement says. The same facts always give
 * the same statement: it holds no time of its own.
 */
struct content;
struct error;
struct js;

#define STATEMENT_TYPE	"https://in-toto.io/Statement/v1"
#define PROVENANCE_SLSA "https://slsa.dev/provenance/v1"
#define PROVENANCE_TEST "https://in-toto.io/attestation/test-result/v0.1"
#define PROVENANCE_TREE "application/vnd.mlops.tree" /* media type of a directory, and the use of a file of one that was read */
#define PROVENANCE_PART "part"
/* Bytes of one, and steps that are told of a run. */
#define STATEMENT_MAX	(4u << 20)
#define PROVENANCE_STEPS 1000

struct provenance_facts {
	/* of run_load; NULL: it is not known here. A directory among its inputs may have files[{path, content}]. */
	const struct js *run;
	const struct js *above;	   /* of a step's run: the pipeline's; else NULL */
	const struct js *attempts; /* of attempts_list; of a step's run, its own alone; or NULL */
	const struct js *job;	   /* of job_load, when an agent executed it; else NULL */
};

/* {name, uri, digest{sha256}}; of a tree, whose digest is that of its root object, with its media type. `uri` may be NULL. */
struct js *statement_subject(const char *name, const char *uri, const struct content *);
/* `subjects`: an array of those. */
struct js *provenance_slsa(const struct provenance_facts *, const struct js *subjects);
/* `candidate`: of candidate_load. */
struct js *provenance_gate(const struct js *candidate, const struct js *subjects);

/* A statement of anybody. ERR_USAGE tells what makes it none. */
int statement_parse(const char *text, size_t len, struct js **ret, struct error *);
/* It is about these bytes, hex digest; and, where both say a uri, about this thing. `uri` may be NULL. */
bool statement_covers(const struct js *statement, const char *sha256, const char *uri);
