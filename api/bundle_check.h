/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "api/bundle_internal.h"
#include "api/bundle_log.h"
#include "base/strmap.h"
/* What bundle_check.c, which reads facts, and bundle_check_objects.c share of one look at a bundle. */
struct error;
struct js;

struct tree_text {
	struct digest id;
	uint64_t at, size; /* in the scratch file */
	bool used;
};
struct check {
	struct bundle_reader *reader;
	struct js *head;
	struct strbuf sums;
	size_t line;		/* where the next line of sums begins */
	uint8_t signature[SIGN_SIGNATURE];
	bool is_signed;
	struct bundle_log log;	/* keys, checkpoint, leaves */
	struct js *statements;	/* attestations.json, until their envelopes came */
	size_t envelopes;
	struct strmap trees;	/* hex of roots that records name */
	struct strmap holes;	/* hex of what bundle.json says is missing */
	struct bundle_objects wanted; /* files */
	int scratch;		/* trees' objects, one after the other */
	struct tree_text *texts;
	size_t ntexts, cap;
	uint64_t scratch_len;
	uint64_t objects, bytes, records, events;
	bool trees_read;
	size_t at; /* in wanted */
};
/* A content that a record names has to come. */
int check_want(void *check, const struct content *);
/* Of the entry that is being read; they come in the order of their digests, trees first. */
int check_object(struct check *, const struct bundle_entry *, struct error *);
/* All that is named came, and all that came is named. */
int check_objects_end(struct check *, struct error *);
