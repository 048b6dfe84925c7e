/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the programs that steps run: for Python, its version and installed packages. */
#include <string.h>
#include <unistd.h>
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
#include "pipeline/explain_internal.h"
#include "pipeline/show.h"
#include "pipeline/tools.h"
#include "registry/project.h"

static const char script[] =
	"import sys, os\n"
	"print(sys.version.split()[0])\n"
	"names = {n for p in sys.path if os.path.isdir(p) for n in os.listdir(p)}\n"
	"print(*sorted(n.rsplit('.', 1)[0] for n in names if n.endswith(('.dist-info', '.egg-info'))), sep='\\n')\n";

/* "python", "python3", "python3.11": anything else may do what it likes with our arguments. */
static bool is_python(const char *name)
{
	static const char word[] = "python";

	return !strncmp(name, word, strlen(word)) && !name[strlen(word) + strspn(name + strlen(word), "0123456789.")];
}

static struct js *ask_python(const char *program, const char *path, const char *root)
{
	CLEANUP(cleanup_free) char *variable = xasprintf("PATH=%s", path ? path : "/usr/bin:/bin");
	const char *argv[] = { "env", variable, program, "-c", script, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];
	struct js *packages, *tool = js_object();
	char host[128] = "", *rest;
	struct digest digest;

	gethostname(host, sizeof(host) - 1);
	js_set_str(tool, "host", host);
	if (process_capture(argv, root, 10000, 1u << 20, &out, NULL) != 0 || !(rest = strchr(out.buf, '\n')))
		return tool;
	*rest++ = '\0';
	js_set_str(tool, "version", out.buf);
	digest_of(rest, strlen(rest), &digest);
	js_set_str(tool, "packages_digest", digest_format(&digest, hex));
	packages = js_array();
	for (char *line = rest, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (*line)
			js_push_str(packages, line);
	}
	js_set(tool, "packages", packages);
	return tool;
}

struct js *tools_ask(const struct plan_node *node, const struct js *before, const char *root)
{
	char host[128] = "";
	const char *was = js_get_str(before, "host");
	const char *program = node->argv.items[0];

	gethostname(host, sizeof(host) - 1);
	if (!was || strcmp(was, host) != 0 || node->image || !is_python(path_base(program)))
		return NULL;
	return ask_python(program, look_path(&node->env), root);
}

/* Asked once a run for each name and PATH; as the step names it, because a virtual environment is a
 * symlink to its interpreter. */
void tools_add(struct task *t)
{
	struct engine *e = t->engine;
	const char *program = t->node->argv.items[0];
	const char *path = look_path(&t->node->env);
	CLEANUP(cleanup_free) char *key = xasprintf("%s\n%s", program, path ? path : "");
	struct js *tool = js_get(e->tools, key);

	if (t->node->image || !is_python(path_base(program)))
		return;
	if (!tool) {
		tool = ask_python(program, path, e->project->root);
		js_set(e->tools, key, tool);
	}
	js_set(t->record, "python", js_ref(tool));
}

/* ---- differences ---- */

/* "numpy-1.26.4" and "PyYAML-6.0-py3.11": a version begins with a digit behind a dash. Caller frees both. */
static void split_package(const char *text, char **ret_name, char **ret_version)
{
	const char *dash = strchr(text, '-');

	while (dash && !(dash[1] >= '0' && dash[1] <= '9'))
		dash = strchr(dash + 1, '-');
	*ret_name = dash ? xstrndup(text, (size_t)(dash - text)) : xstrdup(text);
	*ret_version = dash ? xstrndup(dash + 1, strcspn(dash + 1, "-")) : xstrdup("");
}

/* name -> version of what the other side lacks as it stands; the caller frees the versions. */
static void other_packages(const struct js *all, const struct js *lacking, struct strmap *ret, struct strlist *names)
{
	CLEANUP(strlist_release) struct strlist there = STRLIST_INIT;

	for (size_t i = 0; i < js_len(lacking); i++)
		if (js_text(js_at(lacking, i)))
			strlist_push(&there, js_text(js_at(lacking, i)));
	strlist_sort(&there);
	for (size_t i = 0; i < js_len(all); i++) {
		const char *text = js_text(js_at(all, i));
		char *name, *version;

		if (!text || strlist_has_sorted(&there, text))
			continue;
		split_package(text, &name, &version);
		free(strmap_set(ret, name, version));
		strlist_push_owned(names, name);
	}
}

static void add_tool(struct js *list, const char *kind, const char *name, const char *old, const char *now, char *text)
{
	CLEANUP_JS struct js *a = old ? js_str(old) : NULL;
	CLEANUP_JS struct js *b = now ? js_str(now) : NULL;

	js_set_bool(explain_add(list, kind, name, a, b, text), "in_key", false);
}

static void add_package(struct js *list, const char *name, const char *old, const char *now)
{
	if (old && now && !strcmp(old, now))
		return;
	add_tool(list, "package", name, old, now,
		 old && now ? xasprintf("package %s: %s -> %s", SHOW(name), SHOW(old), SHOW(now)) :
		 now        ? xasprintf("package %s added: %s", SHOW(name), SHOW(now)) :
			      xasprintf("package %s removed: was %s", SHOW(name), SHOW(old)));
}

struct js *tools_differences(const struct js *old, const struct js *now)
{
	const char *before = js_get_str(old, "version"), *after = js_get_str(now, "version");
	const struct js *were = js_get(old, "packages"), *are = js_get(now, "packages");
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct strmap a = STRMAP_INIT, b = STRMAP_INIT;
	struct js *list = js_array();

	if (before && after && strcmp(before, after) != 0)
		add_tool(list, "python", NULL, before, after, xasprintf("python: %s -> %s", SHOW(before), SHOW(after)));
	if (js_typeof(were) == JS_ARRAY && js_typeof(are) == JS_ARRAY) {
		other_packages(were, are, &a, &names);
		other_packages(are, were, &b, &names);
	}
	strlist_sort(&names);
	strlist_uniq(&names);
	for (size_t i = 0; i < names.len; i++)
		add_package(list, names.items[i], strmap_get(&a, names.items[i]), strmap_get(&b, names.items[i]));
	for (size_t i = 0; i < a.len; i++)
		free(a.entries[i].value);
	for (size_t i = 0; i < b.len; i++)
		free(b.entries[i].value);
	strmap_release(&a);
	strmap_release(&b);
	return list;
}
