/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a path belongs to, and what its fields are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "agent/httpd.h"
#include "agent/router.h"
#include "base/error.h"
#include "base/mem.h"

static int serve(struct call *call, struct project *project, struct error *err)
{
	(void)call;
	(void)project;
	(void)err;
	return 0;
}

static void fail_here(struct call *call, const struct error *err)
{
	(void)call;
	(void)err;
}

static const struct route routes[] = {
	{ .method = "GET", .path = "/u/a", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "POST", .path = "/u/a", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "GET", .path = "/u/{name}", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "DELETE", .path = "/u/{name}", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "PUT", .path = "/u/{name}/files/{path*}", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "HEAD", .path = "/u/{name}/head", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "GET", .path = "/u/{name}/head", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "GET", .path = "/u/family/one/x", .flags = ROUTE_OPEN, .serve = serve, .fail = fail_here },
};

/* A call as the server makes it, which call_header looks into. */
struct fake {
	struct call call;
	char server[512];
};

static struct call *look(struct fake *fake, const char *method, const char *path, const char *query, int *ret,
			 struct error *err)
{
	memset(fake, 0, sizeof(*fake));
	fake->call = (struct call){ .method = method, .path = xstrdup(path), .fd = -1, .body = STRBUF_INIT,
				    .text = STRBUF_INIT, .peer = { .is_unix = true } };
	*ret = router_find(&fake->call, query, err);
	return &fake->call;
}

static void drop(struct call *call)
{
	for (size_t i = 0; i < call->nfields; i++) {
		free(call->fields[i].name);
		free(call->fields[i].value);
	}
	free(call->fields);
	free(call->path);
	call_drop_answer(call);
}

static void expect(const char *method, const char *path, const struct route *route, enum error_code code)
{
	struct error err = { 0 };
	struct fake fake;
	int r;
	struct call *call = look(&fake, method, path, "", &r, &err);

	assert_int_equal(err.code, code);
	assert_int_equal(r, code ? -1 : 0);
	assert_ptr_equal(call->route, route);
	drop(call);
}

static void a_path_finds_its_route_by_method(void **state)
{
	(void)state;
	expect("GET", "/u/a", &routes[0], 0);
	expect("POST", "/u/a", &routes[1], 0);
	expect("DELETE", "/u/a", &routes[3], 0);
	expect("GET", "/u/b", &routes[2], 0);
	expect("PUT", "/u/b/files/c/d", &routes[4], 0);
	expect("GET", "/u/b/", NULL, ERR_NOT_FOUND);
	expect("GET", "/u/", NULL, ERR_NOT_FOUND);
	expect("PUT", "/u/b/files/", NULL, ERR_NOT_FOUND);
	expect("GET", "/U/a", NULL, ERR_NOT_FOUND);
	expect("PUT", "/u/a", NULL, ERR_METHOD);
	expect("get", "/u/a", NULL, ERR_METHOD);
}

static void head_is_get_unless_it_has_a_route(void **state)
{
	(void)state;
	expect("HEAD", "/u/a", &routes[0], 0);
	expect("HEAD", "/u/b/head", &routes[5], 0);
	expect("HEAD", "/u/b/files/c", NULL, ERR_METHOD);
}

static void fields_are_decoded_once(void **state)
{
	struct error err = { 0 };
	struct fake fake;
	int r;
	struct call *call = look(&fake, "PUT", "/u/a%2520b+c/files/d%C3%A4/e%3F", "q=1+%2B&q=2&empty&=none&x=a=b", &r, &err);

	(void)state;
	assert_int_equal(r, 0);
	assert_string_equal(call_field(call, "name"), "a%20b+c");
	assert_string_equal(call_field(call, "path"), "d\303\244/e?");
	assert_string_equal(call_field(call, "q"), "1 +");
	assert_string_equal(call_field(call, "empty"), "");
	assert_string_equal(call_field(call, "x"), "a=b");
	assert_int_equal(call->nfields, 6);
	drop(call);
}

static void what_hides_in_a_segment_is_refused(void **state)
{
	static const char *const bad[] = { "/u/..",  "/u/.",	 "/u/%2e%2e", "/u/a%2fb", "/u/a%2Fb", "/u/%00",
					   "/u/%",   "/u/%4",	 "/u/%zz",    "/u/%ff",	  "/u/%c0%ae", "/u/a/files/b//c",
					   "/u/a/files/../b", "/u/a/files/b/..", "/u/a/files/b/", "/u/a/files/b%2f" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };
		struct fake fake;
		int r;

		drop(look(&fake, strstr(bad[i], "files") ? "PUT" : "GET", bad[i], "", &r, &err));
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static void methods_of_a_path_are_told(void **state)
{
	struct error err = { 0 };
	struct fake fake;
	int r;
	struct call *call = look(&fake, "PATCH", "/u/a", "", &r, &err);

	(void)state;
	router_allow(call);
	assert_string_equal(call->headers, "Allow: GET, POST, DELETE, HEAD\n");
	drop(call);
}

static void a_family_writes_the_errors_of_its_unknown_paths(void **state)
{
	struct call call = { .path = (char[]){ "/u/family/two" } };

	(void)state;
	assert_true(router_fail(&call) == fail_here);
	call.path = (char[]){ "/u/other/two" };
	assert_true(router_fail(&call) == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_finds_its_route_by_method),
		cmocka_unit_test(head_is_get_unless_it_has_a_route),
		cmocka_unit_test(fields_are_decoded_once),
		cmocka_unit_test(what_hides_in_a_segment_is_refused),
		cmocka_unit_test(methods_of_a_path_are_told),
		cmocka_unit_test(a_family_writes_the_errors_of_its_unknown_paths),
	};

	router_add(routes, ARRAY_LEN(routes));
	router_ready();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
