/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/access_internal.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/router.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/project.h"
#include "registry/schema.h"
#include "registry/secrets.h"

#define USED_MS (60 * 1000) /* how old a token's last use may be before it is recorded again */

static struct {
	pthread_mutex_t mutex;
	struct db *db;
	uid_t owner; /* of the store */
	char self[ACCESS_NAME]; /* who runs the agent, for events: as the same one's commands have it */
	bool only_tokens, no_anonymous;
} desk = { .mutex = PTHREAD_MUTEX_INITIALIZER };

struct db *access_db_lock(void)
{
	pthread_mutex_lock(&desk.mutex);
	return desk.db;
}

void access_db_unlock(void)
{
	pthread_mutex_unlock(&desk.mutex);
}

/* ---- its life ---- */

int access_start(const struct project *project, const char *const *listen, const char *const *hosts, struct error *err)
{
	CLEANUP(cleanup_free) char *path = project_home_path(project, "registry.db");
	struct stat st;

	if (fstat(project->homefd, &st) < 0 ||
	    db_open(path, NULL, registry_schema, DB_READ_ONLY, &desk.db, err) < 0)
		return -1;
	desk.owner = st.st_uid;
	snprintf(desk.self, sizeof(desk.self), "%s", project->actor);
	desk.no_anonymous = strcmp(settings_get(&project->settings, SETTING_AGENT_ANONYMOUS), "tracking") != 0;
	for (; *listen; listen++)
		origin_allow(*listen, NULL);
	origin_allow(NULL, hosts);
	/* what comes in with requests shows in no core dump */
	secret_guard();
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	return use_start(err);
}

void access_only_tokens(void)
{
	desk.only_tokens = true;
}

void access_stop(void)
{
	use_stop();
	access_db_lock();
	db_close(desk.db);
	desk.db = NULL;
	access_db_unlock();
}

int access_ready(struct project *project, struct error *err)
{
	struct db *db;
	int64_t n;

	if (project_db(project, &db, err) < 0 || access_count(db, clock_wall_ms(), &n, err) < 0)
		return -1;
	if (n)
		return 0;
	error_set(err, ERR_USAGE, "nobody could log in: there is no token and no user with a password");
	return error_help(err, "run first: mlops token add NAME --role admin");
}

/* ---- who ---- */

static int by_token(const char *token, struct principal *ret, struct error *err)
{
	struct db *db = access_db_lock();
	int64_t now_ms = clock_wall_ms();
	int r = db ? grant_by_token(db, token, now_ms, &ret->grant, err)
		   : error_set(err, ERR_ENV, "the agent is stopping");

	access_db_unlock();
	if (r < 0)
		return -1;
	if (now_ms - ret->grant.last_used >= USED_MS)
		use_note(ret->grant.token_id, now_ms);
	ret->how = PRINCIPAL_TOKEN;
	if (*ret->grant.user)
		snprintf(ret->name, sizeof(ret->name), "%s (token %s)", ret->grant.user, ret->grant.token);
	else
		snprintf(ret->name, sizeof(ret->name), "token %s", ret->grant.token);
	return 0;
}

static int by_socket(const struct peer *peer, struct principal *ret, struct error *err)
{
	if (peer->uid != 0 && peer->uid != desk.owner) {
		error_set(err, ERR_AUTH, "user %lld of this machine does not own the store", (long long)peer->uid);
		return error_help(err, "use a token: mlops token add NAME, as the owner");
	}
	ret->how = PRINCIPAL_SOCKET;
	ret->grant = (struct grant){ .role = ROLE_ADMIN, .scopes = SCOPE_ALL };
	if (peer->uid == geteuid())
		snprintf(ret->name, sizeof(ret->name), "%s", desk.self);
	else
		snprintf(ret->name, sizeof(ret->name), "uid %lld", (long long)peer->uid);
	return 0;
}

/* Without credentials. A proxy on this machine speaks for others, so what came through one is a stranger's. */
static int by_place(const struct call *call, struct principal *ret, struct error *err)
{
	static const char *const proxies[] = { "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via" };
	bool is_proxy = false;

	for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
		is_proxy |= call_header(call, proxies[i]) != NULL;
	if (desk.only_tokens)
		return 0;
	if (call->peer.is_unix)
		return by_socket(&call->peer, ret, err);
	if (!call->peer.is_loopback || is_proxy || desk.no_anonymous)
		return 0;
	ret->how = PRINCIPAL_LOOPBACK;
	ret->grant = (struct grant){ .role = ROLE_ENGINEER, .scopes = SCOPE_TRACKING };
	snprintf(ret->name, sizeof(ret->name), "loopback (anonymous)");
	return 0;
}

static int find_principal(const struct call *call, struct principal *ret, struct error *err)
{
	const char *header = call_header(call, "Authorization");
	CLEANUP(credentials_release) struct credentials given = { 0 };

	if (!header)
		return by_place(call, ret, err);
	if (!call->peer.is_tls && !call->peer.is_unix && !call->peer.is_loopback)
		return error_set(err, ERR_AUTH, "credentials came over a connection that others can read; use https");
	if (credentials_parse(header, &given, err) < 0)
		return -1;
	/* A token stands for a password, too: not every program can send another header. */
	if (!given.user || !strncmp(given.secret, "mlops_", 6))
		return by_token(given.secret, ret, err);
	return login_check(&call->peer, &given, ret, err);
}

/* ---- whether ---- */

struct demand route_demand(const struct route *route)
{
	const struct op *op = route->op;
	bool reads = !strcmp(route->method, "GET") || !strcmp(route->method, "HEAD");
	struct demand d = { .role = route->role, .scope = SCOPE_REST, .open = route->flags & ROUTE_OPEN };

	if (op) {
		d.op = op;
		d.role = op->role;
	} else if (!reads && d.role < ROLE_ENGINEER) {
		d.role = ROLE_ENGINEER;
	}
	if (op ? op->flags & OP_TRACKING : route->flags & ROUTE_TRACKING)
		d.scope = SCOPE_TRACKING;
	else if (op ? op->flags & OP_OBJECTS : route->flags & ROUTE_OBJECTS)
		d.scope = SCOPE_OBJECTS;
	if (op && access_is_neutral(op))
		d.scope = 0;
	return d;
}

static int need_login(struct error *err)
{
	error_set(err, ERR_AUTH, "this needs a token, or a user and a password");
	return error_help(err, "send one as 'Authorization: Bearer TOKEN'; MLflow's clients take it from "
			       "MLFLOW_TRACKING_TOKEN; an administrator makes one with: mlops token add NAME");
}

int demand_check(const struct demand *d, const struct principal *who, struct error *err)
{
	const struct grant *g = &who->grant;
	bool in_scope = !d->scope || g->scopes & d->scope;

	if (d->open)
		return 0;
	if (who->how <= PRINCIPAL_CLAIMED || (who->how == PRINCIPAL_LOOPBACK && !in_scope))
		return need_login(err);
	if (!in_scope)
		return error_set(err, ERR_DENIED, "%s is not for that: its scope is another", who->name);
	if (access_is_partial(who) && !(d->op && access_is_divisible(d->op)))
		return error_set(err, ERR_DENIED, "this is not for %s, who may see a part only", who->name);
	/* a permission of his own may say otherwise than the role: access_op knows */
	if (g->role >= (int)d->role ||
	    (d->op && d->op->about != ABOUT_NOTHING && g->special && d->role <= ROLE_ENGINEER))
		return 0;
	error_set(err, ERR_DENIED, "%s has role %s, this needs %s", who->name, access_roles[g->role], access_roles[d->role]);
	return error_help(err, "ask who has it, or log in as somebody else; whose the agent is may do all at its socket");
}

int access_check(struct call *call, struct error *err)
{
	struct demand demand = route_demand(call->route);

	/* What is for everybody is for whom we do not know, too: a probe with an old password is none the worse. */
	if (demand.open) {
		if (find_principal(call, &call->who, NULL) < 0)
			call->who = (struct principal){ 0 };
		return 0;
	}
	if (find_principal(call, &call->who, err) < 0)
		return -1;
	if (call->who.how == PRINCIPAL_CLAIMED)
		return 0;
	return demand_check(&demand, &call->who, err);
}

int access_admit(const struct call *call, struct error *err)
{
	struct origin_head head = {
		.method = call->method,
		.host = call_header(call, "Host"),
		.origin = call_header(call, "Origin"),
		.fetch_site = call_header(call, "Sec-Fetch-Site"),
		.is_unix = call->peer.is_unix,
	};

	return origin_check(&head, err);
}
