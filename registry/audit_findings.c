/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_findings.h"
#include <pthread.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const char *const words[FINDINGS] = {
	[FOUND_EDITED] = "edited",       [FOUND_REMOVED] = "removed",     [FOUND_INSERTED] = "inserted",
	[FOUND_MOVED] = "moved",         [FOUND_NODE] = "node",           [FOUND_REPLACED] = "replaced",
	[FOUND_TRUNCATED] = "truncated", [FOUND_SIGNATURE] = "signature", [FOUND_OTHER_LOG] = "other log",
	[FOUND_STATE] = "state",         [FOUND_RECORD] = "record",
};

struct findings {
	pthread_mutex_t lock;
	struct js *kept[FINDINGS];
	int64_t count;
};

struct findings *findings_new(void)
{
	struct findings *f = xcalloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	for (size_t i = 0; i < FINDINGS; i++)
		f->kept[i] = js_array();
	return f;
}

void findings_free(struct findings *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < FINDINGS; i++)
		js_free(f->kept[i]);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void cleanup_findings(struct findings **f)
{
	findings_free(*f);
}

static struct js *finding_json(enum finding what, int64_t seq, int64_t to, const char *text)
{
	struct js *finding = js_object();

	js_set_str(finding, "what", words[what]);
	if (seq)
		js_set_int(finding, "seq", seq);
	if (to > seq)
		js_set_int(finding, "to", to);
	js_set_str(finding, "text", text);
	return finding;
}

void findings_add(struct findings *f, enum finding what, int64_t seq, int64_t to, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	pthread_mutex_lock(&f->lock);
	f->count++;
	if (js_len(f->kept[what]) < FINDINGS_KEPT)
		js_push(f->kept[what], finding_json(what, seq, to, text.buf));
	pthread_mutex_unlock(&f->lock);
}

int64_t findings_count(struct findings *f)
{
	int64_t count;

	pthread_mutex_lock(&f->lock);
	count = f->count;
	pthread_mutex_unlock(&f->lock);
	return count;
}

struct js *findings_json(struct findings *f)
{
	struct js *all = js_array();

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < FINDINGS; i++)
		for (size_t k = 0; k < js_len(f->kept[i]); k++)
			js_push(all, js_ref(js_at(f->kept[i], k)));
	pthread_mutex_unlock(&f->lock);
	return all;
}
