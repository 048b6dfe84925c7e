/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "api/bundle.h"
#include "base/strbuf.h"
#include "base/tar.h"
#include "store/content.h"
/* What the files of bundles share: parts in their order, reading and writing them, and sets of objects. */
struct error;
struct js;

#define BUNDLE_FORMAT	   1
#define BUNDLE_ENTRIES_MAX (16u << 20)
#define BUNDLE_FACT_MAX	   (64u << 20) /* bytes of one, but of the log */
#define BUNDLE_SUMS_MAX	   (256u << 20)

/* Entries stand in the order of their parts, then of their names, so none stands twice. */
enum bundle_part {
	PART_HEAD,	   /* bundle.json */
	PART_README,	   /* README.md */
	PART_SUMS,	   /* SHA256SUMS: of the two before, and of all that follows but trees and objects */
	PART_SIGNATURE,	   /* SHA256SUMS.sig: Ed25519, 64 bytes; may be missing */
	PART_KEY,	   /* keys/ID.pem */
	PART_CHECKPOINT,   /* log/checkpoint */
	PART_EVENTS,	   /* log/events: all leaves, a line each; or */
	PART_PROOF,	   /* log/proofs/SEQ.txt */
	PART_RUN,	   /* runs/ID.json */
	PART_RESULT,	   /* cache/KEY.json */
	PART_MODEL,	   /* models/SHA256-OF-NAME.json */
	PART_DATA,	   /* data/SHA256-OF-NAME.json */
	PART_STATEMENTS,   /* attestations.json */
	PART_ENVELOPE,	   /* attestations/SHA256.json */
	PART_REPRODUCTIONS, /* reproductions.json */
	PART_LINEAGE,	   /* lineage.json */
	PART_TREE,	   /* trees/ab/cdef...: roots and leaves */
	PART_OBJECT,	   /* objects/ab/cdef... */
	BUNDLE_PARTS,
};
static inline bool bundle_is_fact(enum bundle_part part)
{
	return part != PART_SUMS && part != PART_SIGNATURE && part < PART_TREE;
}

/* ---- bundle_read.c ---- */

struct bundle_entry {
	enum bundle_part part;
	char name[TAR_NAME + 1];
	char id[DIGEST_HEX + 1]; /* what stands between the part's prefix and suffix: an id, a digest */
	struct digest digest;	 /* of trees and objects */
	uint64_t size;
};
/* Bytes of a bundle, an entry after the other; nothing is believed. Errors are ERR_DAMAGED, or of this machine. */
struct bundle_reader;
int bundle_reader_open(int fd, const char *name, struct bundle_reader **ret, struct error *);
void bundle_reader_close(struct bundle_reader *);
void cleanup_bundle_reader(struct bundle_reader **);
/* 1; 0: it ended as it must; -1. What was not read of the entry before is passed over. */
int bundle_reader_next(struct bundle_reader *, struct bundle_entry *ret, struct error *);
ssize_t bundle_reader_read(struct bundle_reader *, void *buf, size_t room, struct error *);
/* Appends the rest of the entry; more than `max` bytes are refused before they are read. */
int bundle_reader_all(struct bundle_reader *, size_t max, struct strbuf *ret, struct error *);
/* Of the whole file, when it has ended. */
void bundle_reader_digest(struct bundle_reader *, struct digest *ret);
/* "models/HEX.json" of a part and what makes its name. */
void bundle_name(enum bundle_part, const char *id, char ret[TAR_NAME + 1]);

/* ---- bundle_objects.c ---- */

struct bundle_object {
	struct digest id;
	uint64_t size;
};
#define BUNDLE_SIZE_UNKNOWN UINT64_MAX
struct bundle_objects {
	struct bundle_object *v;
	size_t len, cap;
	size_t sorted; /* so many are, and each is there once */
};
void bundle_objects_release(struct bundle_objects *);
/* Sorts now and then, so what is added often takes no memory. */
void bundle_objects_add(struct bundle_objects *, const struct digest *, uint64_t size);
/* By digest, each once. ERR_DAMAGED: one has two sizes. */
int bundle_objects_sort(struct bundle_objects *, struct error *);
struct bundle_object *bundle_objects_find(const struct bundle_objects *, const struct digest *); /* of sorted ones */

/* ---- bundle_check.c ---- */

/* What bundle_verify found, for import. */
struct bundle_known {
	struct js *head;	/* bundle.json */
	struct js *summary;
	struct digest digest;	/* of the file */
};
void bundle_known_release(struct bundle_known *);
int bundle_check(int fd, const char *name, const struct js *trusted, struct bundle_known *ret, struct error *);

/* ---- op_bundle.c ---- */

/* Names of the keys that signed, as far as they are known here and were not revoked. */
struct db;
struct js *bundle_signers(struct db *, const struct js *summary);
