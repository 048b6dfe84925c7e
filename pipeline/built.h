/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * Which images of an engine this project built, or pulled by a pin of its mlops.lock: .mlops/images/KEY holds the id that
 * the engine gave. An image is believed to be of its key for that alone. The label that it has as well can be on
 * any image that somebody pulled: the key of a public project is no secret.
 */
struct docker_engine;
struct error;
struct project;

/* 1 and the id, which the caller frees; 0: none is known, or the engine has it no more; -1. */
int built_find(const struct project *, struct docker_engine *, const char *key, char **ret_id, struct error *);
int built_note(const struct project *, const char *key, const char *id, struct error *);
