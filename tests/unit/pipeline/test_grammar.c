/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"

static struct error error;

static struct pipeline *parse_with(const char *text, const char *params, const struct strlist *overrides)
{
	struct pipeline *pipeline = NULL;

	error_clear(&error);
	if (pipeline_parse(text, strlen(text), "p.ini", params, overrides, &pipeline, &error) < 0)
		return NULL;
	return pipeline;
}

static struct pipeline *parse(const char *text)
{
	return parse_with(text, NULL, NULL);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

/* The text is refused with this message, place and help, all parts of what is said. */
static void assert_refused(const char *text, const char *where, const char *message, const char *help)
{
	struct pipeline *pipeline = parse(text);

	if (pipeline) {
		pipeline_free(pipeline);
		fail_msg("accepted: %s", text);
	}
	assert_int_equal(error.code, ERR_USAGE);
	assert_string_equal(error.where, where);
	assert_contains(error.msg, message);
	assert_contains(error.help, help);
}

static void read_golden(const char *name, struct strbuf *text)
{
	CLEANUP(cleanup_free) char *path = path_join(GOLDEN_DIR, name);

	assert_return_code(io_read_file(AT_FDCWD, path, 1 << 20, text, NULL), 0);
}

static void dump_list(struct strbuf *out, const char *name, const struct textlist *list,
		      const struct strlist *options)
{
	for (size_t i = 0; i < list->len; i++) {
		strbuf_printf(out, "%s %s %d:%d", name, list->items[i].text, list->items[i].at.line,
			      list->items[i].at.column);
		if (options)
			strbuf_printf(out, " [%s]", options->items[i]);
		strbuf_putc(out, '\n');
	}
}

static void dump_text(struct strbuf *out, const char *name, const struct text_at *text)
{
	if (text->text)
		strbuf_printf(out, "%s %s %d:%d\n", name, text->text, text->at.line, text->at.column);
}

static void dump_matrix(struct strbuf *out, const struct step *step)
{
	for (size_t i = 0; i < step->naxes; i++) {
		const struct matrix_axis *axis = &step->axes[i];
		strbuf_printf(out, "  axis %s %d:%d\n", axis->name, axis->at.line, axis->at.column);
		dump_list(out, "    value", &axis->values, NULL);
	}
	dump_list(out, "  exclude", &step->exclude, NULL);
	dump_list(out, "  include", &step->include, NULL);
}

static void dump_retries(struct strbuf *out, const struct step *step)
{
	strbuf_printf(out, "  retries %jd backoff %jd..%jd deadline %jd on %x", (intmax_t)step->retries,
		      (intmax_t)step->backoff_ms, (intmax_t)step->backoff_max_ms, (intmax_t)step->deadline_ms,
		      step->retry_on.causes);
	for (int code = 0; code < 256; code++)
		if (step->retry_on.codes[code / 8] & 1 << code % 8)
			strbuf_printf(out, " %d", code);
	strbuf_putc(out, '\n');
}

static void dump_engine(struct strbuf *out, const struct step *step)
{
	dump_matrix(out, step);
	dump_retries(out, step);
	dump_list(out, "  checkpoints", &step->checkpoints, NULL);
	for (size_t i = 0; i < step->nsecrets; i++)
		strbuf_printf(out, "  secret %s%s %d:%d\n", step->secrets[i].name, step->secrets[i].env ? " env" : "",
			      step->secrets[i].at.line, step->secrets[i].at.column);
	dump_text(out, "  env_file", &step->env_file);
	dump_text(out, "  when", &step->when);
	strbuf_puts(out, step->tracking ? "  tracking\n" : "");
	dump_text(out, "  pool", &step->pool);
}

static void dump_step(struct strbuf *out, const struct step *step)
{
	strbuf_printf(out, "step %s %d:%d\n", step->name, step->at.line, step->at.column);
	strbuf_printf(out, "  cmd %s %d:%d\n", step->cmd.text, step->cmd.at.line, step->cmd.at.column);
	for (size_t i = 0; i < step->ncmd_lines; i++)
		strbuf_printf(out, "  line %zu %d:%d\n", step->cmd_lines[i].offset, step->cmd_lines[i].at.line,
			      step->cmd_lines[i].at.column);
	dump_list(out, "  in", &step->in, NULL);
	dump_list(out, "  out", &step->out, NULL);
	dump_list(out, "  metrics", &step->metrics, NULL);
	dump_list(out, "  plots", &step->plots, &step->plot_options);
	if (step->profile.len)
		dump_list(out, "  profile", &step->profile, NULL);
	dump_list(out, "  params", &step->params, NULL);
	dump_list(out, "  after", &step->after, NULL);
	dump_list(out, "  env", &step->env, NULL);
	if (step->image.text)
		strbuf_printf(out, "  image %s %d:%d network %s user %s gpu %jd shm %jd\n", step->image.text,
			      step->image.at.line, step->image.at.column, step->network ? "yes" : "no",
			      step->root ? "root" : "user", (intmax_t)step->gpu, (intmax_t)step->shm);
	strbuf_printf(out, "  cpu %g mem %jd timeout %jd cache %s\n", step->cpu, (intmax_t)step->mem,
		      (intmax_t)step->timeout_ms, step->cache ? "yes" : "no");
	dump_engine(out, step);
}

static void dump_image(struct strbuf *out, const struct image_section *image)
{
	strbuf_printf(out, "image %s %d:%d network %s timeout %jd\n", image->name, image->at.line, image->at.column,
		      image->network ? "yes" : "no", (intmax_t)image->timeout_ms);
	dump_text(out, "  context", &image->context);
	dump_text(out, "  file", &image->file);
	dump_list(out, "  args", &image->args, NULL);
	dump_text(out, "  push", &image->push);
}

static void dump_schema(struct strbuf *out, const struct schema_section *schema)
{
	strbuf_printf(out, "schema %s %d:%d\n", schema->name, schema->at.line, schema->at.column);
	dump_list(out, "  path", &schema->paths, NULL);
	dump_text(out, "  file", &schema->file);
	dump_text(out, "  delimiter", &schema->delimiter);
	dump_text(out, "  null", &schema->nulls);
}

static void dump_monitor(struct strbuf *out, const struct monitor_section *monitor)
{
	strbuf_printf(out, "monitor %s %d:%d\n  first %jd window %jd rows %jd ms, rows every %jd from %jd\n", monitor->name,
		      monitor->at.line, monitor->at.column, (intmax_t)monitor->first, (intmax_t)monitor->window_rows,
		      (intmax_t)monitor->window_ms, (intmax_t)monitor->step_ms, (intmax_t)monitor->start_ms);
	if (monitor->late_ms)
		strbuf_printf(out, "  late %jd ms\n", (intmax_t)monitor->late_ms);
	strbuf_printf(out, "  season %jd ms %jd windows, min_rows %jd, %s, threshold %g, share %g\n",
		      (intmax_t)monitor->season_ms, (intmax_t)monitor->season_windows, (intmax_t)monitor->min_rows,
		      monitor->evidently ? "evidently" : "mlops", monitor->threshold, monitor->share);
	dump_text(out, "  model", &monitor->model);
	dump_text(out, "  data", &monitor->data);
	dump_text(out, "  query", &monitor->query);
	dump_text(out, "  reference", &monitor->reference);
	dump_text(out, "  time", &monitor->time);
	dump_text(out, "  id", &monitor->id);
	dump_text(out, "  prediction", &monitor->prediction);
	dump_text(out, "  probability", &monitor->probability);
	dump_text(out, "  label", &monitor->label);
	dump_text(out, "  labels", &monitor->labels);
	dump_list(out, "  columns", &monitor->columns, NULL);
	dump_list(out, "  ignore", &monitor->ignore, NULL);
	dump_list(out, "  critical", &monitor->critical, NULL);
	dump_text(out, "  schema", &monitor->schema);
}

static void dump_model(struct strbuf *out, const struct model_section *model)
{
	strbuf_printf(out, "model %s %d:%d\n  alias %s, protect %d, within %jd ms\n", model->name, model->at.line, model->at.column,
		      model->alias, model->protect, (intmax_t)model->approve_within_ms);
	dump_text(out, "  from", &model->from);
	dump_list(out, "  gate", &model->gate, NULL);
	for (size_t i = 0; i < model->nholdouts; i++)
		strbuf_printf(out, "  holdout %s %s %d:%d\n", model->holdouts[i].name, model->holdouts[i].path.text,
			      model->holdouts[i].path.at.line, model->holdouts[i].path.at.column);
	dump_text(out, "  champion", &model->champion);
	dump_list(out, "  approve", &model->approve, NULL);
	dump_text(out, "  reference", &model->reference);
	dump_text(out, "  slices", &model->slices);
	dump_text(out, "  example", &model->example);
	dump_text(out, "  signature", &model->signature);
	dump_text(out, "  limitations", &model->limitations);
	dump_text(out, "  policy", &model->policy);
}

static void dump_pipeline(struct strbuf *out, const struct pipeline *pipeline)
{
	strbuf_printf(out, "file %s\nname %s\n", pipeline->file, pipeline->name);
	strbuf_printf(out, "params_file %s %d:%d\n", pipeline->params_file.text, pipeline->params_file.at.line,
		      pipeline->params_file.at.column);
	dump_list(out, "env", &pipeline->env, NULL);
	strbuf_printf(out, "image %s %d:%d\n", pipeline->image.text, pipeline->image.at.line, pipeline->image.at.column);
	strbuf_printf(out, "parallel %jd\n", (intmax_t)pipeline->parallel);
	for (size_t i = 0; i < pipeline->npools; i++)
		strbuf_printf(out, "pool %s %jd %d:%d\n", pipeline->pools[i].name, (intmax_t)pipeline->pools[i].size,
			      pipeline->pools[i].at.line, pipeline->pools[i].at.column);
	for (size_t i = 0; i < pipeline->nimages; i++)
		dump_image(out, &pipeline->images[i]);
	for (size_t i = 0; i < pipeline->nremotes; i++)
		strbuf_printf(out, "remote %s %s %d:%d\n", pipeline->remotes[i].name, pipeline->remotes[i].url.text,
			      pipeline->remotes[i].url.at.line, pipeline->remotes[i].url.at.column);
	for (void *it = js_iter(pipeline->params); it; it = js_next(pipeline->params, it)) {
		strbuf_printf(out, "param %s ", js_iter_key(it));
		js_dump(js_iter_value(it), JS_COMPACT, out);
		strbuf_putc(out, '\n');
	}
	for (size_t i = 0; i < pipeline->nsteps; i++)
		dump_step(out, &pipeline->steps[i]);
	for (size_t i = 0; i < pipeline->nmonitors; i++)
		dump_monitor(out, &pipeline->monitors[i]);
	for (size_t i = 0; i < pipeline->nschemas; i++)
		dump_schema(out, &pipeline->schemas[i]);
	for (size_t i = 0; i < pipeline->nmodels; i++)
		dump_model(out, &pipeline->models[i]);
}

static void full_file_gives_the_golden_structure(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf want = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;

	(void)state;
	read_golden("full.ini", &text);
	read_golden("full.dump", &want);
	if (pipeline_parse(text.buf, text.len, "full.ini", NULL, NULL, &pipeline, &error) < 0)
		fail_msg("%s: %s", error.where, error.msg);
	dump_pipeline(&got, pipeline);
	assert_string_equal(got.buf, want.buf);
	assert_ptr_equal(strmap_get(&pipeline->by_name, "prepare"), &pipeline->steps[0]);
}

static void golden_uses_every_supported_key(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	read_golden("full.ini", &text);
	for (size_t i = 0; i < grammar_keys_len; i++) {
		CLEANUP(cleanup_free) char *line = NULL;
		if (!grammar_keys[i].since || !strcmp(grammar_keys[i].key, "*"))
			continue;
		line = xasprintf("\n%.*s%s", (int)strcspn(grammar_keys[i].key, "*"), grammar_keys[i].key,
				 strchr(grammar_keys[i].key, '*') ? "" : " ");
		assert_contains(text.buf, line);
	}
}

static void design_is_read_whole(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct pipeline *pipeline = NULL;
	struct error err = { 0 };

	(void)state;
	read_golden("design.ini", &text);
	if (pipeline_parse(text.buf, text.len, "p.ini", "{\"train\": {\"epochs\": 3}}", NULL, &pipeline, &err) < 0)
		fail_msg("%s: %s", err.where, err.msg);
	assert_int_equal(pipeline->nmodels, 1);
	assert_int_equal(pipeline->models[0].gate.len, 2);
	assert_string_equal(pipeline->models[0].gate.items[1].text, "auc >= champion.auc - 0.005");
	assert_int_equal(pipeline->ntriggers, 3);
	assert_string_equal(pipeline->triggers[2].monitor, "serving");
	assert_int_equal(pipeline->triggers[2].cooldown_ms, 6 * 3600000);
	assert_int_equal(pipeline->nnotifies, 1);
	pipeline_free(pipeline);
}

static void models_are_told_what_they_lack(void **state)
{
#define MODEL "[step.a]\ncmd = x\n[model.m]\n"
	(void)state;
	assert_refused(MODEL "gate = auc > 0\n", "p.ini:3:2", "[model.m] has no 'from'", "from = model.joblib");
	assert_refused(MODEL "from = ../x\n", "p.ini:4:8", "leaves the project", "");
	assert_refused(MODEL "from = m\nalias = latest\n", "p.ini:3:2", "alias", "");
	assert_refused(MODEL "from = m\nalias = v3\n", "p.ini:3:2", "alias", "");
	assert_refused(MODEL "from = m\nprotect = maybe\n", "p.ini:5:11", "protect", "");
	assert_refused(MODEL "from = m\nholdout. = x\n", "p.ini:5:1", "name of the holdout", "");
	assert_refused(MODEL "from = m\nchampion = c\n[model.n]\nfrom = n\nchampion = ./c\n", "p.ini:8:12", "in one directory",
		       "a directory of its own");
	assert_refused(MODEL "from = m\n[model.m]\nfrom = n\n", "p.ini:5:2", "stands twice", "");
}

static void schemas_are_told_what_they_lack(void **state)
{
#define SCHEMA "[step.a]\ncmd = x\n[schema.s]\n"
	(void)state;
	assert_refused(SCHEMA "file = s.json\n", "p.ini:3:2", "[schema.s] has no 'path'", "path = data/raw/*.csv");
	assert_refused(SCHEMA "path = a.csv\n", "p.ini:3:2", "[schema.s] has no 'file'", "mlops schema infer");
	assert_refused(SCHEMA "path = a.csv, ../b.csv\nfile = s.json\n", "p.ini:4:15", "../b.csv leaves the project", "");
	assert_refused(SCHEMA "path = a.csv\nfile = /etc/s.json\n", "p.ini:5:8", "/etc/s.json", "");
	assert_refused(SCHEMA "path = a.csv\nfile = s.json\ndelimiter = ;;\n", "p.ini:6:13", "'delimiter' is one", "");
	assert_refused(SCHEMA "path = a.csv\nfil = s.json\n", "p.ini:5:1", "unknown key 'fil' in [schema.s]",
		       "did you mean 'file'?");
#undef SCHEMA
}

static void monitors_are_told_what_they_lack(void **state)
{
#define MONITOR "[step.a]\ncmd = x\n[monitor.m]\n"
#define WHOLE MONITOR "data = a/*.csv\nreference = b.csv\n"
	(void)state;
	assert_refused(MONITOR "data = a/*.csv\n", "p.ini:3:2", "[monitor.m] has no 'reference'", "first 26 windows");
	assert_refused(MONITOR "reference = a.csv\n", "p.ini:3:2", "[monitor.m] has no 'data'", "data = logs/*.jsonl");
	assert_refused(WHOLE "window = 7 weeks\n", "p.ini:6:10", "'window' does not take '7 weeks'", "7d");
	assert_refused(WHOLE "window = 0 rows\n", "p.ini:6:10", "'window' does not take '0 rows'", "1000 rows");
	assert_refused(WHOLE "window = 0d\n", "p.ini:6:10", "'window' does not take '0d'", "");
	assert_refused(WHOLE "window = 7d\n", "p.ini:3:2", "[monitor.m] has no 'time'", "time = COLUMN");
	assert_refused(WHOLE "season = 1y\n", "p.ini:3:2", "[monitor.m] has no 'time'", "52 windows");
	assert_refused(WHOLE "time = rows:30m\n", "p.ini:6:8", "'time' does not take 'rows:30m'",
		       "rows:30m from 1996-05-07");
	assert_refused(WHOLE "time = rows:30m from 1996-02-31\n", "p.ini:6:8", "'time' does not take", "");
	assert_refused(WHOLE "time = rows:30m from 2h\n", "p.ini:6:8", "'time' does not take", "");
	assert_refused(WHOLE "time = rows:50m from 1996-05-07\nwindow = 1h\n", "p.ini:3:2", "whole rows", "");
	assert_refused(MONITOR "data = a.csv\nreference = first 2000 windows\n", "p.ini:5:13", "'reference' does not take",
		       "at most 1000");
	assert_refused(WHOLE "method = best\n", "p.ini:6:10", "'method' does not take 'best'", "mlops or evidently");
	assert_refused(WHOLE "share = 1.5\n", "p.ini:3:2", "'share' is at most 1", "");
	assert_refused(WHOLE "query = SELECT 1\n", "p.ini:6:9", "'query' is for a database", "sqlite:PATH");
	assert_refused(MONITOR "data = sqlite:a.db\nreference = b.csv\n", "p.ini:3:2", "[monitor.m] has no 'query'", "ORDER BY");
	assert_refused(WHOLE "labels = l.csv\n", "p.ini:6:10", "later labels need 'id', 'label' and 'prediction'", "id = id");
	assert_refused(WHOLE "schema = rwa\n[schema.raw]\npath = a\nfile = s.json\n", "p.ini:6:10", "there is no [schema.rwa]",
		       "did you mean 'raw'?");
	assert_refused(WHOLE "windw = 7d\n", "p.ini:6:1", "unknown key 'windw' in [monitor.m]", "did you mean 'window'?");
#undef WHOLE
#undef MONITOR
}

static void two_steps_may_have_an_axis_of_one_name(void **state)
{
	static const char text[] = "[step.a]\ncmd = x\nmatrix.m = 1, 2\n[step.b]\ncmd = y\nmatrix.m = 1, 2\n";
	struct pipeline *pipeline;

	(void)state;
	assert_int_equal(pipeline_parse(text, strlen(text), "p.ini", NULL, NULL, &pipeline, NULL), 0);
	assert_int_equal(pipeline->steps[1].naxes, 1);
	pipeline_free(pipeline);
}

static void unsupported_keys_are_named(void **state)
{
	(void)state;
	assert_refused("[step.a]\ncmd = x\nworkdir = src\n", "p.ini:3:1",
		       "key 'workdir' of [step.a] is not supported by this version", "");
}

static void unknown_names_get_the_nearest_right_one(void **state)
{
	(void)state;
	assert_refused("[step.a]\ncmd = x\ntimout = 3s\n", "p.ini:3:1", "unknown key 'timout' in [step.a]",
		       "did you mean 'timeout'?");
	assert_refused("[step.a]\ncmd = x\nfrobnicate = 1\n", "p.ini:3:1", "unknown key 'frobnicate'",
		       "its keys are: cmd, in, out");
	assert_refused("[stp.a]\ncmd = x\n", "p.ini:1:2", "unknown section [stp.a]", "did you mean [step.NAME]?");
	assert_refused("[parms]\nx = 1\n", "p.ini:1:2", "unknown section [parms]", "did you mean [params]?");
	assert_refused("[step]\ncmd = x\n", "p.ini:1:2", "unknown section [step]", "write [step.NAME]");
	assert_refused("[params.x]\nx = 1\n", "p.ini:1:2", "unknown section [params.x]", "write [params]");
	assert_refused("[zebra]\n", "p.ini:1:2", "unknown section [zebra]", "[step.NAME]");
}

static void duplicates_name_both_lines(void **state)
{
	(void)state;
	assert_refused("[step.a]\ncmd = x\n[step.b]\ncmd = y\n[step.a]\ncmd = z\n", "p.ini:5:2",
		       "section [step.a] stands twice, first in line 1", "");
	assert_refused("[step.a]\ncmd = x\n\ncmd = y\n", "p.ini:4:1", "key 'cmd' stands twice in [step.a], first in line 2",
		       "");
	assert_refused("[params]\nlr = 1\nlr = 2\n[step.a]\ncmd = x\n", "p.ini:3:1",
		       "key 'lr' stands twice in [params], first in line 2", "");
	assert_refused("[step.a]\ncmd = x\nenv = A=1\n B=2\n A=3\n", "p.ini:5:2", "'A' stands twice in 'env', first in line 3",
		       "");
}

static void all_problems_are_counted(void **state)
{
	(void)state;
	assert_refused("[step.a]\ncmd = x\nfoo = 1\nworkdir = 2\n[bar]\n[step.b]\n", "p.ini:3:1", "unknown key 'foo'",
		       "; 3 more problems in this file");
	assert_refused("[step.a]\nworkdir = w\n", "p.ini:2:1", "'workdir'", "1 more problem in this file");
}

static void step_names_are_checked(void **state)
{
	static const struct {
		const char *name, *why;
	} bad[] = {
		{ "", "is empty" },
		{ "a b", "has a character" },
		{ "a/b", "has a character" },
		{ "tr\xc3\xa4in", "has a character" },
		{ "\xc3\xa4", "has a character" },
		{ "-rf", "does not begin with" },
		{ ".hidden", "does not begin with" },
		{ "a@b", "has a character" },
		{ "a\x1b[31m", "step name 'a\\x1b[31m' has" },
	};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		strbuf_clear(&text);
		strbuf_printf(&text, "[step.%s]\ncmd = x\n", bad[i].name);
		/* The INI reader ends a section at the first ']'; no name above has one. */
		assert_refused(text.buf, "p.ini:1:2", bad[i].why, "");
	}
	strbuf_clear(&text);
	strbuf_printf(&text, "[step.%0100d]\ncmd = x\n", 1);
	pipeline_free(parse(text.buf));
	assert_int_equal(error.code, ERR_NONE);
	strbuf_clear(&text);
	strbuf_printf(&text, "[step.%0300d]\ncmd = x\n", 1);
	assert_refused(text.buf, "p.ini:1:2", "is longer than 100 bytes", "");
}

static void values_of_the_wrong_type_are_refused(void **state)
{
	static const struct {
		const char *line, *where, *message;
	} bad[] = {
		{ "cpu = many", "p.ini:3:7", "'cpu' is a number above 0, not 'many'" },
		{ "cpu = 0", "p.ini:3:7", "number above 0" },
		{ "cpu = -1", "p.ini:3:7", "number above 0" },
		{ "cpu = nan", "p.ini:3:7", "number above 0" },
		{ "cpu = 0x2", "p.ini:3:7", "number above 0" },
		{ "cpu = 1 2", "p.ini:3:7", "number above 0" },
		{ "cpu =", "p.ini:3:1", "'cpu' has no value" },
		{ "mem = 4 G", "p.ini:3:7", "'mem': '4 G' is not a size" },
		{ "mem = 0", "p.ini:3:7", "'mem' must be more than 0" },
		{ "timeout = 2", "p.ini:3:11", "'timeout': '2' is not a duration" },
		{ "cache = maybe", "p.ini:3:9", "'cache' is yes or no, not 'maybe'" },
		{ "cache = no\n  yes", "p.ini:4:3", "'cache' takes one line" },
		{ "env = A", "p.ini:3:7", "'A' is not NAME=VALUE" },
		{ "env = A=1, b c=2", "p.ini:3:12", "'b c=2' is not NAME=VALUE" },
		{ "env = 1A=1", "p.ini:3:7", "is not NAME=VALUE" },
		{ "env = A=\"x\"", "p.ini:3:7", "quotes inside" },
		{ "env = MLOPS_RUN=1", "p.ini:3:7", "MLOPS_" },
		{ "in = a, \"b", "p.ini:3:9", "a quote is not closed" },
		{ "in = \"a\" b", "p.ini:3:6", "text follows a closing quote" },
		{ "in = \"\"", "p.ini:3:6", "an item of 'in' is empty" },
		{ "plots = a.csv z=1", "p.ini:3:9", "unknown plot option 'z=1'" },
		{ "plots = a.csv x=", "p.ini:3:9", "unknown plot option 'x='" },
		{ "user = nobody", "p.ini:3:8", "'user' is user or root, not 'nobody'" },
		{ "gpu = -1", "p.ini:3:7", "'gpu' is a whole number, not '-1'" },
		{ "gpu = all", "p.ini:3:7", "'gpu' is a whole number, not 'all'" },
		{ "shm = 0", "p.ini:3:7", "'shm' must be more than 0" },
		{ "pool = gpu", "p.ini:3:8", "there is no pool 'gpu'" },
		{ "matrix. = 1", "p.ini:3:1", "axis name '' is empty" },
		{ "matrix.a b = 1", "p.ini:3:1", "axis name 'a b' has a character" },
		{ "matrix.key = 1", "p.ini:3:1", "an axis cannot be named 'key'" },
		{ "matrix.x =", "p.ini:3:1", "'matrix.x' has no values" },
		{ "matrix.a.b = 1\nmatrix.a-b = 2", "p.ini:4:1", "axes 'a.b' and 'a-b' would both be the variable MLOPS_MATRIX_A_B" },
		{ "matrix.x = 1\nmatrix.x = 2", "p.ini:4:1", "key 'matrix.x' stands twice in [step.a], first in line 3" },
		{ "retries = many", "p.ini:3:11", "'retries' is a whole number, not 'many'" },
		{ "retries = 10000000", "p.ini:3:11", "'retries' is a whole number" },
		{ "backoff = 10", "p.ini:3:11", "'backoff': '10' is not a duration" },
		{ "backoff = 10s..", "p.ini:3:11", "'backoff': '' is not a duration" },
		{ "backoff = 5m..10s", "p.ini:3:11", "'backoff': the longest wait is below the first" },
		{ "backoff = 0s..10s", "p.ini:3:11", "'backoff': the first wait must be more than 0" },
		{ "retry_on =", "p.ini:3:1", "'retry_on' has no value" },
		{ "retry_on = oom, sometimes", "p.ini:3:17", "'retry_on' does not know 'sometimes'" },
		{ "retry_on = 0", "p.ini:3:12", "'retry_on' does not know '0'" },
		{ "retry_on = 256", "p.ini:3:12", "'retry_on' does not know '256'" },
		{ "timeout = 0s", "p.ini:3:11", "'timeout' must be more than 0" },
		{ "deadline = soon", "p.ini:3:12", "'deadline': 'soon' is not a duration" },
		{ "deadline = 0h", "p.ini:3:12", "'deadline' must be more than 0" },
		{ "secrets = 1KEY", "p.ini:3:11", "secret name '1KEY' is not made of" },
		{ "secrets = MLOPS_X", "p.ini:3:11", "secret name 'MLOPS_X' begins with MLOPS_" },
		{ "secrets = KEY file", "p.ini:3:11", "'file' follows the secret's name" },
		{ "secrets = KEY\n  OTHER, KEY env", "p.ini:4:10", "secret 'KEY' is named twice" },
		{ "env_file = a\n  b", "p.ini:4:3", "'env_file' takes one line" },
		{ "when =", "p.ini:3:1", "'when' has no value" },
		{ "when = a\n  b", "p.ini:4:3", "'when' takes one line" },
		{ "checkpoints = \"\"", "p.ini:3:15", "an item of 'checkpoints' is empty" },
		{ "exclude = \"a=1", "p.ini:3:11", "a quote is not closed" },
		{ "workdir = src", "p.ini:3:1", "key 'workdir' of [step.a] is not supported by this version" },
	};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		strbuf_clear(&text);
		strbuf_printf(&text, "[step.a]\ncmd = x\n%s\n", bad[i].line);
		assert_refused(text.buf, bad[i].where, bad[i].message, "");
	}
}

static void other_sections_are_checked(void **state)
{
	static const struct {
		const char *text, *where, *message, *help;
	} bad[] = {
		{ "[pipeline]\npool.gpu = 0\n", "p.ini:2:12", "a pool of 0 would let no step run", "1 or more" },
		{ "[pipeline]\npool.gpu = many\n", "p.ini:2:12", "'pool.gpu' is a whole number", "" },
		{ "[pipeline]\npool. = 1\n", "p.ini:2:1", "pool name '' is empty", "" },
		{ "[pipeline]\nparallel = x\n", "p.ini:2:12", "'parallel' is a whole number", "" },
		{ "[pipeline]\npool.gpu = 1\n[step.b]\ncmd = x\npool = gpus\n", "p.ini:5:8", "there is no pool 'gpus'",
		  "did you mean 'gpu'?" },
		{ "[image.t]\nfile = D\n", "p.ini:1:2", "[image.t] has no 'context'", "context = docker" },
		{ "[image.a b]\ncontext = c\n", "p.ini:1:2", "image name 'a b' has a character", "" },
		{ "[image.t]\ncontext = c\nargs = A\n", "p.ini:3:8", "'A' is not NAME=VALUE", "" },
		{ "[image.t]\ncontext = c\nnetwork = host\n", "p.ini:3:11", "'network' is yes or no", "" },
		{ "[image.t]\ncontext = c\nfrom = x\n", "p.ini:3:1", "unknown key 'from' in [image.t]", "context, file, args" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf("%s[step.a]\ncmd = x\n", bad[i].text);
		assert_refused(text, bad[i].where, bad[i].message, bad[i].help);
	}
}

static void a_matrix_has_not_too_many_axes(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	strbuf_puts(&text, "[step.a]\ncmd = x\n");
	for (int i = 0; i < 65; i++)
		strbuf_printf(&text, "matrix.a%d = 1\n", i);
	assert_refused(text.buf, "p.ini:67:1", "at most 64 axes", "");
}

static void a_step_needs_a_command(void **state)
{
	(void)state;
	assert_refused("[step.a]\nin = x\n", "p.ini:1:2", "[step.a] has no 'cmd'", "cmd = python3 train.py");
	assert_refused("[step.a]\ncmd =\n", "p.ini:2:1", "'cmd' has no value", "");
}

static void a_file_without_steps_is_refused(void **state)
{
	(void)state;
	assert_refused("", "p.ini", "p.ini has no steps", "[step.train]");
	assert_refused("# nothing\n[params]\nlr = 1\n", "p.ini", "p.ini has no steps", "");
}

static void crlf_and_bom_change_nothing(void **state)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline =
		parse("\xef\xbb\xbf[step.a]\r\ncmd = x y\r\nin = b\r\n     c\r\n");

	(void)state;
	assert_non_null(pipeline);
	assert_string_equal(pipeline->steps[0].cmd.text, "x y");
	assert_int_equal(pipeline->steps[0].in.len, 2);
	assert_string_equal(pipeline->steps[0].in.items[1].text, "c");
	assert_int_equal(pipeline->steps[0].in.items[1].at.line, 4);
}

static void binary_text_is_one_clear_error(void **state)
{
	static const char nul[] = "[step.a]\ncmd = x\0y\n";
	static const char elf[] = "\x7f" "ELF\x02\x01\x01\xff\xfe[step.a]\n";
	struct pipeline *pipeline;

	(void)state;
	assert_int_equal(pipeline_parse(nul, sizeof(nul) - 1, "p.ini", NULL, NULL, &pipeline, &error), -1);
	assert_int_equal(error.code, ERR_USAGE);
	assert_string_equal(error.where, "p.ini:2:8");
	assert_int_equal(pipeline_parse(elf, sizeof(elf) - 1, "p.ini", NULL, NULL, &pipeline, &error), -1);
	assert_int_equal(error.code, ERR_USAGE);
	assert_null(strchr(error.help, ';'));
}

static void params_keep_their_json_types(void **state)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline =
		parse("[params]\ni = 3\nr = 1e-3\nb = false\nn = null\ns = 01\nq = \"3\"\nl = [1,\n  2]\no.x = {\"y\": 1}\n"
		      "[step.a]\ncmd = x\n");

	(void)state;
	assert_non_null(pipeline);
	assert_int_equal(js_typeof(pipeline_param(pipeline, "i")), JS_INT);
	assert_int_equal(js_typeof(pipeline_param(pipeline, "r")), JS_REAL);
	assert_int_equal(js_typeof(pipeline_param(pipeline, "b")), JS_BOOL);
	assert_int_equal(js_typeof(pipeline_param(pipeline, "n")), JS_NULL);
	assert_string_equal(js_text(pipeline_param(pipeline, "s")), "01");
	assert_string_equal(js_text(pipeline_param(pipeline, "q")), "3");
	assert_int_equal(js_len(pipeline_param(pipeline, "l")), 2);
	assert_int_equal(js_int_value(pipeline_param(pipeline, "o.x.y")), 1);
	assert_null(pipeline_param(pipeline, "o.x.z"));
	assert_null(pipeline_param(pipeline, "i.x"));
}

static void inline_overrides_file_and_command_line_overrides_both(void **state)
{
	struct strlist overrides = STRLIST_INIT;
	const char *text = "[params]\ntrain.lr = 0.2\ntrain.seed = 7\n[step.a]\ncmd = x\n";
	const char *file = "{\"train\": {\"lr\": 0.1, \"epochs\": 3}, \"keep\": \"me\"}";
	struct pipeline *pipeline;

	(void)state;
	strlist_push(&overrides, "train.seed=8");
	strlist_push(&overrides, "keep=a=b");
	pipeline = parse_with(text, file, &overrides);
	assert_non_null(pipeline);
	assert_true(js_number(pipeline_param(pipeline, "train.lr")) == 0.2);
	assert_int_equal(js_int_value(pipeline_param(pipeline, "train.epochs")), 3);
	assert_int_equal(js_int_value(pipeline_param(pipeline, "train.seed")), 8);
	assert_string_equal(js_text(pipeline_param(pipeline, "keep")), "a=b");
	pipeline_free(pipeline);
	strlist_release(&overrides);
}

static void overrides_are_checked(void **state)
{
	static const struct {
		const char *override, *message, *help;
	} bad[] = {
		{ "lr", "-p takes KEY=VALUE, not 'lr'", "-p lr=0.1" },
		{ "=1", "-p takes KEY=VALUE", "" },
		{ "train.l=1", "unknown param 'train.l'", "did you mean 'train.lr'?" },
		{ "train=1", "param 'train' is a group", "train.lr" },
		{ "train.lr.x=1", "unknown param 'train.lr.x'", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct strlist overrides = STRLIST_INIT;
		strlist_push(&overrides, bad[i].override);
		assert_null(parse_with("[params]\ntrain.lr = 1\n[step.a]\ncmd = x\n", NULL, &overrides));
		assert_int_equal(error.code, ERR_USAGE);
		assert_contains(error.msg, bad[i].message);
		assert_contains(error.help, bad[i].help);
		strlist_release(&overrides);
	}
}

static void params_that_contradict_are_refused(void **state)
{
	(void)state;
	assert_refused("[params]\na = 1\na.b = 2\n[step.s]\ncmd = x\n", "p.ini:3:1",
		       "param 'a.b' cannot be set: 'a' is a plain value", "");
	assert_refused("[params]\na.b = 1\na = 2\n[step.s]\ncmd = x\n", "p.ini:3:1", "param 'a' is a group",
		       "a.b");
	assert_refused("[params]\na..b = 1\n[step.s]\ncmd = x\n", "p.ini:2:1", "has an empty part", "");
	assert_refused("[params]\na$ = 1\n[step.s]\ncmd = x\n", "p.ini:2:1", "cannot name", "");
	assert_null(parse_with("[step.s]\ncmd = x\n", "[1]", NULL));
	assert_contains(error.msg, "is not a JSON object");
	assert_null(parse_with("[step.s]\ncmd = x\n", "{\"a\": {\"b.c\": 1}}", NULL));
	assert_contains(error.msg, "key 'b.c' has a dot");
	assert_null(parse_with("[step.s]\ncmd = x\n", "{\"a\": ", NULL));
	assert_int_equal(error.code, ERR_USAGE);
}

static void deep_params_are_bounded(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	strbuf_puts(&text, "[params]\na");
	for (int i = 0; i < 100000; i++)
		strbuf_puts(&text, ".a");
	strbuf_puts(&text, " = 1\n[step.s]\ncmd = x\n");
	assert_refused(text.buf, "p.ini:2:1", "has more than 64 parts", "");
}

static void push_leaf(void *ctx, const char *key, const struct js *value)
{
	struct strbuf *out = ctx;

	strbuf_printf(out, "%s=", key);
	js_dump(value, JS_COMPACT, out);
	strbuf_putc(out, ' ');
}

static void leaves_are_flattened(void **state)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline =
		parse_with("[step.s]\ncmd = x\n", "{\"a\": {\"b\": {\"c\": 1}, \"d\": [1,{\"e\":2}]}, \"f\": {}, \"g\": \"\"}",
			   NULL);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	(void)state;
	assert_non_null(pipeline);
	pipeline_each_param(pipeline->params, push_leaf, &out);
	assert_string_equal(out.buf, "a.b.c=1 a.d=[1,{\"e\":2}] f={} g=\"\" ");
}

/* A project directory with one file in it. */
struct dir {
	char path[64];
	int fd;
};

static void dir_make(struct dir *dir)
{
	snprintf(dir->path, sizeof(dir->path), "/tmp/mlops-test-XXXXXX");
	assert_non_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir->fd >= 0);
}

static void dir_remove(struct dir *dir)
{
	close(dir->fd);
	assert_return_code(fs_remove_tree(AT_FDCWD, dir->path, NULL), 0);
}

static void dir_write(struct dir *dir, const char *name, const char *text, size_t len)
{
	assert_return_code(io_replace_file(dir->fd, name, text, len, 0644, false, NULL), 0);
}

static void load_reads_the_params_file(void **state)
{
	static const char ini[] = "[pipeline]\nparams = ./conf/../params.json\n[params]\nlr = 2\n[step.s]\ncmd = x\n";
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	struct dir dir;

	(void)state;
	dir_make(&dir);
	dir_write(&dir, "churn.ini", ini, sizeof(ini) - 1);
	assert_int_equal(pipeline_load(dir.fd, "churn.ini", NULL, &pipeline, &error), -1);
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_string_equal(error.where, "churn.ini:2:10");
	assert_contains(error.msg, "params file: ");
	dir_write(&dir, "params.json", "{\"lr\": 1, \"b\": 2}", 17);
	assert_return_code(pipeline_load(dir.fd, "churn.ini", NULL, &pipeline, &error), 0);
	assert_string_equal(pipeline->name, "churn");
	assert_int_equal(js_int_value(pipeline_param(pipeline, "lr")), 2);
	assert_int_equal(js_int_value(pipeline_param(pipeline, "b")), 2);
	assert_int_equal(pipeline->params_files.len, 1);
	assert_string_equal(pipeline->params_files.items[0], "params.json");
	dir_remove(&dir);
}

#define REMOTE "[remote.team]\nurl = /srv/team\n"

static void remotes_are_read_whatever_stands_elsewhere(void **state)
{
	static const char *const elsewhere[] = {
		"", "no section\n", "[step.a]\ncolor = red\n", "[step.a\n", "[step.a]\ncmd = x\n\\xff\xff = 1\n",
		"[step.a]\ncmd = x\n[step.a]\ncmd = y\n", "\xef\xbb\xbf[step.a]\r\n", "[pipeline]\nparams = gone.json\n",
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(elsewhere); i++) {
		CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
		CLEANUP(cleanup_free) char *text = i % 2 ? xasprintf(REMOTE "%s", elsewhere[i / 2])
							 : xasprintf("%s" REMOTE, elsewhere[i / 2]);

		/* behind a remote what opens no section is a part of it */
		if (i % 2 && elsewhere[i / 2][0] != '[')
			continue;
		if (pipeline_parse_remotes(text, strlen(text), "p.ini", &pipeline, &error) < 0)
			fail_msg("%s: %s", text, error.msg);
		assert_int_equal(pipeline->nremotes, 1);
		assert_string_equal(pipeline->remotes[0].name, "team");
		assert_string_equal(pipeline->remotes[0].url.text, "/srv/team");
	}
}

static void mistakes_in_remotes_are_told_where_they_stand(void **state)
{
	static const struct {
		const char *text, *where, *message;
	} cases[] = {
		{ "[step.a]\nx\n[remote.team]\n", "p.ini:3:2", "has no 'url'" },
		{ "?\n[remote.team\nurl = /x\n", "p.ini:2:1", "section without ']'" },
		{ "?\n" REMOTE "color = red\n", "p.ini:4:1", "unknown key 'color'" },
		{ REMOTE "[step.a]\n" REMOTE, "p.ini:4:2", "stands twice, first in line 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pipeline *pipeline = NULL;

		error_clear(&error);
		assert_int_equal(pipeline_parse_remotes(cases[i].text, strlen(cases[i].text), "p.ini", &pipeline,
							&error), -1);
		assert_null(pipeline);
		assert_string_equal(error.where, cases[i].where);
		assert_contains(error.msg, cases[i].message);
	}
}

static void files_that_are_no_pipeline_are_one_clear_error(void **state)
{
	CLEANUP(cleanup_free) char *big = xmalloc(10 << 20);
	struct pipeline *pipeline;
	struct dir dir;

	(void)state;
	dir_make(&dir);
	memset(big, 'x', 10 << 20);
	dir_write(&dir, "big.ini", big, 10 << 20);
	dir_write(&dir, "empty.ini", "", 0);
	assert_return_code(mkfifoat(dir.fd, "fifo.ini", 0644), 0);
	assert_return_code(mkdirat(dir.fd, "dir.ini", 0755), 0);

	assert_int_equal(pipeline_load(dir.fd, "none.ini", NULL, &pipeline, &error), -1);
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_contains(error.msg, "none.ini");
	assert_contains(error.help, "mlops init");
	assert_int_equal(pipeline_load(dir.fd, "big.ini", NULL, &pipeline, &error), -1);
	assert_contains(error.msg, "big.ini has 10485760 bytes");
	assert_int_equal(pipeline_load(dir.fd, "empty.ini", NULL, &pipeline, &error), -1);
	assert_contains(error.msg, "empty.ini has no steps");
	assert_int_equal(pipeline_load(dir.fd, "fifo.ini", NULL, &pipeline, &error), -1);
	assert_contains(error.msg, "fifo.ini is a FIFO, not a file");
	assert_int_equal(pipeline_load(dir.fd, "dir.ini", NULL, &pipeline, &error), -1);
	assert_contains(error.msg, "dir.ini is a directory, not a file");
	dir_remove(&dir);
}

static void the_table_is_well_formed(void **state)
{
	(void)state;
	for (size_t i = 0; i < grammar_keys_len; i++) {
		const struct grammar_key *row = &grammar_keys[i];
		assert_true(*row->help && strlen(row->help) < 70);
		assert_non_null(grammar_type_name(row->type));
		/* The parser remembers the lines of up to 64 rows a section. */
		assert_true(i + 64 >= grammar_keys_len || strcmp(row->section, grammar_keys[i + 64].section) != 0);
		for (size_t k = i + 1; k < grammar_keys_len; k++) {
			bool same = !strcmp(row->section, grammar_keys[k].section);
			assert_false(same && !strcmp(row->key, grammar_keys[k].key));
			/* Rows of one section stand together. */
			assert_false(same && strcmp(grammar_keys[k - 1].section, row->section) != 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_file_gives_the_golden_structure),
		cmocka_unit_test(golden_uses_every_supported_key),
		cmocka_unit_test(models_are_told_what_they_lack),
		cmocka_unit_test(schemas_are_told_what_they_lack),
		cmocka_unit_test(monitors_are_told_what_they_lack),
		cmocka_unit_test(design_is_read_whole),
		cmocka_unit_test(two_steps_may_have_an_axis_of_one_name),
		cmocka_unit_test(unsupported_keys_are_named),
		cmocka_unit_test(unknown_names_get_the_nearest_right_one),
		cmocka_unit_test(duplicates_name_both_lines),
		cmocka_unit_test(all_problems_are_counted),
		cmocka_unit_test(step_names_are_checked),
		cmocka_unit_test(values_of_the_wrong_type_are_refused),
		cmocka_unit_test(other_sections_are_checked),
		cmocka_unit_test(a_matrix_has_not_too_many_axes),
		cmocka_unit_test(a_step_needs_a_command),
		cmocka_unit_test(a_file_without_steps_is_refused),
		cmocka_unit_test(crlf_and_bom_change_nothing),
		cmocka_unit_test(binary_text_is_one_clear_error),
		cmocka_unit_test(params_keep_their_json_types),
		cmocka_unit_test(inline_overrides_file_and_command_line_overrides_both),
		cmocka_unit_test(overrides_are_checked),
		cmocka_unit_test(params_that_contradict_are_refused),
		cmocka_unit_test(deep_params_are_bounded),
		cmocka_unit_test(leaves_are_flattened),
		cmocka_unit_test(load_reads_the_params_file),
		cmocka_unit_test(remotes_are_read_whatever_stands_elsewhere),
		cmocka_unit_test(mistakes_in_remotes_are_told_where_they_stand),
		cmocka_unit_test(files_that_are_no_pipeline_are_one_clear_error),
		cmocka_unit_test(the_table_is_well_formed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
