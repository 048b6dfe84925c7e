/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
/*
 * Memory that is small: running out of it aborts. What an input can make large
 * is bounded by its reader, which returns an error instead.
 */
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CLEANUP(fn)  __attribute__((cleanup(fn)))

void *xmalloc(size_t size) __attribute__((returns_nonnull, malloc));
void *xcalloc(size_t n, size_t size) __attribute__((returns_nonnull, malloc));
void *xreallocarray(void *, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *) __attribute__((returns_nonnull, malloc));
char *xstrndup(const char *, size_t) __attribute__((returns_nonnull, malloc));
void *xmemdup(const void *, size_t) __attribute__((returns_nonnull, malloc));
char *xasprintf(const char *fmt, ...) __attribute__((returns_nonnull, format(printf, 1, 2)));

/* Room for one more element: GROW(v->items, v->len, v->cap); v->items[v->len++] = x; */
#define GROW(items, len, cap)                                                                      \
	do {                                                                                       \
		if ((len) == (cap)) {                                                              \
			(cap) = (cap) ? (cap) * 2 : 8;                                             \
			(items) = xreallocarray((items), (cap), sizeof(*(items)));                 \
		}                                                                                  \
	} while (0)

/* Hands an owned pointer or fd over and leaves NULL or -1 behind. */
#define steal(p)                                                                                   \
	__extension__({                                                                            \
		__typeof__(*(p)) steal_tmp_ = *(p);                                                \
		*(p) = NULL;                                                                       \
		steal_tmp_;                                                                        \
	})
static inline int steal_fd(int *fd)
{
	int tmp = *fd;
	*fd = -1;
	return tmp;
}
static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
