/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/digest.h"
#include "store/content.h"
/*
 * The step key: SHA-256 over a canonical form of everything that decides a step's
 * result. The form is lines "name value\n" in a fixed order, values escaped, described in
 * docs/format.md; its first line is the format's version. Absent values are left out.
 * Every value enters it through key_form; key_explain speaks about the same facts.
 */
struct js;
struct plan_node;
struct strbuf;

/* What argv[0] is on this machine: looked up once a program and run. */
struct key_program {
	char *path; /* realpath, or the project path of a program inside the project; NULL when not found */
	struct content content;
};
struct key_input {
	const char *path;
	struct content content;
};
struct key_facts {
	const struct plan_node *node;
	const struct key_program *program; /* of a step on this machine, else NULL */
	const char *image;    /* of a step in a container: its pin, "REPOSITORY@sha256:HEX", an id, or "build:HEX"; else NULL */
	const struct js *build; /* of an image that is built here, for the record; else NULL */
	const char *platform; /* key_platform */
	const struct key_input *inputs; /* sorted by path */
	size_t ninputs;
};
/* What this machine is: "linux/x86_64". */
#define KEY_PLATFORM 132
void key_platform(char ret[KEY_PLATFORM]);
/* Appends the canonical form. */
void key_form(const struct key_facts *, struct strbuf *);
void key_of(const struct key_facts *, struct digest *ret);
/* The same facts as JSON, for records, `why` and diff: {platform, program{path, content}, image, user, network, argv[], env{}, params{}, matrix{},
 * inputs{path: content}, outputs[], secrets[]}. */
struct js *key_record(const struct key_facts *);
/* Differences of two records: [{kind, name, old, new, text}], in the order of kinds: param, matrix, input, command, program,
 * image, build (parts of an image that is built here), user, network, env, secret, output, platform. `name` is left out
 * where a kind has only one, `old` or `new` where a side has none; `text` is a line for people, fit for a terminal:
 * "param lr: 0.01 -> 0.1". A command also has words: [{change: same|removed|added, text}]. Empty when the records are
 * equal. Owned by the caller. */
struct js *key_differences(const struct js *old, const struct js *now);
/* Appends their texts. */
struct strlist;
void key_explain(const struct js *old, const struct js *now, struct strlist *ret);
