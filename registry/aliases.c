/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/model_check.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/versions.h"

/* 1, or 0 for none, or -1. */
static int get(struct db *db, int64_t model, const char *alias, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT number FROM model_aliases WHERE model = ?1 AND alias = ?2");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	r = db_step(q, err);
	*ret = r > 0 ? db_int(q, 0) : 0;
	return r;
}

static int newest(struct db *db, int64_t model, const char *name, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT max(number) FROM model_versions WHERE model = ?1");
	int r;

	db_bind(q, 1, model);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret = db_int(q, 0);
	return *ret ? 0 : error_set(err, ERR_NOT_FOUND, "Latest version not found for model %s.", name);
}

int alias_find(struct db *db, const char *name, const char *alias, int64_t *ret_number, struct error *err)
{
	int64_t model;
	int r;

	if (alias_check(alias, err) < 0 || model_row(db, name, &model, err) < 0)
		return -1;
	if (!strcasecmp(alias, "latest"))
		return newest(db, model, name, ret_number, err);
	r = get(db, model, alias, ret_number, err);
	if (r == 0)
		return error_set(err, ERR_USAGE, "Registered model alias %s not found.", alias);
	return r < 0 ? -1 : 0;
}

int alias_set(struct db *db, const char *name, const char *alias, int64_t number, int64_t *ret_before,
	      struct error *err)
{
	int64_t model = 0, version;
	struct db_stmt *q;

	if (alias_check_new(alias, err) < 0 || version_row(db, name, number, &version, &model, err) < 0 ||
	    get(db, model, alias, ret_before, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO model_aliases (model, alias, number) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT DO UPDATE SET number = excluded.number");
	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	db_bind(q, 3, number);
	return db_run(q, err);
}

int alias_delete(struct db *db, const char *name, const char *alias, int64_t *ret_before, struct error *err)
{
	struct db_stmt *q;
	int64_t model;

	if (alias_check(alias, err) < 0 || model_row(db, name, &model, err) < 0 ||
	    get(db, model, alias, ret_before, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM model_aliases WHERE model = ?1 AND alias = ?2");
	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	return db_run(q, err);
}
