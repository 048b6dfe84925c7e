/* SPDX-License-Identifier: Apache-2.0 */
/* A step now against the result that is in place: what differs, and what mlops.lock says of it. */
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/look_internal.h"
#include "pipeline/plan.h"
#include "registry/accepts.h"
#include "registry/cache.h"
#include "registry/runs.h"

/* Of a run that had the key, or of a person who accepted a result for it. */
static int record_of_key(struct looker *l, const struct digest *key, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *told = NULL;
	struct js *record;

	*ret = NULL;
	if (attempt_of_key(l->db, key, &told, err) < 0)
		return -1;
	if (!js_get(told, "record")) {
		js_free(steal(&told));
		if (accept_of_key(l->db, key, &told, err) < 0)
			return -1;
	}
	record = js_get(told, "record");
	*ret = record ? js_ref(record) : NULL;
	return 0;
}

static int accepted_record(struct looker *l, const struct plan_node *node, const struct digest *accepted,
			   struct js **ret, struct error *err)
{
	*ret = NULL;
	if (look_db(l, err) < 0 || (accepted && record_of_key(l, accepted, ret, err) < 0))
		return -1;
	/* A result that was made elsewhere may have no record here. */
	return *ret ? 0 : attempt_last_record(l->db, l->plan->pipeline->name, node->name, ret, err);
}

int look_last(struct looker *l, struct plan_node *node, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = look_lock_name(l, node);
	struct digest accepted;
	bool locked = lockfile_step(&l->lock, name, &accepted);

	return accepted_record(l, node, locked ? &accepted : NULL, ret, err);
}

int look_explain(struct looker *l, struct plan_node *node, const struct digest *accepted, struct step_look *look,
		 struct error *err)
{
	CLEANUP_JS struct js *last = NULL;
	CLEANUP_JS struct js *now = NULL;
	CLEANUP(cache_entry_release) struct cache_entry entry = { .created_ms = 0 };
	int known;

	if (accepted_record(l, node, accepted, &last, err) < 0)
		return -1;
	if (!last) {
		strlist_push(&look->reasons, "never run here");
		return 0;
	}
	now = look_record(l, node);
	key_explain(last, now, &look->reasons);
	if (look->reasons.len)
		return 0;
	known = cache_find(l->db, &look->key, &entry, err);
	if (known < 0)
		return -1;
	strlist_push(&look->reasons, js_get_bool(last, "inputs_changed") ? "an input changed while it last ran" :
				     known ? "its last result is not in the store any more" :
					     "the cache has no result of it");
	return 0;
}

/* The pipeline's run is what people know; the cache knows the step's. */
char *look_cached_reason(struct looker *l, const struct step_look *look)
{
	CLEANUP_JS struct js *attempt = NULL;
	const char *run = NULL;

	if (attempt_of_key(l->db, &look->key, &attempt, NULL) == 0)
		run = js_get_str(attempt, "run_id");
	return xasprintf("result of run %.8s%s%s", run ? run : look->source, look->remote ? ", from remote " : "",
			 look->remote ? look->remote : "");
}

int look_locked(struct looker *l, struct plan_node *node, struct digest *ret_key, struct content **ret_outputs,
		struct error *err)
{
	CLEANUP(cleanup_free) char *name = look_lock_name(l, node);
	CLEANUP(cleanup_free) struct content *outputs = NULL;
	struct step_look found = { .state = STEP_UNKNOWN };
	struct digest key;
	int r;

	if (!lockfile_step(&l->lock, name, &key))
		return error_set(err, ERR_CONFLICT, "%s has no result of step %s", LOCKFILE_NAME, node->name);
	r = look_outputs(l, node, &found, &outputs, err);
	if (r == 0) {
		error_set(err, ERR_CONFLICT, "step %s: %s", node->name, found.reasons.items[0]);
		r = -1;
	}
	strlist_release(&found.reasons);
	if (r < 0)
		return -1;
	*ret_key = key;
	*ret_outputs = steal(&outputs);
	return 0;
}
