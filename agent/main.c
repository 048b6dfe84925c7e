/* SPDX-License-Identifier: Apache-2.0 */
/* mlops-agent: the operations over HTTP, for as long as it runs. `mlops agent` executes it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "agent/access.h"
#include "agent/artifacts.h"
#include "agent/events_feed.h"
#include "agent/health.h"
#include "agent/hooks.h"
#include "agent/httpd.h"
#include "agent/ingest.h"
#include "agent/jobs.h"
#include "agent/lanes.h"
#include "agent/log.h"
#include "agent/mlflow.h"
#include "agent/monitors.h"
#include "agent/seals.h"
#include "agent/notify.h"
#include "agent/options.h"
#include "agent/outbox.h"
#include "agent/page.h"
#include "agent/scheduler.h"
#include "agent/signer.h"
#include "agent/steps.h"
#include "agent/streams.h"
#include "agent/v1.h"
#include "api/forget.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/project.h"

#define DRAIN_MS 10000
#define LEGACY_MS 2000 /* for what a killed agent left */
#define FILES	 16384 /* descriptors: of connections, what they send, and the projects of lanes */
#define PEM_MAX	 (1u << 20)

/* A running agent. */
struct agent {
	const struct agent_options *options;
	struct project *project;
	char *socket;              /* its own, in .mlops */
	struct strbuf cert, key;
	struct httpd *httpd;
	sigset_t signals;          /* blocked in all threads, for who waits for them */
};

static int tell(const struct error *err)
{
	fprintf(stderr, "error: %s\n", err->msg);
	if (*err->help)
		fprintf(stderr, "help: %s\n", err->help);
	return error_exit_status(err->code);
}

/* ---- the process ---- */

/* A descriptor that was closed must not be given to a database, and no memory, which may hold tokens, goes to disk. */
static void prepare_process(struct agent *a)
{
	struct rlimit files, none = { 0, 0 };
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		continue;
	cleanup_fd(&fd);
	setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES) {
		files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigemptyset(&a->signals);
	sigaddset(&a->signals, SIGTERM);
	sigaddset(&a->signals, SIGINT);
	sigaddset(&a->signals, SIGHUP);
	sigaddset(&a->signals, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &a->signals, NULL);
	sigdelset(&a->signals, SIGPIPE);
}

/* ---- its parts ---- */

static int read_pem(const char *file, struct strbuf *ret, struct error *err)
{
	return file ? io_read_file(AT_FDCWD, file, PEM_MAX, ret, err) : 0;
}

static int start_server(struct agent *a, struct error *err)
{
	const struct agent_options *o = a->options;
	CLEANUP(cleanup_free) char *own = xasprintf("unix:%s", a->socket);
	struct httpd_config config = { 0 };
	int r;

	if (read_pem(o->cert, &a->cert, err) < 0 || read_pem(o->key, &a->key, err) < 0)
		return -1;
	config.cert = o->cert ? a->cert.buf : NULL;
	config.key = o->key ? a->key.buf : NULL;
	config.may_be_public = o->cert && access_ready(a->project, NULL) == 0;
	for (size_t i = 0; i < o->nlisten; i++)
		config.listen[config.nlisten++].address = o->listen[i];
	config.listen[config.nlisten++] = (struct httpd_listen){ own, true };
	r = httpd_start(&config, &a->httpd, err);
	explicit_bzero(a->key.buf, a->key.len);
	return r;
}

static void committed(void)
{
	ingest_committed();
	events_feed_wake();
	jobs_wake();
	scheduler_wake();
	outbox_wake();
}

/* What the agent was killed over. */
static void go_on_forgetting(struct project *p)
{
	struct op_context ctx = { .project = p, .dir = p->top, .origin = "agent", .actor = "agent" };
	struct error why = { 0 };

	if (forget_resume(&ctx, &why) < 0)
		log_event(LOG_LEVEL_ERROR, "something that is to be forgotten is not gone yet", "error", why.msg, NULL);
}

/* In the order in which they need each other. */
static int start_parts(struct agent *a, struct error *err)
{
	go_on_forgetting(a->project);
	page_start();
	health_start();
	mlflow_start();
	v1_start();
	hooks_start();
	lanes_on_commit(committed);
	streams_start(a->project->top);
	if (artifacts_start(a->project, err) < 0 || ingest_start(a->project, err) < 0 || lanes_start(a->project->top, err) < 0 ||
	    access_start(a->project, a->options->listen, a->options->hosts, err) < 0 ||
	    seals_start(err) < 0 || events_feed_start(a->project->top, err) < 0 ||
	    jobs_start(a->project->top, err) < 0 || outbox_start(a->project->top, err) < 0 ||
	    monitors_start(a->project->top, err) < 0 || scheduler_start(a->project->top, err) < 0 ||
	    signer_start(a->project->top, err) < 0 ||
	    start_server(a, err) < 0)
		return -1;
	health_set_server(a->httpd);
	return 0;
}

static void stop_parts(struct agent *a)
{
	streams_stop();
	events_feed_stop();
	signer_stop();
	scheduler_stop();
	monitors_stop();
	jobs_stop();
	outbox_stop();
	seals_stop();
	access_stop();
	lanes_stop();
	health_set_server(NULL);
	httpd_stop(a->httpd);
	artifacts_stop();
	ingest_stop();
}

/* ---- its life ---- */

static void say_ready(const struct agent *a)
{
	char pid[24];
	const char *url;

	for (size_t i = 0; (url = httpd_url(a->httpd, i)); i++)
		printf("ready: %s\n", url);
	fflush(stdout);
	notify_send("READY=1");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	log_event(LOG_LEVEL_INFO, "ready", "version", MLOPS_VERSION, "project", a->project->top, "url",
		  httpd_url(a->httpd, 0), "pid", pid, NULL);
}

/* One of the agent's signals, or 0 after `ms`; 0: no limit. */
static int wait_signal(const struct agent *a, int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l };
	int signo;

	do
		signo = ms ? sigtimedwait(&a->signals, NULL, &ts) : sigwaitinfo(&a->signals, NULL);
	while (signo == SIGHUP || (signo < 0 && errno == EINTR));
	return signo < 0 ? 0 : signo;
}

/* Until it is told to stop. The watchdog of systemd is fed only while requests are answered and lanes move. */
static void stay(const struct agent *a)
{
	int period = notify_watchdog_ms();

	while (!wait_signal(a, period)) {
		struct error err = { 0 };

		if (health_check(a->socket, period, &err) == 0)
			notify_send("WATCHDOG=1");
		else
			log_event(LOG_LEVEL_ERROR, "the agent is stuck", "error", err.msg, NULL);
	}
}

/* Whether all that was asked is answered. A second signal ends the process at once: what was answered is durable. */
static bool drain(const struct agent *a)
{
	int64_t end = clock_mono_ms() + DRAIN_MS;
	bool drained;

	notify_send("STOPPING=1");
	log_event(LOG_LEVEL_INFO, "stopping", NULL);
	streams_quiesce();
	httpd_quiesce(a->httpd);
	while (!(drained = outbox_quiet() && httpd_drained(a->httpd)) && clock_mono_ms() < end) {
		int signo = wait_signal(a, 5);

		if (signo)
			_exit(128 + signo);
	}
	return drained;
}

static int serve(struct agent *a, struct error *err)
{
	if (start_parts(a, err) < 0)
		return -1;
	say_ready(a);
	stay(a);
	if (!drain(a)) {
		log_event(LOG_LEVEL_WARN, "stopped before all requests were answered", NULL);
		_exit(0); /* threads still work for them; stopping them is what a crash does, too */
	}
	stop_parts(a);
	log_event(LOG_LEVEL_INFO, "stopped", NULL);
	return 0;
}

/* What an agent was just starting when it was killed has its lock until it has become another program. */
static int take_lock(const struct project *p, struct error *err)
{
	static const struct timespec pause = { 0, 10000000 };
	int64_t end = clock_mono_ms() + LEGACY_MS;
	struct lock_holder holder;
	int lock;

	while ((lock = lock_take(p->locksfd, "agent", LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, err)) < 0) {
		bool lives = lock_is_held(p->locksfd, "agent", &holder) && (kill((pid_t)holder.pid, 0) == 0 || errno != ESRCH);

		if (err->code != ERR_CONFLICT || lives || clock_mono_ms() > end)
			return -1;
		nanosleep(&pause, NULL);
	}
	error_clear(err);
	return lock;
}

static int run(struct agent *a, struct error *err)
{
	CLEANUP(cleanup_fd) int lock = -1;
	int r;

	if (project_open(NULL, &a->project, err) < 0)
		return -1;
	lock_set_command("mlops-agent");
	lock = take_lock(a->project, err);
	if (lock < 0) {
		if (err->code == ERR_CONFLICT)
			error_wrap(err, "an agent serves this project already");
		project_close(a->project);
		return -1;
	}
	a->socket = project_home_path(a->project, "agent.sock");
	r = serve(a, err);
	free(a->socket);
	strbuf_release(&a->cert);
	strbuf_release(&a->key);
	project_close(a->project);
	return r;
}

int main(int argc, char **argv)
{
	struct agent_options options = { 0 };
	struct agent agent = { .options = &options, .cert = STRBUF_INIT, .key = STRBUF_INIT };
	struct error err = { 0 };

	if (argc == 4 && !strcmp(argv[1], "job")) /* jobs.h */
		return job_main(argv[3], argv[2]);
	if (argc == 4 && !strcmp(argv[1], "fetch")) /* scheduler.h */
		return fetch_main(argv[3], argv[2]);
	if (argc == 4 && !strcmp(argv[1], "steps"))
		return steps_main(argv[2], argv[3]);
	prepare_process(&agent);
	if (agent_options_parse(argc, argv, &options, &err) < 0)
		return tell(&err);
	if (options.help)
		agent_options_help();
	else if (options.version)
		printf("mlops-agent %s\n", MLOPS_VERSION);
	else if (options.routes)
		mlflow_list();
	else if (options.dir && chdir(options.dir) < 0)
		error_sys(&err, errno, "cannot go to '%s'", options.dir);
	else
		run(&agent, &err);
	return err.code ? tell(&err) : 0;
}
