/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a database as JSON lines: then they are a file that grows, like any other. */
#include <string.h>
#include <unistd.h>
#include "base/db.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "monitor/watch/inflow_internal.h"

#define QUERY_FLUSH ((size_t)1 << 20)

/* {"column":value,...}; a blob is no value of a table. */
static void put_row(struct db_stmt *q, const struct strlist *names, struct strbuf *out)
{
	for (size_t i = 0; i < names->len; i++) {
		int column = (int)i;
		strbuf_putc(out, i ? ',' : '{');
		js_put_str(out, names->items[i]);
		strbuf_putc(out, ':');
		switch (db_type(q, column)) {
		case DB_INT:
			js_put_int(out, db_int(q, column));
			break;
		case DB_REAL:
			js_put_real(out, db_real(q, column));
			break;
		case DB_TEXT: {
			CLEANUP_JS struct js *text = js_str(db_text(q, column));
			js_dump(text, JS_COMPACT, out);
			break;
		}
		default:
			strbuf_puts(out, "null");
		}
	}
	strbuf_puts(out, names->len ? "}\n" : "{}\n");
}

static int read_names(struct db_stmt *q, struct strlist *ret, struct error *err)
{
	for (int i = 0; i < db_columns(q); i++) {
		if (strlist_has(ret, db_column_name(q, i))) {
			error_set(err, ERR_USAGE, "the query has two columns '%s'", db_column_name(q, i));
			return error_help(err, "rename one: SELECT a.x AS x, b.x AS other");
		}
		strlist_push(ret, db_column_name(q, i));
	}
	return 0;
}

/* A query that does not order its rows may give them in another order each time. */
static int check_order(const char *query, struct error *err)
{
	if (strcasestr(query, "order by"))
		return 0;
	error_set(err, ERR_USAGE, "the query of a monitor must order its rows");
	return error_help(err, "add what makes new rows the last: ... ORDER BY id");
}

static int write_rows(struct db_stmt *q, const char *path, int fd, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	int r;

	if (read_names(q, &names, err) < 0)
		return -1;
	while ((r = db_step(q, err)) > 0) {
		put_row(q, &names, &out);
		if (out.len < QUERY_FLUSH)
			continue;
		if (io_write_all(fd, out.buf, out.len, path, err) < 0)
			return -1;
		strbuf_clear(&out);
	}
	return r < 0 ? -1 : io_write_all(fd, out.buf, out.len, path, err);
}

int inflow_query(const char *path, const char *query, int *ret_fd, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_db) struct db *db = NULL;
	CLEANUP_STMT struct db_stmt *q = NULL;

	if (check_order(query, err) < 0 || db_open_stranger(path, &db, err) < 0)
		return -1;
	if (db_query_dynamic(db, query, &q, err) < 0)
		return error_wrap(err, "query of %s", path);
	fd = io_scratch(err);
	if (fd < 0 || write_rows(q, path, fd, err) < 0)
		return -1;
	*ret_fd = steal_fd(&fd);
	return 0;
}
