/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
#include "monitor/table/table.h"
#include "registry/ingest.h"
#include "registry/monitors.h"
/*
 * Where rows come from, again and again: files, versions of an artifact, the rows of a query, segments of what came over
 * HTTP, of which as much is read as counts (registry/ingest.h). What was read of a file
 * is known by its digest, so that these are told apart:
 *   grown      it begins with what was read: only what follows is new, up to the end of its last whole row
 *   rotated    another file of the directory begins with it (app.log.1): its rest is read first, then the new file
 *   rewritten  no file begins with it: all its rows are new
 * Compressed files and versions of artifacts are whole when they are there.
 */
struct error;
struct project;

enum inflow_change { INFLOW_SAME, INFLOW_NEW, INFLOW_GROWN, INFLOW_ROTATED, INFLOW_REWRITTEN };
const char *inflow_change_name(enum inflow_change); /* "same", ... */

struct inflow_file {
	struct monitor_source at; /* how far it was read; `seen` and `digest` are of now */
	uint64_t rows;            /* from the first on that were there when it was looked at; set by who reads them all */
	enum inflow_change change;
	bool lines;               /* JSON lines, else CSV */
	bool packed;              /* read as a whole */
	bool closed;              /* nothing to read: not there any more, or unchanged and all taken */
	int fd;                   /* of a query's rows, else -1 */
	struct digest object;     /* of an artifact's version, else zero */
	struct ingest_segment segment; /* of what came over HTTP; else its number is 0 */
};
struct inflow {
	struct project *project; /* lent */
	const char *monitor;     /* whose segments they are; lent */
	enum monitor_kind kind;
	struct table_options options;
	struct inflow_file *files; /* in the order in which they are read */
	size_t len, cap;
};
void inflow_release(struct inflow *);
#define CLEANUP_INFLOW CLEANUP(inflow_release)

/* A pattern of files, the name of an artifact, sqlite:PATH with a query, or INFLOW_HTTP. */
#define INFLOW_HTTP	"http"
#define INFLOW_SQLITE	"sqlite:"
#define INFLOW_ARTIFACT "artifact:"
struct inflow_spec {
	const char *data, *query;
	const char *monitor; /* of INFLOW_HTTP: whose rows, and which */
	enum monitor_kind kind;
	bool sqlite; /* the operator allows it */
	bool whole;  /* files are complete when they are there: a last row needs no line end */
};
/* Looks at the sources. `known` is what monitor_sources_load told. ERR_NOT_FOUND when nothing is there, nor was. */
int inflow_open(struct project *, const struct inflow_spec *, const struct table_options *, const struct monitor_sources *known,
	      struct inflow *ret, struct error *);
/* What the files look like, without reading them: the same number for the same names, sizes and times. 0: there is nothing,
 * or nothing that can be looked at. */
int inflow_glance(struct project *, const struct inflow_spec *, uint64_t *ret, struct error *);
/* For monitor_sources_store; lends names. The caller frees `items`. */
void inflow_sources(const struct inflow *, struct monitor_sources *ret);

/*
 * A piece of a file: about INFLOW_PIECE bytes of whole rows, or all of a packed one. inflow_read calls `rows` for its rows
 * in order, `first` being the number of the first of them in the file.
 */
#define INFLOW_PIECE ((size_t)1 << 20)
struct inflow_piece {
	size_t file;
	uint64_t from, to; /* bytes */
	uint64_t first;    /* row */
};
typedef int inflow_rows(void *ctx, const struct inflow_piece *, const struct table *, const struct rows *, uint64_t first,
		      struct error *);
/* The piece that begins at `from`: 1, 0 at the end, -1. */
int inflow_piece_at(const struct inflow *, size_t file, uint64_t from, uint64_t first, struct inflow_piece *ret, struct error *);
int inflow_read(const struct inflow *, const struct inflow_piece *, inflow_rows *, void *ctx, struct error *);

/* How many of the first `len` bytes are whole rows; *quoted goes in and out: an odd number of quotes came before. */
size_t inflow_whole_rows(const char *text, size_t len, bool lines, bool *quoted);
