/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
/*
 * A foreign library that is loaded on its first use. Linking it would cost each start of the program
 * milliseconds, also of commands that never need it. Its door lists the functions it uses once:
 *
 *	#define FOO_FUNCTIONS(X) X(foo_, open) X(foo_, close)
 *	static struct { FOO_FUNCTIONS(LIBRARY_MEMBER) } libfoo;
 *	static const char *const names[] = LIBRARY_NAMES(FOO_FUNCTIONS);
 *	static struct library library = LIBRARY(FOO_SONAME, FOO_PACKAGE, names, &libfoo, NULL);
 *
 * and after library_load() calls foo_open(path) as libfoo.open(path), checked by its prototype.
 */
struct error;

struct library {
	const char *soname;
	const char *package;      /* of Debian, that brings it */
	const char *const *names; /* NULL-terminated */
	void *table;              /* a pointer to a function for each name, in their order */
	void (*init)(void);       /* once, after the table is filled; may be NULL */
	pthread_mutex_t lock;
	bool loaded;
};

#define LIBRARY_MEMBER(prefix, name) __typeof__(prefix##name) *name;
#define LIBRARY_NAME(prefix, name)   #prefix #name,
#define LIBRARY_NAMES(FUNCTIONS)     { FUNCTIONS(LIBRARY_NAME) NULL }
#define LIBRARY(soname, package, names, table, init)                                                       \
	{ (soname), (package), (names), (table), (init), PTHREAD_MUTEX_INITIALIZER, false }

/* From any thread, any number of times; it stays for the life of the process. ERR_ENV when it cannot be
 * loaded or lacks a function: then the table is untouched, and the next call tries again. */
int library_load(struct library *, struct error *);
