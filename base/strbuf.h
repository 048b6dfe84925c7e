/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
/*
 * Text or bytes that grow. `buf` is always NUL-terminated and never NULL; it may
 * hold NUL bytes before `len`. Life: STRBUF_INIT, any calls, strbuf_release.
 */
struct strbuf {
	char *buf;
	size_t len;
	size_t cap; /* 0: buf is the shared empty string */
};
extern char strbuf_empty[];
#define STRBUF_INIT { strbuf_empty, 0, 0 }

void strbuf_release(struct strbuf *);
void strbuf_clear(struct strbuf *); /* keeps the memory */
char *strbuf_detach(struct strbuf *); /* the caller frees it; the buffer is empty again */
void strbuf_reserve(struct strbuf *, size_t more);
void strbuf_add(struct strbuf *, const void *, size_t);
void strbuf_puts(struct strbuf *, const char *);
void strbuf_putc(struct strbuf *, char);
void strbuf_printf(struct strbuf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *, const char *fmt, va_list) __attribute__((format(printf, 2, 0)));
#define CLEANUP_STRBUF CLEANUP(strbuf_release)
