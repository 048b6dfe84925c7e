/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two names mean one person. Names come from users of an agent, from accounts of machines and from commits. */
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "registry/promotions.h"

/* "Anna <anna@example.org>": both; "anna (token laptop)": what is before the bracket. */
struct person {
	const char *name, *mail; /* mail NULL: none */
	size_t name_len, mail_len;
};

static void trim(const char *text, size_t *len)
{
	while (*len && text[*len - 1] == ' ')
		(*len)--;
}

static struct person read_person(const char *line, size_t len)
{
	const char *open = memchr(line, '<', len), *close = open ? memchr(open, '>', len - (size_t)(open - line)) : NULL;
	const char *bracket = memmem(line, len, " (", 2);
	struct person p = { .name = line, .name_len = len };

	if (close) {
		p.mail = open + 1;
		p.mail_len = (size_t)(close - open - 1);
		p.name_len = (size_t)(open - line);
	} else if (bracket) {
		p.name_len = (size_t)(bracket - line);
	}
	trim(p.name, &p.name_len);
	return p;
}

/* Equal; or, where only one has a place, "anna" and "anna@example.org". */
static bool same_name(const char *a, size_t alen, const char *b, size_t blen)
{
	const char *aat = memchr(a, '@', alen), *bat = memchr(b, '@', blen);

	if (aat && !bat)
		alen = (size_t)(aat - a);
	else if (bat && !aat)
		blen = (size_t)(bat - b);
	return alen && alen == blen && !strncasecmp(a, b, alen);
}

static bool same(const struct person *a, const struct person *b)
{
	return same_name(a->name, a->name_len, b->name, b->name_len) ||
	       (b->mail && same_name(a->name, a->name_len, b->mail, b->mail_len)) ||
	       (a->mail && same_name(a->mail, a->mail_len, b->name, b->name_len)) ||
	       (a->mail && b->mail && same_name(a->mail, a->mail_len, b->mail, b->mail_len));
}

bool person_is(const char *person, const char *others)
{
	struct person first;

	if (!person || !others)
		return false;
	first = read_person(person, strlen(person));
	for (size_t len; *others; others += len + (others[len] == '\n')) {
		struct person one;

		len = strcspn(others, "\n");
		one = read_person(others, len);
		if (same(&first, &one))
			return true;
	}
	return false;
}
