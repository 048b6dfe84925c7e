/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the entries of a bundle: refused as damaged, or of a form that is read again. What is compressed is the
 * compressor's; here the input is the tar, or, when it begins with 'Z', the whole file. */
#include "api/bundle.h"
#include "base/compress.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int result)
{
	if (result < 0)
		abort();
}

static int write_input(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_compressor) struct compressor *zstd = NULL;
	int fd = io_scratch(NULL);

	must(fd);
	if (size && *data == 'Z') {
		must(io_write_all(fd, data + 1, size - 1, "input", NULL));
		return fd;
	}
	zstd = compress_to(fd, "input");
	must(compress_add(zstd, data, size, NULL));
	must(compress_end(zstd, NULL));
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JS struct js *summary = NULL, *again = NULL;
	CLEANUP(cleanup_fd) int fd = write_input(data, size);
	struct error err = { 0 };

	if (bundle_verify(fd, "input", NULL, &summary, &err) < 0) {
		if (err.code != ERR_DAMAGED && err.code != ERR_UNSUPPORTED) {
			fprintf(stderr, "%s\n", err.msg);
			abort();
		}
		return 0;
	}
	must(bundle_verify(fd, "input", NULL, &again, &err));
	if (!js_equal(summary, again))
		abort();
	return 0;
}
