/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "monitor/schema/schema_internal.h"

/* The text is JSON, so what does not open or close something only has to be passed over. */
struct scan {
	const char *at, *end;
};

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && strchr(" \t\r\n", *s->at))
		s->at++;
}

static void skip_string(struct scan *s)
{
	for (s->at++; s->at < s->end && *s->at != '"'; s->at++)
		s->at += *s->at == '\\' && s->at + 1 < s->end;
	s->at += s->at < s->end;
}

static void skip_value(struct scan *s)
{
	size_t depth = 0;

	do {
		char c = s->at < s->end ? *s->at : ']';

		if (c == '"') {
			skip_string(s);
			continue;
		}
		if (depth == 0 && strchr(",]}", c))
			return;
		depth += c == '[' || c == '{';
		depth -= c == ']' || c == '}';
		s->at += s->at < s->end;
		if (depth == 0 && strchr("]}", c))
			return;
	} while (s->at < s->end);
}

/* Keys that need escapes are none of ours. */
static bool key_is(const struct scan *s, const char *key)
{
	size_t len = strlen(key);

	return (size_t)(s->end - s->at) > len + 1 && *s->at == '"' && !memcmp(s->at + 1, key, len) && s->at[len + 1] == '"';
}

/* From '{' or '[' to the member; false leaves the place where the search ended. */
static bool enter(struct scan *s, const struct place_step *step, bool at_key)
{
	bool object = s->at < s->end && *s->at == '{';

	for (size_t i = 0; s->at < s->end; i++) {
		bool here;

		s->at++;
		skip_blanks(s);
		here = step->key && object ? key_is(s, step->key) : i == step->index && !step->key;
		if (here && at_key)
			return true;
		if (object) {
			skip_string(s);
			skip_blanks(s);
			s->at += s->at < s->end; /* ':' */
			skip_blanks(s);
		}
		if (here)
			return true;
		skip_value(s);
		skip_blanks(s);
		if (s->at < s->end && *s->at != ',')
			return false;
	}
	return false;
}

void schema_place(const char *text, size_t len, const struct place_step *steps, size_t nsteps, bool at_key, int *ret_line,
		  int *ret_column)
{
	struct scan s = { text, text + len };
	const char *line = text;

	skip_blanks(&s);
	for (size_t i = 0; i < nsteps; i++)
		if (!enter(&s, &steps[i], at_key && i + 1 == nsteps))
			break;
	*ret_line = 1;
	for (const char *p = text; p < s.at; p++) {
		if (*p != '\n')
			continue;
		++*ret_line;
		line = p + 1;
	}
	*ret_column = (int)(s.at - line) + 1;
}
