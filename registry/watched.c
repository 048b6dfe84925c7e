/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/watched.h"
#include <stdint.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/rows.h"
#include "registry/versions.h"

/* 0: none. Without an alias the newest counts. */
static int find_number(struct db *db, const char *name, const char *alias, int64_t *ret, struct error *err)
{
	struct error why = { 0 };

	*ret = 0;
	if (*alias == 'v' && version_number(alias + 1, ret, &why) == 0)
		return 0;
	if (alias_find(db, name, *alias ? alias : "latest", ret, &why) == 0)
		return 0;
	*ret = 0;
	if (why.code == ERR_USAGE || why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

static int describe(struct db *db, const char *name, int64_t number, char **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT c.kind, c.digest, c.size, c.files FROM registered_models m"
			     " JOIN model_versions v ON v.model = m.id LEFT JOIN candidates k ON k.version = v.id"
			     " LEFT JOIN contents c ON c.id = k.content WHERE m.name = ?1 AND v.number = ?2");
	struct content files;
	char hex[DIGEST_HEX + 1];
	int r;

	db_bind(q, 1, name);
	db_bind(q, 2, number);
	r = db_step(q, err);
	if (r > 0 && db_is_null(q, 0)) {
		*ret = xasprintf("v%lld", (long long)number);
		return 0;
	}
	if (r < 0 || (r > 0 && content_read(q, 0, &files, err) < 0))
		return -1;
	*ret = r ? xasprintf("%s:%s", files.kind == CONTENT_TREE ? "tree" : "file", digest_format(&files.id, hex)) : NULL;
	return 0;
}

int watched_digest(struct db *db, const char *model, char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	const char *at = model ? strrchr(model, '@') : NULL;
	int64_t number = 0;

	if (model) {
		name = xstrndup(model, at ? (size_t)(at - model) : strlen(model));
		if (find_number(db, name, at ? at + 1 : "", &number, err) < 0)
			return -1;
	}
	if (number)
		return describe(db, name, number, ret, err);
	*ret = NULL;
	return 0;
}
