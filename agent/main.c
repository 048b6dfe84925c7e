/* SPDX-License-Identifier: Apache-2.0 */
/* mlops-agent: the operations over HTTP, for as long as it runs. `mlops agent` executes it. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent/access.h"
#include "agent/artifacts.h"
#include "agent/httpd.h"
#include "agent/lanes.h"
#include "agent/mlflow.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/project.h"

#define DRAIN_MS 10000

struct options {
	const char *dir, *listen;
};

static int tell(const struct error *err)
{
	fprintf(stderr, "error: %s\n", err->msg);
	if (*err->help)
		fprintf(stderr, "help: %s\n", err->help);
	return error_exit_status(err->code);
}

/* Threads inherit the mask, so only sigwait sees them. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	sigdelset(set, SIGPIPE);
}

static int serve(const struct options *o, const struct project *project, struct error *err)
{
	struct httpd_config config = { .address = o->listen };
	struct httpd *httpd;
	sigset_t set;
	int signo;

	block_signals(&set);
	mlflow_start();
	if (artifacts_start(project, err) < 0 || lanes_start(project->top, err) < 0 || access_start(project, o->listen, NULL, err) < 0 ||
	    httpd_start(&config, &httpd, err) < 0)
		return -1;
	printf("ready: %s\n", httpd_url(httpd));
	fflush(stdout);
	sigwait(&set, &signo);
	httpd_drain(httpd, DRAIN_MS);
	access_stop();
	lanes_stop();
	httpd_stop(httpd);
	artifacts_stop();
	return 0;
}

static int run(const struct options *o, struct error *err)
{
	struct project *project;
	CLEANUP(cleanup_fd) int lock = -1;
	int r;

	if (project_open(o->dir, &project, err) < 0)
		return -1;
	lock_set_command("mlops agent");
	lock = lock_take(project->locksfd, "agent", LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, err);
	r = lock < 0 ? -1 : serve(o, project, err);
	project_close(project);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = { .listen = "127.0.0.1:5000" };
	struct error err = { 0 };
	static const struct option longs[] = {
		{ "directory", required_argument, NULL, 'C' },
		{ "listen", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "C:l:", longs, NULL)) >= 0) {
		if (c == 'C')
			o.dir = optarg;
		else if (c == 'l')
			o.listen = optarg;
		else
			return 2;
	}
	return run(&o, &err) < 0 ? tell(&err) : 0;
}
