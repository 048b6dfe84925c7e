/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Rows and labels that come for a monitor: read on any thread (monitor/wire/wire.h), kept by the writer
 * (registry/ingest.h).
 */
struct error;
struct followed;
struct ingest;
struct js;
struct project;
struct rows_in;

struct rows_request {
	bool labels;
	const char *(*header)(void *ctx, const char *name);
	void *ctx;
	const char *body;
	size_t len;
};
#define ROWS_KEY_MAX 255 /* of an Idempotency-Key */
/* ERR_USAGE, ERR_TOO_LARGE; ERR_CONFLICT when the monitor takes none over HTTP. */
int rows_read(const struct followed *, const struct rows_request *, struct rows_in **ret, struct error *);
void rows_free(struct rows_in *);
/* Inside a transaction; durable after ingest_sync and its commit. *ret: {"rows": that are kept or, with "repeated": true,
 * were, "waiting": inferences that are known by halves}. */
int rows_keep(struct project *, struct ingest *, const struct rows_in *, struct js **ret, struct error *);
