/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <sys/types.h>
/* Archives; the only door to archive.h. Regular files only; times are 0, owners root. */
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
