/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: refused, or parsed to something whose own text parses to the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/strbuf.h"
#include "registry/lockfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lockfile lock = LOCKFILE_INIT, again = LOCKFILE_INIT;
	struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	struct error err;

	if (lockfile_parse((const char *)data, size, &lock, &err) < 0) {
		if (err.code != ERR_DAMAGED || !err.help[0])
			abort();
		return 0;
	}
	lockfile_format(&lock, &first);
	if (lockfile_parse(first.buf, first.len, &again, &err) < 0)
		abort();
	lockfile_format(&again, &second);
	if (strcmp(first.buf, second.buf) || lock.conflicts != again.conflicts)
		abort();
	if (lock.len && !lockfile_find(&lock, lock.entries[0].kind, lock.entries[0].name))
		abort();
	lockfile_take(&lock, size & 1);
	if (lock.conflicts || lockfile_check(&lock, &err) < 0)
		abort();
	lockfile_release(&lock);
	lockfile_release(&again);
	strbuf_release(&first);
	strbuf_release(&second);
	return 0;
}
