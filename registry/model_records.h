/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Registered models, and versions of data, as text for other people's registries; runs are records.h's. Canonical JSON
 * (docs/format.md), so equal facts give equal bytes. Importing never changes what is there: a version has its number for
 * ever, so one that is another here is a conflict, and an alias that somebody may hold is left to people.
 */
struct db;
struct error;
struct js;

/* `number` 0: all its versions. ERR_NOT_FOUND. */
int model_record_export(struct db *, const char *model, int64_t number, struct js **ret, struct error *);
/* Text of somebody else: ERR_DAMAGED unless it is, byte by byte, what model_record_export writes. */
int model_record_read(const char *text, size_t len, struct js **ret, struct error *);
/* Contents that the record names: the files of versions, their references, examples and cards. */
int model_record_each_content(const struct js *record, int (*each)(void *ctx, const struct content *), void *ctx);

/* The runs that made its versions; `each` is lent the id. */
int model_record_each_run(const struct js *record, int (*each)(void *ctx, const char *run_id), void *ctx);

struct model_import {
	const char *actor, *origin, *from; /* of the events; what it came from */
	int64_t now_ms;
	int64_t versions, aliases, data;   /* counted: new ones */
	struct js *notes;                  /* lent: gets what was left as it is */
};
/* Inside a transaction, when the runs are there. Writes events of what is new. ERR_CONFLICT: a version of this name is
 * another here; ERR_DAMAGED: its files are not where it says. The caller undoes what was written before an error. */
int model_record_import(struct db *, const struct js *record, struct model_import *, struct error *);
/* 1: the version came that way, also when the model was renamed since; 0, -1. */
int model_version_imported(struct db *, const char *model, int64_t number, struct error *);

/* Versions of data, by path: {"name", "versions": [{number, content, size, files, created, run, actor}]}. `number` 0: all. */
int artifact_record_export(struct db *, const char *name, int64_t number, struct js **ret, struct error *);
int artifact_record_read(const char *text, size_t len, struct js **ret, struct error *);
int artifact_record_each_content(const struct js *record, int (*each)(void *ctx, const struct content *), void *ctx);
/* Inside a transaction. A version whose number is another's here gets the next free one, which a note tells; one whose
 * content is a version here already gets none. */
int artifact_record_import(struct db *, const struct js *record, struct model_import *, struct error *);
