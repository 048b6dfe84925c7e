/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/webhook.h"

#define SECRET "It's a Secret to Everybody"
#define OTHER  "another secret"
#define ZEROS  "0000000000000000000000000000000000000000"
#define FIRST  "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
#define SECOND "ec26c3e57ca3a959ca5aad62de7213c562f8c821"

/* Names and values, one after the other; NULL ends them. */
static const char *get(void *ctx, const char *name)
{
	for (const char *const *at = ctx; *at; at += 2)
		if (!strcmp(*at, name))
			return at[1];
	return NULL;
}

static struct webhook_request request(const char *const *headers, const char *body)
{
	return (struct webhook_request){ get, (void *)(uintptr_t)headers, body, strlen(body) };
}

/* -1 or the provider. */
static int verify(const char *const *headers, const char *body, const char *secret, int64_t now_ms, struct error *err)
{
	const char *const secrets[] = { "", secret };
	struct webhook_request r = request(headers, body);
	enum webhook_provider provider;

	return webhook_verify(&r, secrets, 2, now_ms, &provider, err) < 0 ? -1 : (int)provider;
}

/* ---- HMAC ---- */

static void hmac_has_the_digits_of_rfc_4231(void **state)
{
	static const char large[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	char key[131], hex[DIGEST_HEX + 1];
	const struct {
		const char *key, *text, *hex;
		size_t len;
	} cases[] = {
		{ "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 4 },
		{ key, large, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", sizeof(key) },
		{ "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", 0 },
	};

	(void)state;
	memset(key, 0xaa, sizeof(key));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct digest digest;
		struct hmac hmac;

		hmac_init(&hmac, cases[i].key, cases[i].len);
		hmac_update(&hmac, cases[i].text, strlen(cases[i].text));
		hmac_final(&hmac, &digest);
		assert_string_equal(digest_format(&digest, hex), cases[i].hex);
	}
}

/* ---- proofs ---- */

/* GitHub documents secret, body and signature; Gitea and Forgejo send the same, and their own. */
static void documented_signatures_are_good(void **state)
{
	static const char hex[] = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
	static const char hub[] = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
	static const char *const heads[][7] = {
		{ "x-github-event", "push", "x-hub-signature-256", hub, NULL },
		{ "x-github-event", "push", "x-gitea-event", "push", "x-gitea-signature", hex, NULL },
		{ "x-gitea-event", "push", "x-forgejo-event", "push", "x-forgejo-signature", hex, NULL },
		{ "x-gitlab-event", "Push Hook", "x-gitlab-token", SECRET, NULL },
		{ "x-hub-signature-256", hub, NULL },
	};
	static const int providers[] = { WEBHOOK_GITHUB, WEBHOOK_GITEA, WEBHOOK_FORGEJO, WEBHOOK_GITLAB, WEBHOOK_GENERIC };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct error err = { 0 };

		assert_int_equal(verify(heads[i], "Hello, World!", SECRET, 0, NULL), providers[i]);
		assert_int_equal(verify(heads[i], "Hello, World!", OTHER, 0, &err), -1);
		assert_int_equal(err.code, ERR_AUTH);
		if (providers[i] != WEBHOOK_GITLAB) /* its token covers nothing */
			assert_int_equal(verify(heads[i], "Hello, World?", SECRET, 0, NULL), -1);
	}
}

/* The example of Standard Webhooks, which GitLab's signing tokens follow. */
static void a_signed_time_must_be_now(void **state)
{
	static const char body[] = "{\"test\": 2432232314}", secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	const char *head[] = { "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330",
			       "webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			       "x-gitlab-event", "Push Hook", NULL };
	const int64_t then = 1614265330000, minutes = 60000;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(verify(head, body, secret, then, NULL), WEBHOOK_GITLAB);
	assert_int_equal(verify(head, body, secret, then + 5 * minutes, NULL), WEBHOOK_GITLAB);
	assert_int_equal(verify(head, body, secret, then + 5 * minutes + 1, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(verify(head, body, secret, then - 6 * minutes, NULL), -1);
	/* the time is signed, and so is the id */
	head[3] = "1614265331";
	assert_int_equal(verify(head, body, secret, then, &err), -1);
	assert_int_equal(err.code, ERR_AUTH);
	head[3] = "1614265330";
	head[1] = "msg_other";
	assert_int_equal(verify(head, body, secret, then, NULL), -1);
}

static void what_proves_nothing_is_refused(void **state)
{
	const char *few[] = { "webhook-id", "i", "webhook-timestamp", "1614265330",
			      "webhook-signature", "v1,cfNe6heJrHiWHAUtojKvUK0kvzgeDrn+H9DcGszvwug=", NULL };
	static const char *const heads[][5] = {
		{ "x-github-event", "push", NULL },
		{ "x-hub-signature-256", "", NULL },
		{ "x-hub-signature-256", "sha256=", NULL },
		{ "x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59", NULL },
		{ "webhook-signature", "v1,", "webhook-id", "a", NULL },
		{ "x-gitlab-token", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		assert_int_equal(verify(heads[i], "{}", SECRET, 0, NULL), -1);
		assert_int_equal(verify(heads[i], "{}", "", 0, NULL), -1);
	}
	/* it is the bytes that are spelled which count */
	assert_int_equal(verify(few, "{}", "whsec_AA==", 1614265330000, NULL), -1);
	/* a short one is no secret, though it fits */
	assert_int_equal(verify((const char *const[]){ "x-gitlab-token", "1234567", NULL }, "{}", "1234567", 0, NULL), -1);
}

static void bodies_are_json_and_signed_or_not_worth_reading(void **state)
{
	static const struct {
		const char *head[5];
		int code;
	} cases[] = {
		{ { "content-type", "application/json", "x-gitlab-token", "t", NULL }, ERR_NONE },
		{ { "content-type", "application/json; charset=utf-8", "x-gitlab-token", "t", NULL }, ERR_NONE },
		{ { "content-type", "application/x-www-form-urlencoded", "x-gitlab-token", "t", NULL }, ERR_USAGE },
		{ { "content-type", "application/jsonx", "x-gitlab-token", "t", NULL }, ERR_USAGE },
		{ { "x-gitlab-token", "t", NULL }, ERR_USAGE },
		{ { "content-type", "application/json", NULL }, ERR_AUTH },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct webhook_request r = request(cases[i].head, "");
		struct error err = { 0 };

		webhook_check_head(&r, &err);
		assert_int_equal(err.code, cases[i].code);
	}
}

/* ---- events ---- */

static struct webhook_event event;

static int read_event(const char *name, const char *value, enum webhook_provider provider, const char *body, struct error *err)
{
	const char *const head[] = { name, value, "x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958", NULL };
	struct webhook_request r = request(head, body);

	webhook_event_release(&event);
	return webhook_read(&r, provider, &event, err);
}

static void good(const char *name, const char *value, enum webhook_provider provider, const char *body)
{
	struct error err = { 0 };

	if (read_event(name, value, provider, body, &err) < 0)
		fail_msg("%s", err.msg);
}

#define COMMIT(id, time, changes) "{\"id\":\"" id "\",\"timestamp\":\"" time "\"," changes "}"

static void pushes_of_github_are_read(void **state)
{
	(void)state;
	good("x-github-event", "push", WEBHOOK_GITHUB,
	     "{\"ref\":\"refs/heads/release/1\",\"before\":\"" FIRST "\",\"after\":\"" SECOND "\",\"forced\":false,\"deleted\":false,"
	     "\"repository\":{\"full_name\":\"Codertocat/Hello-World\"},\"sender\":{\"login\":\"Codertocat\"},\"commits\":["
	     COMMIT(SECOND, "2019-05-15T15:20:33Z", "\"added\":[\"b\"],\"removed\":[],\"modified\":[\"README.md\",\"b\"]") "],"
	     "\"head_commit\":" COMMIT(SECOND, "2019-05-15T15:20:33Z", "\"added\":[]") "}");
	assert_int_equal(event.kind, WEBHOOK_PUSH);
	assert_string_equal(event.delivery, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
	assert_string_equal(event.repository, "Codertocat/Hello-World");
	assert_string_equal(event.branch, "release/1");
	assert_string_equal(event.before, FIRST);
	assert_string_equal(event.after, SECOND);
	assert_string_equal(event.actor, "Codertocat");
	assert_false(event.all_changed);
	assert_int_equal(event.changed.len, 2);
	assert_string_equal(event.changed.items[0], "README.md");
	assert_int_equal(event.time_ms, 1557933633000);
}

static void what_a_push_does_not_tell_may_have_changed(void **state)
{
	static const char *const bodies[] = {
		/* new, forced, more commits than it tells, commits that tell nothing, none */
		"{\"ref\":\"refs/heads/m\",\"before\":\"" ZEROS "\",\"after\":\"" FIRST "\",\"commits\":[{\"added\":[\"a\"]}]}",
		"{\"ref\":\"refs/heads/m\",\"before\":\"" SECOND "\",\"after\":\"" FIRST "\",\"forced\":true,\"commits\":[{\"added\":[]}]}",
		"{\"ref\":\"refs/heads/m\",\"before\":\"" SECOND "\",\"after\":\"" FIRST "\",\"total_commits_count\":4,\"commits\":[{\"added\":[]}]}",
		"{\"ref\":\"refs/heads/m\",\"before\":\"" SECOND "\",\"after\":\"" FIRST "\",\"commits\":[{\"added\":null}]}",
		"{\"ref\":\"refs/heads/m\",\"before\":\"" SECOND "\",\"after\":\"" FIRST "\"}",
		"{\"ref\":\"refs/heads/m\",\"after\":\"" FIRST "\",\"changed\":[\"a\"]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		good("x-github-event", "push", WEBHOOK_GITHUB, bodies[i]);
		assert_true(event.all_changed);
		assert_int_equal(event.changed.len, 0);
	}
}

static void tags_name_their_commit(void **state)
{
	(void)state;
	good("x-gitlab-event", "Tag Push Hook", WEBHOOK_GITLAB,
	     "{\"object_kind\":\"tag_push\",\"before\":\"" ZEROS "\",\"after\":\"82b3d5ae55f7080f1e6022629cdb57bfae7cccc7\","
	     "\"ref\":\"refs/tags/v1.0.0\",\"checkout_sha\":\"" FIRST "\",\"user_name\":\"John Smith\","
	     "\"project\":{\"path_with_namespace\":\"jsmith/example\"},\"commits\":[]}");
	assert_int_equal(event.kind, WEBHOOK_TAG);
	assert_null(event.branch);
	assert_string_equal(event.after, FIRST);
	/* the documented tag of GitHub that was deleted */
	good("x-github-event", "push", WEBHOOK_GITHUB,
	     "{\"ref\":\"refs/tags/simple-tag\",\"before\":\"" FIRST "\",\"after\":\"" ZEROS "\",\"deleted\":true,\"head_commit\":null}");
	assert_int_equal(event.kind, WEBHOOK_TAG);
	assert_null(event.after);
}

static void pushes_of_gitlab_are_read(void **state)
{
	(void)state;
	good("x-gitlab-event", "Push Hook", WEBHOOK_GITLAB,
	     "{\"object_kind\":\"push\",\"before\":\"95790bf891e76fee5e1747ab589903a6a1f80f22\",\"after\":\"da1560886d4f094c3e6c9ef40349f7d38b5d27d7\","
	     "\"ref\":\"refs/heads/master\",\"user_username\":\"jsmith\",\"project\":{\"path_with_namespace\":\"mike/diaspora\"},"
	     "\"repository\":{\"name\":\"Diaspora\"},\"commits\":["
	     COMMIT("b6568db1bc1dcd7f8b4d5a946b0b91f9dacd7327", "2011-12-12T14:27:31+02:00", "\"added\":[\"CHANGELOG\"],\"modified\":[]") ","
	     COMMIT("da1560886d4f094c3e6c9ef40349f7d38b5d27d7", "2012-01-03T23:36:29+02:00",
		    "\"added\":[],\"modified\":[\"app/controller/application.rb\"],\"removed\":[]")
	     "],\"total_commits_count\":2}");
	assert_string_equal(event.repository, "mike/diaspora");
	assert_string_equal(event.actor, "jsmith");
	assert_int_equal(event.changed.len, 2);
	assert_int_equal(event.time_ms, 1325626589000);
}

#define PULL(action, head_repo)                                                                                                  \
	"{\"action\":\"" action "\",\"number\":2,\"repository\":{\"full_name\":\"Codertocat/Hello-World\"},\"pull_request\":{"       \
	"\"head\":{\"sha\":\"" SECOND "\",\"ref\":\"changes\",\"repo\":" head_repo "},"                                              \
	"\"base\":{\"ref\":\"master\",\"repo\":{\"full_name\":\"Codertocat/Hello-World\"}}},\"sender\":{\"login\":\"Codertocat\"}}"

static void pull_requests_of_forks_are_told_apart(void **state)
{
	static const struct {
		const char *body;
		bool counts, fork;
	} cases[] = {
		{ PULL("opened", "{\"full_name\":\"Codertocat/Hello-World\"}"), true, false },
		{ PULL("synchronize", "{\"full_name\":\"mallory/Hello-World\"}"), true, true },
		{ PULL("synchronized", "{\"full_name\":\"mallory/Hello-World\"}"), true, true },
		{ PULL("reopened", "null"), true, true },
		{ PULL("closed", "null"), false, false },
		{ PULL("labeled", "null"), false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		good("x-gitea-event", "pull_request", WEBHOOK_GITEA, cases[i].body);
		assert_int_equal(event.kind, cases[i].counts ? WEBHOOK_PULL_REQUEST : WEBHOOK_OTHER);
		assert_int_equal(event.fork, cases[i].fork);
		if (!cases[i].counts)
			continue;
		assert_string_equal(event.branch, "master");
		assert_string_equal(event.ref, "refs/pull/2/head");
		assert_string_equal(event.after, SECOND);
		assert_int_equal(event.number, 2);
	}
}

#define MERGE(action, source)                                                                                                       \
	"{\"object_kind\":\"merge_request\",\"user\":{\"username\":\"root\"},\"project\":{\"path_with_namespace\":\"gitlabhq/gitlab-test\"}," \
	"\"object_attributes\":{\"iid\":7,\"target_branch\":\"master\",\"source_project_id\":" source ",\"target_project_id\":14,"           \
	"\"last_commit\":{\"id\":\"da1560886d4f094c3e6c9ef40349f7d38b5d27d7\"}," action "}}"

static void merge_requests_count_when_their_commits_change(void **state)
{
	static const struct {
		const char *body;
		enum webhook_kind kind;
		bool fork;
	} cases[] = {
		{ MERGE("\"action\":\"open\"", "14"), WEBHOOK_PULL_REQUEST, false },
		{ MERGE("\"action\":\"open\"", "15"), WEBHOOK_PULL_REQUEST, true },
		{ MERGE("\"action\":\"update\",\"oldrev\":\"" FIRST "\"", "14"), WEBHOOK_PULL_REQUEST, false },
		{ MERGE("\"action\":\"update\"", "14"), WEBHOOK_OTHER, false },
		{ MERGE("\"action\":\"merge\"", "14"), WEBHOOK_OTHER, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		good("x-gitlab-event", "Merge Request Hook", WEBHOOK_GITLAB, cases[i].body);
		assert_int_equal(event.kind, cases[i].kind);
		assert_int_equal(event.fork, cases[i].fork);
	}
	good("x-gitlab-event", "Merge Request Hook", WEBHOOK_GITLAB, cases[0].body);
	assert_string_equal(event.ref, "refs/merge-requests/7/head");
}

static void other_events_start_nothing(void **state)
{
	(void)state;
	good("x-github-event", "ping", WEBHOOK_GITHUB, "{\"zen\":\"Anything added dilutes everything else.\"}");
	assert_int_equal(event.kind, WEBHOOK_PING);
	good("x-github-event", "issues", WEBHOOK_GITHUB, "{\"action\":\"opened\"}");
	assert_int_equal(event.kind, WEBHOOK_OTHER);
	good("x-github-event", "push", WEBHOOK_GITHUB, "{\"ref\":\"refs/notes/commits\",\"after\":\"" FIRST "\"}");
	assert_int_equal(event.kind, WEBHOOK_OTHER);
}

static void a_program_of_ones_own_pushes(void **state)
{
	(void)state;
	good("x", "y", WEBHOOK_GENERIC,
	     "{\"ref\":\"refs/heads/main\",\"before\":\"" FIRST "\",\"after\":\"" SECOND "\",\"changed\":[\"b\",\"a\",\"b\"]}");
	assert_int_equal(event.kind, WEBHOOK_PUSH);
	assert_int_equal(event.changed.len, 2);
	assert_string_equal(event.changed.items[0], "a");
	assert_false(event.all_changed);
}

static void what_is_no_event_is_refused(void **state)
{
	static const char *const bodies[] = {
		"", "[]", "7", "{", "{}", "{\"ref\":7}", "{\"ref\":\"refs/heads/m\"}",
		"{\"ref\":\"refs/heads/m\",\"after\":\"HEAD\"}",
		"{\"ref\":\"refs/heads/m\",\"after\":\"" FIRST "0\"}",
		"{\"ref\":\"refs/heads/-m\",\"after\":\"" FIRST "\"}",
		"{\"ref\":\"refs/heads/../x\",\"after\":\"" FIRST "\"}",
		"{\"ref\":\"refs/heads/m\",\"after\":\"" FIRST "\",\"before\":\"x\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct error err = { 0 };

		assert_int_equal(read_event("x-github-event", "push", WEBHOOK_GITHUB, bodies[i], &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static void values_of_strangers_are_counted(void **state)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	strbuf_puts(&body, "{\"commits\":[0");
	for (size_t i = 0; i < 250000; i++)
		strbuf_puts(&body, ",0");
	strbuf_puts(&body, "]}");
	assert_int_equal(read_event("x-github-event", "push", WEBHOOK_GITHUB, body.buf, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
}

static int release(void **state)
{
	(void)state;
	webhook_event_release(&event);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_has_the_digits_of_rfc_4231),
		cmocka_unit_test(documented_signatures_are_good),
		cmocka_unit_test(a_signed_time_must_be_now),
		cmocka_unit_test(what_proves_nothing_is_refused),
		cmocka_unit_test(bodies_are_json_and_signed_or_not_worth_reading),
		cmocka_unit_test(pushes_of_github_are_read),
		cmocka_unit_test(what_a_push_does_not_tell_may_have_changed),
		cmocka_unit_test(tags_name_their_commit),
		cmocka_unit_test(pushes_of_gitlab_are_read),
		cmocka_unit_test(pull_requests_of_forks_are_told_apart),
		cmocka_unit_test(merge_requests_count_when_their_commits_change),
		cmocka_unit_test(other_events_start_nothing),
		cmocka_unit_test(a_program_of_ones_own_pushes),
		cmocka_unit_test(what_is_no_event_is_refused),
		cmocka_unit_test(values_of_strangers_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
