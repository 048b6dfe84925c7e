/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * JSON values; the door to jansson. A struct js is counted: constructors and
 * js_ref return an owned reference, js_free drops one, getters lend. js_set and
 * js_push take ownership of the value they are given. Objects keep insertion order.
 * Strings are valid UTF-8: js_str replaces what is not by U+FFFD.
 */
struct error;
struct strbuf;
struct js;

struct js *js_object(void);
struct js *js_array(void);
struct js *js_str(const char *); /* NULL gives null */
struct js *js_strn(const char *, size_t);
struct js *js_int(int64_t);
struct js *js_real(double); /* NaN and infinities become "NaN", "Infinity", "-Infinity" */
struct js *js_bool(bool);
struct js *js_null(void);
struct js *js_ref(struct js *);
void js_free(struct js *);
void cleanup_js(struct js **);
#define CLEANUP_JS CLEANUP(cleanup_js)

void js_set(struct js *object, const char *key, struct js *value); /* takes value */
void js_push(struct js *array, struct js *value);                  /* takes value */
bool js_del(struct js *object, const char *key);
/* Shorthands: js_set of the constructor. js_set_str leaves the key out when text is NULL. */
void js_set_str(struct js *, const char *key, const char *text);
void js_set_int(struct js *, const char *key, int64_t);
void js_set_real(struct js *, const char *key, double);
void js_set_bool(struct js *, const char *key, bool);
void js_push_str(struct js *array, const char *text);

enum js_type { JS_NULL, JS_BOOL, JS_INT, JS_REAL, JS_STR, JS_ARRAY, JS_OBJECT, JS_RAW };
enum js_type js_typeof(const struct js *); /* of NULL: JS_NULL */
/* Absent key, wrong type or NULL object: NULL, the fallback, or 0. */
struct js *js_get(const struct js *object, const char *key);
const char *js_get_str(const struct js *object, const char *key);
int64_t js_get_int(const struct js *object, const char *key, int64_t fallback);
double js_get_real(const struct js *object, const char *key, double fallback);
bool js_get_bool(const struct js *object, const char *key);
const char *js_text(const struct js *);  /* of a string, else NULL */
int64_t js_int_value(const struct js *);
double js_number(const struct js *);     /* of an int or real, else NaN */
bool js_truth(const struct js *);
size_t js_len(const struct js *);        /* elements of an array or members of an object, else 0 */
struct js *js_at(const struct js *array, size_t i);
bool js_equal(const struct js *, const struct js *);

/* for (void *it = js_iter(o); it; it = js_next(o, it)) { js_iter_key(it); js_iter_value(it); } */
void *js_iter(const struct js *object);
void *js_next(const struct js *object, void *it);
const char *js_iter_key(void *it);
struct js *js_iter_value(void *it);

/* Strict: one value, no duplicate keys, no NUL, depth <= 512. Errors carry line and column in the
 * message; `name` is what the text is called there. */
int js_parse(const char *text, size_t len, const char *name, struct js **ret, struct error *);
/* How many values a text holds if it is JSON, at most. Each takes up to 300 bytes once it is parsed, however short it is
 * there, so what strangers send is counted before. */
size_t js_count(const char *text, size_t len);
#define JS_STRANGERS_MAX 200000
/* Appends. Compact on one line; pretty has two blanks of indent; canonical is compact with sorted keys;
 * spaced has a blank after ',' and ':', as Python writes. */
enum js_style { JS_COMPACT, JS_PRETTY, JS_CANONICAL, JS_SPACED };
void js_dump(const struct js *, enum js_style, struct strbuf *);

/* What is too much to be built of values is written as text, by these and strbuf_puts, and goes into an answer as a
 * value that only js_dump looks into: it stays as it is, whatever the style. Takes the text. */
struct js *js_raw(struct strbuf *);
struct js *js_open(struct js *); /* an owned reference to it, or, when it is raw, to what its text says */
void js_put_str(struct strbuf *, const char *text); /* valid UTF-8 */
void js_put_int(struct strbuf *, int64_t);
void js_put_real(struct strbuf *, double); /* as js_real */
