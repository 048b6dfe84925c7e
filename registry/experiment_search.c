/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/experiment_search.h"
#include <inttypes.h>
#include <stdbool.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/experiments.h"
#include "registry/filter.h"
#include "registry/token.h"

/* The first rows of the query, and whether there are more. */
static int read_page(struct db *db, struct db_stmt *q, size_t limit, struct js *list, bool *ret_more, struct error *err)
{
	int r;

	while ((r = db_step(q, err)) > 0 && js_len(list) < limit) {
		struct js *experiment;

		if (experiment_load(db, db_text(q, 0), &experiment, err) < 0)
			return -1;
		js_push(list, experiment);
	}
	*ret_more = r > 0;
	return r < 0 ? -1 : 0;
}

int experiment_search(struct db *db, const struct experiment_query *query, struct js **ret, char **ret_token,
		      struct error *err)
{
	struct filter_sql f CLEANUP(filter_release) = FILTER_SQL_INIT;
	CLEANUP_STRBUF struct strbuf sql = STRBUF_INIT;
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *list = js_array();
	int64_t offset;
	bool more;

	if (token_offset(query->token, &offset, err) < 0 ||
	    filter_compile(&filter_experiments, query->filter, query->order_by, &f, err) < 0)
		return -1;
	strbuf_printf(&sql, "SELECT e.experiment_id FROM experiments e WHERE e.lifecycle_stage %s%s%s ORDER BY %s LIMIT %zu"
			    " OFFSET %" PRId64,
		      life_view_sql(query->view), f.where.len ? " AND " : "", f.where.buf, f.order.buf, query->limit + 1,
		      offset);
	if (db_query_dynamic(db, sql.buf, &q, err) < 0)
		return -1;
	filter_bind(&f, q);
	if (read_page(db, q, query->limit, list, &more, err) < 0)
		return -1;
	*ret = steal(&list);
	*ret_token = more ? token_of_offset(offset + (int64_t)query->limit) : NULL;
	return 0;
}
