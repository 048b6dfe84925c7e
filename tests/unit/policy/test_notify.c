/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/notify.h"

static struct js *parse(const char *text)
{
	struct js *value = NULL;

	assert_int_equal(js_parse(text, strlen(text), "test", &value, NULL), 0);
	return value;
}

static struct js *told(const char *event_text, const char *facts_text)
{
	CLEANUP_JS struct js *event = parse(event_text), *facts = parse(facts_text);

	return notify_message(event, facts);
}

#define RUN "11112222333344445555666677778888"

static const struct {
	const char *event, *facts, *on, *title, *text, *next;
} cases[] = {
	{ "{\"seq\":7,\"time\":0,\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"after\":\"failed\",\"body\":{\"project\":\"churn\","
	  "\"trigger\":\"nightly\",\"commit\":\"0123456789abcdef\"}}",
	  "{\"error\":\"step train failed\"}", "fail", "churn: run 11112222 failed",
	  "step train failed; started by the trigger nightly; commit 0123456789ab", "mlops logs 11112222" },
	{ "{\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"after\":\"lost\",\"body\":{\"project\":\"churn\"}}", "{}", "fail",
	  "churn: run 11112222 was lost", "it did not succeed", "mlops logs 11112222" },
	{ "{\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"after\":\"finished\",\"body\":{\"project\":\"churn\"}}",
	  "{\"before\":\"lost\"}", "fixed", "churn: run 11112222 succeeded again", "the one before had lost", "mlops show 11112222" },
	{ "{\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"after\":\"finished\",\"body\":{\"project\":\"churn\","
	  "\"outcome\":\"nothing new\"}}", "{\"before\":\"failed\"}", "fixed", "churn: run 11112222 succeeded again",
	  "the one before had failed; nothing was new", "mlops trigger history churn" },
	{ "{\"operation\":\"monitor.decide\",\"subject\":\"serving\",\"after\":\"held\",\"body\":{\"window\":12,\"rule\":\"stopped\"}}",
	  "{}", "drift", "serving: drift, and a person is asked (window 12)",
	  "retraining stopped after runs that failed or were rejected; rule: stopped", "mlops monitor ack serving" },
	{ "{\"operation\":\"approval.ask\",\"subject\":\"churn@v3\",\"body\":{\"alias\":\"champion\",\"who\":[\"anna\",\"bob\"]}}", "{}",
	  "approval", "churn@v3 waits for approval", "it passed its gate and asks for the alias champion; anna, bob may agree",
	  "mlops model approve churn@v3" },
	{ "{\"operation\":\"approval.reject\",\"actor\":\"bob\",\"subject\":\"churn@v3\",\"body\":{\"reason\":\"too old\"}}", "{}", "approval",
	  "churn@v3 was rejected", "by bob: too old", "mlops model show churn@v3" },
	{ "{\"operation\":\"approval.expire\",\"subject\":\"churn@v3\",\"body\":{}}", "{}", "approval", "churn@v3 was not approved in time",
	  "nobody answered, so the alias stays where it is", "mlops model show churn@v3" },
	{ "{\"operation\":\"model.promote\",\"subject\":\"churn@champion\",\"before\":\"v2\",\"after\":\"v3\",\"body\":{\"how\":\"gate\"}}",
	  "{}", "promoted", "churn@champion is now v3", "before it was v2", "mlops model rollback --reason TEXT churn@champion" },
	{ "{\"operation\":\"model.rollback\",\"subject\":\"churn@champion\",\"before\":\"v3\",\"after\":\"v2\",\"body\":{\"reason\":\"bad\"}}",
	  "{}", "promoted", "churn@champion went back to v2", "before it was v3; bad", "mlops model release churn@champion" },
};

static void each_kind_ends_with_what_to_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JS struct js *message = told(cases[i].event, cases[i].facts);

		assert_non_null(message);
		assert_string_equal(js_get_str(message, "on"), cases[i].on);
		assert_string_equal(js_get_str(message, "title"), cases[i].title);
		assert_string_equal(js_get_str(message, "text"), cases[i].text);
		assert_string_equal(js_get_str(message, "next"), cases[i].next);
	}
}

static void what_is_no_news_is_not_told(void **state)
{
	static const char *const quiet[] = {
		"{\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"after\":\"finished\",\"body\":{}}",
		"{\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"after\":\"cancelled\",\"body\":{}}",
		"{\"operation\":\"job.end\",\"subject\":\"" RUN "\",\"body\":{}}",
		"{\"operation\":\"monitor.decide\",\"subject\":\"serving\",\"after\":\"none\",\"body\":{}}",
		"{\"operation\":\"monitor.decide\",\"subject\":\"serving\"}",
		"{\"operation\":\"monitor.decide\",\"subject\":\"s\",\"after\":\"held\",\"body\":{\"rule\":\"again\"}}",
		"{\"operation\":\"monitor.decide\",\"subject\":\"s\",\"after\":\"quarantine\",\"body\":{\"rule\":\"again\"}}",
		"{\"operation\":\"monitor.decide\",\"subject\":\"s\",\"after\":\"held\",\"body\":{\"rule\":\"budget\",\"alarm\":\"stands\"}}",
		"{\"operation\":\"run.start\",\"subject\":\"x\"}",
		"{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(quiet); i++) {
		CLEANUP_JS struct js *message = told(quiet[i], "{\"before\":\"finished\",\"rule_before\":\"again\"}");

		assert_null(message);
	}
}

/* Names and reasons are written by others: no line of theirs, no command of ours. */
static void a_chat_gets_text_that_calls_nobody(void **state)
{
	CLEANUP_JS struct js *message = told("{\"operation\":\"approval.reject\",\"actor\":\"bob\",\"subject\":\"churn@v3\","
					     "\"body\":{\"reason\":\"<!channel> @here & @channel\"}}", "{}");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, json = STRBUF_INIT;
	CLEANUP_JS struct js *chat = NULL, *whole = NULL;

	(void)state;
	notify_render(message, true, &text);
	chat = parse(text.buf);
	assert_int_equal(js_len(chat), 1);
	assert_string_equal(js_get_str(chat, "text"),
			    "churn@v3 was rejected\nby bob: &lt;!channel&gt; @\xe2\x80\x8bhere &amp; @\xe2\x80\x8b"
			    "channel\nmlops model show churn@v3");
	notify_render(message, false, &json);
	whole = parse(json.buf);
	assert_string_equal(js_get_str(whole, "text"), "by bob: <!channel> @here & @channel");
	assert_string_equal(js_get_str(js_get(whole, "details"), "reason"), "<!channel> @here & @channel");
}

static void a_subject_is_one_word_of_the_command(void **state)
{
	CLEANUP_JS struct js *message =
		told("{\"operation\":\"monitor.decide\",\"subject\":\"a; rm -rf b\",\"after\":\"alarm\",\"body\":{}}", "{}");

	(void)state;
	assert_string_equal(js_get_str(message, "next"), "mlops monitor show 'a; rm -rf b'");
}

static void urls_have_two_parts(void **state)
{
	static const struct {
		const char *url, *server, *path;
		bool plain;
	} good[] = {
		{ "https://chat.example.org/hooks/KEY", "https://chat.example.org", "/hooks/KEY", false },
		{ "https://chat.example.org", "https://chat.example.org", "/", false },
		{ "https://Chat.Example.org:8443/a//b/../c?key=1&token=%20", "https://chat.example.org:8443", "/a//b/../c?key=1&token=%20",
		  false },
		{ "https://chat.example.org?x=1", "https://chat.example.org", "/?x=1", false },
		{ "http://[::1]:80/x", "http://[::1]", "/x", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct endpoint endpoint CLEANUP(endpoint_release) = { 0 };

		assert_int_equal(endpoint_parse(good[i].url, &endpoint, NULL), 0);
		assert_string_equal(endpoint.server, good[i].server);
		assert_string_equal(endpoint.path, good[i].path);
		assert_int_equal(endpoint.plain, good[i].plain);
	}
}

static void other_urls_are_refused_without_being_told(void **state)
{
	static const char *const bad[] = {
		"ftp://secret.example", "secret", "https://", "https://a:secret@b/", "https://b/#secret", "https://b/secret x",
		"https://b/\r\nsecret: x", "file:///secret", "unix:/secret", "https://secret host/", "https://b:99999/secret", "HTTPS://secret/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct endpoint endpoint = { 0 };
		struct error err = { 0 };

		assert_int_equal(endpoint_parse(bad[i], &endpoint, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(strstr(err.msg, "secret"));
		assert_null(endpoint.server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_ends_with_what_to_type),
		cmocka_unit_test(what_is_no_news_is_not_told),
		cmocka_unit_test(a_chat_gets_text_that_calls_nobody),
		cmocka_unit_test(a_subject_is_one_word_of_the_command),
		cmocka_unit_test(urls_have_two_parts),
		cmocka_unit_test(other_urls_are_refused_without_being_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
