/* SPDX-License-Identifier: Apache-2.0 */
/* What a remote is asked about objects. */
#include "api/ops.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"
#include "store/store.h"

#define MAX_DIGESTS 10000

static int read_digests(const struct js *args, struct digest **ret, size_t *ret_len, struct error *err)
{
	const struct js *list = js_get(args, "digests");
	CLEANUP(cleanup_free) struct digest *ids = NULL;
	size_t n = js_len(list);

	if (n > MAX_DIGESTS)
		return error_set(err, ERR_USAGE, "%zu digests, at most %d are taken", n, MAX_DIGESTS);
	ids = xcalloc(n + 1, sizeof(*ids));
	for (size_t i = 0; i < n; i++)
		if (!digest_parse(js_text(js_at(list, i)), &ids[i]))
			return error_set(err, ERR_USAGE, "'%.80s' is no digest", js_text(js_at(list, i)));
	*ret = steal(&ids);
	*ret_len = n;
	return 0;
}

static void push_digest(struct js *list, const struct digest *id)
{
	char hex[DIGEST_HEX + 1];

	js_push_str(list, digest_format(id, hex));
}

/* object.missing {digests[]} -> {missing[]}. All others are durable. */
int op_object_missing(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) struct digest *ids = NULL;
	CLEANUP(cleanup_free) bool *has = NULL;
	struct js *missing;
	struct store *store;
	size_t n;

	if (read_digests(args, &ids, &n, err) < 0 || project_store(ctx->project, &store, err) < 0)
		return -1;
	has = xcalloc(n + 1, sizeof(*has));
	if (store_has_durable(store, ids, n, has, err) < 0)
		return -1;
	missing = js_array();
	for (size_t i = 0; i < n; i++)
		if (!has[i])
			push_digest(missing, &ids[i]);
	*ret_result = js_object();
	js_set(*ret_result, "missing", missing);
	return 0;
}

/* object.verify {digests[]} -> {missing[], damaged[]} */
int op_object_verify(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *missing = js_array(), *damaged = js_array();
	CLEANUP(cleanup_free) struct digest *ids = NULL;
	struct store *store;
	size_t n;

	if (read_digests(args, &ids, &n, err) < 0 || project_store(ctx->project, &store, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct error why = { 0 };

		if (store_verify(store, &ids[i], &why) == 0)
			continue;
		if (why.code == ERR_DAMAGED && store_quarantine(store, &ids[i], err) < 0)
			return -1;
		if (why.code == ERR_DAMAGED)
			push_digest(damaged, &ids[i]);
		else if (why.code == ERR_NOT_FOUND)
			push_digest(missing, &ids[i]);
		else
			return *err = why, -1;
	}
	*ret_result = js_object();
	js_set(*ret_result, "missing", steal(&missing));
	js_set(*ret_result, "damaged", steal(&damaged));
	return 0;
}
