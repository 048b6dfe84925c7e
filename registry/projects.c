/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/projects.h"
#include <ctype.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"

#define SOURCE_MAX 2000
#define NAME_MAX_BYTES 64

static const char *const kind_names[] = { [SOURCE_GIT] = "git", [SOURCE_DIR] = "dir", [SOURCE_HERE] = "here" };

const char *source_kind_name(enum source_kind kind)
{
	return kind_names[kind];
}

bool source_kind_parse(const char *text, enum source_kind *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(kind_names); i++)
		if (!strcmp(text, kind_names[i])) {
			*ret = (enum source_kind)i;
			return true;
		}
	return false;
}

/* ---- sources ---- */

/* HOST or HOST:PORT of `len` bytes. */
static bool is_host(const char *text, size_t len)
{
	size_t name = 0, port;

	while (name < len && (isalnum((unsigned char)text[name]) || strchr(".-", text[name])))
		name++;
	if (!name || *text == '-' || *text == '.')
		return false;
	if (name == len)
		return true;
	port = len - name - 1;
	return text[name] == ':' && port >= 1 && port <= 5 && strspn(text + name + 1, "0123456789") >= port;
}

static bool is_user(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !(i && strchr("._-", text[i])))
			return false;
	return len > 0;
}

/* What a path in a URL is made of. */
static bool is_path(const char *text)
{
	if (!*text || *text == '-')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("/._~:@%+,=!$&()-", *text))
			return false;
	return true;
}

/* [USER@]HOST[:PORT]/PATH */
static bool is_place(const char *text, bool user_allowed)
{
	size_t len = strcspn(text, "/");
	const char *at = memchr(text, '@', len);

	if (at && (!user_allowed || !is_user(text, (size_t)(at - text))))
		return false;
	if (at) {
		len -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	return is_host(text, len) && text[len] == '/' && text[len + 1] && is_path(text + len);
}

/* USER@HOST:PATH, as scp writes it. */
static bool is_scp_like(const char *text)
{
	const char *at = strchr(text, '@'), *colon = at ? strchr(at, ':') : NULL;

	return colon && is_user(text, (size_t)(at - text)) && is_host(at + 1, (size_t)(colon - at - 1)) && colon[1] != ':' &&
	       is_path(colon + 1);
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool is_one_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

int source_parse(const char *text, enum source_kind *ret_kind, char **ret, struct error *err)
{
	const char *path = has_prefix(text, "file://") ? text + strlen("file://") : text;

	if (strlen(text) > SOURCE_MAX || !is_one_line(text))
		return error_set(err, ERR_USAGE, "that is no URL, and no directory");
	if (*path == '/') {
		*ret_kind = SOURCE_DIR;
		*ret = xstrdup(path);
		return 0;
	}
	if ((has_prefix(text, "https://") && is_place(text + strlen("https://"), false)) ||
	    (has_prefix(text, "ssh://") && is_place(text + strlen("ssh://"), true)) || is_scp_like(text)) {
		*ret_kind = SOURCE_GIT;
		*ret = xstrdup(text);
		return 0;
	}
	if (has_prefix(text, "https://") && strchr(text, '@')) {
		error_set(err, ERR_USAGE, "a URL with a user or password in it would be shown to everybody who lists projects");
		return error_help(err, "leave it out, and give the agent's user a git credential helper, or use ssh");
	}
	error_set(err, ERR_USAGE, "'%.200s' is not a source that the agent fetches", text);
	return error_help(err, "write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or an absolute directory");
}

/* https://git-scm.com/docs/git-check-ref-format, without what no branch needs */
const char *branch_name_fault(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 200)
		return "is empty or too long";
	if (strchr("-./", *name) || strchr("./", name[len - 1]) || strstr(name, "..") || strstr(name, "//") ||
	    strstr(name, "@{") || strstr(name, "/."))
		return "is no name of a branch";
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("/._+=@#-", *name))
			return "has a character that is not for branches here";
	return NULL;
}

const char *project_name_fault(const char *name)
{
	/* of the files beside checkouts (api/scratch_tree.h) */
	if (!strcmp(name, "lock"))
		return "is taken";
	if (!*name || strlen(name) > NAME_MAX_BYTES)
		return "must have 1 to 64 characters";
	if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name))
		return "must begin with a lower-case letter or a digit";
	for (; *name; name++)
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && !strchr("._-", *name))
			return "is made of lower-case letters, digits, '.', '_' and '-'";
	return NULL;
}

/* ---- rows ---- */

static struct js *row_json(struct db_stmt *q)
{
	struct js *row = js_object(), *forge;

	js_set_str(row, "name", db_text(q, 0));
	js_set_str(row, "kind", db_text(q, 1));
	js_set_str(row, "source", db_text(q, 2));
	js_set_str(row, "branch", db_text(q, 3));
	js_set_bool(row, "allow_local", db_int(q, 4));
	js_set_str(row, "created_by", db_text(q, 5));
	js_set_int(row, "created_time", db_int(q, 6));
	if (db_text(q, 7) && js_parse(db_text(q, 7), strlen(db_text(q, 7)), "a project's forge", &forge, NULL) == 0)
		js_set(row, "forge", forge);
	return row;
}

static int find(struct db *db, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT name, kind, source, branch, allow_local, actor, created, forge FROM projects WHERE name = ?1");
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r > 0)
		*ret = row_json(q);
	return r;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_forge(const struct js *forge, const char *text)
{
	CLEANUP_STRBUF struct strbuf old = STRBUF_INIT;

	if (forge)
		js_dump(forge, JS_CANONICAL, &old);
	return same(forge ? old.buf : NULL, text);
}

static int insert(struct db *db, const struct project_row *row, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO projects (name, kind, source, branch, allow_local, actor, created, forge)"
					 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");

	db_bind(q, 1, row->name);
	db_bind(q, 2, source_kind_name(row->kind));
	db_bind(q, 3, row->source);
	db_bind(q, 4, row->branch);
	db_bind(q, 5, row->allow_local);
	db_bind(q, 6, row->actor);
	db_bind(q, 7, row->created_ms);
	db_bind(q, 8, row->forge);
	return db_run(q, err);
}

int project_row_add(struct db *db, const struct project_row *row, struct error *err)
{
	CLEANUP_JS struct js *old = NULL;
	int r = find(db, row->name, &old, err);

	if (r <= 0)
		return r < 0 || insert(db, row, err) < 0 ? -1 : 1;
	if (same(js_get_str(old, "source"), row->source) && same(js_get_str(old, "branch"), row->branch) &&
	    same(js_get_str(old, "kind"), source_kind_name(row->kind)) && js_get_bool(old, "allow_local") == row->allow_local &&
	    same_forge(js_get(old, "forge"), row->forge))
		return 0;
	error_set(err, ERR_EXISTS, "there is a project %s already: %s", row->name, js_get_str(old, "source"));
	return error_help(err, "remove it first: mlops project rm %s", row->name);
}

static int no_project(struct db *db, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT name FROM projects ORDER BY name");
	const char *near;

	while (db_step(q, NULL) > 0)
		strlist_push(&names, db_text(q, 0));
	near = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "no project '%.64s' is registered", name);
	return near ? error_help(err, "did you mean '%s'?", near) :
		      error_help(err, "list them: mlops project list; add one: mlops project add NAME URL");
}

int project_row_remove(struct db *db, const char *name, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM projects WHERE name = ?1");

	db_bind(q, 1, name);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : no_project(db, name, err);
}

int project_row_load(struct db *db, const char *name, struct js **ret, struct error *err)
{
	int r = find(db, name, ret, err);

	return r == 0 ? no_project(db, name, err) : r < 0 ? -1 : 0;
}

int project_rows(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT name, kind, source, branch, allow_local, actor, created, forge,"
		    " (SELECT count(*) FROM jobs WHERE project = name AND state = 'queued'),"
		    " (SELECT count(*) FROM jobs WHERE project = name AND state IN ('starting', 'running'))"
		    " FROM projects ORDER BY name");
	int r;

	while ((r = db_step(q, err)) > 0) {
		struct js *row = row_json(q);

		js_set_int(row, "queued", db_int(q, 8));
		js_set_int(row, "running", db_int(q, 9));
		js_push(list, row);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}
