/* SPDX-License-Identifier: Apache-2.0 */
/* What a [notify.NAME] must say to be one. */
#include "pipeline/parse_internal.h"

static void want(struct parser *p, const struct notify_section *notify, const char *key, const char *example)
{
	error_help(problem(p, notify->at.line, notify->at.column, "[notify.%s] has no '%s'", notify->name, key), "%s",
		   example);
}

void notifies_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nnotifies; i++) {
		const struct notify_section *notify = &p->pipeline->notifies[i];

		if (!notify->on.len)
			want(p, notify, "on", "say what to tell about: on = fail, drift, approval");
		if (!notify->url.text)
			want(p, notify, "url", "say where to tell it: url = ${secret.CHAT_HOOK}");
	}
}
