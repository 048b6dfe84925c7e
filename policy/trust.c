/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/trust.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/amount.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/ini.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "policy/provenance.h"

#define SECTION	   "verify"
#define KEY_DIGITS 8

enum rule { SIGNED_BY, BUILDER, USER, REPOSITORY, BRANCH, CLEAN, DATA, WITH, WITHOUT, MAX_AGE, GATE, RULES };
struct trust_policy {
	struct strlist list[RULES]; /* empty: it does not ask */
	int64_t max_age_ms;
};

void trust_free(struct trust_policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < RULES; i++)
		strlist_release(&policy->list[i]);
	free(policy);
}

void cleanup_trust(struct trust_policy **policy)
{
	trust_free(*policy);
}

/* ---- words ---- */

/* '*' stands for any text. Linear but for going back to the last one. */
static bool is_like(const char *text, const char *pattern)
{
	const char *star = NULL, *from = NULL;

	while (*text)
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++from;
		} else {
			return false;
		}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool is_like_one(const char *text, const struct strlist *patterns)
{
	for (size_t i = 0; text && i < patterns->len; i++)
		if (is_like(text, patterns->items[i]))
			return true;
	return false;
}

/* The hex digits of "sha256:HEX", "file:HEX", "tree:HEX" or HEX; NULL for anything else. */
static const char *hex_of(const char *text)
{
	const char *colon = strchr(text, ':'), *hex = colon ? colon + 1 : text;
	struct digest id;

	return digest_parse(hex, &id) ? hex : NULL;
}

/* ---- reading a policy ---- */

struct reading {
	struct trust_policy *policy;
	const char *file;
	bool opened, seen[RULES];
};

static const char *check_nothing(const char *item)
{
	(void)item;
	return NULL;
}

static const char *check_yes(const char *item)
{
	return strcmp(item, "yes") && strcmp(item, "no") ? "write yes or no" : NULL;
}

static const char *check_digest(const char *item)
{
	return hex_of(item) ? NULL : "write contents as sha256:HEX, with 64 digits";
}

static const char *check_age(const char *item)
{
	int64_t ms;

	return parse_duration(item, &ms, NULL) < 0 || ms <= 0 ? "write a time as 12h or 30d" : NULL;
}

static const char *check_key(const char *item)
{
	bool hex = item[strspn(item, "0123456789abcdef")] == '\0';

	return hex && strlen(item) < KEY_DIGITS ? "write at least 8 digits of a key's id, or its name" : NULL;
}

static const struct {
	const char *key;
	const char *(*check)(const char *item);
	bool lines, one; /* an item a line, of anything; just one item */
} grammar[RULES] = {
	[SIGNED_BY] = { "signed_by", check_key, false, false },
	[BUILDER] = { "builder", check_nothing, false, false },
	[USER] = { "user", check_nothing, false, false },
	[REPOSITORY] = { "repository", check_nothing, false, false },
	[BRANCH] = { "branch", check_nothing, false, false },
	[CLEAN] = { "clean", check_yes, false, true },
	[DATA] = { "data", check_nothing, false, false },
	[WITH] = { "with", check_digest, false, false },
	[WITHOUT] = { "without", check_digest, false, false },
	[MAX_AGE] = { "max_age", check_age, false, true },
	[GATE] = { "gate", check_nothing, true, false },
};

static int wrong(const struct reading *r, int line, int column, struct error *err, const char *what, const char *name)
{
	error_set(err, ERR_USAGE, "%s '%.100s'", what, name);
	return error_where(err, r->file, line, column), -1;
}

static int find_rule(const struct reading *r, const struct ini_entry *entry, enum rule *ret, struct error *err)
{
	const char *keys[RULES], *near;

	for (size_t i = 0; i < RULES; i++) {
		keys[i] = grammar[i].key;
		if (!strcmp(keys[i], entry->key)) {
			*ret = (enum rule)i;
			return 0;
		}
	}
	near = nearest_word(keys, RULES, entry->key);
	wrong(r, entry->line, entry->column, err, "a policy has no", entry->key);
	return error_help(err, near ? "did you mean '%s'?" : "it may ask for %s and others", near ? near : keys[0]);
}

static int add_item(struct reading *r, enum rule rule, const struct ini_line *line, const char *item, size_t len,
		    struct error *err)
{
	CLEANUP(cleanup_free) char *text = NULL;
	const char *fault;

	while (len && isblank((unsigned char)*item)) {
		item++;
		len--;
	}
	while (len && isblank((unsigned char)item[len - 1]))
		len--;
	if (!len)
		return 0;
	text = xstrndup(item, len);
	fault = grammar[rule].check(text);
	if (fault) {
		wrong(r, line->line, line->column, err, "this is nothing to ask for:", text);
		return error_help(err, "%s", fault);
	}
	strlist_push_owned(&r->policy->list[rule], steal(&text));
	return 0;
}

static int add_items(struct reading *r, enum rule rule, const struct ini_line *line, struct error *err)
{
	const char *s = line->text;

	if (grammar[rule].lines)
		return add_item(r, rule, line, s, strlen(s), err);
	for (;;) {
		size_t len = strcspn(s, ",");

		if (add_item(r, rule, line, s, len, err) < 0)
			return -1;
		if (!s[len])
			return 0;
		s += len + 1;
	}
}

static int read_section(struct reading *r, const struct ini_entry *entry, struct error *err)
{
	if (strcmp(entry->section, SECTION) != 0) {
		wrong(r, entry->line, entry->column, err, "a policy has no section", entry->section);
		return error_help(err, "write all of it below [" SECTION "]");
	}
	if (r->opened)
		return wrong(r, entry->line, entry->column, err, "there are two sections", entry->section);
	r->opened = true;
	return 0;
}

static int read_entry(void *ctx, const struct ini_entry *entry, struct error *err)
{
	struct reading *r = ctx;
	enum rule rule;

	if (!entry->key)
		return read_section(r, entry, err);
	if (find_rule(r, entry, &rule, err) < 0)
		return -1;
	if (r->seen[rule])
		return wrong(r, entry->line, entry->column, err, "it stands twice:", entry->key);
	r->seen[rule] = true;
	for (size_t i = 0; i < entry->nlines; i++)
		if (add_items(r, rule, &entry->lines[i], err) < 0)
			return -1;
	if (!r->policy->list[rule].len || (grammar[rule].one && r->policy->list[rule].len > 1))
		return wrong(r, entry->line, entry->column, err,
			     r->policy->list[rule].len ? "it takes one value only:" : "there is no value for", entry->key);
	return 0;
}

int trust_parse(const char *text, size_t len, const char *file, struct trust_policy **ret, struct error *err)
{
	CLEANUP(cleanup_trust) struct trust_policy *policy = xcalloc(1, sizeof(*policy));
	struct reading r = { .policy = policy, .file = file };
	bool asks = false;

	if (len > TRUST_MAX)
		return error_set(err, ERR_USAGE, "%s is larger than any policy", file);
	if (ini_parse_text(text, len, file, read_entry, &r, err) < 0)
		return -1;
	if (policy->list[MAX_AGE].len)
		parse_duration(policy->list[MAX_AGE].items[0], &policy->max_age_ms, NULL);
	if (policy->list[CLEAN].len && !strcmp(policy->list[CLEAN].items[0], "no"))
		strlist_release(&policy->list[CLEAN]);
	for (size_t i = 0; i < RULES; i++)
		asks = asks || policy->list[i].len;
	if (!asks) {
		error_set(err, ERR_USAGE, "%s asks for nothing, so anything would do", file);
		return error_help(err, "say what is trusted below [" SECTION "], such as: signed_by = KEY");
	}
	*ret = steal(&policy);
	return 0;
}

/* ---- what a statement says ---- */

struct saying {
	const struct js *outer, *inner, *made_from, *details; /* parts of SLSA provenance; absent: NULL */
	const struct js *predicate;
	int64_t now_ms;
};

static const char *use_of(const struct js *dependency)
{
	return js_get_str(js_get(dependency, "annotations"), "use");
}

static bool is_data(const struct js *dependency)
{
	const char *use = use_of(dependency);

	return use ? !strcmp(use, "data") : !js_get(js_get(dependency, "digest"), "gitCommit");
}

static bool has_read(const struct saying *s, const char *hex)
{
	for (size_t i = 0; i < js_len(s->made_from); i++) {
		const char *digest = js_get_str(js_get(js_at(s->made_from, i), "digest"), "sha256");

		if (digest && !strcmp(digest, hex))
			return true;
	}
	return false;
}

static bool tell(struct strbuf *found, bool holds, const char *text)
{
	strbuf_puts(found, text ? text : "nothing is said");
	return holds;
}

typedef bool rule_fn(const struct saying *, const struct trust_policy *, struct strbuf *found);

static bool check_builder(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *id = js_get_str(js_get(s->details, "builder"), "id");

	return tell(found, is_like_one(id, &p->list[BUILDER]), id);
}

static bool check_user(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *asked = js_get_str(s->inner, "asked_by"), *user = asked ? asked : js_get_str(s->inner, "user");

	return tell(found, is_like_one(user, &p->list[USER]), user);
}

static bool check_repository(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *url = js_get_str(s->outer, "repository");

	return tell(found, is_like_one(url, &p->list[REPOSITORY]), url);
}

static bool check_branch(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *branch = js_get_str(s->outer, "branch");

	return tell(found, is_like_one(branch, &p->list[BRANCH]), branch);
}

static bool check_clean(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const struct js *dirty = js_get(s->inner, "dirty");
	const char *commit = NULL;

	(void)p;
	for (size_t i = 0; i < js_len(s->made_from) && !commit; i++)
		commit = js_get_str(js_get(js_at(s->made_from, i), "digest"), "gitCommit");
	if (!commit)
		return tell(found, false, "no commit");
	if (js_typeof(dirty) != JS_BOOL || js_truth(dirty))
		return tell(found, false, js_truth(dirty) ? "changes on top of the commit" : NULL);
	return tell(found, true, commit);
}

static bool check_data(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	size_t n = 0;

	for (size_t i = 0; i < js_len(s->made_from); i++) {
		const struct js *item = js_at(s->made_from, i);
		const char *name = js_get_str(item, "name") ? js_get_str(item, "name") : js_get_str(item, "uri");

		if (!is_data(item))
			continue;
		n++;
		if (!is_like_one(name, &p->list[DATA])) {
			strbuf_printf(found, "it read %s", name ? name : "what has no name");
			return false;
		}
	}
	strbuf_printf(found, "%zu of what it read", n);
	return s->made_from != NULL;
}

static bool check_with(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	for (size_t i = 0; i < p->list[WITH].len; i++)
		if (!has_read(s, hex_of(p->list[WITH].items[i]))) {
			strbuf_printf(found, "it did not read %s", p->list[WITH].items[i]);
			return false;
		}
	return tell(found, true, "it read them");
}

/* A directory of which nothing tells what it held: it may be anything. NULL: there is none. */
static const char *unknown_directory(const struct saying *s)
{
	for (size_t i = 0; i < js_len(s->made_from); i++) {
		const struct js *item = js_at(s->made_from, i);
		const char *media = js_get_str(item, "mediaType"), *name = js_get_str(item, "name");

		if (media && !strcmp(media, PROVENANCE_TREE) && is_data(item) && !js_get(js_get(item, "annotations"), "files"))
			return name ? name : "a directory";
	}
	return NULL;
}

static bool check_without(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *unknown = unknown_directory(s);

	for (size_t i = 0; i < p->list[WITHOUT].len; i++)
		if (has_read(s, hex_of(p->list[WITHOUT].items[i]))) {
			strbuf_printf(found, "it read %s", p->list[WITHOUT].items[i]);
			return false;
		}
	if (unknown) {
		strbuf_printf(found, "it read %s, whose files are not named", unknown);
		return false;
	}
	return tell(found, s->made_from != NULL, s->made_from ? "it did not read them" : NULL);
}

static bool check_max_age(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *text = js_get_str(js_get(s->details, "metadata"), "finishedOn");
	int64_t made;

	/* Who has a clock that is ahead makes nothing younger. */
	if (!text || !strchr(text, 'T') || parse_moment(text, s->now_ms, &made, NULL) < 0)
		return tell(found, false, text);
	return tell(found, made <= s->now_ms && s->now_ms - made <= p->max_age_ms, text);
}

static bool check_gate(const struct saying *s, const struct trust_policy *p, struct strbuf *found)
{
	const char *result = js_get_str(s->predicate, "result");
	const struct js *passed = js_get(s->predicate, "passedTests");

	if (!result || strcmp(result, "PASSED") != 0)
		return tell(found, false, result);
	for (size_t i = 0; i < p->list[GATE].len; i++) {
		const char *line = p->list[GATE].items[i];
		bool there = !strcmp(line, "*");

		for (size_t k = 0; k < js_len(passed) && !there; k++)
			there = js_text(js_at(passed, k)) && is_like(js_text(js_at(passed, k)), line);
		if (!there) {
			strbuf_printf(found, "it has no line %s", line);
			return false;
		}
	}
	return tell(found, true, result);
}

/* ---- judging ---- */

static const struct {
	rule_fn *check;
	const char *predicate; /* of the statement that is asked */
} rules[RULES] = {
	[BUILDER] = { check_builder, PROVENANCE_SLSA }, [USER] = { check_user, PROVENANCE_SLSA },
	[REPOSITORY] = { check_repository, PROVENANCE_SLSA }, [BRANCH] = { check_branch, PROVENANCE_SLSA },
	[CLEAN] = { check_clean, PROVENANCE_SLSA }, [DATA] = { check_data, PROVENANCE_SLSA },
	[WITH] = { check_with, PROVENANCE_SLSA }, [WITHOUT] = { check_without, PROVENANCE_SLSA },
	[MAX_AGE] = { check_max_age, PROVENANCE_SLSA }, [GATE] = { check_gate, PROVENANCE_TEST },
};

static void push_rule(struct js *list, const struct trust_policy *p, size_t rule, const char *found, bool holds)
{
	CLEANUP(cleanup_free) char *wants = strlist_join(&p->list[rule], ", ");
	struct js *line = js_object();

	js_set_str(line, "rule", grammar[rule].key);
	js_set_str(line, "wants", wants);
	js_set_str(line, "found", found);
	js_set_bool(line, "holds", holds);
	js_push(list, line);
}

static bool is_trusted(const struct trust_policy *p, const struct trust_statement *s)
{
	for (size_t i = 0; i < p->list[SIGNED_BY].len; i++) {
		const char *who = p->list[SIGNED_BY].items[i];

		if ((s->key_name && !strcmp(who, s->key_name)) || (strlen(who) >= KEY_DIGITS && !strncmp(s->key, who, strlen(who))))
			return true;
	}
	return !p->list[SIGNED_BY].len;
}

static bool check_signers(const struct trust_policy *p, const struct trust_statement *list, size_t n, struct js *lines)
{
	CLEANUP_STRBUF struct strbuf found = STRBUF_INIT;
	bool holds = false;

	if (!p->list[SIGNED_BY].len)
		return true;
	for (size_t i = 0; i < n; i++) {
		holds = holds || is_trusted(p, &list[i]);
		if (!strstr(found.len ? found.buf : "", list[i].key_name ? list[i].key_name : list[i].key))
			strbuf_printf(&found, "%s%s", found.len ? ", " : "", list[i].key_name ? list[i].key_name : list[i].key);
	}
	push_rule(lines, p, SIGNED_BY, found.len ? found.buf : "nobody", holds);
	return holds;
}

static bool ask(const struct trust_policy *p, const struct js *statement, const char *predicate, int64_t now_ms,
		struct js *lines)
{
	const struct js *body = js_get(statement, "predicate"), *made = js_get(body, "buildDefinition");
	const struct saying saying = {
		.outer = js_get(made, "externalParameters"), .inner = js_get(made, "internalParameters"),
		.made_from = js_get(made, "resolvedDependencies"), .details = js_get(body, "runDetails"), .predicate = body,
		.now_ms = now_ms,
	};
	bool all = true;

	for (size_t i = 0; i < RULES; i++) {
		CLEANUP_STRBUF struct strbuf found = STRBUF_INIT;
		bool holds;

		if (!p->list[i].len || !rules[i].check || strcmp(rules[i].predicate, predicate) != 0)
			continue;
		holds = statement && rules[i].check(&saying, p, &found);
		if (!statement)
			strbuf_printf(&found, "no signed %s", strcmp(predicate, PROVENANCE_TEST) ? "provenance" : "test result");
		push_rule(lines, p, i, found.buf, holds);
		all = all && holds;
	}
	return all;
}

/* One statement must meet them all; of several that do not, the last is told of. */
static bool check_kind(const struct trust_policy *p, const struct trust_statement *list, size_t n, const char *predicate,
		       int64_t now_ms, struct js *lines)
{
	CLEANUP_JS struct js *told = NULL;
	bool holds = false;

	for (size_t i = 0; i < n && !holds; i++) {
		if (strcmp(js_get_str(list[i].statement, "predicateType"), predicate) != 0 || !is_trusted(p, &list[i]))
			continue;
		js_free(told);
		told = js_array();
		holds = ask(p, list[i].statement, predicate, now_ms, told);
	}
	if (!told) {
		told = js_array();
		holds = ask(p, NULL, predicate, now_ms, told);
	}
	for (size_t i = 0; i < js_len(told); i++)
		js_push(lines, js_ref(js_at(told, i)));
	return holds;
}

bool trust_check(const struct trust_policy *p, const struct trust_statement *list, size_t n, int64_t now_ms, struct js **ret)
{
	struct js *lines = js_array();
	bool holds = check_signers(p, list, n, lines);

	holds = check_kind(p, list, n, PROVENANCE_SLSA, now_ms, lines) && holds;
	holds = check_kind(p, list, n, PROVENANCE_TEST, now_ms, lines) && holds;
	*ret = lines;
	return holds;
}
