/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_facts.h"
#include <stdlib.h>
#include "base/mem.h"

static void model_release(struct fact_model *m)
{
	for (size_t b = 0; b < FACT_BOOKS; b++) {
		for (size_t i = 0; i < m->books[b].len; i++) {
			struct fact *fact = m->books[b].entries[i].value;

			free(fact->value);
			free(fact);
		}
		strmap_release(&m->books[b]);
	}
	free(m->name);
}

void facts_release(struct facts *f)
{
	model_release(&f->world);
	for (size_t i = 0; i < f->len; i++) {
		model_release(f->all[i]);
		free(f->all[i]);
	}
	free(f->all);
	strmap_release(&f->living);
}

struct fact_model *facts_find(const struct facts *f, const char *name)
{
	struct fact_model *m = strmap_get(&f->living, name);

	return m && !m->dead ? m : NULL;
}

struct fact_model *facts_model(struct facts *f, const char *name)
{
	struct fact_model *m = name ? facts_find(f, name) : &f->world;

	if (m)
		return m;
	m = xcalloc(1, sizeof(*m));
	m->name = xstrdup(name);
	GROW(f->all, f->len, f->cap);
	f->all[f->len++] = m;
	strmap_set(&f->living, name, m);
	return m;
}

void facts_delete(struct facts *f, const char *name)
{
	struct fact_model *m = facts_find(f, name);

	if (m)
		m->dead = true;
}

void facts_rename(struct facts *f, const char *from, const char *to)
{
	struct fact_model *m = facts_model(f, from);

	strmap_set(&f->living, from, NULL);
	strmap_set(&f->living, to, m);
	free(m->name);
	m->name = xstrdup(to);
}

void fact_set(struct fact_model *m, enum fact_book book, const char *key, const char *value, int64_t seq)
{
	struct fact *fact = strmap_get(&m->books[book], key);

	if (!fact) {
		if (!value)
			return;
		fact = xcalloc(1, sizeof(*fact));
		strmap_set(&m->books[book], key, fact);
	}
	/* the value may be that of the fact itself */
	char *old = fact->value;

	fact->value = value ? xstrdup(value) : NULL;
	fact->seq = seq;
	free(old);
}

struct fact *fact_get(const struct fact_model *m, enum fact_book book, const char *key)
{
	struct fact *fact = strmap_get(&m->books[book], key);

	return fact && fact->value ? fact : NULL;
}
