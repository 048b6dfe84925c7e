/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a metric may have millions of points: its JSON is written as it is read, a page at a time. */
#include <math.h>
#include <string.h>
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/real.h"
#include "base/strbuf.h"
#include "registry/metrics.h"
#include "registry/project.h"
#include "registry/token.h"

#define PAGE 4096 /* no statement stays open while a client makes us wait */

struct history {
	struct strbuf text;
	struct strbuf head; /* of a point: {"key":"loss","value": */
	struct metric_point last;
	int64_t count;
};

static void put_int(struct strbuf *text, int64_t value)
{
	char buf[24], *at = buf + sizeof(buf);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (value < 0)
		*--at = '-';
	strbuf_add(text, at, (size_t)(buf + sizeof(buf) - at));
}

static int put_point(void *ctx, const struct metric_point *p)
{
	struct history *h = ctx;
	char real[REAL_TEXT];

	if (h->count++)
		strbuf_putc(&h->text, ',');
	strbuf_add(&h->text, h->head.buf, h->head.len);
	if (isnan(p->value))
		strbuf_puts(&h->text, "\"NaN\"");
	else
		strbuf_add(&h->text, real, real_format(p->value, real));
	strbuf_puts(&h->text, ",\"timestamp\":");
	put_int(&h->text, p->timestamp_ms);
	strbuf_puts(&h->text, ",\"step\":");
	put_int(&h->text, p->step);
	strbuf_putc(&h->text, '}');
	h->last = *p;
	return 0;
}

static int flush(struct op_context *ctx, struct history *h)
{
	int r = ctx->write(ctx->ctx, h->text.buf, h->text.len);

	strbuf_clear(&h->text);
	return r;
}

static int one_more(void *ctx, const struct metric_point *p)
{
	(void)ctx;
	(void)p;
	return 0;
}

/* Points until `max` are written, or all when it is below zero. */
static int write_points(struct op_context *ctx, struct db *db, const char *run, const char *key, int64_t skip,
			int64_t max, struct history *h, struct error *err)
{
	int limit, n;

	strbuf_puts(&h->text, "{");
	do {
		limit = max >= 0 && max - h->count < PAGE ? (int)(max - h->count) : PAGE;
		if (!h->count)
			strbuf_puts(&h->text, "\"metrics\":[");
		n = metric_points(db, run, key, h->count ? &h->last : NULL, skip, limit, put_point, h, err);
		if (n < 0)
			return -1;
		if (!h->count) /* MLflow leaves out what is empty */
			h->text.len = 1;
		if (n == PAGE && flush(ctx, h) < 0)
			return error_set(err, ERR_ENV, "the client has gone");
	} while (n == limit && n && h->count != max);
	if (h->count)
		strbuf_putc(&h->text, ']');
	return 0;
}

/* metric.history {run_id, metric_key, max_results, page_token} -> {metrics[], next_page_token}, as bytes */
int op_metric_history(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *token = NULL;
	CLEANUP_JS struct js *key_json = js_str(js_get_str(args, "metric_key"));
	const char *run = js_get_str(args, "run_id"), *key = js_get_str(args, "metric_key");
	struct history h = { STRBUF_INIT, STRBUF_INIT, { 0 }, 0 };
	int64_t max = js_get_int(args, "max_results", -1), skip;
	struct db *db;
	int r = -1;

	(void)ret_result;
	if (js_get(args, "max_results") && max <= 0)
		return error_set(err, ERR_USAGE,
				 "Invalid value %lld for parameter 'max_results' supplied. It must be a positive integer.",
				 (long long)max);
	if (token_offset(js_get_str(args, "page_token"), &skip, err) < 0 || project_db(ctx->project, &db, err) < 0)
		return -1;
	strbuf_puts(&h.head, "{\"key\":");
	js_dump(key_json, JS_COMPACT, &h.head);
	strbuf_puts(&h.head, ",\"value\":");
	if (write_points(ctx, db, run, key, skip, max, &h, err) < 0)
		goto end;
	if (h.count == max) {
		r = metric_points(db, run, key, &h.last, 0, 1, one_more, NULL, err);
		if (r < 0)
			goto end;
		token = r ? token_of_offset(skip + max) : NULL;
		if (token)
			strbuf_printf(&h.text, ",\"next_page_token\":\"%s\"", token);
	}
	strbuf_putc(&h.text, '}');
	r = flush(ctx, &h) < 0 ? error_set(err, ERR_ENV, "the client has gone") : 0;
end:
	strbuf_release(&h.text);
	strbuf_release(&h.head);
	return r;
}
