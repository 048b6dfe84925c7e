/* SPDX-License-Identifier: Apache-2.0 */
#include "remote_fixture.h"

#include <grp.h>

static int try_open(const char *url, bool create)
{
	struct remote *remote = NULL;
	int r;

	error_clear(&err);
	r = remote_open("team", url, root, create, &remote, &err);
	remote_close(remote);
	return r;
}

static void assert_refused(const char *url, bool create, enum error_code code, const char *msg,
			   const char *help)
{
	assert_int_equal(try_open(url, create), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, msg));
	assert_non_null(strstr(err.help, help));
	assert_int_equal(strncmp(err.msg, "remote team: ", 13), 0);
}

/* --- which directories are remotes --- */

static void what_is_not_a_remote_is_refused_with_what_to_do(void **state)
{
	char path[512];

	(void)state;
	assert_refused("remote", false, ERR_NOT_FOUND, "remote is not there", "mlops push --init");
	assert_refused("no/such/remote", true, ERR_NOT_FOUND, "the directory above", "mount it");
	put("file", "x");
	assert_refused("file", false, ERR_CONFLICT, "is a regular file", "");
	assert_refused("file", true, ERR_CONFLICT, "is a regular file", "");
	assert_refused("file/below", false, ERR_NOT_FOUND, "is not there", "mlops push --init");
	assert_int_equal(mkdirat(rootfd, "empty", 0755), 0);
	assert_refused("empty", false, ERR_CONFLICT, "is not a remote: it is empty", "mlops push --init");
	put("full/notes.txt", "x");
	assert_refused("full", false, ERR_CONFLICT, "is not a remote, and holds notes.txt", "empty directory");
	assert_refused("full", true, ERR_CONFLICT, "is not a remote, and holds notes.txt", "empty directory");
	assert_int_equal(count_names("full"), 1);
	assert_refused("s3://bucket/x", false, ERR_USAGE, "s3:// is not supported", "directory");
	assert_refused("file://host/x", false, ERR_USAGE, "names a host", "file:///PATH");
	assert_refused("~/remote", true, ERR_USAGE, "~", "whole path");
	assert_refused("", true, ERR_USAGE, "empty", "");
	assert_int_equal(symlinkat("nowhere", rootfd, "dangling"), 0);
	assert_refused(full("dangling", path), false, ERR_NOT_FOUND, "is not there", "");
}

static void a_place_inside_the_project_s_own_is_refused(void **state)
{
	static const char *const urls[] = {
		".mlops", ".mlops/staging", ".mlops/new/deep", "./x/../.mlops/staging", "link", "link/staging",
		"link/new", ".git/remote", "file://ROOT/.mlops/staging", "ROOT/link/new",
	};

	(void)state;
	put("x/file", "x");
	assert_int_equal(mkdirat(rootfd, ".git", 0755), 0);
	assert_int_equal(mkdirat(rootfd, ".mlops/staging", 0755), 0);
	assert_int_equal(symlinkat(".mlops", rootfd, "link"), 0);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		const char *at = strstr(urls[i], "ROOT");
		char url[512];

		snprintf(url, sizeof(url), "%.*s%s%s", at ? (int)(at - urls[i]) : 0, urls[i], at ? root : "",
			 at ? at + 4 : urls[i]);
		assert_refused(url, true, ERR_USAGE, "of this project", "directory of its own");
		assert_refused(url, false, ERR_USAGE, "of this project", "directory of its own");
	}
	assert_int_equal(count_names(".mlops"), 2);
	assert_int_equal(count_names(".mlops/staging"), 0);
	assert_int_equal(count_names(".git"), 0);
	must(try_open(".mlops-remote", true));
	must(try_open("x/../.gitremote", true));
}

static void directories_that_look_like_parts_are_not_taken(void **state)
{
	static const char *const files[] = {
		"objects/ab/x", "refs/x", "staging/mine", "staging/12.data/x", "objects", "mlops-remote/x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char dir[32], path[128];

		snprintf(dir, sizeof(dir), "r%zu", i);
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		put(path, "precious");
		assert_int_equal(try_open(dir, true), -1);
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_file(path, "precious");
		assert_int_equal(count_names(dir), 1);
	}
}

static void markers_are_read_strictly(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{ "mlops remote 2\n", "is a remote of format 2, and this mlops knows format 1" },
		{ "mlops remote 10\n", "format 10" },
		{ "mlops remote 01\n", "not one of mlops" },
		{ "mlops remote 1", "not one of mlops" },
		{ "mlops remote \n", "not one of mlops" },
		{ "mlops remote 1\n\n", "not one of mlops" },
		{ "mlops remote 1 \n", "not one of mlops" },
		{ "mlops remote -1\n", "not one of mlops" },
		{ "mlops remote 99999999999999999999\n", "not one of mlops" },
		{ "", "not one of mlops" },
		{ "something of somebody else that is longer than any marker could ever be, and more\n",
		  "not one of mlops" },
	};

	(void)state;
	remote_close(open_remote("remote", true));
	assert_file("remote/mlops-remote", "mlops remote 1\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int create = 0; create < 2; create++) {
			put("remote/mlops-remote", rows[i].text);
			assert_refused("remote", create, ERR_CONFLICT, rows[i].msg, "");
			assert_file("remote/mlops-remote", rows[i].text);
		}
	put_bytes("remote/mlops-remote", "mlops remote 1\n\0x", 17);
	assert_refused("remote", false, ERR_CONFLICT, "not one of mlops", "");
	assert_int_equal(unlinkat(rootfd, "remote/mlops-remote", 0), 0);
	assert_int_equal(mkfifoat(rootfd, "remote/mlops-remote", 0644), 0);
	assert_refused("remote", false, ERR_CONFLICT, "not one of mlops", "");
}

static bool become_nobody(void)
{
	assert_int_equal(chmod(root, 0755), 0);
	return geteuid() != 0 || seteuid(65534) == 0;
}

static void become_again(void)
{
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void what_cannot_be_read_is_of_the_environment(void **state)
{
	(void)state;
	remote_close(open_remote("remote", true));
	assert_int_equal(fchmodat(rootfd, "remote/mlops-remote", 0, 0), 0);
	assert_true(become_nobody());
	assert_refused("remote", false, ERR_ENV, "mlops-remote: Permission denied", "permissions");
	become_again();
	assert_int_equal(fchmodat(rootfd, "remote", 0700, 0), 0);
	if (getuid() != 0)
		skip();
	assert_true(become_nobody());
	assert_refused("remote", false, ERR_ENV, "Permission denied", "permissions");
	assert_refused("other", true, ERR_ENV, "Permission denied", "permissions");
	become_again();
}

static void a_remote_is_made_where_nothing_is(void **state)
{
	char path[512];

	(void)state;
	assert_int_equal(mkdirat(rootfd, "empty", 0755), 0);
	assert_int_equal(mkdirat(rootfd, "disk", 0755), 0);
	assert_int_equal(mkdirat(rootfd, "disk/lost+found", 0700), 0);
	for (int again = 0; again < 2; again++) {
		must(try_open("empty", true));
		must(try_open("disk/", true));
		must(try_open("absent///", true));
		must(try_open(full("absolute", path), true));
	}
	snprintf(path, sizeof(path), "file://%s/absolute", root);
	must(try_open(path, false));
	assert_file("disk/mlops-remote", "mlops remote 1\n");
	assert_int_equal(count_names("absent/staging"), 0);
}

static int make_and_put(void)
{
	struct remote *remote = NULL;
	struct digest id = { { 0 } };
	int r = remote_open("team", "made", root, true, &remote, NULL);

	digest_of("text", 4, &id);
	if (r == 0)
		r = remote->ops->put(remote, store, &id, false, NULL);
	if (r == 0)
		r = remote->ops->commit(remote, NULL);
	remote_close(remote);
	return r;
}

static int make_remote(void)
{
	return try_open("made", true);
}

static void making_a_remote_goes_on_where_it_was_killed(void **state)
{
	int n = 1;

	(void)state;
	store_text("text");
	for (; killed_at(n, make_remote); n++) {
		assert_true(try_open("made", false) == 0 || err.code == ERR_NOT_FOUND ||
			    err.code == ERR_CONFLICT);
		must(make_and_put());
		must(try_open("made", false));
		assert_int_equal(count_names("made"), 4);
		assert_int_equal(count_names("made/staging"), 0);
		assert_int_equal(fs_remove_tree(rootfd, "made", NULL), 0);
	}
	assert_true(n > 6);
}

static void two_may_make_one_remote(void **state)
{
	(void)state;
	store_text("text");
	for (int i = 0; i < 50; i++) {
		pid_t a = start(make_and_put), b = start(make_and_put);

		assert_succeeds(a);
		assert_succeeds(b);
		must(try_open("made", false));
		assert_int_equal(count_names("made/staging"), 0);
		assert_int_equal(fs_remove_tree(rootfd, "made", NULL), 0);
	}
}

/* --- who may write --- */

static void new_directories_are_as_the_top_whatever_the_umask(void **state)
{
	struct remote *remote;
	char path[256];
	struct stat st;
	struct digest id = store_text("shared");
	mode_t old;

	(void)state;
	assert_int_equal(mkdirat(rootfd, "remote", 0755), 0);
	assert_int_equal(fchmodat(rootfd, "remote", 02775, 0), 0);
	old = umask(077);
	remote = open_remote("remote", true);
	must(remote->ops->put(remote, store, &id, false, &err));
	must(remote->ops->ref_put(remote, "runs/a", "x", 1, &err));
	assert_int_equal(count_names("remote/staging"), 1);
	must(remote->ops->commit(remote, &err));
	umask(old);
	for (size_t i = 0; i < 5; i++) {
		static const char *const dirs[] = { "objects", "refs", "staging", "refs/runs", "objects/." };

		snprintf(path, sizeof(path), "remote/%s", dirs[i]);
		assert_int_equal(fstatat(rootfd, path, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 02775);
	}
	object_in("remote", &id, path);
	assert_int_equal(fstatat(rootfd, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	*strrchr(path, '/') = '\0';
	assert_int_equal(fstatat(rootfd, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 02775);
	assert_int_equal(fstatat(rootfd, "remote/refs/runs/a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
	remote_close(remote);
}

#define GROUP 54321

/* Each of the group's users puts the same and something of his own, many times over. */
static int put_as(uid_t uid)
{
	gid_t group = GROUP;
	struct remote *remote;
	char text[32];

	umask(077);
	if (setgroups(1, &group) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -1;
	for (int i = 0; i < 20; i++) {
		struct error why = { 0 };

		if (remote_open("team", "remote", root, true, &remote, &why) < 0) {
			fprintf(stderr, "%s\n", why.msg);
			return -1;
		}
		for (int j = 0; j < 100; j++) {
			struct digest id;

			snprintf(text, sizeof(text), "%d", i * 100 + j);
			digest_of(text, strlen(text), &id);
			if (remote->ops->put(remote, store, &id, j % 2, NULL) < 0)
				return -1;
		}
		if (remote->ops->ref_put(remote, "runs/same", text, strlen(text), NULL) < 0 ||
		    remote->ops->commit(remote, NULL) < 0)
			return -1;
		remote_close(remote);
	}
	return 0;
}

static int put_as_first(void)
{
	return put_as(50001);
}

static int put_as_second(void)
{
	return put_as(50002);
}

static void two_users_of_a_group_push_to_one_remote(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	pid_t a, b;

	(void)state;
	if (geteuid() != 0)
		skip();
	must(batch_open(store, &batch, &err));
	for (int i = 0; i < 2000; i++) {
		struct digest id;
		char text[32];

		snprintf(text, sizeof(text), "%d", i);
		must(batch_add_bytes(batch, text, strlen(text), &id, &err));
	}
	must(batch_commit(batch, &err));
	assert_int_equal(chmod(root, 0755), 0);
	batch_free(steal(&batch));
	for (int round = 0; round < 5; round++) {
		assert_int_equal(mkdirat(rootfd, "remote", 0755), 0);
		assert_int_equal(fchownat(rootfd, "remote", 0, GROUP, 0), 0);
		assert_int_equal(fchmodat(rootfd, "remote", 02770, 0), 0);
		a = start(put_as_first);
		b = start(put_as_second);
		assert_succeeds(a);
		assert_succeeds(b);
		assert_int_equal(count_names("remote/staging"), 0);
		assert_int_equal(count_names("remote/objects"), 256);
		assert_file("remote/refs/runs/same", "1999");
		assert_int_equal(fs_remove_tree(rootfd, "remote", NULL), 0);
	}
}

static void a_remote_that_cannot_be_written_is_read(void **state)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct remote *remote = open_remote("remote", true);
	struct digest id = store_text("read me");
	struct store *other;
	char path[256];
	uint64_t size;
	bool has;

	(void)state;
	must(remote->ops->put(remote, store, &id, false, &err));
	must(remote->ops->ref_put(remote, "runs/a", "text", 4, &err));
	must(remote->ops->commit(remote, &err));
	remote_close(remote);
	snprintf(path, sizeof(path), "%s/other", root);
	must(store_open(path, true, &other, &err));
	must(batch_open(other, &batch, &err));
	assert_int_equal(fchmodat(rootfd, "remote/staging", 0555, 0), 0);
	assert_int_equal(fchmodat(rootfd, "remote", 0555, 0), 0);
	assert_true(become_nobody());
	remote = open_remote("remote", false);
	must(remote->ops->has(remote, &id, 1, &has, &err));
	assert_true(has);
	assert_int_equal(remote->ops->ref_get(remote, "runs/a", &text, &err), 1);
	assert_string_equal(text.buf, "text");
	must(remote->ops->verify(remote, &id, &err));
	/* Nothing was put, so there is nothing to write. */
	must(remote->ops->commit(remote, &err));
	assert_int_equal(remote->ops->put(remote, store, &id, false, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	become_again();
	must(remote->ops->get(remote, &id, UINT64_MAX, batch, &size, &err));
	assert_int_equal(size, 7);
	remote_close(remote);
	assert_int_equal(count_names("remote/staging"), 0);
	batch_free(steal(&batch));
	store_close(other);
}

/* --- less than a good file system --- */

static void locks_links_and_noreplace_are_not_needed(void **state)
{
	struct remote *remote;
	struct digest ids[200];
	bool has[200];

	(void)state;
	for (int i = 0; i < 200; i++) {
		char text[32];

		snprintf(text, sizeof(text), "object %d", i);
		ids[i] = store_text(text);
	}
	poor_disk = true;
	remote = open_remote("remote", true);
	for (int round = 0; round < 3; round++) {
		static const int ends[] = { 10, 150, 200 };

		for (int i = 0; i < ends[round]; i++)
			must(remote->ops->put(remote, store, &ids[i], false, &err));
		must(remote->ops->ref_put(remote, "runs/a", "text", 4, &err));
		must(remote->ops->commit(remote, &err));
		must(remote->ops->has(remote, ids, 200, has, &err));
		for (int i = 0; i < 200; i++)
			assert_int_equal(has[i], i < ends[round]);
	}
	for (int i = 0; i < 200; i++)
		must(remote->ops->verify(remote, &ids[i], &err));
	remote_close(remote);
	poor_disk = false;
	assert_int_equal(count_names("remote/staging"), 0);
}

static void only_writers_that_cannot_live_are_swept(void **state)
{
	struct digest id = store_text("x");
	struct remote *remote;
	char own[64], path[128];
	struct strlist names = STRLIST_INIT;

	(void)state;
	remote = open_remote("remote", true);
	must(remote->ops->put(remote, store, &id, false, &err));
	must(fs_list_dir(rootfd, "remote/staging", &names, &err));
	assert_int_equal(names.len, 1);
	snprintf(own, sizeof(own), "77.0123456789abcdef.%s", strrchr(names.items[0], '.') + 1);
	strlist_release(&names);
	/* A dead writer of this machine, a writer of another, and what is of no writer. */
	snprintf(path, sizeof(path), "remote/staging/%s/t1", own);
	put(path, "x");
	put("remote/staging/77.0123456789abcdef.00000000/ab/cd", "x");
	put("remote/staging/mine/x", "x");
	for (int lockless = 1; lockless >= 0; lockless--) {
		poor_disk = lockless;
		make_and_put();
		must(try_open("remote", true));
		struct remote *second = open_remote("remote", false);
		must(second->ops->put(second, store, &id, false, &err));
		remote_close(second);
		assert_int_equal(exists(path), lockless);
		assert_true(exists("remote/staging/77.0123456789abcdef.00000000/ab/cd"));
		assert_true(exists("remote/staging/mine/x"));
	}
	clock_ahead_ms = 25 * 3600 * 1000ll;
	for (int round = 0; round < 2; round++) {
		struct remote *second = open_remote("remote", false);
		must(second->ops->put(second, store, &id, false, &err));
		remote_close(second);
	}
	assert_false(exists("remote/staging/77.0123456789abcdef.00000000"));
	assert_true(exists("remote/staging/mine/x"));
	/* However long the first has waited, it lives. */
	must(remote->ops->commit(remote, &err));
	must(remote->ops->verify(remote, &id, &err));
	remote_close(remote);
}

static void a_slow_writer_without_locks_is_known_by_what_it_writes(void **state)
{
	struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };
	struct digest id = store_text("x");
	struct remote *remote = open_remote("remote", true);
	char path[512];

	(void)state;
	poor_disk = true;
	put("remote/staging/77.0123456789abcdef.00000000/t1", "x");
	assert_int_equal(utimensat(rootfd, "remote/staging/77.0123456789abcdef.00000000", old, 0), 0);
	must(remote->ops->put(remote, store, &id, false, &err));
	assert_true(exists("remote/staging/77.0123456789abcdef.00000000/t1"));
	remote_close(remote);
	snprintf(path, sizeof(path), "remote/staging/77.0123456789abcdef.00000000/t1");
	assert_int_equal(utimensat(rootfd, path, old, 0), 0);
	remote = open_remote("remote", false);
	must(remote->ops->put(remote, store, &id, false, &err));
	remote_close(remote);
	assert_false(exists(path));
	poor_disk = false;
}

/* --- what stands in the way --- */

static int put_and_commit(const struct digest *id, const char *ref)
{
	struct remote *remote = open_remote("remote", true);
	int r = 0;

	error_clear(&err);
	if (id)
		r = remote->ops->put(remote, store, id, false, &err);
	if (r == 0 && ref)
		r = remote->ops->ref_put(remote, ref, "x", 1, &err);
	if (r == 0)
		r = remote->ops->commit(remote, &err);
	remote_close(remote);
	return r;
}

static void what_is_no_file_is_not_taken_for_an_object(void **state)
{
	struct digest id = store_text("object");
	char path[256], dir[256], text[512];

	(void)state;
	must(put_and_commit(&id, NULL));
	object_in("remote", &id, path);
	put("elsewhere", "precious");
	for (int poor = 0; poor < 2; poor++) {
		for (int kind = 0; kind < 3; kind++) {
			assert_int_equal(unlinkat(rootfd, path, 0), 0);
			if (kind == 0)
				assert_int_equal(mkfifoat(rootfd, path, 0644), 0);
			else if (kind == 1)
				assert_int_equal(mknodat(rootfd, path, S_IFSOCK | 0644, 0), 0);
			else
				assert_int_equal(symlinkat(full("elsewhere", text), rootfd, path), 0);
			poor_disk = poor;
			must(put_and_commit(&id, NULL));
			poor_disk = false;
			assert_file(path, "object");
		}
		assert_int_equal(unlinkat(rootfd, path, 0), 0);
		snprintf(dir, sizeof(dir), "%.250s/x", path);
		put(dir, "precious");
		poor_disk = poor;
		assert_int_equal(put_and_commit(&id, NULL), -1);
		poor_disk = false;
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_non_null(strstr(err.msg, "is a directory"));
		assert_non_null(strstr(err.msg, strstr(path, "objects/")));
		assert_file(dir, "precious");
		assert_int_equal(fs_remove_tree(rootfd, path, NULL), 0);
		put(path, "object");
	}
	assert_file("elsewhere", "precious");
}

static void a_directory_where_a_ref_belongs_is_named(void **state)
{
	(void)state;
	must(put_and_commit(NULL, NULL));
	put("remote/refs/runs/a/x", "precious");
	assert_int_equal(put_and_commit(NULL, "runs/a"), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "remote/refs/runs/a is a directory"));
	assert_file("remote/refs/runs/a/x", "precious");
}

/* Else whoever owns the remote would choose where somebody else's files appear. */
static void nothing_is_written_by_way_of_a_symlink(void **state)
{
	static const char *const links[] = { "", "refs/runs", "refs", "staging", "objects" };
	struct digest id = store_text("object"), second = store_text("another");
	char hex[DIGEST_HEX + 1], path[128], target[512];

	(void)state;
	digest_format(&id, hex);
	assert_int_not_equal(id.b[0], second.b[0]);
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		must(put_and_commit(&second, NULL));
		assert_int_equal(mkdirat(rootfd, "else", 0700), 0);
		if (i)
			snprintf(path, sizeof(path), "remote/%s", links[i]);
		else
			snprintf(path, sizeof(path), "remote/objects/%.2s", hex);
		fs_remove_tree(rootfd, path, NULL);
		assert_int_equal(symlinkat(full("else", target), rootfd, path), 0);
		error_clear(&err);
		struct remote *remote = NULL;
		int r = remote_open("team", "remote", root, true, &remote, &err);
		remote_close(remote);
		if (r == 0)
			r = put_and_commit(&id, "runs/a");
		assert_int_equal(r, -1);
		assert_int_equal(count_names("else"), 0);
		struct stat st;
		assert_int_equal(fstatat(rootfd, "else", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_int_equal(fs_remove_tree(rootfd, "remote", NULL), 0);
		assert_int_equal(fs_remove_tree(rootfd, "else", NULL), 0);
	}
	/* The top may be one. */
	must(put_and_commit(&id, "runs/a"));
	assert_int_equal(renameat(rootfd, "remote", rootfd, "moved"), 0);
	assert_int_equal(symlinkat("moved", rootfd, "remote"), 0);
	must(put_and_commit(&second, "runs/b"));
	assert_file("moved/refs/runs/b", "x");
}

static void refs_of_several_kinds_are_put_in_any_order(void **state)
{
	static const char *const names[] = { "runs/a", "cache/a", "runs/b", "cache/b", "other/c", "runs/c" };
	struct remote *remote = open_remote("remote", true);
	char path[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		must(remote->ops->ref_put(remote, names[i], names[i], strlen(names[i]), &err));
	must(remote->ops->commit(remote, &err));
	remote_close(remote);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "remote/refs/%s", names[i]);
		assert_file(path, names[i]);
	}
}

/* --- objects --- */

static void has_is_the_same_for_few_and_for_many(void **state)
{
	enum { N = 6000 };
	CLEANUP(cleanup_free) struct digest *ids = xcalloc(N, sizeof(*ids));
	CLEANUP(cleanup_free) bool *has = xcalloc(N, sizeof(*has));
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct store *inside;
	char path[512];

	(void)state;
	remote_close(open_remote("remote", true));
	must(store_open(full("remote", path), false, &inside, &err));
	must(batch_open(inside, &batch, &err));
	for (int i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%d", i / 2 * 2); /* every id twice */
		digest_of(text, strlen(text), &ids[i]);
		if (i / 2 % 3 == 0)
			must(batch_add_bytes(batch, text, strlen(text), &ids[i], &err));
	}
	must(batch_commit(batch, &err));
	put("remote/objects/00/strange", "x");
	assert_int_equal(mkdirat(rootfd, object_in("remote", &ids[2], path), 0755), 0);
	struct remote *remote = open_remote("remote", false);
	must(remote->ops->has(remote, ids, N, has, &err));
	for (int i = 0; i < N; i++)
		assert_int_equal(has[i], i / 2 % 3 == 0);
	/* Few ids of one directory among many names. */
	for (size_t n = 1; n < 64; n *= 2) {
		memset(has, 7, N);
		must(remote->ops->has(remote, ids, n, has, &err));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(has[i], i / 2 % 3 == 0);
	}
	must(remote->ops->has(remote, ids, 0, has, &err));
	remote_close(remote);
	batch_free(steal(&batch));
	store_close(inside);
}

static void what_cannot_be_listed_is_not_absent(void **state)
{
	struct digest ids[40];
	bool has[40];

	(void)state;
	struct remote *remote = open_remote("remote", true);
	put("remote/objects/ab", "no directory");
	for (int i = 0; i < 40; i++) {
		memset(&ids[i], i, sizeof(ids[i]));
		ids[i].b[0] = 0xab;
	}
	must(remote->ops->has(remote, ids, 40, has, &err));
	assert_false(has[7]);
	assert_int_equal(unlinkat(rootfd, "remote/objects/ab", 0), 0);
	assert_int_equal(symlinkat("ab", rootfd, "remote/objects/ab"), 0);
	for (size_t n = 1; n <= 40; n += 39) {
		assert_int_equal(remote->ops->has(remote, ids, n, has, &err), -1);
		assert_non_null(strstr(err.msg, "objects/ab"));
	}
	remote_close(remote);
}

static void damaged_bytes_never_become_an_object(void **state)
{
	CLEANUP(cleanup_free) char *big = xcalloc(1, 300000);
	struct digest ids[2];
	uint64_t size;

	(void)state;
	memset(big, 'x', 299999);
	ids[0] = store_text("small");
	ids[1] = store_text(big);
	for (int i = 0; i < 2; i++)
		for (int flip = 0; flip < 2; flip++) {
			CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
			struct remote *remote = open_remote("remote", true);

			must(remote->ops->put(remote, store, &ids[i], true, &err));
			must(remote->ops->commit(remote, &err));
			must(remote->ops->verify(remote, &ids[i], &err));
			damage_in("remote", &ids[i], flip);
			assert_int_equal(remote->ops->verify(remote, &ids[i], &err), -1);
			assert_int_equal(err.code, ERR_DAMAGED);
			struct store *other;
			char path[512];

			must(store_open(full("other", path), true, &other, &err));
			must(batch_open(other, &batch, &err));
			assert_int_equal(remote->ops->get(remote, &ids[i], UINT64_MAX, batch, &size, &err), -1);
			assert_int_equal(err.code, ERR_DAMAGED);
			assert_false(batch_has(batch, &ids[i]));
			must(batch_commit(batch, &err));
			assert_int_equal(count_names("other/objects"), 0);
			/* Nor does it leave this store. */
			must(remote->ops->put(remote, store, &ids[i], true, &err));
			must(remote->ops->commit(remote, &err));
			must(remote->ops->get(remote, &ids[i], UINT64_MAX, batch, &size, &err));
			must(batch_commit(batch, &err));
			must(store_verify(other, &ids[i], &err));
			remote_close(remote);
			batch_free(steal(&batch));
			store_close(other);
			assert_int_equal(fs_remove_tree(rootfd, "other", NULL), 0);
		}
}

static void more_than_the_maximum_is_not_read(void **state)
{
	struct digest id = store_text("seven..");
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct remote *remote;
	char path[256];
	uint64_t size;

	(void)state;
	must(put_and_commit(&id, NULL));
	assert_int_equal(unlinkat(rootfd, object_in(".mlops", &id, path), 0), 0);
	must(batch_open(store, &batch, &err));
	remote = open_remote("remote", false);
	assert_int_equal(remote->ops->get(remote, &id, 6, batch, &size, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, "has 7 bytes, at most 6"));
	assert_false(batch_has(batch, &id));
	must(remote->ops->get(remote, &id, 7, batch, &size, &err));
	assert_int_equal(size, 7);
	/* It is not even read, else the error would be of its bytes. */
	object_in("remote", &id, path);
	assert_int_equal(fchmodat(rootfd, path, 0600, 0), 0);
	int fd = openat(rootfd, path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	assert_int_equal(remote->ops->get(remote, &id, 7, batch, &size, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, "has 1048576 bytes, at most 7"));
	remote_close(remote);
}

static void large_files_are_what_they_were(void **state)
{
	size_t size = (40u << 20) + 1;
	CLEANUP(cleanup_free) char *data = xmalloc(size);
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(cleanup_fd) int fd = -1;
	struct digest want, id;
	uint64_t stored;

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 >> 7);
	digest_of(data, size, &want);
	put_bytes("large", data, size);
	fd = openat(rootfd, "large", O_RDONLY | O_CLOEXEC);
	must(batch_open(store, &batch, &err));
	for (int nth = 1; nth < 60; nth += 13) {
		arm(IO_WRITE, nth, ENOSPC);
		assert_int_equal(batch_add_fd(batch, fd, "large", &id, &stored, &err), nth > 41 ? 0 : -1);
		assert_true(nth > 41 || err.sys == ENOSPC);
		io_fault = NULL;
	}
	must(batch_add_fd(batch, fd, "large", &id, &stored, &err));
	assert_true(digest_equal(&id, &want));
	assert_int_equal(stored, size);
	must(batch_commit(batch, &err));
	must(store_verify(store, &want, &err));
}

static void what_is_damaged_here_is_not_put(void **state)
{
	struct digest id = store_text("good"), absent;
	struct remote *remote = open_remote("remote", true);

	(void)state;
	damage_in(".mlops", &id, true);
	assert_int_equal(remote->ops->put(remote, store, &id, false, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	digest_of("absent", 6, &absent);
	assert_int_equal(remote->ops->put(remote, store, &absent, false, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	must(remote->ops->commit(remote, &err));
	assert_int_equal(count_names("remote/objects"), 0);
	remote_close(remote);
}

static void a_truncated_object_is_replaced_by_the_next_put(void **state)
{
	struct digest id = store_text("whole");
	struct remote *remote = open_remote("remote", true);

	(void)state;
	must(remote->ops->put(remote, store, &id, false, &err));
	must(remote->ops->commit(remote, &err));
	damage_in("remote", &id, false);
	must(remote->ops->put(remote, store, &id, false, &err));
	must(remote->ops->commit(remote, &err));
	must(remote->ops->verify(remote, &id, &err));
	assert_false(exists("remote/quarantine"));
	remote_close(remote);
}

/* --- refs --- */

static int count_ref(void *ctx, const char *name)
{
	size_t *n = ctx;

	assert_true(remote_ref_valid(name));
	(*n)++;
	return 0;
}

static size_t count_refs(struct remote *remote, const char *kind)
{
	size_t n = 0;

	must(remote->ops->ref_list(remote, kind, count_ref, &n, &err));
	return n;
}

static void put_ref(struct remote *remote, const char *name, const char *text)
{
	must(remote->ops->ref_put(remote, name, text, strlen(text), &err));
}

static void assert_ref(struct remote *remote, const char *name, const char *want)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	assert_int_equal(remote->ops->ref_get(remote, name, &text, &err), want != NULL);
	assert_string_equal(text.buf, want ? want : "");
}

static void refs_are_seen_after_commit_and_the_last_one_counts(void **state)
{
	struct remote *remote = open_remote("remote", true);
	struct stat before, after;

	(void)state;
	assert_int_equal(count_refs(remote, "runs"), 0);
	put_ref(remote, "runs/a", "one");
	assert_ref(remote, "runs/a", NULL);
	must(remote->ops->commit(remote, &err));
	assert_ref(remote, "runs/a", "one");
	put_ref(remote, "runs/a", "two");
	put_ref(remote, "runs/a", "one");
	put_ref(remote, "cache/b", "");
	assert_int_equal(fstatat(rootfd, "remote/refs/runs/a", &before, 0), 0);
	must(remote->ops->commit(remote, &err));
	assert_ref(remote, "runs/a", "one");
	assert_ref(remote, "cache/b", "");
	assert_int_equal(fstatat(rootfd, "remote/refs/runs/a", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* equal: not written again */
	put_ref(remote, "runs/a", "three");
	must(remote->ops->commit(remote, &err));
	assert_ref(remote, "runs/a", "three");
	assert_int_equal(count_refs(remote, "runs"), 1);
	assert_int_equal(count_refs(remote, "cache"), 1);
	put("remote/refs/runs/.nfs0001", "x");
	put("remote/refs/runs/UPPER", "x");
	assert_int_equal(count_refs(remote, "runs"), 1);
	remote_close(remote);
}

static void other_names_are_refused(void **state)
{
	char longest[256] = "runs/", longer[256] = "runs/";
	const char *const bad[] = {
		"", "/", "runs", "runs/", "/a", "runs/a/b", "runs/..", "../runs/a", "runs/a.b", "Runs/a", "runs/a ",
		"runs/\xc3\xa4", "runs/a\n", longer,
	};
	struct remote *remote = open_remote("remote", true);

	(void)state;
	memset(longest + 5, 'a', 200);
	memset(longer + 5, 'a', 201);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		assert_int_equal(remote->ops->ref_put(remote, bad[i], "x", 1, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_int_equal(remote->ops->ref_get(remote, bad[i], &text, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_int_equal(remote->ops->ref_list(remote, "../objects", count_ref, NULL, &err), -1);
	put_ref(remote, longest, "x");
	put_ref(remote, "runs/-0-9", "x");
	must(remote->ops->commit(remote, &err));
	assert_int_equal(count_refs(remote, "runs"), 2);
	remote_close(remote);
}

static void what_is_no_file_is_no_ref(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct remote *remote = open_remote("remote", true);

	(void)state;
	put("remote/refs/runs/real", "x");
	assert_int_equal(mkfifoat(rootfd, "remote/refs/runs/fifo", 0644), 0);
	assert_int_equal(mkdirat(rootfd, "remote/refs/runs/dir", 0755), 0);
	assert_int_equal(symlinkat("/etc/passwd", rootfd, "remote/refs/runs/link"), 0);
	assert_int_equal(remote->ops->ref_get(remote, "runs/fifo", &text, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(remote->ops->ref_get(remote, "runs/dir", &text, &err), -1);
	assert_int_equal(remote->ops->ref_get(remote, "runs/link", &text, &err), -1);
	assert_int_equal(remote->ops->ref_get(remote, "runs/real", &text, &err), 1);
	remote_close(remote);
}

static int stop_at_ten(void *ctx, const char *name)
{
	size_t *n = ctx;

	(void)name;
	return ++*n == 10 ? -1 : 0;
}

static void ten_thousand_refs_are_one_commit(void **state)
{
	struct remote *remote = open_remote("remote", true);
	size_t n = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 10000; i++) {
			char name[96], text[64];

			snprintf(name, sizeof(name), "cache/%064d", i);
			snprintf(text, sizeof(text), "result %d", i);
			put_ref(remote, name, text);
		}
		must(remote->ops->commit(remote, &err));
		assert_int_equal(count_refs(remote, "cache"), 10000);
	}
	assert_int_equal(remote->ops->ref_list(remote, "cache", stop_at_ten, &n, &err), -1);
	assert_int_equal(n, 10);
	remote_close(remote);
	assert_int_equal(count_names("remote/staging"), 0);
}

static void no_ref_is_seen_before_its_objects(void **state)
{
	struct digest id = store_text("named by the ref");
	int k;

	(void)state;
	for (k = 1; k < 100; k++) {
		struct remote *remote = open_remote("remote", true);
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		bool has, named, done;

		arm(k % 2 ? IO_RENAME : IO_SYNC, (k + 1) / 2, EIO);
		done = remote->ops->put(remote, store, &id, false, &err) == 0;
		must(remote->ops->ref_put(remote, "runs/a", "x", 1, &err));
		done = done && remote->ops->commit(remote, &err) == 0;
		io_fault = NULL;
		must(remote->ops->has(remote, &id, 1, &has, &err));
		named = remote->ops->ref_get(remote, "runs/a", &text, &err) == 1;
		assert_true(has || !named);
		assert_true(!done || named);
		/* A remote that failed to commit takes no more. */
		if (!done)
			assert_int_equal(remote->ops->put(remote, store, &id, false, &err), -1);
		remote_close(remote);
		assert_int_equal(count_names("remote/staging"), 0);
		assert_int_equal(fs_remove_tree(rootfd, "remote", NULL), 0);
		if (fault_seen < fault_at && k % 2 == 0)
			break;
	}
	assert_true(k > 4 && k < 100);
}

/* --- the project's list --- */

static size_t notes;

static void count_note(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	notes++;
}

static void remotes_are_asked_in_order_and_a_lost_one_is_told_once(void **state)
{
	struct remotes remotes = { .len = 2, .note = count_note };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest id = store_text("x"), absent;
	const char *from = NULL;
	struct remote *remote;

	(void)state;
	digest_of("y", 1, &absent);
	remotes.places = xcalloc(2, sizeof(*remotes.places));
	remotes.base = xstrdup(root);
	remotes.places[0] = (struct remote_place){ xstrdup("gone"), xstrdup("gone"), NULL, false };
	remotes.places[1] = (struct remote_place){ xstrdup("team"), xstrdup("remote"), NULL, false };
	must(remotes_open(&remotes, "team", true, &remote, &err));
	must(remote->ops->put(remote, store, &id, false, &err));
	put_ref(remote, "runs/a", "x");
	must(remote->ops->commit(remote, &err));
	notes = 0;
	assert_true(remotes_have(&remotes, &id));
	assert_false(remotes_have(&remotes, &absent));
	assert_int_equal(remotes_ref(&remotes, "runs/a", &text, &from), 1);
	assert_string_equal(from, "team");
	assert_int_equal(remotes_ref(&remotes, "runs/b", &text, NULL), 0);
	assert_string_equal(text.buf, "x");
	assert_int_equal(notes, 1);
	assert_int_equal(remotes_open(&remotes, NULL, false, &remote, &err), -1);
	assert_non_null(strstr(err.msg, "remote gone: "));
	assert_int_equal(remotes_open(&remotes, "nobody", false, &remote, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.help, "gone, team"));
	remotes_release(&remotes);
	assert_int_equal(remotes_open(&remotes, NULL, false, &remote, &err), -1);
	assert_non_null(strstr(err.msg, "has no remote"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_not_a_remote_is_refused_with_what_to_do),
		CASE(a_place_inside_the_project_s_own_is_refused),
		CASE(directories_that_look_like_parts_are_not_taken),
		CASE(markers_are_read_strictly),
		CASE(what_cannot_be_read_is_of_the_environment),
		CASE(a_remote_is_made_where_nothing_is),
		CASE(making_a_remote_goes_on_where_it_was_killed),
		CASE(two_may_make_one_remote),
		CASE(new_directories_are_as_the_top_whatever_the_umask),
		CASE(two_users_of_a_group_push_to_one_remote),
		CASE(a_remote_that_cannot_be_written_is_read),
		CASE(locks_links_and_noreplace_are_not_needed),
		CASE(only_writers_that_cannot_live_are_swept),
		CASE(a_slow_writer_without_locks_is_known_by_what_it_writes),
		CASE(what_is_no_file_is_not_taken_for_an_object),
		CASE(a_directory_where_a_ref_belongs_is_named),
		CASE(nothing_is_written_by_way_of_a_symlink),
		CASE(refs_of_several_kinds_are_put_in_any_order),
		CASE(has_is_the_same_for_few_and_for_many),
		CASE(what_cannot_be_listed_is_not_absent),
		CASE(damaged_bytes_never_become_an_object),
		CASE(more_than_the_maximum_is_not_read),
		CASE(large_files_are_what_they_were),
		CASE(what_is_damaged_here_is_not_put),
		CASE(a_truncated_object_is_replaced_by_the_next_put),
		CASE(refs_are_seen_after_commit_and_the_last_one_counts),
		CASE(other_names_are_refused),
		CASE(what_is_no_file_is_no_ref),
		CASE(ten_thousand_refs_are_one_commit),
		CASE(no_ref_is_seen_before_its_objects),
		CASE(remotes_are_asked_in_order_and_a_lost_one_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
