/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdio.h>
#include "store/store_internal.h"
/* What gathering (batch.c) and publishing (publish.c) share. */
#define FEW 64 /* up to here each file and directory is synced by itself */

enum object_state {
	OBJECT_WRITING, /* one thread writes it, others wait for the outcome */
	OBJECT_STAGED,
	OBJECT_STORED, /* was in objects/ already */
	OBJECT_FAILED, /* whoever adds it next tries again */
};
struct object {
	struct digest id;
	int fd; /* open for fdatasync while the batch is small, else -1 */
	uint8_t state;
	bool in_fan;
	bool replace; /* published over what stands there */
};
struct store_batch {
	struct store *store;
	struct staging staging;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t settled; /* some object left OBJECT_WRITING */
	struct object *objects;
	size_t len, cap;
	uint32_t *slots; /* index + 1 into objects, 0 free; a power of two, at most half full */
	size_t nslots;
	size_t staged;
	uint64_t temps;	     /* temporary names given out */
	int64_t opened_ms;
	bool fan_made[256];  /* staging/X/ab exists */
	bool fan_reused[256]; /* an object in objects/ab is relied upon */
	bool broken;	     /* a commit failed */
};

void batch_forget(struct store_batch *);
void batch_temp_name(struct store_batch *, char name[32]);
/* Moves a whole temporary file to its place in staging, or drops it when its bytes are known. Takes the descriptor,
 * which is open for writing. After a failure the temporary file may still be there. */
int batch_stage_temp(struct store_batch *, const char *temp, const struct digest *, uint64_t size, int fd, bool replace,
		     struct error *);
/* Copies from offset 0 to the end and hashes the bytes that it writes. -1, or COPY_SOURCE when it is
 * the source that could not be read. */
#define COPY_SOURCE (-2)
int batch_copy_and_hash(int from, int to, const char *name, const struct watch *,
			struct digest *ret, uint64_t *ret_size, struct error *);
