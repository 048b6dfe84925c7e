/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/steps.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/access.h"
#include "agent/artifacts.h"
#include "agent/httpd.h"
#include "agent/lanes.h"
#include "agent/mlflow.h"
#include "agent/seals.h"
#include "agent/streams.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/project.h"

#define DRAIN_MS 2000

static int tell(const struct error *err)
{
	fprintf(stderr, "error: %s\n", err->msg);
	return error_exit_status(err->code);
}

/* Threads inherit it: a client that goes is no reason to end. */
static void block_pipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int start(const struct project *p, const char *socket, struct httpd **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *address = xasprintf("unix:%s", socket);
	static const char *const listen[] = { "127.0.0.1:0", NULL };
	const struct httpd_config config = { .listen = { { listen[0], false }, { address, false } }, .nlisten = 2 };

	mlflow_start();
	access_only_tokens();
	streams_start(p->top);
	if (artifacts_start(p, err) < 0 || lanes_start(p->top, err) < 0 || access_start(p, listen, NULL, err) < 0 ||
	    seals_start(err) < 0 || httpd_start(&config, ret, err) < 0)
		return -1;
	/* Whoever a pause container runs as; what comes without a token gets nowhere. */
	return chmod(socket, 0666) < 0 ? error_sys(err, errno, "cannot open %s to containers", socket) : 0;
}

static void wait_for_end(void)
{
	char byte;
	ssize_t n;

	do
		n = read(STDIN_FILENO, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
}

static void stop(struct httpd *httpd)
{
	int64_t end = clock_mono_ms() + DRAIN_MS;
	bool drained;

	streams_quiesce();
	httpd_quiesce(httpd);
	while (!(drained = httpd_drained(httpd)) && clock_mono_ms() < end)
		usleep(5000);
	if (!drained)
		_exit(0); /* its threads still work; what was answered is durable */
	streams_stop();
	seals_stop();
	access_stop();
	lanes_stop();
	httpd_stop(httpd);
	artifacts_stop();
}

int steps_main(const char *dir, const char *socket)
{
	struct project *project;
	struct httpd *httpd;
	struct error err = { 0 };

	block_pipe();
	lock_set_command("mlops-agent steps");
	if (project_open(dir, &project, &err) < 0 || start(project, socket, &httpd, &err) < 0)
		return tell(&err);
	printf("ready: %s\n", httpd_url(httpd, 0));
	fflush(stdout);
	wait_for_end();
	stop(httpd);
	project_close(project);
	return 0;
}
