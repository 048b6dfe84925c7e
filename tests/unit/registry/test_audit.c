/* SPDX-License-Identifier: Apache-2.0 */
/* Events as leaves of a tree, signed checkpoints of it, and the keys that sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"
#include "registry/audit_internal.h"
#include "registry/events.h"
#include "registry/project.h"
#include "registry/signing_keys.h"

static char dir[32];
static struct project *project;
static struct db *db;
static struct error err;

static int enter(void **state)
{
	bool made;

	(void)state;
	error_clear(&err);
	snprintf(dir, sizeof(dir), "/tmp/mlops-audit-XXXXXX");
	if (!mkdtemp(dir) || project_create(dir, &made, &err) < 0 || project_open(dir, &project, &err) < 0)
		return -1;
	return project_db(project, &db, &err);
}

static int leave(void **state)
{
	(void)state;
	project_close(project);
	return fs_remove_tree(AT_FDCWD, dir, NULL);
}

#define ok(call)                                                                                                      \
	do {                                                                                                          \
		if ((call) < 0)                                                                                       \
			fail_msg("%s", err.msg);                                                                      \
	} while (0)

static int64_t append(const char *subject, const struct js *body)
{
	struct event event = { .actor = "anna@host", .origin = "cli", .operation = "data.add", .subject = subject, .body = body };
	int64_t seq;

	ok(event_append(db, &event, 1000, &seq, &err));
	return seq;
}

static void append_many(int n)
{
	ok(db_begin(db, &err));
	while (n--)
		append("data/raw", NULL);
	ok(db_commit(db, &err));
}

/* As somebody who gets around the triggers. */
static void tamper(const char *sql)
{
	ok(db_begin(db, &err));
	ok(db_exec(db, "DROP TRIGGER IF EXISTS events_are_not_deleted; DROP TRIGGER IF EXISTS events_are_not_changed;"
		       "DROP TRIGGER IF EXISTS audit_nodes_are_not_deleted; DROP TRIGGER IF EXISTS audit_nodes_are_not_changed;"
		       "DROP TRIGGER IF EXISTS checkpoints_are_not_deleted", &err));
	ok(db_exec(db, sql, &err));
	ok(db_commit(db, &err));
}

static uint64_t size_now(void)
{
	uint64_t size;

	ok(audit_size(db, &size, &err));
	return size;
}

static struct digest root_of(uint64_t size)
{
	struct digest root;

	ok(audit_root(db, size, &root, &err));
	return root;
}

static struct checkpoint make(void)
{
	struct checkpoint cp;

	ok(checkpoint_make(project, &cp, NULL, &err));
	return cp;
}

/* ---- the tree ---- */

static void the_leaf_is_the_canonical_event(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;
	CLEANUP_JS struct js *list = NULL, *body = js_object();
	CLEANUP_STMT struct db_stmt *q = NULL;

	(void)state;
	js_set_real(body, "z", 0.1);
	js_set_str(body, "a", "gr\xc3\xbc\xc3\x9f \"x\"\n");
	append("caf\xe9", body); /* a name that is no UTF-8 */
	ok(event_find(db, &(struct event_query){ .limit = 1 }, &list, &err));
	audit_leaf_text(js_at(list, 0), &text);
	assert_string_equal(text.buf,
			    "{\"actor\":\"anna@host\",\"body\":{\"a\":\"gr\xc3\xbc\xc3\x9f \\\"x\\\"\\n\",\"z\":0.1},\"operation\":"
			    "\"data.add\",\"origin\":\"cli\",\"seq\":1,\"subject\":\"caf\xef\xbf\xbd\",\"time\":1000}");
	q = db_query(db, "SELECT " AUDIT_LEAF_COLUMNS " FROM events");
	assert_int_equal(db_step(q, &err), 1);
	audit_leaf_row(q, 0, &again);
	assert_string_equal(again.buf, text.buf);
}

static void the_tree_grows_with_the_events_and_goes_with_their_transaction(void **state)
{
	struct digest five;

	(void)state;
	append_many(5);
	five = root_of(5);
	ok(db_begin(db, &err));
	append("undone", NULL);
	db_rollback(db);
	assert_int_equal(size_now(), 5);
	append_many(200);
	assert_int_equal(size_now(), 205);
	assert_true(digest_equal(&five, &(struct digest[]){ root_of(5) }[0]));
}

static void events_of_before_the_tree_are_taken_in_once(void **state)
{
	struct digest root;

	(void)state;
	append_many(77);
	root = root_of(77);
	tamper("DELETE FROM audit_nodes");
	assert_int_equal(size_now(), 0);
	ok(audit_catch_up(db, &err));
	assert_true(digest_equal(&root, &(struct digest[]){ root_of(77) }[0]));
	tamper("DELETE FROM audit_nodes");
	append_many(1);
	assert_int_equal(size_now(), 78);
	assert_true(digest_equal(&root, &(struct digest[]){ root_of(77) }[0]));
}

static void numbers_of_removed_events_are_not_given_again(void **state)
{
	(void)state;
	append_many(10);
	tamper("DELETE FROM events WHERE seq > 7");
	assert_int_equal(append("after", NULL), 11);
	assert_int_equal(size_now(), 11);
}

static void a_number_without_an_event_becomes_a_leaf_of_nothing(void **state)
{
	struct digest nothing, found;
	struct merkle_source source = audit_source(db);

	(void)state;
	append_many(6);
	tamper("DELETE FROM audit_nodes; DELETE FROM events WHERE seq = 3");
	append_many(1);
	assert_int_equal(size_now(), 7);
	merkle_leaf("", 0, &nothing);
	ok(source.node(source.ctx, 0, 2, &found, &err));
	assert_true(digest_equal(&nothing, &found));
}

static void a_log_whose_nodes_are_gone_is_not_continued(void **state)
{
	struct event event = { .actor = "a", .origin = "cli", .operation = "data.add", .subject = "x" };

	(void)state;
	append_many(7);
	tamper("DELETE FROM audit_nodes WHERE level = 2");
	assert_int_equal(event_append(db, &event, 1, NULL, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.help, "audit verify"));
}

/* ---- checkpoints ---- */

static void a_checkpoint_is_signed_and_stays_until_something_comes(void **state)
{
	struct checkpoint one, two, three;
	char key[65], origin[AUDIT_ORIGIN];

	(void)state;
	append_many(3);
	one = make();
	assert_int_equal(one.size, 4); /* and the first key */
	ok(audit_origin(db, origin, &err));
	assert_string_equal(one.origin, origin);
	assert_int_equal(checkpoint_signed(db, &one, key, &err), 1);
	two = make();
	assert_string_equal(one.note, two.note);
	append_many(1);
	three = make();
	assert_int_equal(three.size, 5);
	one.note[strlen(one.note) - 8] ^= 1;
	assert_int_equal(checkpoint_signed(db, &one, key, &err), 0);
	checkpoint_release(&one);
	checkpoint_release(&two);
	checkpoint_release(&three);
}

static void what_is_no_checkpoint_is_refused_with_its_line(void **state)
{
#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
#define LINE "\xe2\x80\x94 log AAAAAAA=\n"
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "", "line 1" }, { "\n1\n", "line 1" }, { "log\n01\n" ROOT "\n" LINE, "line 2" },
		{ "log\n-1\n" ROOT "\n" LINE, "line 2" }, { "log\n9999999999999999999\n" ROOT "\n" LINE, "line 2" },
		{ "log\n1\nAAAA\n\n" LINE, "line 3" }, { "log\n1\n" ROOT, "line 4" }, { "log\n1\n" ROOT "\n", "no signature" },
		{ "log\n1\n" ROOT "\n- log AAAA\n", "line 5" }, { "log\n1\n" ROOT "\n" LINE "more\n", "line 6" },
		{ "log\n1\n" ROOT "\n\xe2\x80\x94 log AAAAAAA=", "cut off" }, { "l\x01g\n1\n" ROOT "\n" LINE, "control" },
		{ "l\xffg\n1\n" ROOT "\n" LINE, "UTF-8" },
	};
	struct checkpoint cp;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(checkpoint_parse(bad[i].text, strlen(bad[i].text), &cp, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		if (!strstr(err.msg, bad[i].where))
			fail_msg("%zu: %s", i, err.msg);
	}
	ok(checkpoint_parse("log\n0\n" ROOT "more\n\n" LINE, strlen("log\n0\n" ROOT "more\n\n" LINE), &cp, &err));
	assert_int_equal(cp.size, 0);
	checkpoint_release(&cp);
}

static void it_is_due_after_events_and_after_time(void **state)
{
	struct checkpoint cp;
	int64_t now;

	(void)state;
	append_many(1);
	ok(checkpoint_due(project, 0, &err)); /* the first one is: there was none for as long as there is time */
	assert_int_equal(checkpoint_newest(db, &cp, &err), -1);
	ok(checkpoint_due(project, 700000, &err));
	ok(checkpoint_newest(db, &cp, &err));
	now = cp.time_ms;
	checkpoint_release(&cp);
	append_many(1);
	ok(checkpoint_due(project, now + 599999, &err));
	ok(checkpoint_newest(db, &cp, &err));
	assert_int_equal(cp.size, 2);
	checkpoint_release(&cp);
	append_many(999);
	ok(checkpoint_due(project, now + 1, &err));
	ok(checkpoint_newest(db, &cp, &err));
	assert_int_equal(cp.size, 1002);
	checkpoint_release(&cp);
}

static void count_one(int *n, const char *where, const struct checkpoint *cp)
{
	assert_non_null(where);
	assert_true(cp->size > 0);
	++*n;
}

static int each_one(void *ctx, const char *where, const struct checkpoint *cp)
{
	count_one(ctx, where, cp);
	return 0;
}

static int known(void)
{
	int n = 0;

	ok(checkpoints_each(project, each_one, &n, NULL, &err));
	return n;
}

static void release_made(void)
{
	struct checkpoint cp = make();

	checkpoint_release(&cp);
}

static void the_file_holds_each_one_and_mends_what_was_cut_off(void **state)
{
	CLEANUP(cleanup_free) char *path = path_join(dir, ".mlops/audit/checkpoints");
	struct stat whole, cut;

	(void)state;
	append_many(1);
	release_made();
	append_many(1);
	release_made();
	release_made();
	assert_int_equal(known(), 4); /* two rows, two in the file */
	assert_int_equal(stat(path, &whole), 0);
	for (off_t size = whole.st_size - 1; size >= whole.st_size / 2 + 1; size -= 7) {
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(known(), 3);
		release_made();
		assert_int_equal(stat(path, &cut), 0);
		assert_int_equal(cut.st_size, whole.st_size);
		assert_int_equal(known(), 4);
	}
}

static void nothing_is_signed_that_forgets_a_known_checkpoint(void **state)
{
	static const char *const ways[] = {
		/* rolled back, with the checkpoint in the database: the file knows */
		"DELETE FROM checkpoints; DELETE FROM events WHERE seq > 3; DELETE FROM audit_nodes",
		/* written anew */
		"DELETE FROM checkpoints; UPDATE events SET actor = 'eve' WHERE seq = 2; DELETE FROM audit_nodes",
		/* made another log */
		"UPDATE audit_log SET id = '00000000000000000000000000000000'",
	};
	const char *way = *state;
	struct checkpoint cp;

	append_many(9);
	release_made();
	tamper(ways[*way - '0']);
	ok(audit_catch_up(db, &err));
	if (*way != '0')
		append_many(1);
	assert_int_equal(checkpoint_make(project, &cp, NULL, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.help, "audit verify"));
}

static void a_proof_leads_from_the_event_to_the_checkpoint(void **state)
{
	CLEANUP_STRBUF struct strbuf proof = STRBUF_INIT;
	struct checkpoint cp;

	(void)state;
	append_many(12);
	cp = make();
	ok(audit_proof(db, 5, &cp, &proof, &err));
	assert_int_equal(strncmp(proof.buf, "c2sp.org/tlog-proof@v1\nextra eyJ", 32), 0);
	assert_non_null(strstr(proof.buf, "\nindex 4\n"));
	assert_string_equal(proof.buf + proof.len - strlen(cp.note), cp.note);
	assert_int_equal(audit_proof(db, 99, &cp, &proof, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	append_many(1);
	assert_int_equal(audit_proof(db, 14, &cp, &proof, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	checkpoint_release(&cp);
}

/* ---- keys ---- */

static const struct signing_change change = { .actor = "anna@host", .origin = "cli", .reason = "a year", .now_ms = 5000 };

static struct signing_public active(void)
{
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	struct signing_public public;

	ok(signing_key_load(project, &key, &public, &err));
	return public;
}

static char *file_of(const char *id)
{
	return xasprintf("%s/.mlops/keys/%s.pem", dir, id);
}

static void old_signatures_stay_valid_and_old_keys_sign_nothing_new(void **state)
{
	struct signing_public old = active(), new;
	CLEANUP(cleanup_sign_key) struct sign_key *stolen = NULL;
	CLEANUP(cleanup_free) char *path = file_of(old.id);
	struct checkpoint before, after;
	char key[65];

	(void)state;
	append_many(3);
	before = make();
	ok(signing_file_get(project, old.id, &stolen, &err));
	ok(signing_key_rotate(project, NULL, &change, &new, &err));
	assert_string_equal(new.name, old.name);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(checkpoint_signed(db, &before, key, &err), 1);
	assert_string_equal(key, old.id);
	after = make();
	assert_int_equal(checkpoint_signed(db, &after, key, &err), 1);
	assert_string_equal(key, new.id);
	checkpoint_release(&before);
	ok(checkpoint_sign(after.origin, after.size, &after.root, stolen, &before, &err));
	assert_int_equal(checkpoint_signed(db, &before, key, &err), 0);
	checkpoint_release(&before);
	checkpoint_release(&after);
	signing_public_release(&old);
	signing_public_release(&new);
}

static void revoking_the_active_key_makes_the_next_one(void **state)
{
	struct signing_public old = active(), new, found;
	CLEANUP_JS struct js *list = NULL;

	(void)state;
	ok(signing_key_revoke(project, old.id, &change, &err));
	new = active();
	assert_string_not_equal(old.id, new.id);
	ok(signing_public_find(db, old.id, &found, &err));
	assert_int_equal(found.state, SIGNING_REVOKED);
	assert_int_equal(found.last, 2); /* key.add, key.revoke */
	signing_public_release(&found);
	assert_int_equal(signing_key_revoke(project, old.id, &change, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	ok(event_find(db, &(struct event_query){ .limit = 9, .oldest_first = true }, &list, &err));
	assert_int_equal(js_len(list), 3);
	assert_string_equal(js_get_str(js_at(list, 1), "operation"), "key.revoke");
	assert_string_equal(js_get_str(js_at(list, 2), "operation"), "key.rotate");
	assert_string_equal(js_get_str(js_at(list, 2), "before"), old.id);
	signing_public_release(&old);
	signing_public_release(&new);
}

static void a_file_that_is_lost_or_open_or_another_one_is_told(void **state)
{
	struct signing_public key = active();
	CLEANUP(cleanup_sign_key) struct sign_key *private = NULL, *other = NULL;
	CLEANUP(cleanup_free) char *path = file_of(key.id);
	CLEANUP_STRBUF struct strbuf pem = STRBUF_INIT;

	(void)state;
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(signing_key_load(project, &private, NULL, &err), -1);
	assert_int_equal(err.code, ERR_AUTH);
	assert_non_null(strstr(err.help, "chmod 600"));
	ok(sign_key_make(&other, &err));
	ok(sign_key_pem(other, &pem, &err));
	ok(io_replace_file(AT_FDCWD, path, pem.buf, pem.len, 0600, false, &err));
	assert_int_equal(signing_key_load(project, &private, NULL, &err), -1);
	assert_int_equal(err.code, ERR_AUTH);
	ok(io_replace_file(AT_FDCWD, path, "rubbish", 7, 0600, false, &err));
	assert_int_equal(signing_key_load(project, &private, NULL, &err), -1);
	assert_int_equal(err.code, ERR_AUTH);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(signing_key_load(project, &private, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.help, "key rotate"));
	signing_public_release(&key);
	ok(signing_key_rotate(project, NULL, &change, &key, &err));
	ok(signing_key_load(project, &private, NULL, &err));
	signing_public_release(&key);
}

static void a_credential_goes_before_the_file(void **state)
{
	struct signing_public key = active();
	CLEANUP(cleanup_free) char *path = file_of(key.id), *credential = path_join(dir, "mlops-signing-key");
	CLEANUP(cleanup_sign_key) struct sign_key *private = NULL;

	(void)state;
	assert_int_equal(rename(path, credential), 0);
	assert_int_equal(chmod(credential, 0440), 0);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	ok(signing_key_load(project, &private, NULL, &err));
	assert_int_equal(chmod(credential, 0444), 0);
	cleanup_sign_key(&private);
	private = NULL;
	assert_int_equal(signing_key_load(project, &private, NULL, &err), -1);
	assert_int_equal(err.code, ERR_AUTH);
	unsetenv("CREDENTIALS_DIRECTORY");
	signing_public_release(&key);
}

static int signed_as(const char *origin, const struct sign_key *key)
{
	struct digest root;
	struct checkpoint cp;
	char id[65];
	int r;

	digest_of("", 0, &root);
	ok(checkpoint_sign(origin, 1, &root, key, &cp, &err));
	r = checkpoint_signed(db, &cp, id, &err);
	checkpoint_release(&cp);
	return r;
}

static void trusted_keys_verify_other_logs_and_not_this_one(void **state)
{
	CLEANUP(cleanup_sign_key) struct sign_key *theirs = NULL;
	struct signing_public key = active(), added;
	struct sign_public public;
	char origin[AUDIT_ORIGIN];

	(void)state;
	ok(sign_key_make(&theirs, &err));
	sign_key_public(theirs, &public);
	assert_int_equal(signing_key_trust(db, key.name, &public, &change, &added, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(signing_key_trust(db, "two words", &public, &change, &added, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(signing_key_trust(db, "3f2a91bc", &public, &change, &added, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	ok(signing_key_trust(db, "auditors", &public, &change, &added, &err));
	signing_public_release(&added);
	assert_int_equal(signing_key_trust(db, "others", &public, &change, &added, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	ok(signing_public_find(db, "auditors", &added, &err));
	assert_int_equal(added.state, SIGNING_TRUSTED);
	assert_int_equal(signed_as("example.com/log", theirs), 1);
	ok(audit_origin(db, origin, &err));
	assert_int_equal(signed_as(origin, theirs), 0);
	assert_int_equal(signing_key_rotate(project, "auditors", &change, &added, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	append_many(3);
	ok(signing_key_revoke(project, added.id, &change, &err));
	assert_int_equal(signed_as("example.com/log", theirs), 0);
	/* nor was it ever a key of this log, whatever had been logged when it was revoked */
	assert_int_equal(signed_as(origin, theirs), 0);
	signing_public_release(&added);
	signing_public_release(&key);
	assert_int_equal(signing_public_find(db, "nobody", &key, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

/* The state of setup is the test's way. */
static int enter_way(void **state)
{
	void *kept = *state;
	int r = enter(state);

	*state = kept;
	return r;
}
#define WAY(way) { #way, nothing_is_signed_that_forgets_a_known_checkpoint, enter_way, leave, (void *)(uintptr_t)#way }

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_leaf_is_the_canonical_event),
		TEST(the_tree_grows_with_the_events_and_goes_with_their_transaction),
		TEST(events_of_before_the_tree_are_taken_in_once),
		TEST(numbers_of_removed_events_are_not_given_again),
		TEST(a_number_without_an_event_becomes_a_leaf_of_nothing),
		TEST(a_log_whose_nodes_are_gone_is_not_continued),
		TEST(a_checkpoint_is_signed_and_stays_until_something_comes),
		TEST(what_is_no_checkpoint_is_refused_with_its_line),
		TEST(it_is_due_after_events_and_after_time),
		TEST(the_file_holds_each_one_and_mends_what_was_cut_off),
		WAY(0),
		WAY(1),
		WAY(2),
		TEST(a_proof_leads_from_the_event_to_the_checkpoint),
		TEST(old_signatures_stay_valid_and_old_keys_sign_nothing_new),
		TEST(revoking_the_active_key_makes_the_next_one),
		TEST(a_file_that_is_lost_or_open_or_another_one_is_told),
		TEST(a_credential_goes_before_the_file),
		TEST(trusted_keys_verify_other_logs_and_not_this_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
