/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name as typed becomes a list of candidates: runs, a version, a content, a commit. One is the
 * answer, none is an error that helps, several are listed: nothing is preferred silently.
 */
#include "registry/name.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/artifacts.h"
#include "registry/git.h"
#include "registry/models.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "registry/versions.h"
#include "store/store.h"

#define CANDIDATES_MAX 6 /* shown; more only make the list longer */
#define PREFIX_MIN     4

struct search {
	struct project *project;
	const char *text;
	struct name found[CANDIDATES_MAX];
	size_t len;
	struct error miss;    /* of the artifacts: what came near */
	bool miss_model;      /* it is of a registered model */
	struct error refused; /* why git could not be asked */
};

static struct name *candidate_add(struct search *s, enum name_kind kind)
{
	struct name *name;

	if (s->len == CANDIDATES_MAX)
		return NULL;
	name = &s->found[s->len++];
	*name = (struct name){ .kind = kind };
	return name;
}

static int search_runs(struct search *s, struct error *err)
{
	CLEANUP(strlist_release) struct strlist ids = STRLIST_INIT;
	struct db *db;

	if (project_db(s->project, &db, err) < 0)
		return -1;
	if (!strcmp(s->text, "last")) {
		struct name *name = candidate_add(s, NAME_RUN);
		return run_last(db, name->run, err);
	}
	if (run_match(db, s->text, CANDIDATES_MAX, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++) {
		struct name *name = candidate_add(s, NAME_RUN);
		if (name)
			snprintf(name->run, sizeof(name->run), "%s", ids.items[i]);
	}
	return 0;
}

/* Splits "PATH@v3" and "PATH@latest"; version 0 is the newest. false: another suffix, no
 * artifact. */
static bool split_version(const char *text, char **ret_path, int64_t *ret_version)
{
	const char *at = strrchr(text, '@');
	char *end;

	*ret_version = 0;
	if (!at) {
		*ret_path = xstrdup(text);
		return true;
	}
	if (at[1] == 'v' && at[2] >= '1' && at[2] <= '9' && strlen(at) < 20) {
		*ret_version = strtoll(at + 2, &end, 10);
		if (*end)
			return false;
	} else if (strcmp(at + 1, "latest")) {
		return false;
	}
	*ret_path = xstrndup(text, (size_t)(at - text));
	return true;
}

/* 1 found, 0 not, -1. */
static int try_artifact(struct search *s, struct db *db, const char *path, int64_t version,
			struct error *err)
{
	struct artifact_version found;
	struct name *name;
	struct error miss;

	if (artifact_find(db, path, version, &found, &miss) < 0) {
		if (miss.code != ERR_NOT_FOUND) {
			if (err)
				*err = miss;
			return -1;
		}
		/* a missing version of what exists tells more than a missing artifact */
		if (!s->miss.code || *s->miss.help)
			s->miss = miss;
		return 0;
	}
	name = candidate_add(s, NAME_ARTIFACT);
	if (name) {
		snprintf(name->artifact, sizeof(name->artifact), "%s", path);
		name->version = found.number;
		name->content = found.content;
	}
	return 1;
}

/* As seen from where the user stands, else from the top. */
static int search_artifacts(struct search *s, struct error *err)
{
	CLEANUP(cleanup_free) char *typed = NULL;
	CLEANUP(cleanup_free) char *here = NULL;
	CLEANUP(cleanup_free) char *top = NULL;
	int64_t version;
	struct db *db;
	int rc = 0;

	if (!split_version(s->text, &typed, &version))
		return 0;
	if (project_db(s->project, &db, err) < 0)
		return -1;
	if (path_clean(s->project->prefix, typed, &here, NULL) == 0)
		rc = try_artifact(s, db, here, version, err);
	if (rc == 0 && path_clean("", typed, &top, NULL) == 0 && (!here || strcmp(here, top)))
		rc = try_artifact(s, db, top, version, err);
	return rc < 0 ? -1 : 0;
}

/* 1 found, 0 not, -1. */
static int find_version(struct search *s, struct db *db, const char *model, const char *suffix, struct error *err)
{
	bool numbered = suffix[0] == 'v' && suffix[1] && !suffix[1 + strspn(suffix + 1, "0123456789")];
	struct version_lineage lineage CLEANUP(version_lineage_release) = { 0 };
	struct error miss = { 0 };
	struct name *name;
	int64_t number;

	if ((numbered ? version_number(suffix + 1, &number, &miss) : alias_find(db, model, suffix, &number, &miss)) < 0 ||
	    version_lineage(db, model, number, &lineage, &miss) < 0) {
		if (miss.code != ERR_NOT_FOUND && miss.code != ERR_USAGE)
			return err ? (*err = miss, -1) : -1;
		s->miss = miss;
		s->miss_model = true;
		return 0;
	}
	name = candidate_add(s, NAME_VERSION);
	if (name) {
		snprintf(name->artifact, sizeof(name->artifact), "%s", model);
		name->version = number;
	}
	return 1;
}

/* MODEL@vN and MODEL@ALIAS. What is no model's name is none of this. */
static int search_versions(struct search *s, struct error *err)
{
	const char *at = strrchr(s->text, '@');
	CLEANUP(cleanup_free) char *model = at ? xstrndup(s->text, (size_t)(at - s->text)) : NULL;
	struct error miss = { 0 };
	int64_t row;
	struct db *db;

	if (!at || at == s->text || !at[1])
		return 0;
	if (project_db(s->project, &db, err) < 0)
		return -1;
	if (model_row(db, model, &row, &miss) == 0)
		return find_version(s, db, model, at + 1, err) < 0 ? -1 : 0;
	if (miss.code == ERR_NOT_FOUND || miss.code == ERR_USAGE)
		return 0;
	if (err)
		*err = miss;
	return -1;
}

static void search_commits(struct search *s)
{
	struct name *name;
	char commit[65];

	if (git_resolve(s->project->root, s->text, commit, &s->refused) <= 0)
		return;
	name = candidate_add(s, NAME_COMMIT);
	if (name)
		snprintf(name->commit, sizeof(name->commit), "%s", commit);
}

/* The smallest and largest digest that start with the hex digits; false when they are none. */
static bool prefix_range(const char *hex, struct digest *low, struct digest *high)
{
	char a[DIGEST_HEX + 1], b[DIGEST_HEX + 1];
	size_t len = strlen(hex);

	if (len < PREFIX_MIN || len > DIGEST_HEX)
		return false;
	memset(a, '0', DIGEST_HEX);
	memset(b, 'f', DIGEST_HEX);
	memcpy(a, hex, len);
	memcpy(b, hex, len);
	a[DIGEST_HEX] = b[DIGEST_HEX] = '\0';
	return digest_parse(a, low) && digest_parse(b, high);
}

struct object_search {
	struct search *search;
	struct digest low, high;
};

static int each_object(void *ctx, const struct digest *id, uint64_t size, const char *name)
{
	struct object_search *o = ctx;
	struct name *found;

	(void)name;
	if (!id || digest_compare(id, &o->low) < 0 || digest_compare(id, &o->high) > 0)
		return 0;
	found = candidate_add(o->search, NAME_CONTENT);
	if (found)
		found->content = (struct content){ CONTENT_FILE, *id, size, 1 };
	return 0;
}

/* What no fact names by itself, such as a file inside a tree, is still an object. */
static int search_objects(struct search *s, const struct digest *low, const struct digest *high,
			  struct error *err)
{
	struct object_search o = { s, *low, *high };
	struct store *store;

	if (project_store(s->project, &store, err) < 0)
		return -1;
	return store_each(store, each_object, &o, err);
}

static int search_facts(struct search *s, enum content_kind kind, const char *hex,
			struct error *err)
{
	struct content found[2 * CANDIDATES_MAX];
	struct db *db;
	size_t n;

	if (project_db(s->project, &db, err) < 0 ||
	    content_match(db, hex, ARRAY_LEN(found), found, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct name *last = s->len ? &s->found[s->len - 1] : NULL;
		struct name *name;

		if (kind != CONTENT_ABSENT && found[i].kind != kind)
			continue;
		/* the same bytes as executable and as file are one answer: the file */
		name = last && digest_equal(&last->content.id, &found[i].id) ?
			       last :
			       candidate_add(s, NAME_CONTENT);
		if (name)
			name->content = found[i];
	}
	return 0;
}

static const struct {
	const char *prefix;
	enum content_kind kind; /* ABSENT: any */
} schemes[] = {
	{ "sha256:", CONTENT_ABSENT },
	{ "file:", CONTENT_FILE },
	{ "exec:", CONTENT_EXEC },
	{ "tree:", CONTENT_TREE },
};

/* 1 the text had a content's scheme, 0 not, -1. */
static int search_contents(struct search *s, struct error *err)
{
	struct digest low, high;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		const char *hex = s->text + strlen(schemes[i].prefix);

		if (strncmp(s->text, schemes[i].prefix, strlen(schemes[i].prefix)))
			continue;
		if (!prefix_range(hex, &low, &high)) {
			/* what stands behind a slash may be inside of a directory, which who asks for that tries next */
			error_set(err, strchr(hex, '/') ? ERR_NOT_FOUND : ERR_USAGE,
				  "%s: not 4 to 64 lower-case hex digits after %s",
				  s->text, schemes[i].prefix);
			return error_help(err, "such as %s9f86d081, the start of what mlops show lists",
					  schemes[i].prefix);
		}
		if (search_facts(s, schemes[i].kind, hex, err) < 0)
			return -1;
		if (!s->len && schemes[i].kind != CONTENT_TREE &&
		    search_objects(s, &low, &high, err) < 0)
			return -1;
		return 1;
	}
	return 0;
}

static void candidate_describe(const struct name *name, struct strbuf *sb)
{
	char hex[DIGEST_HEX + 1];

	switch (name->kind) {
	case NAME_RUN:
		strbuf_printf(sb, "run %.12s", name->run);
		break;
	case NAME_VERSION:
		strbuf_printf(sb, "model %s@v%lld", name->artifact, (long long)name->version);
		break;
	case NAME_ARTIFACT:
		strbuf_printf(sb, "%s@v%lld", name->artifact, (long long)name->version);
		break;
	case NAME_CONTENT:
		strbuf_printf(sb, "sha256:%.16s", digest_format(&name->content.id, hex));
		break;
	case NAME_COMMIT:
		strbuf_printf(sb, "commit %.12s", name->commit);
		break;
	}
}

static int ambiguous(const struct search *s, struct error *err)
{
	CLEANUP_STRBUF struct strbuf list = STRBUF_INIT;

	for (size_t i = 0; i < s->len; i++) {
		strbuf_puts(&list, i ? ", " : "");
		candidate_describe(&s->found[i], &list);
	}
	error_set(err, ERR_USAGE, "'%s' is ambiguous: %s%s", s->text, list.buf,
		  s->len == CANDIDATES_MAX ? ", ..." : "");
	return error_help(
		err, "type more of the id; PATH@latest means a path, refs/heads/NAME a branch");
}

static int not_found(const struct search *s, unsigned accept, struct error *err)
{
	static const char *const words[] = { [NAME_RUN] = "run",
					     [NAME_ARTIFACT] = "version",
					     [NAME_CONTENT] = "content",
					     [NAME_COMMIT] = "git revision",
					     [NAME_VERSION] = "model" };
	CLEANUP_STRBUF struct strbuf kinds = STRBUF_INIT;

	if (s->miss.code && !*s->miss.help) {
		error_set(err, ERR_NOT_FOUND, "%s", s->miss.msg);
		if (s->miss_model)
			return error_help(err, "list its versions: mlops model show %.*s", (int)strcspn(s->text, "@"), s->text);
		return error_help(err, "list its versions: mlops show %.*s",
				  (int)strcspn(s->text, "@"), s->text);
	}
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		if (accept & 1u << i)
			strbuf_printf(&kinds, "%s%s", kinds.len ? " or " : "", words[i]);
	error_set(err, ERR_NOT_FOUND, "no %s '%s'", kinds.buf, s->text);
	if (s->refused.code) {
		error_set(err, s->refused.code, "cannot look for '%s' in git: %s", s->text,
			  s->refused.msg);
		return error_help(err, "%s", s->refused.help);
	}
	if (!strncmp(s->miss.help, "did you mean", strlen("did you mean")))
		return error_help(err, "%s", s->miss.help);
	return error_help(err,
			  "list runs with: mlops runs   and versioned paths with: mlops status");
}

static int search_all(struct search *s, unsigned accept, struct error *err)
{
	int rc = accept & ACCEPT_CONTENT ? search_contents(s, err) : 0;

	if (rc)
		return rc < 0 ? -1 : 0;
	if (accept & ACCEPT_RUN && search_runs(s, err) < 0)
		return -1;
	if (accept & ACCEPT_RUN && !strcmp(s->text, "last"))
		return 0;
	if (accept & ACCEPT_ARTIFACT && search_artifacts(s, err) < 0)
		return -1;
	if (accept & ACCEPT_VERSION && search_versions(s, err) < 0)
		return -1;
	if (accept & ACCEPT_COMMIT)
		search_commits(s);
	return 0;
}

int name_resolve(struct project *project, const char *text, unsigned accept, struct name *ret,
		 struct error *err)
{
	CLEANUP(cleanup_free) struct search *s = xcalloc(1, sizeof(*s));

	if (!*text) {
		error_set(err, ERR_USAGE, "the name is empty");
		return error_help(err, "name a run (see: mlops runs), a path, or last");
	}
	s->project = project;
	s->text = text;
	if (search_all(s, accept, err) < 0)
		return -1;
	if (!s->len)
		return not_found(s, accept, err);
	if (s->len > 1)
		return ambiguous(s, err);
	*ret = s->found[0];
	return 0;
}
