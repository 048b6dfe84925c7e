/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/batch_internal.h"

#define FLUSH_EVERY (16ull << 20) /* bytes after which writing to disk is asked for, so the sync has less to wait for */

struct batch_stream {
	struct store_batch *batch;
	struct hasher hasher;
	struct strbuf small; /* all of it, up to SMALL_FILE */
	int fd;              /* or of the temporary file; -1 */
	char temp[32];
	uint64_t size;
	bool ended;
	struct digest id; /* once it has ended */
};

int batch_stream_open(struct store_batch *batch, struct batch_stream **ret, struct error *err)
{
	struct batch_stream *s;

	if (batch->broken)
		return error_set(err, ERR_ENV, "%s: this batch failed before", batch->store->dir);
	s = xcalloc(1, sizeof(*s));
	s->batch = batch;
	s->fd = -1;
	s->small = (struct strbuf)STRBUF_INIT;
	hasher_init(&s->hasher);
	*ret = s;
	return 0;
}

/* From memory to a file. */
static int spill(struct batch_stream *s, struct error *err)
{
	batch_temp_name(s->batch, s->temp);
	s->fd = store_create(s->batch->store, s->batch->staging.fd, s->temp, 0444, err);
	if (s->fd < 0 || io_write_all(s->fd, s->small.buf, s->small.len, s->temp, err) < 0)
		return -1;
	strbuf_release(&s->small);
	s->small = (struct strbuf)STRBUF_INIT;
	return 0;
}

int batch_stream_write(struct batch_stream *s, const void *data, size_t len, struct error *err)
{
	uint64_t before = s->size;

	if (s->fd < 0 && s->size + len > SMALL_FILE && spill(s, err) < 0)
		return -1;
	hasher_update(&s->hasher, data, len);
	s->size += len;
	if (s->fd < 0) {
		strbuf_add(&s->small, data, len);
		return 0;
	}
	if (io_write_all(s->fd, data, len, s->temp, err) < 0)
		return -1;
	if (before / FLUSH_EVERY != s->size / FLUSH_EVERY)
		sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

uint64_t batch_stream_size(const struct batch_stream *s)
{
	return s->size;
}

void batch_stream_digest(struct batch_stream *s, struct digest *ret)
{
	if (!s->ended)
		hasher_final(&s->hasher, &s->id);
	s->ended = true;
	*ret = s->id;
}

int batch_stream_close(struct batch_stream *s, struct digest *ret, uint64_t *ret_size, struct error *err)
{
	struct digest id;
	uint64_t size = s->size;
	int r;

	batch_stream_digest(s, &id);
	if (s->fd < 0) {
		r = batch_add_bytes(s->batch, s->small.buf, s->small.len, &id, err);
	} else {
		r = batch_stage_temp(s->batch, s->temp, &id, size, steal_fd(&s->fd), false, err);
		if (r < 0)
			unlinkat(s->batch->staging.fd, s->temp, 0);
		s->temp[0] = '\0';
	}
	batch_stream_drop(s);
	if (r < 0)
		return -1;
	*ret = id;
	*ret_size = size;
	return 0;
}

void batch_stream_drop(struct batch_stream *s)
{
	if (!s)
		return;
	if (s->fd >= 0) {
		close(s->fd);
		unlinkat(s->batch->staging.fd, s->temp, 0);
	}
	hasher_release(&s->hasher);
	strbuf_release(&s->small);
	free(s);
}
