/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include "base/error.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "base/reach.h"

static bool allows(const struct reach *reach, const char *text)
{
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		return reach_allows(reach, (const struct sockaddr *)&four);
	assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
	return reach_allows(reach, (const struct sockaddr *)&six);
}

static void public_addresses_do(void **state)
{
	static const char *const public[] = {
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
		"192.0.0.9", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00:1450::1",
		"::ffff:8.8.8.8", "64:ff9b::808:808", "2400::1",
	};
	const struct reach none = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(public); i++)
		if (!allows(&none, public[i]))
			fail_msg("%s is public", public[i]);
}

static void all_others_do_not(void **state)
{
	static const char *const special[] = {
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.1.2.3",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
		"198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::",
		"::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
		"64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "fc00::1",
		"fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "5f00::1",
	};
	const struct sockaddr_un local = { .sun_family = AF_UNIX };
	const struct reach none = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (allows(&none, special[i]))
			fail_msg("%s is not public", special[i]);
	assert_false(reach_allows(&none, (const struct sockaddr *)&local));
}

static void what_is_listed_does(void **state)
{
	struct reach reach CLEANUP(reach_release) = { 0 };

	(void)state;
	assert_int_equal(reach_parse(" 127.0.0.0/8,10.1.0.0/16 , 192.168.7.9 fd00::/8\t", &reach, NULL), 0);
	assert_int_equal(reach.len, 4);
	assert_true(allows(&reach, "127.9.9.9"));
	assert_true(allows(&reach, "::ffff:127.0.0.1"));
	assert_true(allows(&reach, "10.1.255.1"));
	assert_false(allows(&reach, "10.2.0.0"));
	assert_true(allows(&reach, "192.168.7.9"));
	assert_false(allows(&reach, "192.168.7.8"));
	assert_true(allows(&reach, "fdff::1"));
	assert_false(allows(&reach, "fc00::1"));
	assert_true(allows(&reach, "8.8.8.8"));
	reach.only_listed = true;
	assert_false(allows(&reach, "8.8.8.8"));
	assert_true(allows(&reach, "127.0.0.1"));
}

static void all_of_ipv4_is_no_ipv6(void **state)
{
	struct reach reach CLEANUP(reach_release) = { 0 };

	(void)state;
	assert_int_equal(reach_parse("0.0.0.0/0", &reach, NULL), 0);
	assert_true(allows(&reach, "10.0.0.1"));
	assert_false(allows(&reach, "::1"));
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const bad[] = {
		"10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "localhost", "/8", "10.0.0.0/1000", "1.2.3.4/+8",
	};
	struct reach reach = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(reach_parse(bad[i], &reach, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(reach.listed);
	}
	assert_int_equal(reach_parse("", &reach, NULL), 0);
	assert_int_equal(reach.len, 0);
}

/* All spellings that resolvers take for loopback end at the same address. */
static void connections_are_looked_at(void **state)
{
	static const char *const urls[] = { "http://127.0.0.1:9", "http://localhost:9", "http://127.1:9", "http://[::1]:9",
					    "http://2130706433:9", "http://0x7f000001:9", "http://[::ffff:127.0.0.1]:9" };
	const struct http_request request = { .method = "GET", .path = "/" };
	const struct reach none = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		const struct http_server server = { .url = urls[i], .reach = &none };
		CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
		struct error err = { 0 };
		int status;

		assert_int_equal(http_exchange(&server, &request, NULL, &status, &body, NULL, &err), -1);
		if (err.code != ERR_DENIED)
			fail_msg("%s: %s", urls[i], err.msg);
		assert_non_null(strstr(err.msg, "is no public address"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_addresses_do),
		cmocka_unit_test(all_others_do_not),
		cmocka_unit_test(what_is_listed_does),
		cmocka_unit_test(all_of_ipv4_is_no_ipv6),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(connections_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
