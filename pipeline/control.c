/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/control.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "pipeline/retry.h"
#include "registry/project.h"

#define ANSWER      ".answer"
#define REQUEST_MAX 65536
#define ANSWER_MAX  (64u << 20)

/* In the project's .mlops, also when the run is in a scratch tree: who asks need not know where it is. */
static char *request_path(const char *run, const char *name)
{
	return xasprintf("work/%s/.stop%s%s", run, name ? "/" : "", name ? name : "");
}

/* ---- stopping it all ---- */

static void interrupt(struct engine *e, bool force)
{
	e->interrupts++;
	e->stopping = true;
	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].phase == TASK_RUNNING)
			task_interrupt(&e->tasks[i], force);
}

static void on_interrupt(void *ctx, int signo)
{
	struct engine *e = ctx;
	bool force = e->interrupts > 0;

	e->interrupt_signal = signo;
	if (!force)
		engine_note(e, "stopping: running steps have 10 s to end; once more to kill them");
	interrupt(e, force);
	schedule_pump(e);
}

/* ---- stopped by the shell, and going on ---- */

static void signal_local_steps(struct engine *e, int signo)
{
	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].phase == TASK_RUNNING && !e->tasks[i].container)
			e->runner->ops->kill(e->runner, &e->tasks[i], signo);
}

static size_t running_containers(const struct engine *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->plan->len; i++)
		n += e->tasks[i].phase == TASK_RUNNING && e->tasks[i].container;
	return n;
}

/* Returns with CONT, or at once where no shell could send it: the kernel does not stop an orphaned group. */
static void stop_here(void)
{
	const struct sigaction stop = { .sa_handler = SIG_DFL };
	sigset_t one, old;

	sigemptyset(&one);
	sigaddset(&one, SIGTSTP);
	sigaction(SIGTSTP, &stop, NULL);
	raise(SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &one, &old);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void emit_word(struct engine *e, const char *word)
{
	struct js *event = js_object();

	js_set_str(event, "event", word);
	engine_emit(e, event);
}

/* What a step on this machine may take is its own time: that it stood still does not count. */
static void suspend(struct engine *e)
{
	int64_t stood;

	e->suspending = false;
	signal_local_steps(e, SIGSTOP); /* also those that started since */
	emit_word(e, "suspended");
	stop_here();
	stood = clock_mono_ms() - e->suspended_ms;
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!t->node || t->node->image || !t->attempt)
			continue;
		t->first_mono_ms += stood; /* also between attempts */
		if (t->phase != TASK_RUNNING)
			continue;
		loop_delay(e->loop, t->timer, stood);
		t->start_mono_ms += stood;
	}
	signal_local_steps(e, SIGCONT);
	emit_word(e, "resumed");
}

/* Not while a worker holds locks that others wait for, unless it is asked for again. */
static void on_suspend(void *ctx, int signo)
{
	struct engine *e = ctx;
	bool again = e->suspending;

	(void)signo;
	if (!again) {
		e->suspended_ms = clock_mono_ms();
		e->suspending = true;
		signal_local_steps(e, SIGSTOP);
		if (running_containers(e))
			engine_note(e, "steps in containers go on");
		if (e->committing)
			engine_note(e, "stopping as soon as what ended is recorded; once more to stop now");
	}
	if (again || !e->committing)
		suspend(e);
}

void control_settle(struct engine *e)
{
	if (e->suspending && !e->committing)
		suspend(e);
}

/* ---- stopping some steps: the executor's side ---- */

static bool matches(const struct plan_node *node, const char *pattern)
{
	return !strcmp(node->name, pattern) || !strcmp(node->step->name, pattern) ||
	       (path_is_pattern(pattern) && path_match(pattern, node->name));
}

static void stop_waiting(struct task *t, const char *by)
{
	t->stopped_by = xstrdup(by);
	error_set(t->err, ERR_FAILED, "step %s was stopped by %s", t->node->name, by);
	if (t->phase == TASK_WAITING)
		schedule_done(t, END_KILLED);
	else if (t->phase == TASK_BACKOFF)
		retry_give_up(t);
	/* One that is READY ends when the queue is looked at. */
}

/* The name of the list it belongs to in the answer. */
static const char *stop_step(struct task *t, const char *by, bool force)
{
	switch (t->phase) {
	case TASK_WAITING:
	case TASK_READY:
	case TASK_BACKOFF:
		if (!t->stopped_by)
			stop_waiting(t, by);
		return "waiting";
	case TASK_RUNNING:
		if (!t->stopped_by)
			t->stopped_by = xstrdup(by);
		if (force || !t->interrupted)
			task_interrupt(t, force);
		return "stopped";
	case TASK_FINISHING:
		if (!retry_wanted(t))
			return "ended";
		t->stopped_by = xstrdup(by);
		return "waiting";
	default:
		return "ended";
	}
}

static void answer_unknown(const struct engine *e, const char *pattern, struct js *answer)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *message = xasprintf("run %.8s has no step '%s'", e->run, pattern);
	CLEANUP(cleanup_free) char *help = NULL;
	const char *near;

	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].node)
			strlist_push(&names, e->tasks[i].node->name);
	near = strlist_nearest(&names, pattern);
	help = near ? xasprintf("did you mean '%s'?", near) : xstrdup("run: mlops runs --active");
	js_set_str(answer, "error", message);
	js_set_str(answer, "help", help);
}

static struct js *stop_steps(struct engine *e, const char *pattern, const char *by, bool force)
{
	static const char *const lists[] = { "stopped", "waiting", "ended" };
	struct js *answer = js_object();
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		js_set(answer, lists[i], js_array());
	/* Which ones is settled first: the end of one makes others end. */
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!t->node || !matches(t->node, pattern))
			continue;
		found++;
		js_push_str(js_get(answer, stop_step(t, by, force)), t->node->name);
	}
	if (!found)
		answer_unknown(e, pattern, answer);
	return answer;
}

/* What is half a request stops nothing. NULL: it is none. */
static struct js *serve(struct engine *e, const struct js *request)
{
	const char *step = js_get_str(request, "step"), *by = js_get_str(request, "by");
	bool force = js_get_bool(request, "kill");

	if (!by || (js_get(request, "step") && !step))
		return NULL;
	if (step)
		return stop_steps(e, step, by, force);
	engine_note(e, "stopped by %s", by);
	interrupt(e, force);
	return js_object();
}

/* Into the file that who asks has open: it is read also when we have ended and removed its name. One of several names
 * could be any file of ours. */
static void tell_answer(struct engine *e, const char *request, const struct js *answer)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s" ANSWER, request);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_fd) int fd = fs_open_direct(e->project->homefd, path, O_WRONLY | O_NONBLOCK, 0, NULL);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return;
	js_dump(answer, JS_COMPACT, &text);
	strbuf_putc(&text, '\n');
	io_write_all(fd, text.buf, text.len, path, NULL);
}

static void serve_file(struct engine *e, const char *name)
{
	CLEANUP(cleanup_free) char *path = request_path(e->run, name);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *request = NULL;
	CLEANUP_JS struct js *answer = NULL;
	CLEANUP(cleanup_fd) int fd =
		fs_open_direct(e->project->homefd, path, O_RDONLY | O_NONBLOCK, 0, NULL);

	unlinkat(e->project->homefd, path, 0);
	if (fd < 0 || io_read_fd(fd, path, REQUEST_MAX, &text, NULL) < 0 ||
	    js_parse(text.buf, text.len, path, &request, NULL) < 0)
		return;
	answer = serve(e, request);
	if (answer)
		tell_answer(e, path, answer);
}

static bool is_id(const char *name)
{
	return strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32;
}

static void on_request(void *ctx, int signo)
{
	struct engine *e = ctx;
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *dir = request_path(e->run, NULL);

	(void)signo;
	if (fs_list_dir(e->project->homefd, dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++)
		if (is_id(names.items[i]))
			serve_file(e, names.items[i]);
	schedule_pump(e);
}

static bool is_ignored(int signo)
{
	struct sigaction now;

	return sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int control_open(struct engine *e, struct error *err)
{
	static const struct {
		int signo;
		void (*caught)(void *, int);
		bool leave_ignored;
	} watched[] = {
		{ SIGINT, on_interrupt, false }, { SIGTERM, on_interrupt, false }, { SIGHUP, on_interrupt, true },
		{ SIGTSTP, on_suspend, true },   { SIGUSR1, on_request, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		if (watched[i].leave_ignored && is_ignored(watched[i].signo))
			continue;
		if (loop_signal(e->loop, watched[i].signo, watched[i].caught, e, err) < 0)
			return -1;
	}
	return 0;
}

void control_close(struct engine *e)
{
	CLEANUP(cleanup_free) char *dir = request_path(e->run, NULL);
	CLEANUP(cleanup_free) char *work = xasprintf("work/%s", e->run);

	if (!e->recorded)
		return;
	fs_remove_tree(e->project->homefd, dir, NULL);
	/* The work directory of a run elsewhere is not here: this one was made for requests. */
	if (e->project->scratch)
		unlinkat(e->project->homefd, work, AT_REMOVEDIR);
}

struct js *control_groups(const struct engine *e)
{
	const struct pipeline *pipeline = e->plan->pipeline;
	CLEANUP(cleanup_free) size_t *totals = xcalloc(pipeline->nsteps, sizeof(*totals));
	struct js *groups = js_array();

	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].node)
			totals[e->tasks[i].node->step - pipeline->steps]++;
	for (size_t i = 0; i < pipeline->nsteps; i++) {
		struct js *group;
		if (totals[i] < 2)
			continue;
		group = js_object();
		js_set_str(group, "group", pipeline->steps[i].name);
		js_set_int(group, "total", (int64_t)totals[i]);
		js_push(groups, group);
	}
	return groups;
}

/* ---- the other side ---- */

int control_executor(struct project *p, const char *run, struct lock_holder *ret)
{
	CLEANUP(cleanup_free) char *name = xasprintf("run-%s", run);

	return lock_is_held(p->locksfd, name, ret);
}

static int no_executor(const char *run, struct error *err)
{
	return error_set(err, ERR_CONFLICT, "nobody executes run %.8s any more", run);
}

/* The process was opened before the lock was seen to be held by it, so it is no other one that got its number. */
int control_signal(struct project *p, const char *run, int signo, struct error *err)
{
	CLEANUP(cleanup_fd) int process = -1;
	struct lock_holder holder, now;

	if (!control_executor(p, run, &holder))
		return no_executor(run, err);
	if (holder.pid > 0)
		process = pidfd_open((pid_t)holder.pid, 0);
	if (!control_executor(p, run, &now))
		return no_executor(run, err);
	if (process < 0 || now.pid != holder.pid) {
		error_set(err, ERR_ENV, "process %ld, which executes run %.8s, cannot be reached", now.pid, run);
		return error_help(err, "stop it on the machine, or in the container, where it was started");
	}
	if (pidfd_send_signal(process, signo, NULL, 0) == 0)
		return 0;
	if (errno == ESRCH)
		return no_executor(run, err);
	if (errno != EPERM)
		return error_sys(err, errno, "cannot reach process %ld, which executes run %.8s", holder.pid, run);
	error_set(err, ERR_DENIED, "run %.8s is executed by process %ld of another user", run, holder.pid);
	return error_help(err, "ask its user, or try again as root");
}

/* Who acts as root leaves to the run's user what he is to read, write and remove: the lock is his. */
static int give(struct project *p, const char *run, int fd, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("run-%s", run);
	struct stat st;

	if (geteuid() != 0 || fstatat(p->locksfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return fchown(fd, st.st_uid, st.st_gid) < 0 ? error_sys(err, errno, "cannot give it to its user") : 0;
}

/* The answer's file is there before the request is. */
static int make_request(struct project *p, const char *run, const struct strbuf *request, int *ret_answer, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = request_path(run, NULL);
	CLEANUP(cleanup_fd) int dirfd = -1;
	CLEANUP(cleanup_fd) int fd = -1;
	char id[33], answer[33 + sizeof(ANSWER)];

	if (fs_make_dirs(p->homefd, dir, 0777, err) < 0)
		return -1;
	dirfd = fs_open_direct(p->homefd, dir, O_RDONLY | O_DIRECTORY, 0, err);
	clock_uuid(id);
	snprintf(answer, sizeof(answer), "%s" ANSWER, id);
	fd = dirfd < 0 ? -1 : openat(dirfd, answer, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return dirfd < 0 ? -1 : error_sys(err, errno, "cannot create %s", answer);
	if (give(p, run, dirfd, err) < 0 || give(p, run, fd, err) < 0 ||
	    io_replace_file(dirfd, id, request->buf, request->len, 0666, false, err) < 0)
		return -1;
	*ret_answer = steal_fd(&fd);
	return 0;
}

int control_ask(struct project *p, const char *run, const struct control_request *request, int *ret_answer,
		struct error *err)
{
	CLEANUP_JS struct js *json = js_object();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	js_set_str(json, "step", request->step);
	js_set_str(json, "by", request->by);
	js_set_bool(json, "kill", request->kill);
	js_dump(json, JS_COMPACT, &text);
	if (control_signal(p, run, 0, err) < 0)
		return -1;
	if (make_request(p, run, &text, &fd, err) < 0)
		return error_wrap(err, "cannot ask the executor of run %.8s", run);
	if (control_signal(p, run, SIGUSR1, err) < 0)
		return -1;
	*ret_answer = steal_fd(&fd);
	return 0;
}

int control_answer(int fd, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (lseek(fd, 0, SEEK_SET) < 0 || io_read_fd(fd, "answer", ANSWER_MAX, &text, err) < 0)
		return error_wrap(err, "the run's answer");
	if (!text.len || text.buf[text.len - 1] != '\n')
		return 0;
	return js_parse(text.buf, text.len, "the run's answer", ret, err) < 0 ? -1 : 1;
}
