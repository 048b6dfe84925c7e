/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the programs that steps run: for Python, its version and installed packages. */
#include <string.h>
#include "base/digest.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
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

static void ask_python(struct js *tool, const char *program, const char *path, const char *root)
{
	CLEANUP(cleanup_free) char *variable = xasprintf("PATH=%s", path ? path : "/usr/bin:/bin");
	const char *argv[] = { "env", variable, program, "-c", script, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	struct js *packages;
	char *rest;

	if (process_capture(argv, root, 10000, 1u << 20, &out, NULL) != 0 || !(rest = strchr(out.buf, '\n')))
		return;
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
		tool = js_object();
		js_set(e->tools, key, tool);
		ask_python(tool, program, path, e->project->root);
	}
	js_set(t->record, "python", js_ref(tool));
}
