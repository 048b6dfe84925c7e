/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command asks, so the answer is kept: .mlops/git-index holds the identity (inode, size,
 * times) of the index that was last found not to track .mlops. git replaces its index whenever
 * it changes what it tracks, by a clone or a pull too, and nobody can commit a file that
 * foretells the inode and the change time which the index will have in somebody's clone.
 *
 * The index is read here and not by libgit2, which is slow to open a repository, and refuses
 * some (SHA-256, another owner) that git itself would have cloned.
 */
#include "registry/home.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define STAMP		"git-index"
#define INDEX_MAX_BYTES ((size_t)1 << 30)
#define STAT_BYTES	40 /* of an entry, before its hash */
#define NAME_MASK	0xfffu
#define EXTENDED	0x4000u

/* ---- the index ---- */

struct index_reader {
	const unsigned char *text;
	size_t len, pos;
	size_t hash; /* bytes: 20 or 32 */
	unsigned version;
	struct strbuf name; /* of the entry before */
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static size_t get32(const unsigned char *p)
{
	return (size_t)get16(p) << 16 | get16(p + 2);
}

/* Version 4 names what to drop of the name before; the bytes count in base 128, each step less one. */
static bool drop_tail(struct index_reader *r)
{
	size_t drop = 0;
	unsigned char c;

	do {
		if (r->pos >= r->len || drop > r->len)
			return false;
		c = r->text[r->pos++];
		drop = (drop << 7) + (c & 0x7f);
		if (c & 0x80)
			drop++;
	} while (c & 0x80);
	if (drop > r->name.len)
		return false;
	if (drop)
		r->name.buf[r->name.len -= drop] = '\0';
	return true;
}

static bool next_entry(struct index_reader *r)
{
	size_t start = r->pos, size;
	const unsigned char *end;
	unsigned flags;

	if (r->len - r->pos < STAT_BYTES + r->hash + 4)
		return false;
	flags = get16(r->text + start + STAT_BYTES + r->hash);
	r->pos += STAT_BYTES + r->hash + (r->version > 2 && (flags & EXTENDED) ? 4 : 2);
	if (r->version < 4)
		strbuf_clear(&r->name);
	else if (!drop_tail(r))
		return false;
	end = memchr(r->text + r->pos, 0, r->len - r->pos);
	if (!end)
		return false;
	size = (size_t)(end - (r->text + r->pos));
	strbuf_add(&r->name, (const char *)r->text + r->pos, size);
	r->pos += size + 1;
	if (r->version < 4)
		r->pos = start + ((r->pos - start + 7) & ~(size_t)7);
	/* A wrong guess of the hash's size is seen here. */
	return r->pos <= r->len && ((flags & NAME_MASK) == NAME_MASK ? r->name.len >= NAME_MASK :
								       r->name.len == (flags & NAME_MASK));
}

/* Extensions follow the entries; "link" names the file with the other entries. */
static bool find_base(struct index_reader *r, char ret_base[80])
{
	while (r->len - r->pos >= r->hash + 8) {
		const unsigned char *at = r->text + r->pos;
		size_t size = get32(at + 4);

		if (size > r->len - r->pos - 8)
			return false;
		if (!memcmp(at, "link", 4) && size >= r->hash && !*ret_base) {
			int n = snprintf(ret_base, 80, "sharedindex.");

			for (size_t i = 0; i < r->hash; i++)
				snprintf(ret_base + n + 2 * i, 3, "%02x", at[8 + i]);
		}
		r->pos += 8 + size;
	}
	return true;
}

static int read_index(struct index_reader *r, const char *path, char ret_base[80])
{
	size_t count = get32(r->text + 8), n = strlen(path);

	r->pos = 12;
	for (size_t i = 0; i < count; i++) {
		if (!next_entry(r))
			return -1;
		/* A file system that folds case would take .MLOPS for it. */
		if (r->name.len >= n && !strncasecmp(r->name.buf, path, n) &&
		    (r->name.buf[n] == '/' || !r->name.buf[n]))
			return 1;
	}
	return find_base(r, ret_base) ? 0 : -1;
}

int git_index_names(const void *text, size_t len, const char *path, char ret_base[80])
{
	static const size_t hashes[] = { 20, 32 };
	const unsigned char *p = text;
	int r = -1;

	*ret_base = '\0';
	if (len < 12 || memcmp(p, "DIRC", 4) || get32(p + 4) < 2 || get32(p + 4) > 4)
		return -1;
	/* The text does not tell how long its hashes are, and its author chose their bytes: what either reading
	 * finds counts. */
	for (size_t i = 0; r < 1 && i < ARRAY_LEN(hashes); i++) {
		struct index_reader reader = {
			.text = p,
			.len = len,
			.hash = hashes[i],
			.version = (unsigned)get32(p + 4),
			.name = STRBUF_INIT,
		};
		int found = read_index(&reader, path, ret_base);

		r = found > r ? found : r;
		strbuf_release(&reader.name);
	}
	return r;
}

/* ---- where it is ---- */

/* What a .git that is a file points to: a worktree's or a submodule's own directory. */
static char *follow_file(const char *dir, const char *git)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (io_read_file(AT_FDCWD, git, 64 << 10, &text, NULL) < 0 || strncmp(text.buf, "gitdir: ", 8) != 0)
		return NULL;
	text.buf[strcspn(text.buf, "\r\n")] = '\0';
	return text.buf[8] == '/' ? xstrdup(text.buf + 8) : path_join(dir, text.buf + 8);
}

/* The directory with the index, or NULL outside of git; *ret_path is `root` as the index names it. */
static char *find_git(const char *root, char **ret_path)
{
	CLEANUP(cleanup_free) char *dir = xstrdup(root);

	for (;;) {
		CLEANUP(cleanup_free) char *git = path_join(dir, ".git");
		char *slash = strrchr(dir, '/');
		struct stat st;

		if (stat(git, &st) == 0) {
			const char *below = root + strlen(dir);

			*ret_path = xasprintf("%s%s.mlops", below + (*below == '/'), *below ? "/" : "");
			return S_ISDIR(st.st_mode) ? steal(&git) : follow_file(dir, git);
		}
		if (!slash || slash == dir)
			return NULL;
		*slash = '\0';
	}
}

/* ---- the answer, kept ---- */

static void identify(const struct stat *st, char ret[160])
{
	snprintf(ret, 160, "%llu %llu %lld %lld.%09ld %lld.%09ld\n", (unsigned long long)st->st_dev,
		 (unsigned long long)st->st_ino, (long long)st->st_size, (long long)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static bool is_known(int homefd, const char *identity)
{
	CLEANUP(cleanup_fd) int fd = openat(homefd, STAMP, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[160];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));

	return len > 0 && (size_t)len == strlen(identity) && !memcmp(text, identity, (size_t)len);
}

/* 1 named, 0 not, -1. */
static int search_file(const char *git, const char *name, const char *path, char ret_identity[160], char ret_base[80],
		       struct error *err)
{
	CLEANUP(cleanup_free) char *file = path_join(git, name);
	CLEANUP(cleanup_fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot read %s", file);
	identify(&st, ret_identity);
	if (io_read_fd(fd, file, INDEX_MAX_BYTES, &text, err) < 0)
		return -1;
	r = git_index_names(text.buf, text.len, path, ret_base);
	if (r >= 0)
		return r;
	error_set(err, ERR_ENV, "%s is no index of git that can be read", file);
	return error_help(err, "see what is wrong: git status");
}

static int refuse(const char *root, const char *path, struct error *err)
{
	error_set(err, ERR_DENIED, "%s/.mlops came with the clone: git tracks %s", root, path);
	return error_help(err, "run: git rm -r --cached .mlops   and, unless you made it yourself: rm -rf .mlops && "
			       "mlops init");
}

int home_check_origin(const char *root, int homefd, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *git = find_git(root, &path);
	CLEANUP(cleanup_free) char *index = git ? path_join(git, "index") : NULL;
	char identity[160], other[160], base[80], none[80];
	struct stat st;
	int r;

	if (!git || stat(index, &st) < 0)
		return 0;
	identify(&st, identity);
	if (is_known(homefd, identity))
		return 0;
	r = search_file(git, "index", path, identity, base, err);
	if (r == 0 && *base)
		r = search_file(git, base, path, other, none, err);
	if (r != 0)
		return r < 0 ? -1 : refuse(root, path, err);
	/* Who may not write here asks git each time. */
	io_replace_file(homefd, STAMP, identity, strlen(identity), 0644, false, NULL);
	return 0;
}
