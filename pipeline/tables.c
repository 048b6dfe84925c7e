/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/tables.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "pipeline/data_kinds.h"
#include "pipeline/grammar.h"
#include "pipeline/problems.h"
#include "pipeline/tables_internal.h"
#include "registry/artifacts.h"
#include "registry/project.h"
#include "registry/tables.h"
#include "store/scan.h"
#include "store/store.h"
#include "store/tree.h"

#define SCHEMA_MAX   (16u << 20) /* bytes of a schema's file */
#define REPORTS_MAX  5		 /* files that do not fit are told; then no more are looked at */
#define LINKS_MAX    8
#define PROFILE_MAX  (64u << 20)

char *tables_profile_name(const char *path)
{
	return xasprintf("%s.profile.json", path);
}

/* ---- life ---- */

static void rule_id(struct table_rule *rule, const struct strbuf *file)
{
	const struct schema_section *section = rule->section;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "mlops schema 1\n%s\n", rule->format_text);
	for (size_t i = 0; i < section->paths.len; i++)
		strbuf_printf(&text, "%s\n", section->paths.items[i].text);
	strbuf_add(&text, file->buf, file->len);
	digest_of(text.buf, text.len, &rule->id);
}

/* "delimiter=; null=?", what is not said left out; "" when nothing is. */
static char *format_text(const struct data_format *format)
{
	struct strbuf text = STRBUF_INIT;

	if (format->delimiter)
		strbuf_printf(&text, "delimiter=%s", format->delimiter);
	if (format->nulls)
		strbuf_printf(&text, "%snull=%s", text.len ? " " : "", format->nulls);
	return strbuf_detach(&text);
}

static int rule_open(struct tables *t, const struct schema_section *section, struct table_rule *rule, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *path = section->file.text;
	CLEANUP(cleanup_fd) int fd = fs_open_beneath(t->project->rootfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, err);
	int r;

	rule->section = section;
	rule->format = (struct data_format){ section->delimiter.text, section->nulls.text };
	rule->format_text = format_text(&rule->format);
	r = fd < 0 ? -1 : io_read_fd(fd, path, SCHEMA_MAX, &text, err);
	if (r == 0)
		r = t->kinds->schema_read(text.buf, text.len, path, &rule->schema, err);
	if (r < 0) {
		error_wrap(err, "schema %s", section->name);
		return error_where(err, t->pipeline->file, section->file.at.line, section->file.at.column);
	}
	rule_id(rule, &text);
	return 0;
}

static void rule_release(const struct tables *t, struct table_rule *rule)
{
	if (rule->schema)
		t->kinds->schema_free(rule->schema);
	free(rule->format_text);
}

static bool has_profiles(const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->nsteps; i++)
		if (pipeline->steps[i].profile.len)
			return true;
	return false;
}

int tables_open(const struct data_kinds *kinds, struct project *project, const struct pipeline *pipeline,
		struct tables **ret, struct error *err)
{
	CLEANUP(cleanup_tables) struct tables *t = NULL;

	*ret = NULL;
	if (!kinds || (!pipeline->nschemas && !has_profiles(pipeline)))
		return 0;
	t = xcalloc(1, sizeof(*t));
	pthread_mutex_init(&t->mutex, NULL);
	t->kinds = kinds;
	t->project = project;
	t->pipeline = pipeline;
	t->rules = xcalloc(pipeline->nschemas + 1, sizeof(*t->rules));
	while (t->nrules < pipeline->nschemas) {
		t->nrules++;
		if (rule_open(t, &pipeline->schemas[t->nrules - 1], &t->rules[t->nrules - 1], err) < 0)
			return -1;
	}
	tables_load_known(t);
	*ret = steal(&t);
	return 0;
}

void tables_free(struct tables *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->nrules; i++)
		rule_release(t, &t->rules[i]);
	free(t->rules);
	strmap_release(&t->known);
	db_close(t->reader);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}

void cleanup_tables(struct tables **t)
{
	tables_free(*t);
}

void table_found_release(struct table_found *found)
{
	for (size_t i = 0; i < found->nchecks; i++)
		free(found->checks[i].path);
	free(found->checks);
	free(found->path);
	free(found->note);
	js_free(found->reports);
	strlist_release(&found->lines);
	*found = (struct table_found){ 0 };
}

void tables_check_schemas(const struct data_kinds *kinds, struct project *project, const struct pipeline *pipeline,
			  struct problems *problems)
{
	struct tables t = { .kinds = kinds, .project = project, .pipeline = pipeline };

	for (size_t i = 0; i < pipeline->nschemas; i++) {
		struct table_rule rule = { .schema = NULL };
		struct error why = { 0 };

		if (!pipeline->schemas[i].file.text)
			continue;
		if (rule_open(&t, &pipeline->schemas[i], &rule, &why) < 0 && why.code != ERR_NOT_FOUND)
			problems_once(problems, pipeline->file, pipeline->schemas[i].file.at, &why);
		rule_release(&t, &rule);
	}
}

/* ---- which rules hold ---- */

/* The path, or, of tables, a directory above it. */
static bool names(const char *pattern, const char *file, bool is_table)
{
	CLEANUP(cleanup_free) char *above = NULL;
	char *slash;

	if (path_match(pattern, file))
		return true;
	if (!is_table)
		return false;
	if (!path_is_pattern(pattern))
		return path_contains(pattern, file);
	above = xstrdup(file);
	while ((slash = strrchr(above, '/'))) {
		*slash = '\0';
		if (path_match(pattern, above))
			return true;
	}
	return false;
}

bool tables_section_names(const struct schema_section *section, const char *file, bool is_table)
{
	for (size_t i = 0; i < section->paths.len; i++)
		if (names(section->paths.items[i].text, file, is_table))
			return true;
	return false;
}

static bool rule_holds(const struct tables *t, const struct table_rule *rule, const char *file)
{
	return tables_section_names(rule->section, file, t->kinds->is_table(file));
}

/* Whether it may hold for a file below the directory. */
static bool rule_may_hold(const struct table_rule *rule, const char *dir)
{
	for (size_t i = 0; i < rule->section->paths.len; i++) {
		CLEANUP(cleanup_free) char *fixed = xstrdup(rule->section->paths.items[i].text);

		for (char *slash; path_is_pattern(fixed); *slash = '\0') {
			slash = strrchr(fixed, '/');
			if (!slash)
				return true;
		}
		if (path_contains(fixed, dir) || path_contains(dir, fixed))
			return true;
	}
	return false;
}

static bool concerns(const struct tables *t, const struct table_rule *rule, const char *path, const struct content *content)
{
	return content->kind == CONTENT_TREE ? rule_may_hold(rule, path) : rule_holds(t, rule, path);
}

/* How the tables of an output are read for its profile: as the first schema says that holds for it. */
static const struct table_rule *rule_of(const struct tables *t, const char *path, const struct content *content)
{
	for (size_t i = 0; i < t->nrules; i++)
		if (concerns(t, &t->rules[i], path, content))
			return &t->rules[i];
	return NULL;
}

/* ---- what is known ---- */

/* All that decides what a look at this content finds; false when it finds nothing. */
static bool known_name(const struct tables *t, const char *path, const struct content *content, bool profile,
		       char ret[DIGEST_HEX + 1])
{
	const struct table_rule *first = rule_of(t, path, content);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char hex[DIGEST_HEX + 1], what[CONTENT_TEXT];
	struct digest id;

	if (content->kind == CONTENT_ABSENT || (!profile && !first))
		return false;
	strbuf_printf(&text, "mlops known 1\n%s %s\n", content_format(content, what), path);
	if (profile)
		strbuf_printf(&text, "profile %s\n", first ? first->format_text : "");
	for (size_t i = 0; i < t->nrules; i++)
		if (concerns(t, &t->rules[i], path, content))
			strbuf_printf(&text, "%s\n", digest_format(&t->rules[i].id, hex));
	digest_of(text.buf, text.len, &id);
	digest_format(&id, ret);
	return true;
}

bool tables_know(struct tables *t, const char *path, const struct content *content, bool profile)
{
	char name[DIGEST_HEX + 1];
	bool known;

	if (!t || !known_name(t, path, content, profile, name))
		return true;
	pthread_mutex_lock(&t->mutex);
	known = strmap_has(&t->known, name);
	if (known)
		strmap_set(&t->known, name, t); /* it is of use */
	pthread_mutex_unlock(&t->mutex);
	return known;
}

void tables_accept(struct tables *t, const struct table_found *found)
{
	char name[DIGEST_HEX + 1];

	if (!known_name(t, found->path, &found->content, found->profiled, name))
		return;
	pthread_mutex_lock(&t->mutex);
	t->grown |= !strmap_has(&t->known, name);
	strmap_set(&t->known, name, t);
	pthread_mutex_unlock(&t->mutex);
}

/* ---- looking ---- */

struct look {
	struct tables *t;
	const struct table_place *place;
	const char *path;
	const struct content *content;
	struct table_found *found;
	void *profile; /* being made; NULL: none */
	bool from_disk; /* some file came from there */
};

static int open_file(struct look *look, const char *path, const struct digest *id, struct error *err)
{
	const struct table_place *place = look->place;
	uint64_t size;

	if (place->batch && batch_has(place->batch, id))
		return batch_open_object(place->batch, id, err);
	if (store_has(place->scanner->store, id))
		return store_open_object(place->scanner->store, id, &size, err);
	look->from_disk = true;
	return fs_open_beneath(place->scanner->rootfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, err);
}

/* What the database knows of a file: 1, 0 and how many rows the one before it had, or -1. */
static int ask_database(struct look *look, struct table_check *check, uint64_t *ret_before, struct error *err)
{
	struct tables *t = look->t;
	int r = 0;

	pthread_mutex_lock(&t->mutex);
	if (!t->reader)
		r = project_reader(t->project, &t->reader, err);
	if (r == 0)
		r = table_check_find(t->reader, check, err);
	if (r == 0)
		r = table_rows_before(t->reader, check->path, ret_before, err) < 0 ? -1 : 0;
	pthread_mutex_unlock(&t->mutex);
	return r;
}

static void report(struct look *look, const struct table_rule *rule, const char *path, struct js *report,
		   const struct strlist *lines)
{
	struct table_found *found = look->found;
	struct js *item = js_object(), *told = js_array();

	js_set_str(item, "path", path);
	js_set_str(item, "schema", rule->section->name);
	js_set_str(item, "file", rule->section->file.text);
	for (size_t i = 0; i < lines->len; i++) {
		js_push_str(told, lines->items[i]);
		strlist_push_owned(&found->lines, xasprintf("%s: %s", path, lines->items[i]));
	}
	js_set(item, "lines", told);
	js_set(item, "report", report);
	if (!found->reports)
		found->reports = js_array();
	js_push(found->reports, item);
}

static void push_check(struct table_found *found, struct table_check *check)
{
	GROW(found->checks, found->nchecks, found->checks_cap);
	found->checks[found->nchecks++] = *check;
}

static int check_file(struct look *look, const struct table_rule *rule, const char *path, const struct digest *id,
		      struct error *err)
{
	struct table_check check = { .path = xstrdup(path), .content = *id, .schema = rule->id };
	struct strlist lines CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_fd) int fd = -1;
	struct js *told = NULL;
	uint64_t before = 0;
	bool ok = true;
	int r = ask_database(look, &check, &before, err);

	if (r == 0) {
		fd = open_file(look, path, id, err);
		r = fd < 0 ? -1 : look->t->kinds->check(rule->schema, fd, path, &rule->format, before, &ok, &check.rows, &told,
						       &lines, err);
	}
	if (r >= 0 && ok) {
		push_check(look->found, &check);
		return 0;
	}
	if (r >= 0)
		report(look, rule, path, told, &lines);
	free(check.path);
	return r < 0 ? -1 : 0;
}

/* What is no table leaves the output without a profile. */
static int profile_file(struct look *look, const char *path, const struct digest *id, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open_file(look, path, id, err);
	struct error why;

	if (fd < 0)
		return -1;
	if (look->t->kinds->profile_add(look->profile, fd, path, &why) == 0)
		return 0;
	if (why.code != ERR_USAGE) {
		if (err)
			*err = why;
		return -1;
	}
	look->found->note = xasprintf("%s has no profile: %s", look->path, why.msg);
	look->t->kinds->profile_free(look->profile);
	look->profile = NULL;
	return 0;
}

static int look_at_file(struct look *look, const char *path, const struct digest *id, struct error *err)
{
	struct tables *t = look->t;

	for (size_t i = 0; i < t->nrules; i++)
		if (rule_holds(t, &t->rules[i], path) && check_file(look, &t->rules[i], path, id, err) < 0)
			return -1;
	if (!look->profile || (look->content->kind == CONTENT_TREE && !t->kinds->is_table(path)))
		return 0;
	return profile_file(look, path, id, err);
}

/* The file that an entry stands for; NULL: it leads nowhere. */
static const struct tree_entry *follow(const struct tree *tree, const struct tree_entry *entry)
{
	for (int i = 0; entry && entry->kind == ENTRY_LINK && i < LINKS_MAX; i++) {
		const char *slash = strrchr(entry->path, '/');
		CLEANUP(cleanup_free) char *dir = xstrndup(entry->path, slash ? (size_t)(slash - entry->path) : 0);
		CLEANUP(cleanup_free) char *target = NULL;

		entry = path_clean(dir, entry->target, &target, NULL) < 0 ? NULL : tree_find(tree, target);
	}
	return entry && entry->kind != ENTRY_LINK ? entry : NULL;
}

static int look_at_tree(struct look *look, const struct tree *tree, struct error *err)
{
	for (size_t i = 0; i < tree->len && js_len(look->found->reports) < REPORTS_MAX; i++) {
		const struct tree_entry *entry = follow(tree, &tree->entries[i]);
		CLEANUP(cleanup_free) char *path = path_join(look->path, tree->entries[i].path);

		if (entry && look_at_file(look, path, &entry->id, err) < 0)
			return -1;
	}
	return 0;
}

static int changed_meanwhile(const char *path, struct error *err)
{
	error_set(err, ERR_CONFLICT, "%s was changed while it was looked at", path);
	return error_help(err, "try again when nothing writes there");
}

static int look_at_directory(struct look *look, struct error *err)
{
	const struct table_place *place = look->place;
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct content now;

	if (place->tree)
		return look_at_tree(look, place->tree, err);
	if (store_has(place->scanner->store, &look->content->id)) {
		if (tree_read(place->scanner->store, &look->content->id, &tree, err) < 0)
			return -1;
	} else if (scan_path(place->scanner, look->path, &now, &tree, err) < 0) {
		return -1;
	} else if (!content_equal(&now, look->content)) {
		return changed_meanwhile(look->path, err);
	}
	return look_at_tree(look, &tree, err);
}

static int store_profile(struct look *look, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct content *profile = &look->found->profile;

	look->t->kinds->profile_text(look->profile, &text);
	if (batch_add_bytes(look->place->batch, text.buf, text.len, &profile->id, err) < 0)
		return -1;
	profile->kind = CONTENT_FILE;
	profile->size = text.len;
	profile->files = 1;
	return 0;
}

/* One that is known is not made again. */
static int begin_profile(struct look *look, struct error *err)
{
	const struct table_rule *rule = rule_of(look->t, look->path, look->content);
	static const struct data_format plain;
	int r = tables_profile(look->t, look->path, look->content, &look->found->profile, err);

	if (r > 0 && !store_has(look->place->scanner->store, &look->found->profile.id))
		r = 0;
	if (r == 0)
		look->profile = look->t->kinds->profile_new(rule ? &rule->format : &plain);
	return r < 0 ? -1 : 0;
}

static int verdict(const struct look *look, struct error *err)
{
	const struct js *first = js_at(look->found->reports, 0);
	const char *line = js_text(js_at(js_get(first, "lines"), 0));

	if (!first)
		return 0;
	error_set(err, ERR_VERDICT, "%s does not fit schema %s: %s", js_get_str(first, "path"), js_get_str(first, "schema"),
		  line ? line : "");
	return error_help(err, "correct the data; or, where it is right, what %s asks of it", js_get_str(first, "file"));
}

static int look_at(struct look *look, struct error *err)
{
	struct content now;
	int r = look->content->kind == CONTENT_TREE ? look_at_directory(look, err) :
						      look_at_file(look, look->path, &look->content->id, err);

	if (r == 0 && look->profile)
		r = store_profile(look, err);
	/* What is stored cannot change. */
	if (r == 0 && look->from_disk)
		r = scan_path(look->place->scanner, look->path, &now, NULL, err);
	if (r == 0 && look->from_disk && !content_equal(&now, look->content))
		r = changed_meanwhile(look->path, err);
	return r < 0 ? -1 : verdict(look, err);
}

int tables_look(struct tables *t, const struct table_place *place, const char *path, const struct content *content,
		bool profile, struct table_found *ret, struct error *err)
{
	struct look look = { .t = t, .place = place, .path = path, .content = content, .found = ret };
	int r = 0;

	*ret = (struct table_found){ .path = xstrdup(path), .content = *content, .profiled = profile };
	if (content->kind == CONTENT_ABSENT)
		return 0;
	if (profile)
		r = begin_profile(&look, err);
	if (r == 0)
		r = look_at(&look, err);
	if (look.profile)
		t->kinds->profile_free(look.profile);
	return r;
}

/* ---- recording ---- */

int tables_profile(struct tables *t, const char *path, const struct content *content, struct content *ret,
		   struct error *err)
{
	const struct table_rule *rule = rule_of(t, path, content);
	int r = 0;

	pthread_mutex_lock(&t->mutex);
	if (!t->reader)
		r = project_reader(t->project, &t->reader, err);
	if (r == 0)
		r = table_profile_find(t->reader, &content->id, rule ? rule->format_text : "", ret, err);
	pthread_mutex_unlock(&t->mutex);
	return r;
}

int tables_record(struct tables *t, struct db *db, const struct table_found *found, const char *run, int64_t now_ms,
		  struct error *err)
{
	const struct table_rule *rule = rule_of(t, found->path, &found->content);
	CLEANUP(cleanup_free) char *name = tables_profile_name(found->path);

	for (size_t i = 0; i < found->nchecks; i++)
		if (table_check_store(db, &found->checks[i], now_ms, err) < 0)
			return -1;
	if (found->profile.kind == CONTENT_ABSENT)
		return 0;
	if (table_profile_store(db, &found->content.id, rule ? rule->format_text : "", &found->profile, err) < 0)
		return -1;
	return artifact_record(db, name, &found->profile, run, t->project->actor, now_ms, NULL, NULL, err);
}
