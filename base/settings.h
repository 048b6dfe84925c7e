/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Settings: one table holds every key with its type, default and help; files and
 * `mlops config` only look up there. .mlops/config.ini overrides the default, and
 * the environment variable MLOPS_SECTION_KEY (upper case) overrides the file.
 */
struct error;
#define SETTINGS(X)                                                                                \
	X(RUN_JOBS, "run.jobs", SETTING_INT, "0", "steps at a time; 0 is one a core")              \
	X(CHECKOUT_LINK, "checkout.link", SETTING_WORD, "copy", "copy, hardlink or symlink")       \
	X(UI_COLOR, "ui.color", SETTING_WORD, "auto", "auto, always or never")                     \
	X(UI_PAGER, "ui.pager", SETTING_TEXT, "less -FRX", "program long output goes through; empty: none")

enum setting {
#define X(id, key, type, fallback, help) SETTING_##id,
	SETTINGS(X)
#undef X
	SETTING_COUNT
};
enum setting_type { SETTING_INT, SETTING_WORD, SETTING_TEXT };
struct setting_def {
	const char *key;
	enum setting_type type;
	const char *fallback, *help;
};
extern const struct setting_def setting_defs[SETTING_COUNT];

struct settings {
	char *values[SETTING_COUNT]; /* NULL: the default */
};
void settings_release(struct settings *);
/* An absent file is no error; an unknown key is, with the nearest right one. */
int settings_load(struct settings *, const char *path, struct error *);
/* Replaces one value in the file, keeping comments and order; NULL removes it. */
int settings_store(const char *path, enum setting, const char *value, struct error *);
int settings_find(const char *key, enum setting *ret, struct error *);
/* ERR_USAGE when the text does not fit the type. */
int settings_check(enum setting, const char *value, struct error *);
const char *settings_get(const struct settings *, enum setting); /* lent */
int64_t settings_int(const struct settings *, enum setting);
