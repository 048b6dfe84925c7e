/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Versions that a pipeline made, with what its gate said of them. A version whose files are those of the newest one is
 * none. Writers work inside a transaction of the caller, who writes the event.
 */
struct db;
struct error;
struct js;

/* A file that is kept with a version. */
struct candidate_file {
	const char *role;           /* "example" "signature" "slices" "limitations" */
	const char *path;           /* in the project */
	struct content content;     /* stored */
};
struct candidate_new {
	const char *model, *run_id;
	const struct content *content;   /* stored */
	const char *path;                /* of the output in the run */
	const struct content *reference; /* stored; NULL: none */
	const struct candidate_file *files;
	size_t nfiles;
	const struct candidate_file *policy; /* of trust, which `spec` names; NULL: none */
	const struct js *spec, *lines, *metrics;
	int64_t champion;                /* 0: none */
	bool passed;
	const char *author, *committer;  /* committer may be NULL */
	int64_t now_ms;
};
/* Makes the model when there is none. 1: *ret_number is the new version; 0: the newest version has these files, and
 * *ret_number is that one. */
int candidate_add(struct db *, const struct candidate_new *, int64_t *ret_number, struct error *);
/* Number of the newest version when it has these files, else 0; also when there is no such model. */
int candidate_same(struct db *, const char *model, const struct content *, int64_t *ret_number, struct error *);
/* {model, number, content "file:HEX|tree:HEX", reference, spec{}, champion, verdict, lines[], metrics{}, files{ROLE: {path,
 * content}}, author, committer, run_id, judged}; ERR_NOT_FOUND: no pipeline with a [model.NAME] made it */
int candidate_load(struct db *, const char *model, int64_t number, struct js **ret, struct error *);
/* The newest run that made this content at this path; ERR_NOT_FOUND. */
int candidate_run(struct db *, const char *path, const struct content *, char ret_run[33], struct error *);
