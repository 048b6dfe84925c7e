/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "cli/agent.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/detach.h"
#include "cli/input.h"
#include "cli/live.h"
#include "cli/login.h"
#include "cli/print.h"
#include "cli/remote.h"
#include "cli/signals.h"
#include "cli/stream.h"
#include "cli/term.h"

/* One command from its words to its exit status. */
struct session {
	struct args args;
	struct term term;
	struct op_context ctx;
	struct live *live;
	struct stream stream;
	struct detach *detach; /* we run without the terminal */
	struct remote remote;  /* an agent does it */
	printer *each;         /* its events are what was asked for */
	int lost;	       /* errno of what could not be written; 0 */
	pid_t pager;
	bool paged;
};

/* A descriptor that was closed must not be given to a database: what is then written to stdout
 * would land in it. Reading from such a stdin finds its end; writing to such a stdout fails. */
static void fill_standard_files(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(error_exit_status(ERR_ENV));
	}
}

/* A pipe without a reader, and a file that may not grow: whoever writes learns it. */
static void ignore_failed_writes(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

static struct print session_print(const struct session *s, FILE *out)
{
	return (struct print){
		.out = out,
		.width = out == stderr || !s->term.out_tty ? 0 : s->term.width,
		.color = out == stderr ? s->term.err_color : s->term.out_color,
		.utf8 = s->term.utf8,
	};
}

/* For operations whose text is long, unless somebody follows it as it grows. */
static void start_pager(struct session *s)
{
	bool wanted = s->args.op->flags & OP_PAGED && s->term.out_tty && !s->args.no_pager &&
		      !s->args.as_json && !js_get_bool(s->args.json, "follow");

	if (wanted && !s->paged)
		s->pager = pager_start(op_settings(&s->ctx));
	s->paged = true;
}

/* Writing to a pipe or socket fails only when its reader has left, and who left wants no
 * message. */
static bool reader_left(FILE *file)
{
	struct stat st;

	return ferror(file) && !fstat(fileno(file), &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static void show_event(struct session *s, const struct js *event)
{
	struct print p;

	start_pager(s);
	p = session_print(s, stdout);
	s->each(&p, event);
	fflush(stdout);
}

static void on_event(void *ctx, const struct js *event)
{
	struct session *s = ctx;

	if (s->each && !s->args.as_json && strcmp(js_get_str(event, "event"), "note"))
		show_event(s, event);
	else if (s->detach)
		detach_event(s->detach, &s->ctx, event);
	else
		live_event(s->live, event);
	if (s->ctx.spawner && (reader_left(stdout) || reader_left(stderr)))
		signals_reader_left();
}

static bool nobody_reads(void *ctx)
{
	(void)ctx;
	return reader_left(stdout);
}

static int on_bytes(void *ctx, const void *data, size_t len)
{
	struct session *s = ctx;

	start_pager(s);
	return stream_write(&s->stream, data, len);
}

static int on_input(void *ctx, const char *what, size_t max, struct strbuf *ret, struct error *err)
{
	(void)ctx;
	return input_read(what, max, ret, err);
}

static enum live_mode live_mode(const struct session *s)
{
	if (s->detach)
		return LIVE_SILENT;
	if (s->args.as_json)
		return s->args.op->flags & OP_STREAM ? LIVE_EVENTS : LIVE_SILENT;
	if (s->args.quiet)
		return LIVE_SILENT;
	return s->term.moves ? LIVE_SCREEN : LIVE_LINES;
}

static int exit_status(const struct session *s, int failed, const struct error *err)
{
	errno = 0;
	if (!s->pager && (fflush(stdout) || ferror(stdout)) && !reader_left(stdout)) {
		fprintf(stderr, "error: cannot write to standard output: %s\n",
			strerror(s->lost ? s->lost : errno ? errno : EIO));
		return error_exit_status(ERR_ENV);
	}
	return failed ? error_exit_status(err->code) : 0;
}

/* With --json an error is on stdout; next to a result it is the result's member `error`. */
static void show_json(const struct session *s, struct js *result, const struct error *err)
{
	bool pretty = s->term.out_tty && !(s->args.op && s->args.op->flags & OP_STREAM);
	CLEANUP_JS struct js *shown = js_typeof(result) == JS_OBJECT || (result && !err)
					      ? js_ref(result)
					      : js_object();

	if (err)
		js_set(shown, "error", error_to_json(err));
	print_json(stdout, shown, pretty);
}

/* Later writes may have another errno, or none. */
static void note_loss(struct session *s)
{
	if (ferror(stdout) && !s->lost)
		s->lost = errno;
}

static void show_error(const struct session *s, const struct error *err)
{
	struct print p = session_print(s, stderr);

	fflush(stdout);
	print_error(&p, err);
}

static void show(struct session *s, struct js *result, const struct error *err)
{
	printer *print = printer_find(s->args.op->name);
	const char *page = js_get_str(result, "page");
	bool asked = !s->args.quiet || !strcmp(s->args.op->method, "GET");

	if (s->args.as_json) {
		if (result || err)
			show_json(s, result, err);
		note_loss(s);
		return;
	}
	/* Markup is for a browser and escaped for it: as it is, whoever reads it. */
	if (page) {
		fputs(page, stdout);
		note_loss(s);
	} else if (result && print && asked) {
		struct print p;

		start_pager(s);
		p = session_print(s, stdout);
		print(&p, result);
	}
	/* it is shown this once */
	if (result && !asked && !strcmp(s->args.op->name, "token.add"))
		printf("%s\n", js_get_str(result, "token"));
	if (s->pager)
		pager_wait(s->pager);
	/* who stopped reading stopped the operation */
	if (err && !ferror(stdout))
		show_error(s, err);
}

/* What the end of a run looks like in the foreground, for its log. */
static void end_detached(struct session *s, const struct js *result, const struct error *err)
{
	char *text = NULL;
	size_t len = 0;
	struct print p = { .out = open_memstream(&text, &len), .utf8 = true };

	if (!p.out)
		return;
	if (result)
		printer_find(s->args.op->name)(&p, result);
	if (err)
		print_error(&p, err);
	fclose(p.out);
	detach_end(s->detach, result, err, text);
	free(text);
}

static int do_operation(struct session *s, struct js **ret_result, struct error *err)
{
	if (s->remote.used)
		return remote_call(&s->remote, &s->ctx, s->args.json, ret_result, err);
	return op_call(s->args.op, &s->ctx, s->args.json, ret_result, err);
}

static int run_operation(struct session *s, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	int failed = s->remote.used ? 0 : op_open(s->args.op, &s->ctx, err);

	term_init(&s->term, s->args.color, op_settings(&s->ctx));
	s->live = live_new(live_mode(s), &s->term);
	s->stream = (struct stream){
		.mode = s->args.as_json	 ? STREAM_JSON
			: s->term.out_tty ? STREAM_SAFE
					  : STREAM_RAW,
		.flush = js_get_bool(s->args.json, "follow"),
		.rest = STRBUF_INIT,
	};
	s->ctx.emit = on_event;
	s->ctx.events = s->args.as_json;
	s->ctx.write = on_bytes;
	s->ctx.read = on_input;
	s->ctx.stopped = nobody_reads;
	s->ctx.progress = s->detach ? detach_progress(s->detach) : live_progress(s->live);
	s->ctx.ctx = s;
	s->each = event_printer_find(s->args.op->name);
	if (!failed)
		failed = do_operation(s, &result, err);
	stream_end(&s->stream);
	live_free(s->live);
	if (s->detach)
		end_detached(s, result, failed ? err : NULL);
	else
		show(s, result, failed ? err : NULL);
	return exit_status(s, failed, err);
}

/* Until the detached process has begun its run, or has none to begin. */
static int wait_for_detached(struct session *s, FILE *words, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	int failed;

	term_init(&s->term, s->args.color, NULL);
	s->live = live_new(live_mode(s), &s->term);
	failed = detach_wait(words, &(struct detach_reader){ on_event, live_progress(s->live), s }, &result, err);
	live_free(s->live);
	show(s, result, failed ? err : NULL);
	return exit_status(s, failed, err);
}

/* The command's environment: directory, spawner, locks' holder. Nothing is opened before the
 * spawner is forked, so that it shares no descriptor with what steps must not reach. */
static int operate(struct session *s, int argc, char **argv, struct error *err)
{
	CLEANUP(cleanup_free) char *line = args_join(argc, argv), *here = NULL;
	FILE *words = NULL;
	int status;

	here = getcwd(NULL, 0);
	if (!here)
		return error_sys(err, errno, "cannot tell the working directory");
	if (s->args.op->flags & OP_SPAWNS && !s->remote.used)
		signals_open(s->args.as_json);
	if (js_get_bool(s->args.json, "detach") && !s->remote.used) {
		status = detach_fork(&s->detach, &words, err);
		if (status)
			return status < 0 ? status : wait_for_detached(s, words, err);
	}
	if (s->args.op->flags & OP_SPAWNS && !s->remote.used && spawner_start(&s->ctx.spawner, err))
		return -1;
	ignore_failed_writes();
	lock_set_command(line);
	s->ctx.dir = here;
	s->ctx.command_line = line;
	s->ctx.origin = "cli";
	s->ctx.agent = s->args.agent && *s->args.agent ? s->args.agent : NULL;
	status = run_operation(s, err);
	op_close(&s->ctx);
	if (s->ctx.spawner)
		spawner_stop(s->ctx.spawner);
	return status;
}

static int print_help(const struct args *args, const struct op *op)
{
	CLEANUP_JS struct js *json = NULL;

	if (args->as_json) {
		json = help_json(op);
		print_json(stdout, json, true);
	} else {
		help_print(op);
	}
	return 0;
}

static int help_command(const struct args *args, struct error *err)
{
	const struct js *named = js_get(args->json, "command");
	const char *words[2] = { js_text(js_at(named, 0)), js_text(js_at(named, 1)) };
	const struct op *op;
	size_t used;

	if (!words[0])
		return print_help(args, NULL);
	if (command_find(words, js_len(named) > 1 ? 2 : 1, &op, &used, err))
		return -1;
	return print_help(args, op);
}

static int log_in(struct session *s, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct print p;

	if (login(&s->args, &result, err) < 0)
		return -1;
	term_init(&s->term, s->args.color, NULL);
	p = session_print(s, stdout);
	if (s->args.as_json)
		show_json(s, result, NULL);
	else
		print_login(&p, result);
	return 0;
}

/* Exit status, or -1 with *err when nothing was shown yet. */
static int dispatch(struct session *s, int argc, char **argv, struct error *err)
{
	struct args *args = &s->args;

	if (args->version && !args->help)
		args->op = op_find("project.version");
	if (!args->op || args->help)
		return print_help(args, args->op);
	if (op_check(args->op, args->json, err))
		return -1;
	if (args->op == &command_help)
		return help_command(args, err);
	if (args->op == &command_completion)
		return completion_script(js_get_str(args->json, "shell"), err);
	if (args->dir && chdir(args->dir))
		return error_sys(err, errno, "cannot go to '%s'", args->dir);
	if (args->op == &command_agent)
		return agent_execute(args->json, err);
	if (args->op == &command_login)
		return log_in(s, err);
	if (remote_choose(args, &s->remote, err) < 0)
		return -1;
	return operate(s, argc, argv, err);
}

int main(int argc, char **argv)
{
	struct session s = { 0 };
	struct error err = { 0 };
	int status;

	fill_standard_files();
	if (argc > 1 && !strcmp(argv[1], "__complete")) {
		completion_answer((const char *const *)argv + 2, (size_t)argc - 2);
		return 0;
	}
	status = args_parse(argc, argv, &s.args, &err);
	if (!status)
		status = dispatch(&s, argc, argv, &err);
	if (status < 0) {
		term_init(&s.term, s.args.color, NULL);
		if (s.args.as_json)
			show_json(&s, NULL, &err);
		else
			show_error(&s, &err);
		status = exit_status(&s, -1, &err);
	} else if (status == 0) {
		status = exit_status(&s, 0, NULL);
	}
	remote_release(&s.remote);
	args_release(&s.args);
	return status;
}
