/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strmap.h"
#include "store/content.h"
#include "store/tombstone.h"
/*
 * Remotes: other places that hold objects and refs. A ref is a small named text that
 * says something about objects: "cache/KEY", "runs/ID". A remote is a table of
 * functions: remote_dir.c is a directory, remote_http.c an agent; others join them later.
 *
 * An agent makes refs of its registry when it is asked, and what it is given becomes part of it: a ref of a run whose
 * objects it lacks is ERR_CONFLICT.
 *
 * A directory remote is a store with a marker (docs/format.md): objects/, refs/KIND/,
 * staging/, and mlops-remote with the format's version. It follows the store's own
 * protocol (staged, hashed, synced, published without replacing), so many may write at
 * once, and a writer that was killed leaves nothing visible but whole objects. New
 * directories take the mode and group of the remote's top, so a setgid, group-writable
 * directory is shared by a group.
 *
 * Nothing read from a remote is believed: objects are hashed as they come.
 *
 * Threads: get, put and verify may be called from several at once; the rest from one.
 */
struct digest;
struct error;
struct progress;
struct remote;
struct store;
struct store_batch;
struct strbuf;
struct watch;

struct remote_ops {
	/* `create`: makes it when it is absent or an empty directory. ERR_NOT_FOUND when absent, ERR_CONFLICT when it
	 * is something else or of a newer format; the help says what to do. */
	int (*open)(const char *url, bool create, struct remote **ret, struct error *);
	void (*close)(struct remote *);
	/* ret[i]: it has ids[i]. Does not verify. */
	int (*has)(struct remote *, const struct digest *ids, size_t n, bool *ret, struct error *);
	/* Adds the object to the batch. ERR_NOT_FOUND; ERR_DAMAGED when its bytes are not what its name says, are more
	 * than `max`, or cannot be read: then nothing was added under that name. Any other error is the batch's. */
	int (*get)(struct remote *, const struct digest *, uint64_t max, struct store_batch *, uint64_t *ret_size,
		   struct error *);
	/* Stages a copy of a local object; ERR_NOT_FOUND when there is none, ERR_DAMAGED when the local bytes are not
	 * what the name says. With `replace` it takes the place of a damaged one. */
	int (*put)(struct remote *, struct store *, const struct digest *, bool replace, struct error *);
	/* Hashes what the remote holds. 0, or -1 with ERR_DAMAGED or ERR_NOT_FOUND. */
	int (*verify)(struct remote *, const struct digest *, struct error *);
	/* What was put becomes durable and visible: objects, and only then refs. What `has` found of others is durable
	 * then, too. After a failure the remote takes no more. */
	int (*commit)(struct remote *, struct error *);
	/* Names are "KIND/NAME" of [a-z0-9-], else ERR_USAGE; texts have at most REMOTE_REF_MAX bytes. 1 and the text
	 * appended, 0 absent, -1. One that was put and not committed is not seen. */
	int (*ref_get)(struct remote *, const char *name, struct strbuf *ret, struct error *);
	int (*ref_put)(struct remote *, const char *name, const char *text, size_t len, struct error *);
	/* Every name of a kind as "KIND/NAME", in no order. `each` returns 0, or -1 to stop. */
	int (*ref_list)(struct remote *, const char *kind, int (*each)(void *ctx, const char *name), void *ctx,
			struct error *);
	/* Removes the bytes, and takes them no more: store/tombstone.h. */
	int (*forget)(struct remote *, const struct digest *ids, size_t n, const struct tombstone *, struct error *);
	/* ret[i]: since when and why it must not hold ids[i]; without a date it may. */
	int (*forgotten)(struct remote *, const struct digest *ids, size_t n, struct tombstone *ret, struct error *);
};
#define REMOTE_REF_MAX (16u << 20)
struct remote {
	const struct remote_ops *ops;
	char *name; /* [remote.NAME] */
	char *url;
	/* Told of bytes as get and put move them, from any thread; true asks to stop. Lent, may be NULL. */
	const struct watch *watch;
};
extern const struct remote_ops remote_dir_ops;
extern const struct remote_ops remote_http_ops; /* an agent: http://, https://, unix:PATH */
/* "KIND/NAME"; false when it is not. */
bool remote_ref_valid(const char *name);
/* By the scheme of the URL; without one it is a directory, relative to `base` (absolute). One that leads into
 * .mlops or .git of `base` is ERR_USAGE. */
int remote_open(const char *name, const char *url, const char *base, bool create, struct remote **ret, struct error *);
void remote_close(struct remote *);

/* The remotes of a project, in the order of its file; opened when first needed. */
struct remotes {
	struct remote_place {
		char *name, *url;
		struct remote *remote; /* NULL: not opened yet */
		bool failed;           /* could not be opened; said once */
	} *places;
	size_t len;
	char *base;
	/* Told once for each remote that cannot be opened, and once by each transfer for what one had damaged that
	 * was not told of before; may be NULL. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
	struct strmap told; /* "NAME HEX" of what was damaged where */
};
void remotes_release(struct remotes *);
/* NULL name: the first. ERR_NOT_FOUND with the names there are. */
int remotes_open(struct remotes *, const char *name, bool create, struct remote **ret, struct error *);
/* Whether some remote has the object (a tree's root). Remotes that cannot be opened have nothing. */
bool remotes_have(struct remotes *, const struct digest *);
/* 1 and the text appended, from the first that has it; 0. *ret_remote (lent, may be NULL): its name. */
int remotes_ref(struct remotes *, const char *name, struct strbuf *ret, const char **ret_remote);

struct transfer {
	struct store *store;
	const struct progress *progress; /* may be NULL */
	bool dry;                        /* count only */
	bool verify;                     /* hash what is there already, and replace what is damaged */
	/* counted */
	uint64_t objects, bytes;         /* sent or brought (dry: would be) */
	uint64_t present;                /* were there already */
	uint64_t replaced;               /* damaged ones, put anew */
	uint64_t refused;                /* are here and were forgotten there: not sent; the first of them: */
	struct digest first_refused;
	struct tombstone refusal;
};
/* Objects of the contents: files, trees with all they list. Committed in groups, so that a killed transfer goes on
 * where it was; a tree's root comes last. A tree that the local store lacks is ERR_NOT_FOUND, and so is a file that
 * neither side has. */
int transfer_push(struct transfer *, struct remote *, const struct content *, size_t n, struct error *);
/* From whichever remote has them whole; one that is damaged in one is taken from the next. ERR_NOT_FOUND or
 * ERR_DAMAGED names the first object that no remote has; what the others are made of was brought nevertheless. The
 * bytes are in the store and durable afterwards; a tree's root comes last. With `verify` those that are here already
 * are hashed, and damaged ones go to quarantine and are brought anew. */
int transfer_pull(struct transfer *, struct remotes *, const struct content *, size_t n, struct error *);
