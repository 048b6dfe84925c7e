/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a gate, and a holdout behind the first newline: refused at a byte, or judged, always with a reason. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "policy/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *table;
	size_t len;
};

static int metric(void *ctx, bool champion, const char *name, double *ret, struct error *err)
{
	(void)ctx;
	if (strlen(name) % 3 == 0)
		return error_set(err, ERR_NOT_FOUND, "no value");
	*ret = champion ? 0.5 : name[0] - 'a';
	return 0;
}

static int holdout(void *ctx, const char *name, int *ret_fd, char ret_digest[65], struct error *err)
{
	const struct input *input = ctx;
	int fd = memfd_create("holdout", MFD_CLOEXEC);

	(void)name;
	if (fd < 0 || write(fd, input->table, input->len) != (ssize_t)input->len || lseek(fd, 0, SEEK_SET) != 0)
		return error_set(err, ERR_ENV, "no file");
	memset(ret_digest, '0', 64);
	ret_digest[64] = '\0';
	*ret_fd = fd;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size, offset = SIZE_MAX;
	struct input input = { end ? end + 1 : data, end ? size - len - 1 : 0 };
	const struct gate_host host = { metric, holdout, len % 5 != 0, &input };
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, len);
	CLEANUP(cleanup_gate_line) struct gate_line *line = NULL;
	CLEANUP_JS struct js *result = NULL;
	struct error err;

	error_clear(&err);
	if (gate_line_parse(text, &line, &offset, &err) < 0) {
		if (err.code != ERR_USAGE || !*err.msg || offset > strlen(text))
			abort();
		return 0;
	}
	if (gate_line_judge(line, &host, &result, &err) < 0) {
		if (!*err.msg)
			abort();
		return 0;
	}
	if (js_get_bool(result, "holds") && js_get_str(result, "error"))
		abort();
	return 0;
}
