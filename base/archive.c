/* SPDX-License-Identifier: Apache-2.0 */
#include "base/archive.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void cleanup_archive(struct archive **archive)
{
	archive_write_free(*archive);
}

static void cleanup_entry(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static la_ssize_t take_bytes(struct archive *archive, void *arg, const void *bytes, size_t len)
{
	(void)archive;
	strbuf_add(arg, bytes, len);
	return (la_ssize_t)len;
}

static int fail(struct archive *archive, const char *path, struct error *err)
{
	const char *why = archive_error_string(archive);

	return error_set(err, ERR_USAGE, "cannot put \"%s\" into an archive: %s", path,
			 why ? why : "out of memory");
}

static int add_file(struct archive *archive, const struct archive_entry_spec *spec, struct error *err)
{
	CLEANUP(cleanup_entry) struct archive_entry *entry = archive_entry_new();

	if (!entry)
		abort();
	archive_entry_set_pathname(entry, spec->path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, spec->mode & 07777);
	archive_entry_set_size(entry, (la_int64_t)spec->len);
	archive_entry_set_mtime(entry, 0, 0);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_uname(entry, "root");
	archive_entry_set_gname(entry, "root");
	if (archive_write_header(archive, entry) != ARCHIVE_OK)
		return fail(archive, spec->path, err);
	if (archive_write_data(archive, spec->data, spec->len) != (la_ssize_t)spec->len)
		return fail(archive, spec->path, err);
	return 0;
}

int archive_tar(const struct archive_entry_spec *specs, size_t n, struct strbuf *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT;
	CLEANUP(cleanup_archive) struct archive *archive = archive_write_new();

	if (!archive)
		abort();
	if (archive_write_set_format_ustar(archive) != ARCHIVE_OK ||
	    archive_write_open(archive, &tar, NULL, take_bytes, NULL) != ARCHIVE_OK)
		return fail(archive, "", err);
	for (size_t i = 0; i < n; i++)
		if (add_file(archive, &specs[i], err) < 0)
			return -1;
	if (archive_write_close(archive) != ARCHIVE_OK)
		return fail(archive, "", err);
	strbuf_add(ret, tar.buf, tar.len);
	return 0;
}
