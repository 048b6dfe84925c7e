/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/health.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "agent/httpd.h"
#include "agent/lanes.h"
#include "agent/listen.h"
#include "agent/metrics.h"
#include "agent/router.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/census.h"
#include "registry/project.h"

#define STUCK_MS       20000	    /* a call that waited so long for a thread that commits or reads */
#define FREE_MIN       (64ll << 20) /* bytes of the file system that holds the store */
#define PROBE_FOR_MS   1000	    /* so long a look at the database is believed */
#define CENSUS_MIN_MS  5000
#define CENSUS_SHARE   100	    /* counting takes at most one part of so many of the time */

static _Atomic(const struct httpd *) server;

void health_set_server(const struct httpd *httpd)
{
	atomic_store(&server, httpd);
}

/* ---- readiness ---- */

/* The last look. */
static struct {
	pthread_mutex_t mutex;
	int64_t time_ms;
	int64_t free_bytes;
} probe = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static int64_t free_bytes(const struct project *project)
{
	struct statvfs fs;

	return fstatvfs(project->homefd, &fs) < 0 ? -1 : (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}

static struct js *check(bool ok, const char *message)
{
	struct js *json = js_object();

	js_set_bool(json, "ok", ok);
	js_set_str(json, "message", message);
	return json;
}

static bool check_lanes(struct js *checks)
{
	static const char *const names[] = { [LANE_READ] = "readers", [LANE_WRITE] = "writer", [LANE_SLOW] = "workers" };
	bool all_ok = true;

	for (enum lane lane = LANE_READ; lane <= LANE_SLOW; lane++) {
		int64_t ms = lanes_waiting_ms(lane);
		/* slow work may take its time */
		bool ok = lane == LANE_SLOW || ms < STUCK_MS;
		struct js *json = check(ok, NULL);

		js_set_int(json, "waiting_ms", ms);
		js_set(checks, names[lane], json);
		all_ok &= ok;
	}
	return all_ok;
}

/* `database` is what is wrong with it, or NULL. */
static void reply_ready(struct call *call, const char *database, int64_t bytes)
{
	CLEANUP_JS struct js *json = js_object();
	struct js *checks = js_object(), *store = check(bytes < 0 || bytes >= FREE_MIN, NULL);
	bool ok = check_lanes(checks) && !database && js_get_bool(store, "ok");

	js_set(checks, "database", check(!database, database));
	if (bytes >= 0)
		js_set_int(store, "free_bytes", bytes);
	js_set(checks, "store", store);
	js_set_str(json, "status", ok ? "ready" : "not ready");
	if (access_knows(&call->who))
		js_set(json, "checks", checks);
	else
		js_free(checks);
	call_reply_json(call, ok ? 200 : 503, json);
}

/* On the writer, inside a transaction: so the lock was to be had, and the database can be written. */
static int probe_writer(struct call *call, struct project *project, struct error *err)
{
	int64_t bytes = free_bytes(project);

	(void)err;
	pthread_mutex_lock(&probe.mutex);
	probe.time_ms = clock_mono_ms();
	probe.free_bytes = bytes;
	pthread_mutex_unlock(&probe.mutex);
	reply_ready(call, NULL, bytes);
	return 0;
}

static int serve_ready(struct call *call, struct project *project, struct error *err)
{
	int64_t bytes;
	bool fresh;

	(void)project;
	(void)err;
	pthread_mutex_lock(&probe.mutex);
	fresh = probe.time_ms && clock_mono_ms() - probe.time_ms < PROBE_FOR_MS;
	bytes = probe.free_bytes;
	pthread_mutex_unlock(&probe.mutex);
	if (fresh || lanes_waiting_ms(LANE_WRITE) >= STUCK_MS)
		reply_ready(call, NULL, fresh ? bytes : -1);
	else
		call_continue(call, LANE_WRITE, probe_writer);
	return 0;
}

/* No transaction could be begun, or committed. */
static void fail_ready(struct call *call, const struct error *err)
{
	if (err->code == ERR_ENV || err->code == ERR_DAMAGED || err->code == ERR_CONFLICT) {
		reply_ready(call, err->msg, -1);
		return;
	}
	call_fail_plainly(call, err);
}

static int serve_live(struct call *call, struct project *project, struct error *err)
{
	static const char live[] = "{\"status\":\"live\"}";

	(void)project;
	(void)err;
	call_reply(call, 200, "application/json", live, sizeof(live) - 1);
	return 0;
}

/* ---- metrics ---- */

static struct {
	pthread_mutex_t mutex;
	struct census census;
	int64_t time_ms, cost_ms;
} counts = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static int take_census(struct project *project, struct error *err)
{
	int64_t begun = clock_mono_ms();
	struct db *db;

	if (counts.time_ms && begun - counts.time_ms < CENSUS_MIN_MS + CENSUS_SHARE * counts.cost_ms)
		return 0;
	if (project_db(project, &db, err) < 0 || census_take(db, &counts.census, err) < 0)
		return -1;
	counts.time_ms = clock_mono_ms();
	counts.cost_ms = counts.time_ms - begun;
	return 0;
}

int health_census(struct project *project, struct census *ret, struct error *err)
{
	int r;

	pthread_mutex_lock(&counts.mutex);
	r = take_census(project, err);
	if (!r)
		*ret = counts.census;
	pthread_mutex_unlock(&counts.mutex);
	return r;
}

static void write_value(struct strbuf *out, const char *name, const char *type, const char *help, int64_t value)
{
	metrics_family(out, name, type, help);
	strbuf_printf(out, "%s %lld\n", name, (long long)value);
}

static void write_server(struct strbuf *out, const struct httpd *httpd)
{
	struct httpd_counts c;

	httpd_counts(httpd, &c);
	write_value(out, "mlops_http_connections", "gauge", "Connections that are open.", c.open);
	write_value(out, "mlops_http_connections_total", "counter", "Connections that were opened.",
		    (int64_t)c.connections);
	write_value(out, "mlops_http_refused_total", "counter", "Requests that were refused before they were served.",
		    (int64_t)c.refused);
}

static void write_census(struct strbuf *out, const struct census *c)
{
	metrics_family(out, "mlops_runs", "gauge", "Runs that are not deleted, by status.");
	for (enum run_status s = 0; s < RUN_STATUSES; s++)
		strbuf_printf(out, "mlops_runs{state=\"%s\"} %lld\n", run_status_name(s), (long long)c->runs[s]);
	write_value(out, "mlops_experiments", "gauge", "Experiments that are not deleted.", c->experiments);
	write_value(out, "mlops_registered_models", "gauge", "Registered models.", c->models);
	write_value(out, "mlops_model_versions", "gauge", "Model versions.", c->versions);
}

static int serve_metrics(struct call *call, struct project *project, struct error *err)
{
	const struct httpd *httpd = atomic_load(&server);
	struct strbuf out = STRBUF_INIT;
	struct census census;

	if (health_census(project, &census, err) < 0)
		return -1;
	metrics_write(&out);
	if (httpd)
		write_server(&out, httpd);
	write_census(&out, &census);
	write_value(&out, "mlops_store_free_bytes", "gauge", "Free space of the file system that holds the store.",
		    free_bytes(project));
	call_reply_buf(call, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
	return 0;
}

static const struct route routes[] = {
	{ .method = "GET", .path = "/livez", .flags = ROUTE_OPEN, .serve = serve_live },
	{ .method = "GET", .path = "/readyz", .flags = ROUTE_OPEN, .serve = serve_ready, .fail = fail_ready },
	{ .method = "GET", .path = "/metrics", .flags = ROUTE_TRACKING, .lane = LANE_READ, .serve = serve_metrics },
};

void health_start(void)
{
	router_add(routes, ARRAY_LEN(routes));
}

/* ---- the agent about itself ---- */

static int ask_live(int fd, struct error *err)
{
	static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	static const char wanted[] = "HTTP/1.1 200 ";
	char answer[sizeof(wanted) - 1];

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1 ||
	    recv(fd, answer, sizeof(answer), MSG_WAITALL) != (ssize_t)sizeof(answer) ||
	    memcmp(answer, wanted, sizeof(answer)))
		return error_set(err, ERR_ENV, "the server's threads do not answer");
	return 0;
}

int health_check(const char *path, int ms, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dirfd = -1;
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	struct sockaddr_un sa;

	for (enum lane lane = LANE_READ; lane <= LANE_WRITE; lane++)
		if (lanes_waiting_ms(lane) >= STUCK_MS)
			return error_set(err, ERR_ENV, "calls have waited %lld ms for the %s",
					 (long long)lanes_waiting_ms(lane), lane == LANE_WRITE ? "writer" : "readers");
	if (listen_unix_address(path, &sa, &dirfd, err) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return error_sys(err, errno, "cannot reach the server's own socket");
	return ask_live(fd, err);
}
