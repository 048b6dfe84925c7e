/* SPDX-License-Identifier: Apache-2.0 */
/* A container's log. Whatever comes, in one piece or in two, it gives the same messages. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/error.h"
#include "runners/docker_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t marks;
	size_t n, bytes;
};

static int add(void *ctx, const struct docker_frame *frame)
{
	struct sum *sum = ctx;

	sum->marks = sum->marks * 31 + frame->mark;
	sum->n++;
	sum->bytes += frame->len;
	return 0;
}

static int read_split(const char *text, size_t size, size_t at, struct sum *ret)
{
	struct docker_log log;
	struct error err = { 0 };
	int rc;

	*ret = (struct sum){ 0 };
	docker_log_init(&log, add, ret);
	rc = docker_log_feed(&log, text, at, &err);
	if (rc == 0)
		rc = docker_log_feed(&log, text + at, size - at, &err);
	if (rc == 0)
		rc = docker_log_end(&log, &err);
	docker_log_release(&log);
	if (rc < 0 && err.code == ERR_NONE)
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, split;
	size_t at = size ? 1 + data[size - 1] % size : 0;
	int rc = read_split((const char *)data, size, size, &whole);

	if (read_split((const char *)data, size, at, &split) != rc || split.marks != whole.marks ||
	    split.n != whole.n || split.bytes != whole.bytes || whole.bytes > size)
		abort();
	return 0;
}
