/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
/* Archives; the only door to archive.h. Regular files and symlinks; times are 0, owners root. */
struct error;
struct strbuf;
struct archive_entry_spec {
	const char *path;
	const void *data;
	size_t len;
	mode_t mode; /* permissions */
};
/* Appends a tar (ustar) of the entries, in their order: equal entries give equal bytes. */
int archive_tar(const struct archive_entry_spec *, size_t n, struct strbuf *ret, struct error *);

/*
 * A tar that is taken away while it is written: what is ready is appended to `out`, which the caller empties when
 * he likes. The size of a file is said first, then its bytes in pieces; a name that is long or not ASCII stands in a
 * pax header, as the bytes it has.
 */
struct archive_writer;
int archive_writer_new(struct strbuf *out, struct archive_writer **ret, struct error *);
void archive_writer_free(struct archive_writer *); /* NULL is legal; a tar that was not ended has no end */
int archive_writer_file(struct archive_writer *, const char *path, mode_t mode, uint64_t size, struct error *);
int archive_writer_link(struct archive_writer *, const char *path, const char *target, struct error *);
/* Of the file that was named last; more than its size is cut off. */
int archive_writer_data(struct archive_writer *, const void *, size_t, struct error *);
int archive_writer_end(struct archive_writer *, struct error *);
