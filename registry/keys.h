/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/* What MLflow's server accepts as keys and values of runs. */
struct error;
#define KEY_CHARS        250
#define PARAM_CHARS      6000
#define TAG_CHARS        8000
#define EXPERIMENT_CHARS 500
#define EXPERIMENT_TAG_CHARS 20000
#define LOCATION_CHARS   2048
/* ERR_USAGE unless `key` has at most KEY_CHARS characters, letters, digits and "_-./: " only, and
 * is the shortest way to write itself as a relative path. `what` ("metric", "param", "tag") is for
 * the message. */
int key_check(const char *what, const char *key, struct error *);
/* ERR_USAGE unless 1..max characters of valid UTF-8 without control characters. */
int text_check(const char *what, const char *text, size_t max_chars, struct error *);
/* Bytes of the first `max_chars` characters. */
size_t text_prefix(const char *text, size_t max_chars);
/* A run's name when nobody gave one: "adjective-noun-NNN". */
void run_random_name(char *ret, size_t size);

/* The same rules in MLflow's own words, which its clients and their tests look for; `path` is what holds the text:
 * "key", "metrics[3].name". */
int name_check(const char *path, const char *name, struct error *);
bool name_is_fine(const char *name); /* name_check would take it: for whoever had to make up the path first */
/* "'WHAT' exceeds the maximum length of N characters". */
int length_check(const char *what, const char *text, size_t max_chars, struct error *);
