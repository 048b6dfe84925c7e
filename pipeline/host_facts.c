/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/host_facts.h"
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/json.h"
#include "base/machine.h"
#include "base/mem.h"
#include "pipeline/engine.h"
#include "pipeline/explain_internal.h"
#include "pipeline/show.h"

/* These name places and devices, and change with the person who runs it. */
static bool is_personal(const char *name)
{
	return !strcmp(name, "HOME") || !strcmp(name, "TMPDIR");
}

struct js *host_facts(bool local)
{
	struct js *facts = js_object(), *env = js_object();
	struct utsname name;
	char cpu[256], libc[64];

	machine_cpu_name(cpu, sizeof(cpu));
	js_set_str(facts, "cpu", cpu);
	if (uname(&name) == 0)
		js_set_str(facts, "kernel", name.release);
	for (const char *const *n = task_inherited; local && *n; n++)
		if (!is_personal(*n))
			js_set_str(env, *n, getenv(*n));
	if (local && confstr(_CS_GNU_LIBC_VERSION, libc, sizeof(libc)) > 0)
		js_set_str(facts, "libc", libc);
	if (local)
		js_set(facts, "env", js_ref(env));
	js_free(env);
	return facts;
}

void host_facts_add(struct task *t)
{
	js_set(t->record, "machine", host_facts(!t->node->image));
}

static void compare(struct js *list, const char *kind, const char *name, const char *old, const char *now)
{
	CLEANUP_JS struct js *a = old ? js_str(old) : NULL;
	CLEANUP_JS struct js *b = now ? js_str(now) : NULL;

	if (old == now || (old && now && !strcmp(old, now)))
		return;
	js_set_bool(explain_add(list, kind, name, a, b,
				xasprintf("%s: %s -> %s", name ? name : kind, old ? SHOW(old) : "not set", now ? SHOW(now) : "not set")),
		    "in_key", false);
}

struct js *host_differences(const struct js *old, const struct js *now)
{
	static const char *const kinds[] = { "cpu", "kernel", "libc" };
	const struct js *were = js_get(old, "env"), *are = js_get(now, "env");
	struct js *list = js_array();

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (js_get(old, kinds[i]) && js_get(now, kinds[i]))
			compare(list, kinds[i], NULL, js_get_str(old, kinds[i]), js_get_str(now, kinds[i]));
	for (const char *const *n = task_inherited; were && are && *n; n++)
		compare(list, "inherited", *n, js_get_str(were, *n), js_get_str(are, *n));
	return list;
}
