/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ingest.h"
#include <string.h>
#include "api/follow.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "monitor/wire/wire.h"
#include "registry/ingest.h"
#include "registry/project.h"

struct rows_in {
	char *monitor, *key; /* key NULL: none */
	enum monitor_kind kind;
	struct digest digest; /* of the body, with a key */
	struct wire wire;
};

void rows_free(struct rows_in *in)
{
	if (!in)
		return;
	free(in->monitor);
	free(in->key);
	wire_release(&in->wire);
	free(in);
}

static int check_takes(const struct followed *f, bool labels, struct error *err)
{
	if (labels ? f->takes_labels : f->takes_rows)
		return 0;
	error_set(err, ERR_CONFLICT, "monitor %s takes no %s over HTTP", f->monitor, labels ? "labels" : "rows");
	return error_help(err, "say so in its section: %s = http", labels ? "labels" : "data");
}

static int check_key(const char *key, struct error *err)
{
	if (key && (!*key || strlen(key) > ROWS_KEY_MAX))
		return error_set(err, ERR_USAGE, "an Idempotency-Key has 1 to %d characters", ROWS_KEY_MAX);
	return 0;
}

static void cleanup_rows(struct rows_in **in)
{
	rows_free(*in);
}

int rows_read(const struct followed *f, const struct rows_request *r, struct rows_in **ret, struct error *err)
{
	const struct monitor_section *section = f->section;
	const struct wire_request request = { r->header, r->ctx, r->body, r->len };
	const struct wire_columns columns = {
		.id = section->id.text,
		.time = r->labels ? NULL : section->time.text,
		.label = r->labels ? section->label.text : NULL,
		.paired = !r->labels && section->prediction.text,
	};
	const char *key = r->header(r->ctx, "Idempotency-Key");
	CLEANUP(cleanup_rows) struct rows_in *in = xcalloc(1, sizeof(*in));

	if (check_takes(f, r->labels, err) < 0 || check_key(key, err) < 0 || wire_read(&request, &columns, &in->wire, err) < 0)
		return -1;
	in->monitor = xstrdup(f->monitor);
	in->kind = r->labels ? MONITOR_LABELS : MONITOR_DATA;
	/* an event is the same one whenever it comes again */
	in->key = key ? xasprintf("Idempotency-Key %s", key) : in->wire.event ? xasprintf("CloudEvent %s", in->wire.event) : NULL;
	if (in->key)
		digest_of(r->body, r->len, &in->digest);
	*ret = steal(&in);
	return 0;
}

/* ---- keeping ---- */

static struct js *answer(uint64_t rows, size_t waiting, bool repeated)
{
	struct js *json = js_object();

	js_set_int(json, "rows", (int64_t)rows);
	js_set_int(json, "waiting", (int64_t)waiting);
	if (repeated)
		js_set_bool(json, "repeated", true);
	return json;
}

/* Halves whose other half is here become rows. */
static int meet(struct db *db, const struct rows_in *in, int64_t now_ms, struct strbuf *lines, uint64_t *rows,
		size_t *waiting, struct error *err)
{
	for (size_t i = 0; i < in->wire.nhalves; i++) {
		const struct wire_half *half = &in->wire.halves[i];
		const struct ingest_half mine = { in->monitor, half->id, half->answer, half->rows, now_ms };
		CLEANUP(cleanup_free) char *other = NULL;
		uint64_t n = 0;
		int r = ingest_half_meet(db, &mine, &other, err);
		if (r > 0)
			r = wire_join(half->answer ? other : half->rows, half->answer ? half->rows : other, lines, &n, err);
		if (r < 0)
			return error_wrap(err, "inference %.80s", half->id);
		*rows += n;
		*waiting += !other;
	}
	return 0;
}

static int put(struct ingest *ingest, struct db *db, const struct rows_in *in, uint64_t most, const struct strbuf *text,
	       uint64_t rows, struct error *err)
{
	const struct ingest_lines lines = { in->monitor, in->kind, text->buf, text->len, rows, most };

	return ingest_put(ingest, db, &lines, err);
}

static int keep_new(struct project *project, struct ingest *ingest, struct db *db, const struct rows_in *in,
		    struct ingest_key *key, size_t *waiting, struct error *err)
{
	const uint64_t most = (uint64_t)settings_int(&project->settings, SETTING_MONITOR_INFLOW);
	CLEANUP_STRBUF struct strbuf met = STRBUF_INIT;
	uint64_t joined = 0;

	if (meet(db, in, key->now_ms, &met, &joined, waiting, err) < 0 ||
	    put(ingest, db, in, most, &in->wire.lines, in->wire.rows, err) < 0 ||
	    put(ingest, db, in, most, &met, joined, err) < 0)
		return -1;
	key->rows += joined;
	return in->key ? ingest_key_add(db, key, err) : 0;
}

int rows_keep(struct project *project, struct ingest *ingest, const struct rows_in *in, struct js **ret, struct error *err)
{
	struct ingest_key key = { in->monitor, in->key, in->digest, in->wire.rows, clock_wall_ms() };
	size_t waiting = 0;
	struct db *db;
	int r;

	if (project_db(project, &db, err) < 0)
		return -1;
	r = in->key ? ingest_key_find(db, &key, &key.rows, err) : 0;
	if (r < 0 || (!r && keep_new(project, ingest, db, in, &key, &waiting, err) < 0))
		return -1;
	*ret = answer(key.rows, waiting, r > 0);
	return 0;
}
