/* SPDX-License-Identifier: Apache-2.0 */
#include "base/archive.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include "base/error.h"
#include "base/library.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define LIBARCHIVE_FUNCTIONS(X)                                                              \
	X(archive_, entry_free) X(archive_, entry_new) X(archive_, entry_set_filetype)       \
	X(archive_, entry_set_gid) X(archive_, entry_set_gname) X(archive_, entry_set_mtime) \
	X(archive_, entry_set_pathname) X(archive_, entry_set_perm)                          \
	X(archive_, entry_set_size) X(archive_, entry_set_symlink)                           \
	X(archive_, entry_set_uid) X(archive_, entry_set_uname)                              \
	X(archive_, error_string) X(archive_, write_close) X(archive_, write_data)           \
	X(archive_, write_free) X(archive_, write_header) X(archive_, write_new)             \
	X(archive_, write_open) X(archive_, write_set_format_pax_restricted)                 \
	X(archive_, write_set_format_ustar) X(archive_, write_set_options)

static struct {
	LIBARCHIVE_FUNCTIONS(LIBRARY_MEMBER)
} libarchive;
static const char *const functions[] = LIBRARY_NAMES(LIBARCHIVE_FUNCTIONS);
static struct library library = LIBRARY(LIBARCHIVE_SONAME, LIBARCHIVE_PACKAGE, functions, &libarchive, NULL);

static void cleanup_archive(struct archive **archive)
{
	if (*archive)
		libarchive.write_free(*archive);
}

static void cleanup_entry(struct archive_entry **entry)
{
	libarchive.entry_free(*entry);
}

static la_ssize_t take_bytes(struct archive *archive, void *arg, const void *bytes, size_t len)
{
	(void)archive;
	strbuf_add(arg, bytes, len);
	return (la_ssize_t)len;
}

static int fail(struct archive *archive, const char *path, struct error *err)
{
	const char *why = libarchive.error_string(archive);

	return error_set(err, ERR_USAGE, "cannot put \"%s\" into an archive: %s", path,
			 why ? why : "out of memory");
}

static int add_file(struct archive *archive, const struct archive_entry_spec *spec, struct error *err)
{
	CLEANUP(cleanup_entry) struct archive_entry *entry = libarchive.entry_new();

	if (!entry)
		abort();
	libarchive.entry_set_pathname(entry, spec->path);
	libarchive.entry_set_filetype(entry, AE_IFREG);
	libarchive.entry_set_perm(entry, spec->mode & 07777);
	libarchive.entry_set_size(entry, (la_int64_t)spec->len);
	libarchive.entry_set_mtime(entry, 0, 0);
	libarchive.entry_set_uid(entry, 0);
	libarchive.entry_set_gid(entry, 0);
	libarchive.entry_set_uname(entry, "root");
	libarchive.entry_set_gname(entry, "root");
	if (libarchive.write_header(archive, entry) != ARCHIVE_OK)
		return fail(archive, spec->path, err);
	if (libarchive.write_data(archive, spec->data, spec->len) != (la_ssize_t)spec->len)
		return fail(archive, spec->path, err);
	return 0;
}

int archive_tar(const struct archive_entry_spec *specs, size_t n, struct strbuf *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT;
	CLEANUP(cleanup_archive) struct archive *archive = NULL;

	if (library_load(&library, err) < 0)
		return -1;
	archive = libarchive.write_new();
	if (!archive)
		abort();
	if (libarchive.write_set_format_ustar(archive) != ARCHIVE_OK ||
	    libarchive.write_open(archive, &tar, NULL, take_bytes, NULL) != ARCHIVE_OK)
		return fail(archive, "", err);
	for (size_t i = 0; i < n; i++)
		if (add_file(archive, &specs[i], err) < 0)
			return -1;
	if (libarchive.write_close(archive) != ARCHIVE_OK)
		return fail(archive, "", err);
	strbuf_add(ret, tar.buf, tar.len);
	return 0;
}

/* -- piece by piece -- */

struct archive_writer {
	struct archive *archive;
	char *path; /* of the newest entry */
};

void archive_writer_free(struct archive_writer *writer)
{
	if (!writer)
		return;
	cleanup_archive(&writer->archive);
	free(writer->path);
	free(writer);
}

int archive_writer_new(struct strbuf *out, struct archive_writer **ret, struct error *err)
{
	struct archive_writer *writer;

	if (library_load(&library, err) < 0)
		return -1;
	writer = xcalloc(1, sizeof(*writer));
	writer->archive = libarchive.write_new();
	writer->path = xstrdup("");
	if (!writer->archive)
		abort();
	if (libarchive.write_set_format_pax_restricted(writer->archive) == ARCHIVE_OK &&
	    libarchive.write_set_options(writer->archive, "hdrcharset=BINARY") == ARCHIVE_OK &&
	    libarchive.write_open(writer->archive, out, NULL, take_bytes, NULL) == ARCHIVE_OK) {
		*ret = writer;
		return 0;
	}
	fail(writer->archive, "", err);
	archive_writer_free(writer);
	return -1;
}

static int add_entry(struct archive_writer *writer, const char *path, mode_t mode, uint64_t size, const char *target,
		     struct error *err)
{
	CLEANUP(cleanup_entry) struct archive_entry *entry = libarchive.entry_new();

	if (!entry)
		abort();
	free(writer->path);
	writer->path = xstrdup(path);
	libarchive.entry_set_pathname(entry, path);
	libarchive.entry_set_filetype(entry, target ? AE_IFLNK : AE_IFREG);
	libarchive.entry_set_perm(entry, mode & 07777);
	libarchive.entry_set_size(entry, (la_int64_t)size);
	libarchive.entry_set_mtime(entry, 0, 0);
	libarchive.entry_set_uid(entry, 0);
	libarchive.entry_set_gid(entry, 0);
	if (target)
		libarchive.entry_set_symlink(entry, target);
	if (libarchive.write_header(writer->archive, entry) != ARCHIVE_OK)
		return fail(writer->archive, path, err);
	return 0;
}

int archive_writer_file(struct archive_writer *writer, const char *path, mode_t mode, uint64_t size,
			struct error *err)
{
	return add_entry(writer, path, mode, size, NULL, err);
}

int archive_writer_link(struct archive_writer *writer, const char *path, const char *target, struct error *err)
{
	return add_entry(writer, path, 0777, 0, target, err);
}

int archive_writer_data(struct archive_writer *writer, const void *data, size_t len, struct error *err)
{
	if (libarchive.write_data(writer->archive, data, len) < 0)
		return fail(writer->archive, writer->path, err);
	return 0;
}

int archive_writer_end(struct archive_writer *writer, struct error *err)
{
	return libarchive.write_close(writer->archive) == ARCHIVE_OK ? 0 : fail(writer->archive, writer->path, err);
}
