/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
/*
 * Durable file I/O. Everything that must survive a crash is written here, so that
 * a test can make the Nth operation fail.
 *
 * After a failed fsync the kernel may have dropped the pages: the file must be
 * written anew, never fsynced again.
 */
struct error;
struct strbuf;

enum io_op { IO_CREATE, IO_WRITE, IO_SYNC, IO_RENAME, IO_LINK, IO_UNLINK, IO_MKDIR };
/* Test hook: returns 0 to go on, or the errno to fail with. NULL in production. */
extern int (*io_fault)(enum io_op, const char *name);

/* O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC. Returns the fd or -1. `name` serves messages too. */
int io_create(int dirfd, const char *name, mode_t mode, struct error *);
int io_write_all(int fd, const void *data, size_t len, const char *name, struct error *);
int io_sync_file(int fd, const char *name, struct error *);             /* fdatasync */
int io_sync_dir(int dirfd, const char *name, struct error *);           /* fsync of an open directory */
int io_sync_dir_at(int dirfd, const char *path, struct error *);        /* opens it first */
int io_sync_fs(int fd, const char *name, struct error *);               /* syncfs */
/* Renames without replacing. 1 published, 0 the target existed (the source is left), -1 error. */
int io_publish(int from_dir, const char *from, int to_dir, const char *to, struct error *);
int io_rename(int from_dir, const char *from, int to_dir, const char *to, struct error *);
int io_unlink(int dirfd, const char *name, struct error *);             /* absent is no error */
int io_mkdir(int dirfd, const char *name, mode_t mode, struct error *); /* existing is no error */

/* The whole of a small file, replaced atomically and durably: temporary name beside it, fdatasync,
 * rename, fsync of the directory. With durable = false the two syncs are left out (caches). */
int io_replace_file(int dirfd, const char *name, const void *data, size_t len, mode_t mode, bool durable,
		    struct error *);
/* Appends a file's bytes; more than `max` is ERR_USAGE. */
int io_read_file(int dirfd, const char *name, size_t max, struct strbuf *ret, struct error *);
int io_read_fd(int fd, const char *name, size_t max, struct strbuf *ret, struct error *);
/* A file without a name in $TMPDIR or /tmp, to be read and written: room for what may be too much for memory. It is gone
 * with its descriptor, however the program ends. */
int io_scratch(struct error *);
