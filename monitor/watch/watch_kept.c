/* SPDX-License-Identifier: Apache-2.0 */
/* References that go and come back with the version that is watched. */
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "monitor/watch/watch_internal.h"
#include "registry/rows.h"

bool watch_is_trained(const struct js *reference)
{
	return js_get_bool(reference, "trained");
}

int watch_keep_former(struct watching *x, bool trained, struct error *err)
{
	const struct js *former = x->row.reference;

	if (!former || (!trained && !watch_is_trained(former)))
		return 0;
	return monitor_keep_reference(x->db, x->row.id, js_get_str(former, "key"), watch_is_trained(former), err);
}

static int restore(struct watching *x, const char *key, struct error *err)
{
	struct monitor_row row = MONITOR_ROW_INIT;
	char hex[DIGEST_HEX + 1];
	int r = watch_keep_former(x, true, err) < 0 ? -1 : monitor_restore_reference(x->db, x->row.id, key, err);

	if (r <= 0)
		return r;
	if (monitor_load(x->db, x->watch->name, &row, err) < 0)
		return -1;
	monitor_row_release(&x->row);
	x->row = row;
	return x->host->event(x->host->ctx, x->db, "monitor.reference", digest_format(&row.profile.id, hex), NULL, err) < 0 ? -1 : 1;
}

int watch_come_back(struct watching *x, const char *key, struct error *err)
{
	int r;

	if (db_begin(x->db, err) < 0)
		return -1;
	r = restore(x, key, err);
	if (write_end(x->db, r < 0 ? -1 : 0, err) < 0)
		return -1;
	return r && watch_load(x, err) < 0 ? -1 : r;
}
