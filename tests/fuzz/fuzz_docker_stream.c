/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of a pull, whole and byte by byte: both see the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "runners/docker_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	int rc;
	struct error err;
	uint64_t done, total;
	char failure[256];
	bool failed;
};

static void play(const char *text, size_t size, size_t part, struct seen *ret)
{
	struct docker_stream *stream = docker_stream_new();
	const char *failure;

	memset(ret, 0, sizeof(*ret));
	for (size_t at = 0; at < size && ret->rc == 0; at += part)
		ret->rc = docker_stream_feed(stream, text + at, size - at < part ? size - at : part, &ret->err);
	if (ret->rc == 0)
		ret->rc = docker_stream_end(stream, &ret->err);
	docker_stream_bytes(stream, &ret->done, &ret->total);
	failure = docker_stream_failure(stream);
	if (failure)
		strncpy(ret->failure, failure, sizeof(ret->failure) - 1);
	ret->failed = failure != NULL;
	docker_stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct seen whole, bytes;

	play(text, size, size ? size : 1, &whole);
	play(text, size, 1, &bytes);
	if (whole.rc != bytes.rc || whole.done != bytes.done || whole.total != bytes.total ||
	    whole.failed != bytes.failed || strcmp(whole.failure, bytes.failure) != 0 ||
	    strcmp(whole.err.msg, bytes.err.msg) != 0)
		abort();
	if ((whole.failed && whole.rc == 0) || (whole.rc < 0 && !whole.failed && !*whole.err.msg))
		abort();
	if (strpbrk(whole.failure, "\n\r\t"))
		abort();
	return 0;
}
