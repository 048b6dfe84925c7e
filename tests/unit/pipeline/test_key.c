/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/key.h"
#include "pipeline/plan.h"

static struct error error;

/* A step's facts, made from text alone: `inputs` are lines "CONTENT PATH". */
struct fixture {
	struct pipeline *pipeline;
	struct plan *plan;
	struct key_program program;
	struct key_input inputs[8];
	char *paths[8];
	struct key_facts facts;
};

static void fixture_release(struct fixture *f)
{
	plan_free(f->plan);
	pipeline_free(f->pipeline);
	for (size_t i = 0; i < f->facts.ninputs; i++)
		free(f->paths[i]);
}

static void add_inputs(struct fixture *f, const char *inputs)
{
	size_t *n = &f->facts.ninputs;

	while (*inputs) {
		size_t line = strcspn(inputs, "\n"), content = strcspn(inputs, " ");
		CLEANUP(cleanup_free) char *text = xstrndup(inputs, content);
		assert_true(content_parse(text, &f->inputs[*n].content));
		f->paths[*n] = xstrndup(inputs + content + 1, line - content - 1);
		f->inputs[*n].path = f->paths[*n];
		(*n)++;
		inputs += line + (inputs[line] == '\n');
	}
}

/* The plan is made in an empty directory, so the text names no inputs; they come as facts. */
static void fixture_init(struct fixture *f, const char *text, const char *inputs)
{
	CLEANUP(cleanup_fd) int dir = -1;
	char path[] = "/tmp/mlops-test-XXXXXX";

	*f = (struct fixture){ .facts = { .platform = "linux/x86_64" } };
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pipeline_parse(text, strlen(text), "p.ini", NULL, NULL, &f->pipeline, &error) < 0 ||
	    plan_make(dir, f->pipeline, NULL, &f->plan, &error) < 0)
		fail_msg("%s: %s", error.where, error.msg);
	assert_return_code(rmdir(path), 0);
	f->program.path = (char *)"/usr/bin/python3.11";
	assert_true(content_parse("exec:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
				  &f->program.content));
	f->facts.program = &f->program;
	f->facts.node = &f->plan->nodes[0];
	f->facts.inputs = f->inputs;
	add_inputs(f, inputs);
}

#define DIGEST_A "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define DIGEST_B "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"

static const char full[] = "[pipeline]\nenv = PYTHONHASHSEED=0\n"
			   "[params]\nlr = 0.01\nname = \"two words \\\\ \xc3\xa4\"\nlayers = [64, 32.5, true, null]\n"
			   "odd key = {\"b\": 1, \"a\": \"x\"}\n"
			   "[step.train]\ncmd = python3 train.py --lr ${params.lr} '' 'a\\b' ${run.id} ${params.name}\n"
			   "out = models/final\nmetrics = m.json\nplots = \"odd, plot.csv\" x=a y=b\n"
			   "params = layers, odd key.*\nenv = A=b c, Z=\"\\t\"x\ncpu = 4\nmem = 1G\ntimeout = 5s\n";
static const char full_inputs[] = "tree:" DIGEST_A " data/clean\nexec:" DIGEST_B " run me.sh\nfile:" DIGEST_A " train.py";

static void read_golden(const char *name, struct strbuf *text)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/keys/%s", GOLDEN_DIR, name);

	assert_return_code(io_read_file(AT_FDCWD, path, 1 << 20, text, NULL), 0);
}

/* SHA256SUMS was written by sha256sum, so the digest of a form is checked by another program. */
static void assert_golden(const struct key_facts *facts, const char *name)
{
	CLEANUP_STRBUF struct strbuf want = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf sums = STRBUF_INIT;
	CLEANUP(cleanup_free) char *line = NULL;
	char hex[DIGEST_HEX + 1];
	struct digest key;

	read_golden(name, &want);
	key_form(facts, &got);
	assert_string_equal(got.buf, want.buf);
	key_of(facts, &key);
	read_golden("SHA256SUMS", &sums);
	line = xasprintf("%s  %s\n", digest_format(&key, hex), name);
	if (!strstr(sums.buf, line))
		fail_msg("not in SHA256SUMS: %s", line);
}

static void forms_and_keys_are_golden(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, full, full_inputs);
	assert_golden(&f.facts, "full.form");
	fixture_release(&f);
	fixture_init(&f, "[step.a]\ncmd = true\n", "");
	assert_golden(&f.facts, "least.form");
	f.facts.program = NULL;
	assert_golden(&f.facts, "no-program.form");
	fixture_release(&f);
	fixture_init(&f, "[step.a]\ncmd = true\nout = o\nimage = r:5000/i\nuser = root\nnetwork = yes\n", "");
	f.facts.program = NULL;
	f.facts.image = "r:5000/i@sha256:" DIGEST_A;
	assert_golden(&f.facts, "container.form");
	fixture_release(&f);
	fixture_init(&f, "[step.a]\ncmd = t ${matrix.seed}\nmatrix.seed = 1..2\nmatrix.model = \"odd, \\\\ \"\nout = o/${matrix.key}\n",
		     "");
	assert_golden(&f.facts, "matrix.form");
	fixture_release(&f);
	fixture_init(&f, "[step.a]\ncmd = t\nsecrets = WANDB_KEY, HF_TOKEN env\n", "");
	assert_golden(&f.facts, "secret.form");
	fixture_release(&f);
}

/* The lines of the axes may stand in any order, as long as the names of instances are not asked for. */
static void the_matrix_is_in_the_key_and_the_record(void **state)
{
	CLEANUP_JS struct js *record = NULL;
	char one[DIGEST_HEX + 1], other[DIGEST_HEX + 1];
	struct digest key;
	struct fixture f;

	(void)state;
	fixture_init(&f, "[step.a]\ncmd = t\nmatrix.x = 1\nmatrix.y = 2\n", "");
	key_of(&f.facts, &key);
	digest_format(&key, one);
	record = key_record(&f.facts);
	assert_string_equal(js_get_str(js_get(record, "matrix"), "y"), "2");
	fixture_release(&f);
	fixture_init(&f, "[step.b]\ncmd = t\nmatrix.y = 2\nmatrix.x = 1\n", "");
	key_of(&f.facts, &key);
	assert_string_equal(digest_format(&key, other), one);
	fixture_release(&f);
	fixture_init(&f, "[step.b]\ncmd = t\nmatrix.y = 2\nmatrix.x = 2\n", "");
	key_of(&f.facts, &key);
	assert_string_not_equal(digest_format(&key, other), one);
	fixture_release(&f);
}

static void key_text(const char *text, const char *inputs, char hex[DIGEST_HEX + 1])
{
	struct fixture f;
	struct digest key;

	fixture_init(&f, text, inputs);
	key_of(&f.facts, &key);
	digest_format(&key, hex);
	fixture_release(&f);
}

static void what_does_not_decide_the_result_is_not_in_the_key(void **state)
{
	static const char *const same[] = {
		"[step.a]\ncmd = x y\nout = o\n",
		"[step.other-name]\ncmd = x 'y'\nout = ./o/\n",
		"[step.a]\ncmd = x\n  y\nout = o\ncpu = 3\nmem = 1G\ntimeout = 9s\ncache = no\n",
		"[params]\nunused = 1\n[step.a]\ncmd = x y\nout = o\n",
		"[step.a]\ncmd = x y\nmetrics = o\n",
	};
	char first[DIGEST_HEX + 1], hex[DIGEST_HEX + 1];

	(void)state;
	key_text(same[0], "", first);
	for (size_t i = 1; i < ARRAY_LEN(same); i++) {
		key_text(same[i], "", hex);
		assert_string_equal(hex, first);
	}
}

static void what_decides_the_result_changes_the_key(void **state)
{
	static const struct {
		const char *text, *inputs;
	} other[] = {
		{ "[step.a]\ncmd = x y\nout = o\n", "" },
		{ "[step.a]\ncmd = x y z\nout = o\n", "" },
		{ "[step.a]\ncmd = 'x y'\nout = o\n", "" },
		{ "[step.a]\ncmd = x y\nout = o2\n", "" },
		{ "[step.a]\ncmd = x y\nout = o\nenv = A=1\n", "" },
		{ "[step.a]\ncmd = x y\nout = o\nenv = A=2\n", "" },
		{ "[params]\np = 1\n[step.a]\ncmd = x y\nout = o\nparams = p\n", "" },
		{ "[params]\np = 1.0\n[step.a]\ncmd = x y\nout = o\nparams = p\n", "" },
		{ "[params]\np = \"1\"\n[step.a]\ncmd = x y\nout = o\nparams = p\n", "" },
		{ "[step.a]\ncmd = x y\nout = o\n", "file:" DIGEST_A " i" },
		{ "[step.a]\ncmd = x y\nout = o\n", "exec:" DIGEST_A " i" },
		{ "[step.a]\ncmd = x y\nout = o\n", "file:" DIGEST_B " i" },
		{ "[step.a]\ncmd = x y\nout = o\n", "file:" DIGEST_A " j" },
		/* A newline inside a word cannot look like another line. */
		{ "[params]\nw = \"y\\noutput o2\"\n[step.a]\ncmd = x ${params.w}\nout = o\n", "" },
	};
	char hex[ARRAY_LEN(other)][DIGEST_HEX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		key_text(other[i].text, other[i].inputs, hex[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(hex[i], hex[k]);
	}
}

static void the_platform_names_system_and_machine(void **state)
{
	char platform[KEY_PLATFORM];

	(void)state;
	key_platform(platform);
	assert_int_equal(strncmp(platform, "linux/", 6), 0);
	assert_true(platform[6]);
}

static void a_record_holds_the_same_facts(void **state)
{
	struct fixture f;
	struct js *record;
	CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;

	(void)state;
	fixture_init(&f, "[params]\nlr = 0.1\n[step.a]\ncmd = py x\nout = o\nenv = A=1=2\nparams = lr\n",
		     "file:" DIGEST_A " data/x.csv");
	record = key_record(&f.facts);
	js_dump(record, JS_CANONICAL, &json);
	assert_string_equal(json.buf, "{\"argv\":[\"py\",\"x\"],\"env\":{\"A\":\"1=2\"},\"inputs\":{\"data/x.csv\":"
				      "\"file:" DIGEST_A "\"},\"outputs\":[\"o\"],\"params\":{\"lr\":0.1},"
				      "\"platform\":\"linux/x86_64\",\"program\":{\"content\":"
				      "\"exec:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\","
				      "\"path\":\"/usr/bin/python3.11\"}}");
	js_free(record);
	fixture_release(&f);
}

/* The differences of two records as JSON text, joined by newlines. */
static void assert_explained(const char *old_text, const char *now_text, const char *want)
{
	CLEANUP_JS struct js *old = NULL;
	CLEANUP_JS struct js *now = NULL;
	CLEANUP(strlist_release) struct strlist lines = STRLIST_INIT;
	CLEANUP(cleanup_free) char *got = NULL;

	assert_return_code(js_parse(old_text, strlen(old_text), "old", &old, &error), 0);
	assert_return_code(js_parse(now_text, strlen(now_text), "now", &now, &error), 0);
	key_explain(old, now, &lines);
	got = strlist_join(&lines, "\n");
	assert_string_equal(got, want);
}

static void equal_records_have_nothing_to_explain(void **state)
{
	struct fixture f;
	CLEANUP(strlist_release) struct strlist lines = STRLIST_INIT;
	struct js *a, *b;

	(void)state;
	fixture_init(&f, full, full_inputs);
	a = key_record(&f.facts);
	b = key_record(&f.facts);
	key_explain(a, b, &lines);
	assert_int_equal(lines.len, 0);
	js_free(a);
	js_free(b);
	fixture_release(&f);
}

static void differences_read_from_old_to_new(void **state)
{
	(void)state;
	assert_explained("{\"params\": {\"lr\": 0.01, \"gone\": \"x\", \"t\": \"1\"}}",
			 "{\"params\": {\"lr\": 0.1, \"new\": [1, 2], \"t\": 1}}",
			 "param gone removed: was x\nparam lr: 0.01 -> 0.1\nparam new added: [1,2]\nparam t: \"1\" -> 1");
	assert_explained("{\"inputs\": {\"a\": \"file:11112222333344445555\", \"b\": \"file:1\", \"c\": \"file:12\"}}",
			 "{\"inputs\": {\"a\": \"exec:99998888777766665555\", \"b\": \"file:1\", \"d\": \"tree:3\"}}",
			 "input a changed: file 11112222 -> exec 99998888\ninput c removed\ninput d added");
	assert_explained("{\"argv\": [\"py\", \"a\", \"--n=1\"]}", "{\"argv\": [\"py\", \"a\", \"--n=2\"]}",
			 "command changed: --n=1 -> --n=2");
	assert_explained("{\"argv\": [\"py\", \"--lr=0.02\"], \"params\": {\"lr\": 0.02}}",
			 "{\"argv\": [\"py\", \"--lr=0.5\"], \"params\": {\"lr\": 0.5}}", "param lr: 0.02 -> 0.5");
	assert_explained("{\"argv\": [\"py\", \"0.02\", \"x\"], \"params\": {\"lr\": 0.02}}",
			 "{\"argv\": [\"py\", \"0.5\", \"y\"], \"params\": {\"lr\": 0.5}}",
			 "param lr: 0.02 -> 0.5\ncommand changed: x -> y");
	assert_explained("{\"argv\": [\"py\", \"a\"]}", "{\"argv\": [\"py\", \"a\", \"b\"]}",
			 "command changed: py a +b");
	assert_explained("{\"program\": {\"path\": \"/a\", \"content\": \"exec:1\"}, \"env\": {\"A\": \"1\"}}",
			 "{\"program\": {\"path\": \"/a\", \"content\": \"exec:2\"}, \"env\": {\"A\": \"2\"}}",
			 "program /a changed: exec 1 -> exec 2\nenv A: 1 -> 2");
	assert_explained("{\"program\": {\"path\": \"/a\"}}", "{\"program\": {\"path\": \"/b\"}}",
			 "program changed: /a -> /b");
	assert_explained("{\"program\": {\"path\": \"/a\"}}", "{}", "program changed: /a -> not found");
	assert_explained("{\"outputs\": [\"a\", \"c\"], \"platform\": \"linux/x86_64\"}",
			 "{\"outputs\": [\"b\", \"c\"], \"platform\": \"linux/aarch64\"}",
			 "output a removed\noutput b added\nplatform: linux/x86_64 -> linux/aarch64");
}

static void containers_are_explained(void **state)
{
	(void)state;
	assert_explained("{\"program\": {\"path\": \"/a\"}}", "{\"image\": \"sha256:1\"}", "image: none -> sha256:1");
	assert_explained("{\"image\": \"a@sha256:1\", \"user\": \"root\"}", "{\"image\": \"a@sha256:2\", \"network\": \"yes\"}",
			 "image: a@sha256:1 -> a@sha256:2\nuser: root -> user\nnetwork: no -> yes");
}

/* What is local and what is not differ by their first line alone. */
static void where_an_image_came_from_is_not_in_the_key(void **state)
{
	static const char *const pins[] = { "sha256:" DIGEST_A, "here/i@sha256:" DIGEST_A, "there:5000/i@sha256:" DIGEST_A,
					    "sha256:" DIGEST_B, NULL };
	struct digest keys[ARRAY_LEN(pins)];
	struct fixture f;

	(void)state;
	fixture_init(&f, "[step.a]\ncmd = true\nimage = i\n", "");
	f.facts.program = NULL;
	for (size_t i = 0; i < ARRAY_LEN(pins); i++) {
		f.facts.image = pins[i];
		key_of(&f.facts, &keys[i]);
	}
	assert_true(digest_equal(&keys[0], &keys[1]) && digest_equal(&keys[1], &keys[2]));
	assert_false(digest_equal(&keys[0], &keys[3]) || digest_equal(&keys[0], &keys[4]) ||
		     digest_equal(&keys[3], &keys[4]));
	fixture_release(&f);
}

static void differences_come_in_a_fixed_order(void **state)
{
	(void)state;
	assert_explained("{\"platform\": \"a\", \"outputs\": [\"o\"], \"env\": {}, \"argv\": [\"x\"], \"params\": {\"p\": 1}}",
			 "{\"platform\": \"b\", \"outputs\": [], \"env\": {\"E\": \"1\"}, \"argv\": [\"y\"],"
			 " \"inputs\": {\"i\": \"file:1\"}, \"params\": {\"p\": 2}}",
			 "param p: 1 -> 2\ninput i added\ncommand changed: x -> y\nenv E added: 1\noutput o removed\n"
			 "platform: a -> b");
}

static void one_line_is_one_fact_fit_for_a_terminal(void **state)
{
	CLEANUP(cleanup_free) char *old = xasprintf("{\"params\": {\"p\": \"%0300d\"}}", 1);
	CLEANUP(strlist_release) struct strlist lines = STRLIST_INIT;
	CLEANUP_JS struct js *a = NULL;
	CLEANUP_JS struct js *b = js_object();

	(void)state;
	assert_explained("{\"params\": {\"p\": \"a\\nb\\u001b[31m\"}}", "{\"params\": {\"p\": \"c\"}}",
			 "param p: a\\x0ab\\x1b[31m -> c");
	assert_return_code(js_parse(old, strlen(old), "old", &a, &error), 0);
	key_explain(a, b, &lines);
	assert_int_equal(lines.len, 1);
	assert_true(strlen(lines.items[0]) < 160);
}

static void records_of_another_shape_do_no_harm(void **state)
{
	static const char *const odd[] = {
		"{}", "[]", "null", "{\"params\": 1, \"inputs\": [], \"argv\": {}, \"program\": \"x\", \"env\": 3, \"outputs\": \"o\"}",
		"{\"argv\": [1, {}], \"inputs\": {\"a\": 1}, \"outputs\": [null], \"program\": {\"path\": 3}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
			CLEANUP_JS struct js *a = NULL;
			CLEANUP_JS struct js *b = NULL;
			CLEANUP(strlist_release) struct strlist lines = STRLIST_INIT;
			assert_return_code(js_parse(odd[i], strlen(odd[i]), "a", &a, &error), 0);
			assert_return_code(js_parse(odd[k], strlen(odd[k]), "b", &b, &error), 0);
			key_explain(a, b, &lines);
			key_explain(NULL, b, &lines);
			key_explain(a, NULL, &lines);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_and_keys_are_golden),
		cmocka_unit_test(the_matrix_is_in_the_key_and_the_record),
		cmocka_unit_test(what_does_not_decide_the_result_is_not_in_the_key),
		cmocka_unit_test(what_decides_the_result_changes_the_key),
		cmocka_unit_test(the_platform_names_system_and_machine),
		cmocka_unit_test(a_record_holds_the_same_facts),
		cmocka_unit_test(equal_records_have_nothing_to_explain),
		cmocka_unit_test(differences_read_from_old_to_new),
		cmocka_unit_test(containers_are_explained),
		cmocka_unit_test(where_an_image_came_from_is_not_in_the_key),
		cmocka_unit_test(differences_come_in_a_fixed_order),
		cmocka_unit_test(one_line_is_one_fact_fit_for_a_terminal),
		cmocka_unit_test(records_of_another_shape_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
