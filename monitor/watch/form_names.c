/* SPDX-License-Identifier: Apache-2.0 */
/* A table that is only the names of its columns. */
#include <string.h>
#include "base/mem.h"
#include "monitor/watch/form_internal.h"
#include "monitor/table/table_internal.h"

struct table *table_of_names(void)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->name = xstrdup("a window");
	columns_init(&t->columns);
	null_words_init(&t->nulls, "");
	return t;
}

void table_add_name(struct table *t, const char *name)
{
	columns_add(&t->columns, xstrdup(name), strlen(name));
}
