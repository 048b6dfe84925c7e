/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as a kept profile: refused as damaged, or shown, merged with itself and written so that it reads again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_profile) struct profile *p = NULL;
	CLEANUP(cleanup_profile) struct profile *again = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, twice = STRBUF_INIT;
	struct error err;

	if (profile_read((const char *)data, size, "fuzz", &p, &err) < 0)
		return 0;
	js_free(profile_show(p, p->ncolumns ? p->columns[0].name : NULL));
	profile_write(p, &text);
	if (profile_read(text.buf, text.len, "fuzz", &again, &err) < 0)
		abort();
	profile_write(again, &twice);
	if (text.len != twice.len || memcmp(text.buf, twice.buf, text.len) != 0)
		abort();
	if (p->rows > INT64_MAX / 4 || profile_merge(p, again, &err) < 0)
		return 0;
	profile_finish(p);
	strbuf_clear(&text);
	profile_write(p, &text);
	return 0;
}
