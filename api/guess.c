/* SPDX-License-Identifier: Apache-2.0 */
#include "api/guess.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#define MAX_SCRIPT (1u << 20)
#define MAX_TABLES 8 /* more of them are named by their directories */

void guess_release(struct guess *guess)
{
	free(guess->script);
	free(guess->step);
	free(guess->cmd);
	strlist_release(&guess->in);
	strlist_release(&guess->out);
	strlist_release(&guess->metrics);
	*guess = (struct guess){ 0 };
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && !strcmp(text + len - n, end);
}

static bool ends_with_any(const char *text, const char *const *ends, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ends_with(text, ends[i]))
			return true;
	return false;
}

/* Could stand in pipeline.ini and in a command as it is: no quoting, pattern, list or comment. */
static bool is_simple(const char *path)
{
	if (!*path || *path == '-' || *path == '/' || *path == '.')
		return false;
	for (const unsigned char *c = (const unsigned char *)path; *c; c++)
		if (!isalnum(*c) && !strchr("._-/+= ", *c) && *c < 0x80)
			return false;
	return utf8_span(path, strlen(path)) == strlen(path) && !strstr(path, "..") &&
	       !strstr(path, "//") && !ends_with(path, "/") && !ends_with(path, " ");
}

enum kind { IS_ABSENT, IS_FILE, IS_DIR };
static enum kind kind_of(int rootfd, const char *path)
{
	struct stat st;

	if (fs_stat_beneath(rootfd, path, &st, NULL) <= 0)
		return IS_ABSENT;
	return S_ISREG(st.st_mode) ? IS_FILE : S_ISDIR(st.st_mode) ? IS_DIR : IS_ABSENT;
}

static void push_once(struct strlist *list, const char *item)
{
	if (!strlist_has(list, item))
		strlist_push(list, item);
}

/* -- what lies there -- */

static char *pick_script(int rootfd)
{
	static const char *const preferred[] = { "train.py", "main.py", "run.py", "model.py" };
	static const char *const unlikely[] = { "setup.py", "conftest.py", "__init__.py" };
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	for (size_t i = 0; i < ARRAY_LEN(preferred); i++)
		if (kind_of(rootfd, preferred[i]) == IS_FILE)
			return xstrdup(preferred[i]);
	if (fs_list_dir(rootfd, ".", &names, NULL))
		return NULL;
	for (size_t i = 0; i < names.len; i++) {
		const char *name = names.items[i];

		if (ends_with(name, ".py") && is_simple(name) && strncmp(name, "test_", 5) &&
		    !ends_with_any(name, unlikely, ARRAY_LEN(unlikely)) &&
		    kind_of(rootfd, name) == IS_FILE)
			return xstrdup(name);
	}
	return NULL;
}

static void find_tables(int rootfd, const char *dir, int depth, struct strlist *ret)
{
	static const char *const tables[] = { ".csv", ".csv.gz", ".tsv", ".parquet" };
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (fs_list_dir(rootfd, dir, &names, NULL))
		return;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path =
			strcmp(dir, ".") ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);
		enum kind kind = is_simple(path) ? kind_of(rootfd, path) : IS_ABSENT;

		if (kind == IS_FILE && ends_with_any(path, tables, ARRAY_LEN(tables)))
			strlist_push(ret, path);
		else if (kind == IS_DIR && depth > 1 && strcmp(path, "mlruns"))
			find_tables(rootfd, path, depth - 1, ret);
	}
}

/* -- what the script says -- */

struct literal {
	char *text;
	const char *line, *start, *end; /* start of its line, and the literal with its quotes */
};

/* The next '...' or "..." that closes on its line; comments and triple-quoted text are passed
 * over. */
static const char *next_literal(const char *at, const char **line, struct literal *ret)
{
	for (; *at; at++) {
		char quote = *at;
		const char *end;

		if (*at == '\n')
			*line = at + 1;
		if (*at == '#') {
			at += strcspn(at, "\n") - 1;
			continue;
		}
		if (quote != '"' && quote != '\'')
			continue;
		if (at[1] == quote && at[2] == quote) {
			char triple[] = { quote, quote, quote, '\0' };

			end = strstr(at + 3, triple);
			if (!end)
				return NULL;
			for (; at < end + 2; at++)
				*line = *at == '\n' ? at + 1 : *line;
			continue;
		}
		end = at + 1;
		while (*end && *end != quote && *end != '\n')
			end += end[0] == '\\' && end[1] ? 2 : 1;
		if (*end != quote)
			continue;
		*ret = (struct literal){ xstrndup(at + 1, (size_t)(end - at - 1)), *line, at,
					 end + 1 };
		return end + 1;
	}
	return NULL;
}

static bool precedes(const struct literal *lit, const char *const *words, size_t n)
{
	CLEANUP(cleanup_free) char *before = xstrndup(lit->line, (size_t)(lit->start - lit->line));

	for (size_t i = 0; i < n; i++)
		if (strstr(before, words[i]))
			return true;
	return false;
}

static bool is_written(const struct literal *lit)
{
	static const char *const writers[] = { "to_csv(",    "to_json(",    "to_parquet(",
					       "to_pickle(", "savefig(",    "savetxt(",
					       ".save(",     "save_model(", ".dump(" };
	static const char *const after[] = { ",\"w",       ",'w",           ",mode=\"w",
					     ",mode='w",   ").write_text(", ").write_bytes(",
					     ").open(\"w", ").open('w" };
	char next[24];
	size_t n = 0;

	if (precedes(lit, writers, ARRAY_LEN(writers)))
		return true;
	for (const char *c = lit->end; *c && *c != '\n' && n + 1 < sizeof(next); c++)
		if (*c != ' ')
			next[n++] = *c;
	next[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(after); i++)
		if (!strncmp(next, after[i], strlen(after[i])))
			return true;
	return false;
}

static bool names_a_file(const char *text)
{
	const char *base = path_base(text), *dot = strrchr(base, '.');

	return is_simple(text) && dot && dot > base && dot[1] && strlen(dot) <= 9;
}

static bool names_metrics(const char *path)
{
	static const char *const words[] = { "metric", "score", "eval", "result" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (ends_with(path, ".json") && strstr(path_base(path), words[i]))
			return true;
	return false;
}

static void each_literal(const char *text, void (*each)(void *ctx, const struct literal *),
			 void *ctx)
{
	const char *line = text, *at = text;
	struct literal lit;

	while ((at = next_literal(at, &line, &lit))) {
		each(ctx, &lit);
		free(lit.text);
	}
}

struct reading {
	int rootfd;
	struct guess *guess;
	char *data_option; /* argparse's option for a table, "" for a positional one, NULL none */
};

static void note_output(void *ctx, const struct literal *lit)
{
	struct reading *r = ctx;

	if (names_a_file(lit->text) && is_written(lit))
		push_once(names_metrics(lit->text) ? &r->guess->metrics : &r->guess->out,
			  lit->text);
}

static bool makes_output(const struct guess *guess, const char *path)
{
	for (size_t i = 0; i < guess->out.len; i++)
		if (path_contains(path, guess->out.items[i]))
			return true;
	for (size_t i = 0; i < guess->metrics.len; i++)
		if (path_contains(path, guess->metrics.items[i]))
			return true;
	return false;
}

/* Models and pictures that lie around are results of an earlier run, not inputs. */
static void note_input(void *ctx, const struct literal *lit)
{
	static const char *const data[] = { ".csv",   ".gz",  ".tsv",     ".parquet", ".json",
					    ".jsonl", ".txt", ".npy",     ".npz",     ".xlsx",
					    ".yaml",  ".yml", ".toml",    ".ini",     ".data",
					    ".dat",   ".zip", ".feather", ".arff" };
	static const char *const makers[] = { "mkdir(", "makedirs(" };
	struct reading *r = ctx;
	enum kind kind = is_simple(lit->text) ? kind_of(r->rootfd, lit->text) : IS_ABSENT;

	if (kind == IS_ABSENT || makes_output(r->guess, lit->text) ||
	    precedes(lit, makers, ARRAY_LEN(makers)))
		return;
	if (kind == IS_DIR
		    ? strchr(lit->text, '/') || !strcmp(lit->text, "data")
		    : ends_with_any(lit->text, data, ARRAY_LEN(data)) && !names_metrics(lit->text))
		push_once(&r->guess->in, lit->text);
}

static void note_option(void *ctx, const struct literal *lit)
{
	static const char *const known[] = { "--data",       "--csv",       "--input",
					     "--dataset",    "--data-path", "--data-file",
					     "--input-file", "--train",     "--train-data" };
	struct reading *r = ctx;
	const char *call = "add_argument(";
	size_t n = strlen(call);

	if (r->data_option || lit->start < lit->line + n || strncmp(lit->start - n, call, n))
		return;
	if (*lit->text != '-') {
		r->data_option = xstrdup("");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!r->data_option && !strcmp(lit->text, known[i]))
			r->data_option = xstrdup(lit->text);
}

/* "import a, b" and "from a import x" of modules that lie here are inputs too. */
static void note_import(struct reading *r, const char *name, size_t len)
{
	CLEANUP(cleanup_free) char *module = xstrndup(name, len);
	CLEANUP(cleanup_free) char *file = xasprintf("%s.py", module);

	if (!is_simple(module))
		return;
	if (kind_of(r->rootfd, file) == IS_FILE)
		push_once(&r->guess->in, file);
	else if (kind_of(r->rootfd, module) == IS_DIR && !makes_output(r->guess, module))
		push_once(&r->guess->in, module);
}

static void note_imports(struct reading *r, const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		bool from;

		line += *line == '\n';
		line += strspn(line, " \t");
		from = !strncmp(line, "from ", 5);
		if (!from && strncmp(line, "import ", 7))
			continue;
		line += from ? 5 : 7;
		for (;;) {
			line += strspn(line, " ");
			note_import(r, line, strcspn(line, " .,;\n"));
			line += strcspn(line, ",\n");
			if (from || *line != ',')
				break;
			line++;
		}
	}
}

static int read_text(int rootfd, const char *path, struct strbuf *ret)
{
	CLEANUP(cleanup_fd) int fd = fs_open_beneath(rootfd, path, O_RDONLY | O_NONBLOCK, 0, NULL);

	return fd < 0 ? -1 : io_read_fd(fd, path, MAX_SCRIPT, ret, NULL);
}

/* The script and, through its imports, every module beside it. The list grows while it is read. */
static void read_scripts(struct reading *r)
{
	CLEANUP(strlist_release) struct strlist texts = STRLIST_INIT;
	struct guess *guess = r->guess;

	for (size_t i = 0; i < guess->in.len; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		if (!ends_with(guess->in.items[i], ".py") ||
		    read_text(r->rootfd, guess->in.items[i], &text))
			continue;
		note_imports(r, text.buf);
		each_literal(text.buf, note_output, r);
		if (i == 0)
			each_literal(text.buf, note_option, r);
		if (i == 0 && strstr(text.buf, "sys.argv[1]") && !r->data_option)
			r->data_option = xstrdup("");
		strlist_push_owned(&texts, strbuf_detach(&text));
	}
	for (size_t i = 0; i < texts.len; i++)
		each_literal(texts.items[i], note_input, r);
}

/* -- the guess -- */

static const char *main_table(const struct strlist *tables)
{
	for (size_t i = 0; i < tables->len; i++)
		if (strstr(path_base(tables->items[i]), "train"))
			return tables->items[i];
	return tables->len ? tables->items[0] : NULL;
}

static void add_tables(struct guess *guess, const struct strlist *tables)
{
	for (size_t i = 0; i < tables->len; i++) {
		const char *path = tables->items[i], *slash = strchr(path, '/');
		size_t dir_len = slash ? (size_t)(slash - path) : 0;
		CLEANUP(cleanup_free) char *dir = xstrndup(path, dir_len);
		bool by_dir = slash && tables->len > MAX_TABLES && !makes_output(guess, dir);

		if (!makes_output(guess, path))
			push_once(&guess->in, by_dir ? dir : path);
	}
}

/* An input inside another one would only stand twice. */
static void drop_contained(struct strlist *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->len; i++) {
		bool inside = false;

		for (size_t j = 0; j < list->len && !inside; j++)
			inside = list->items[j] && i != j &&
				 path_contains(list->items[j], list->items[i]);
		if (!inside)
			continue;
		free(list->items[i]);
		list->items[i] = NULL;
	}
	for (size_t i = 0; i < list->len; i++)
		if (list->items[i])
			list->items[kept++] = list->items[i];
	list->len = kept;
}

static bool has_table(const struct guess *guess, const struct strlist *tables)
{
	for (size_t i = 0; i < tables->len; i++)
		for (size_t j = 0; j < guess->in.len; j++)
			if (path_contains(guess->in.items[j], tables->items[i]))
				return true;
	return false;
}

static char *quoted(const char *word)
{
	return strchr(word, ' ') ? xasprintf("'%s'", word) : xstrdup(word);
}

static void set_command(struct guess *guess, const char *option, const char *table)
{
	CLEANUP(cleanup_free) char *script = quoted(guess->script);
	CLEANUP(cleanup_free) char *data = quoted(table ? table : "");

	if (option && table)
		guess->cmd = xasprintf("python3 %s %s%s%s", script, option, *option ? " " : "", data);
	else
		guess->cmd = xasprintf("python3 %s", script);
}

void guess_files(int rootfd, struct guess *ret)
{
	CLEANUP(strlist_release) struct strlist tables = STRLIST_INIT;
	struct reading reading = { .rootfd = rootfd, .guess = ret };
	const char *table;

	*ret = (struct guess){ .script = pick_script(rootfd) };
	if (!ret->script)
		return;
	ret->step = xstrndup(ret->script, strlen(ret->script) - strlen(".py"));
	strlist_push(&ret->in, ret->script);
	read_scripts(&reading);
	find_tables(rootfd, ".", 3, &tables);
	table = NULL;
	if (!has_table(ret, &tables)) {
		add_tables(ret, &tables);
		table = main_table(&tables);
	}
	drop_contained(&ret->in);
	drop_contained(&ret->out);
	set_command(ret, reading.data_option, table);
	free(reading.data_option);
}

static void write_name(const char *title, struct strbuf *ret)
{
	size_t start = ret->len;

	for (const char *c = title; *c && ret->len - start < 60; c++) {
		bool fits = isalnum((unsigned char)*c) || *c == '_';

		if (fits || ret->len > start)
			strbuf_putc(ret, fits || *c == '-' || *c == '.' ? *c : '-');
	}
	if (ret->len == start)
		strbuf_puts(ret, "pipeline");
}

static void write_list(const char *key, const struct strlist *list, struct strbuf *ret)
{
	for (size_t i = 0; i < list->len; i++) {
		if (i == 0)
			strbuf_printf(ret, "%s = %s\n", key, list->items[i]);
		else
			strbuf_printf(ret, "%*s%s\n", (int)strlen(key) + 3, "", list->items[i]);
	}
}

void guess_write(const struct guess *guess, const char *title, struct strbuf *ret)
{
	strbuf_puts(ret,
		    "# Steps, what each reads and what it writes. `mlops run` runs what changed.\n"
		    "\n[pipeline]\nname = ");
	write_name(title, ret);
	strbuf_puts(ret, "\n\n[step.");
	write_name(guess->step, ret);
	strbuf_printf(ret, "]\ncmd = %s\n", guess->cmd);
	write_list("in ", &guess->in, ret);
	if (guess->out.len)
		write_list("out", &guess->out, ret);
	else
		strbuf_puts(ret, "# Name what it writes, so that it is kept with every run:\n"
				 "# out = model.pkl\n");
	if (guess->metrics.len)
		write_list("metrics", &guess->metrics, ret);
	else
		strbuf_puts(ret, "# metrics = metrics.json\n");
}
