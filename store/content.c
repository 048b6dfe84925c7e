/* SPDX-License-Identifier: Apache-2.0 */
#include "store/content.h"

#include <string.h>

#include "base/mem.h"

/* kind -> its word in text, and its name */
static const struct {
	const char *word, *name;
} kinds[] = {
	[CONTENT_ABSENT] = { "-", "absent" },
	[CONTENT_FILE] = { "file:", "file" },
	[CONTENT_EXEC] = { "exec:", "exec" },
	[CONTENT_TREE] = { "tree:", "tree" },
};

bool content_equal(const struct content *a, const struct content *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == CONTENT_ABSENT || digest_equal(&a->id, &b->id);
}

char *content_format(const struct content *content, char text[CONTENT_TEXT])
{
	size_t len = strlen(kinds[content->kind].word);

	memcpy(text, kinds[content->kind].word, len + 1);
	if (content->kind != CONTENT_ABSENT)
		digest_format(&content->id, text + len);
	return text;
}

bool content_parse(const char *text, struct content *ret)
{
	struct content content = { .kind = CONTENT_ABSENT };

	if (!strcmp(text, kinds[CONTENT_ABSENT].word)) {
		*ret = content;
		return true;
	}
	for (size_t i = CONTENT_FILE; i < ARRAY_LEN(kinds); i++) {
		size_t len = strlen(kinds[i].word);

		if (strncmp(text, kinds[i].word, len) != 0)
			continue;
		if (!digest_parse(text + len, &content.id))
			return false;
		content.kind = (enum content_kind)i;
		*ret = content;
		return true;
	}
	return false;
}

const char *content_kind_name(enum content_kind kind)
{
	return kinds[kind].name;
}
