/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation and every route against everybody who may ask; default is no. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "agent/access_internal.h"
#include "agent/health.h"
#include "agent/mlflow.h"
#include "agent/page.h"
#include "agent/router.h"
#include "agent/v1.h"
#include "base/json.h"
#include "base/mem.h"

static struct error err;

/* ---- who ---- */

static struct principal somebody(enum principal_how how, int role, unsigned scopes)
{
	struct principal who = { .how = how, .name = "somebody", .grant = { .role = role, .scopes = scopes } };

	return who;
}

static struct principal token(int role)
{
	return somebody(PRINCIPAL_TOKEN, role, SCOPE_ALL);
}

static int may(const struct route *route, struct principal who)
{
	struct demand demand = route_demand(route);

	error_clear(&err);
	return demand_check(&demand, &who, &err) == 0;
}

/* ---- operations ---- */

/* What the table must say, by what an operation is called: who changes a row finds it here again. */
static const struct {
	const char *name;
	enum op_role role;
	bool loopback;
} wanted[] = {
	{ "token.add", ROLE_ADMIN, false },	  { "token.list", ROLE_ADMIN, false },
	{ "token.rm", ROLE_ADMIN, false },	  { "user.add", ROLE_ADMIN, false },
	{ "user.edit", ROLE_ADMIN, false },	  { "user.list", ROLE_ADMIN, false },
	{ "user.rm", ROLE_ADMIN, false },	  { "permission.add", ROLE_ADMIN, false },
	{ "permission.list", ROLE_ADMIN, false }, { "permission.rm", ROLE_ADMIN, false },
	{ "secret.add", ROLE_ADMIN, false },	  { "secret.rm", ROLE_ADMIN, false },
	{ "project.add", ROLE_ADMIN, false },	  { "project.rm", ROLE_ADMIN, false },
	{ "project.config", ROLE_ADMIN, false },  { "project.init", ROLE_ADMIN, false },
	{ "run.submit", ROLE_ENGINEER, false },	  { "run.start", ROLE_ENGINEER, false },
	{ "experiment.get", ROLE_VIEWER, true },  { "run.create", ROLE_ENGINEER, true },
	{ "run.log", ROLE_ENGINEER, true },	  { "run.search", ROLE_VIEWER, true },
	{ "object.get", ROLE_VIEWER, false },	  { "object.put", ROLE_ENGINEER, false },
	{ "data.forget", ROLE_ADMIN, false },	  { "forget.agree", ROLE_ADMIN, false },
	{ "forget.withdraw", ROLE_ADMIN, false }, { "object.forget", ROLE_ADMIN, false },
	{ "ref.put", ROLE_ENGINEER, false },	  { "run.list", ROLE_VIEWER, false },
};

static void operations_that_matter_ask_what_they_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		const struct op *op = op_find(wanted[i].name);

		if (!op)
			fail_msg("there is no %s", wanted[i].name);
		if (op->role != wanted[i].role || !!(op->flags & OP_TRACKING) != wanted[i].loopback)
			fail_msg("%s is not for whom it should be", op->name);
	}
}

static bool has_scope(const struct op *op, unsigned scopes)
{
	if (access_is_neutral(op))
		return true;
	return scopes & (op->flags & OP_TRACKING ? SCOPE_TRACKING : op->flags & OP_OBJECTS ? SCOPE_OBJECTS : SCOPE_REST);
}

static void every_operation_is_for_its_role_and_those_above(void **state)
{
	const struct op *op;

	(void)state;
	for (size_t i = 0; (op = op_at(i)); i++) {
		struct route route = { .method = op->method, .path = op->path, .op = op };

		assert_false(may(&route, somebody(PRINCIPAL_NOBODY, ROLE_ADMIN, SCOPE_ALL)));
		assert_int_equal(err.code, ERR_AUTH);
		assert_false(may(&route, somebody(PRINCIPAL_CLAIMED, ROLE_ADMIN, SCOPE_ALL)));
		assert_int_equal(err.code, ERR_AUTH);
		for (int role = 0; role < ACCESS_ROLES; role++)
			for (unsigned scopes = 0; scopes <= SCOPE_ALL; scopes++) {
				struct principal who = somebody(PRINCIPAL_TOKEN, role, scopes);

				if (may(&route, who) != (role >= (int)op->role && has_scope(op, scopes)))
					fail_msg("%s, role %s, scopes %u", op->name, access_roles[role], scopes);
				assert_true(may(&route, who) || err.code == ERR_DENIED);
			}
	}
}

/* Whoever has a permission somewhere passes the door of what is about one thing, up to what engineers do; inside,
 * the thing itself decides. */
static void permissions_open_doors_to_things_only(void **state)
{
	const struct op *op;

	(void)state;
	for (size_t i = 0; (op = op_at(i)); i++) {
		struct route route = { .method = op->method, .path = op->path, .op = op };
		struct principal who = token(ROLE_VIEWER);
		bool lifted = op->about != ABOUT_NOTHING && op->role <= ROLE_ENGINEER;

		who.grant.special = true;
		assert_int_equal(may(&route, who), op->role == ROLE_VIEWER || lifted);
		who.grant.hidden = true;
		assert_int_equal(may(&route, who),
				 (op->role == ROLE_VIEWER || lifted) && access_is_divisible(op));
	}
}

/* The arguments that say what it is about, of which one must be among the parameters. */
static bool names_its_thing(const struct op *op)
{
	static const char *const names[][4] = {
		[ABOUT_EXPERIMENT] = { "experiment_id", "experiment_ids", "experiment_name" },
		[ABOUT_RUN] = { "run_id", "run_ids", "run_uuid" },
		[ABOUT_LOGGED_MODEL] = { "model_id" },
		[ABOUT_MODEL] = { "name" },
		[ABOUT_VERSION] = { "name" },
		[ABOUT_FILE] = { "path" },
	};
	char key[64];

	for (const struct op_param *p = op->params; p && p->name; p++)
		for (size_t i = 0; i < 4 && names[op->about][i]; i++)
			if (!strcmp(op_param_key(p, key), names[op->about][i]))
				return true;
	return false;
}

static void operations_name_what_they_are_about(void **state)
{
	const struct op *op;

	(void)state;
	for (size_t i = 0; (op = op_at(i)); i++)
		if (op->about != ABOUT_NOTHING && !names_its_thing(op))
			fail_msg("%s does not name what it is about", op->name);
}

/* Tracking is per experiment and model: what of it is about none must be a search that is narrowed, or make a new one.
 * One is refused whole to who may see a part: model.show takes MODEL@ALIAS, which only it can read. */
static void tracking_leaves_nothing_out(void **state)
{
	const struct op *op;

	(void)state;
	for (size_t i = 0; (op = op_at(i)); i++)
		if (op->flags & OP_TRACKING && !access_is_divisible(op) && strcmp(op->name, "model.show"))
			fail_msg("%s shows all to those who may see a part", op->name);
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

static void deleting_needs_more_than_editing(void **state)
{
	const struct op *op;

	(void)state;
	for (size_t i = 0; (op = op_at(i)); i++) {
		bool deletes = op->about != ABOUT_NOTHING && strncmp(op->name, "alias.", 6) &&
			       (ends_in(op->name, ".delete") || ends_in(op->name, ".restore"));

		if (deletes != !!(op->flags & OP_MANAGES))
			fail_msg("%s", op->name);
		assert_true(!deletes || op->role >= ROLE_ENGINEER);
	}
}

/* ---- routes ---- */

/* What everybody may see. Nothing comes in here without thought. */
static const char *const open_routes[] = {
	"GET /", "GET /livez", "GET /readyz", "GET /health", "GET /version", "GET /api/v1/openapi.json",
	"GET /api/3.0/mlflow/server-info", "GET /ajax-api/3.0/mlflow/server-info",
};

static bool is_open(const struct route *route)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s %s", route->method, route->path);

	for (size_t i = 0; i < ARRAY_LEN(open_routes); i++)
		if (!strcmp(open_routes[i], name))
			return true;
	return false;
}

static void every_route_refuses_strangers(void **state)
{
	const struct route *route;
	size_t n = 0, opened = 0;

	(void)state;
	for (; (route = router_at(n)); n++) {
		bool open = may(route, somebody(PRINCIPAL_NOBODY, 0, 0));

		if (open != is_open(route))
			fail_msg("%s %s", route->method, route->path);
		opened += open;
	}
	assert_int_equal(opened, ARRAY_LEN(open_routes));
	assert_true(n > 300);
}

/* A route without an operation that changes something is not for viewers, and one with an operation not for less than
 * that asks. */
static void routes_ask_no_less_than_their_operation(void **state)
{
	const struct route *route;

	(void)state;
	for (size_t i = 0; (route = router_at(i)); i++) {
		bool reads = !strcmp(route->method, "GET") || !strcmp(route->method, "HEAD");

		if (is_open(route))
			continue;
		if (!route->op)
			assert_int_equal(may(route, token(ROLE_VIEWER)), reads && route->role == ROLE_VIEWER);
		else
			assert_int_equal(may(route, token(ROLE_VIEWER)), route->op->role == ROLE_VIEWER);
		assert_true(may(route, token(ROLE_ADMIN)));
	}
}

static void this_machine_tracks_and_no_more(void **state)
{
	const struct route *route;

	(void)state;
	for (size_t i = 0; (route = router_at(i)); i++) {
		struct principal who = somebody(PRINCIPAL_LOOPBACK, ROLE_ENGINEER, SCOPE_TRACKING);
		bool tracks = route->op ? route->op->flags & OP_TRACKING || access_is_neutral(route->op)
					: route->flags & ROUTE_TRACKING;

		if (may(route, who) != (tracks || is_open(route)))
			fail_msg("%s %s", route->method, route->path);
	}
}

/* ---- Host and Origin ---- */

static int admits(const char *method, const char *host, const char *origin, const char *site)
{
	struct origin_head head = { .method = method, .host = host, .origin = origin, .fetch_site = site };

	return origin_check(&head, NULL) == 0;
}

static void names_of_others_are_not_ours(void **state)
{
	static const char *const more[] = { "ml.example.org", "*.example.net", NULL };

	(void)state;
	origin_allow("0.0.0.0:5000", more);
	assert_true(admits("GET", "ml.example.org:1", NULL, NULL));
	assert_true(admits("GET", "x.example.net", NULL, NULL));
	assert_true(admits("GET", "[fe80::1]:80", NULL, NULL));
	assert_false(admits("GET", "example.net", NULL, NULL));
	assert_false(admits("GET", "xexample.net", NULL, NULL));
	assert_false(admits("GET", "other.example.org", NULL, NULL));
	assert_false(admits("GET", NULL, NULL, NULL));
	assert_false(admits("GET", "127.1", NULL, NULL));
	assert_false(admits("GET", "[::1]x", NULL, NULL));
	origin_release();
	assert_false(admits("GET", "ml.example.org:1", NULL, NULL));
	assert_true(admits("GET", "localhost", NULL, NULL));
}

static void only_own_pages_change_things(void **state)
{
	(void)state;
	assert_true(admits("POST", "127.0.0.1:5000", "http://127.0.0.1:5000", NULL));
	assert_true(admits("POST", "127.0.0.1:5000", NULL, "same-origin"));
	assert_true(admits("GET", "127.0.0.1:5000", "http://evil", "cross-site"));
	assert_false(admits("POST", "127.0.0.1:5000", "http://127.0.0.1:5001", NULL));
	assert_false(admits("DELETE", "127.0.0.1:5000", "null", NULL));
	assert_false(admits("PUT", "127.0.0.1:5000", "http://127.0.0.1:5000", "same-site"));
	assert_false(admits("PATCH", "127.0.0.1:5000", "127.0.0.1:5000", NULL));
	assert_false(admits("POST", "127.0.0.1:5000", "", NULL));
}

/* ---- Authorization ---- */

static void credentials_are_bearer_or_basic(void **state)
{
	static const char *const bad[] = { "", "Bearer", "Bearer ", "Basic", "Basic !", "Basic eA==", "Digest x", "x",
					   "BasicYTpi", "Basic AAAA", "Bearerx y", "Basic /zo=" };
	struct credentials c;

	(void)state;
	assert_int_equal(credentials_parse("bearer  x y \t", &c, &err), 0);
	assert_string_equal(c.secret, "x y");
	assert_null(c.user);
	credentials_release(&c);
	assert_int_equal(credentials_parse("Basic YTpiOmM=", &c, &err), 0);
	assert_string_equal(c.user, "a");
	assert_string_equal(c.secret, "b:c");
	credentials_release(&c);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(credentials_parse(bad[i], &c, &err), -1);
		assert_int_equal(err.code, ERR_AUTH);
	}
}

static void guessing_has_to_wait_and_others_do_not(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(login_may_try("192.0.2.1", 1000000 + i, &err), 0);
		login_failed("192.0.2.1", 1000000 + i);
	}
	assert_int_equal(login_may_try("192.0.2.1", 1000020, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(login_may_try("192.0.2.2", 1000020, &err), 0);
	assert_int_equal(login_may_try("192.0.2.1", 1060000, &err), 0);
	/* of one customer of IPv6 all addresses are one */
	for (int i = 0; i < 10; i++) {
		char address[64];

		snprintf(address, sizeof(address), "2001:db8::%d", i + 1);
		login_failed(address, 1000000);
	}
	assert_int_equal(login_may_try("2001:db8::ffff", 1000001, &err), -1);
	assert_int_equal(login_may_try("2001:db8:0:1::1", 1000001, &err), 0);
}

static int add_routes(void **state)
{
	(void)state;
	page_start();
	health_start();
	mlflow_start();
	v1_start();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_that_matter_ask_what_they_should),
		cmocka_unit_test(every_operation_is_for_its_role_and_those_above),
		cmocka_unit_test(permissions_open_doors_to_things_only),
		cmocka_unit_test(operations_name_what_they_are_about),
		cmocka_unit_test(tracking_leaves_nothing_out),
		cmocka_unit_test(deleting_needs_more_than_editing),
		cmocka_unit_test(every_route_refuses_strangers),
		cmocka_unit_test(routes_ask_no_less_than_their_operation),
		cmocka_unit_test(this_machine_tracks_and_no_more),
		cmocka_unit_test(names_of_others_are_not_ours),
		cmocka_unit_test(only_own_pages_change_things),
		cmocka_unit_test(credentials_are_bearer_or_basic),
		cmocka_unit_test(guessing_has_to_wait_and_others_do_not),
	};
	return cmocka_run_group_tests(tests, add_routes, NULL);
}
