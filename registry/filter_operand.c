/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "registry/filter_internal.h"

#define SHOWN 60 /* characters of a word in a message */

void filter_operand_release(struct filter_operand *o)
{
	free(o->key);
}

/* Most bare keys are meant as metrics or params. */
static int help_bare(const struct filter_parser *p, const char *key, size_t len)
{
	int n = (int)(len < SHOWN ? len : SHOWN);

	if (p->thing != &filter_runs)
		return -1;
	return error_help(p->err, "did you mean metrics.%.*s or params.%.*s?", n, key, n, key);
}

static bool is_word_of(const char *words, const char *word, size_t len)
{
	while (*words) {
		size_t n = strcspn(words, "|");

		if (n == len && !memcmp(words, word, n))
			return true;
		words += n + (words[n] == '|');
	}
	return false;
}

static bool is_of_entity(const struct filter_column *c, const struct filter_entity *e)
{
	return !strncmp(e->words, c->entity, strcspn(e->words, "|"));
}

static int find_entity(struct filter_parser *p, const char *word, size_t len, struct filter_operand *ret)
{
	CLEANUP_STRBUF struct strbuf known = STRBUF_INIT;

	for (size_t i = 0; i < p->thing->nentities; i++) {
		const struct filter_entity *e = &p->thing->entities[i];

		if (is_word_of(e->words, word, len)) {
			ret->entity = e;
			return 0;
		}
		strbuf_printf(&known, "%s'%.*s'", i ? ", " : "", (int)strcspn(e->words, "|"), e->words);
	}
	filter_refuse(p, ret->start, "Invalid entity type '%.*s'. Valid values are [%s]",
		      (int)(len < SHOWN ? len : SHOWN), word, known.buf);
	return help_bare(p, word, (size_t)(p->at - word) + filter_word_len(p));
}

static int find_column(struct filter_parser *p, unsigned with, unsigned without, struct filter_operand *o)
{
	CLEANUP_STRBUF struct strbuf known = STRBUF_INIT;
	const char *entity = o->entity->words;

	o->ncolumns = 0;
	for (size_t i = 0; i < p->thing->ncolumns; i++) {
		const struct filter_column *c = &p->thing->columns[i];

		if (!is_of_entity(c, o->entity) || (c->flags & with) != with || c->flags & without)
			continue;
		if (!strcmp(c->key, o->key)) {
			o->column = o->ncolumns++ ? o->column : i;
			o->kind = c->kind;
		} else if (!(c->flags & FILTER_ALIAS) && !(i && !strcmp(c[-1].key, c->key))) {
			strbuf_printf(&known, "%s'%s'", known.len ? ", " : "", c->key);
		}
	}
	if (o->ncolumns)
		return 0;
	filter_refuse(p, o->start, "Invalid %.*s key '%.60s' specified. Valid keys are %s", (int)strcspn(entity, "|"),
		      entity, o->key, known.len ? known.buf : "none");
	return o->entity == p->thing->entities ? help_bare(p, o->key, strlen(o->key)) : -1;
}

static int take_key(struct filter_parser *p, char **ret)
{
	size_t len = filter_word_len(p);

	if (*p->at == '"' || *p->at == '`')
		return filter_take_quoted(p, ret);
	if (!len)
		return filter_refuse(p, p->at, "Invalid clause(s) in filter string: expected a key, not '%.40s'", p->at);
	*ret = xstrndup(p->at, len);
	p->at += len;
	filter_skip(p);
	return 0;
}

/* The word before a dot, which may be quoted by `; else the entity of bare keys. */
static int take_entity(struct filter_parser *p, struct filter_operand *o)
{
	const char *start = p->at, *end;
	size_t len = filter_word_len(p);

	if (*start == '`' && (end = strchr(start + 1, '`')) && end[1] == '.') {
		p->at = end + 2;
		return find_entity(p, start + 1, (size_t)(end - start - 1), o);
	}
	end = memchr(start, '.', len);
	if (!end) {
		o->entity = p->thing->entities;
		return 0;
	}
	p->at = end + 1;
	return find_entity(p, start, (size_t)(end - start), o);
}

int filter_take_operand(struct filter_parser *p, unsigned with, unsigned without, struct filter_operand *ret)
{
	ret->start = p->at;
	if (take_entity(p, ret) < 0 || take_key(p, &ret->key) < 0)
		return -1;
	if (!ret->entity->table)
		return find_column(p, with, without, ret);
	ret->kind = ret->entity->kind;
	return 0;
}
