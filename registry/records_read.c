/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of others become records and results only when they are byte by byte what a writer here would have written. */
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/cache.h"
#include "registry/records.h"
#include "registry/records_internal.h"

/* Bytes of text for each value that a record can hold; a value in memory takes some hundred. */
#define TEXT_OF_OBJECT 32
#define TEXT_OF_ARRAY  8
#define FEW	       64

/* Megabytes of "{}" would take gigabytes before they can be refused. */
static bool is_plausible(const char *text, size_t len)
{
	size_t objects = 0, arrays = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted) {
			objects += text[i] == '{';
			arrays += text[i] == '[';
		}
	}
	return objects < FEW + len / TEXT_OF_OBJECT && arrays < FEW + len / TEXT_OF_ARRAY;
}

int record_parse(const char *text, size_t len, const char *name, struct js **ret, struct error *err)
{
	if (!is_plausible(text, len))
		return error_set(err, ERR_DAMAGED, "%s is nothing that a writer writes", name);
	if (js_parse(text, len, name, ret, err) == 0)
		return 0;
	if (err)
		err->code = ERR_DAMAGED;
	return -1;
}

/* Another order or other blanks would make one fact two objects. */
int record_canonical(const struct js *json, const char *text, size_t len, const char *name, struct error *err)
{
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;

	js_dump(json, JS_CANONICAL, &again);
	if (again.len == len && !memcmp(again.buf, text, len))
		return 0;
	return error_set(err, ERR_DAMAGED, "%s is not written in its canonical form", name);
}

int record_read(const char *text, size_t len, const char *run_id, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;

	if (record_parse(text, len, "the record", &record, err) < 0 || record_check(record, err) < 0 ||
	    record_canonical(record, text, len, "the record", err) < 0)
		return -1;
	if (strcmp(js_get_str(js_at(js_get(record, "runs"), 0), "run_id"), run_id) != 0)
		return error_set(err, ERR_DAMAGED, "it is the record of another run");
	*ret = steal(&record);
	return 0;
}

int cache_read(const char *text, size_t len, const struct digest *key, struct cache_entry *ret, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	if (record_parse(text, len, "the result", &json, err) < 0 ||
	    record_canonical(json, text, len, "the result", err) < 0)
		return -1;
	return cache_parse(json, key, ret, err);
}
