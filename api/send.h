/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Versions of data for an agent: their objects, then for each a ref "data/NAME", by which the agent records a version of
 * its own. NAME is the SHA-256 of the path in hex, because refs have short names; the text is canonical JSON:
 *
 *     {"content":"tree:HEX","path":"data/raw"}
 */
struct error;
struct js;
struct op_context;

struct sent_version {
	const char *path;
	struct content content; /* stored here */
};
/* To the agent at `url`. *ret: {agent, objects, bytes}. Sending again does nothing. */
int data_send(struct op_context *, const char *url, const struct sent_version *, size_t n, struct js **ret, struct error *);
/* The name of a path's ref. */
void data_ref_name(const char *path, char ret[DIGEST_HEX + 1]);
/* Its text; caller frees. */
char *data_ref_text(const char *path, const struct content *);
/* ERR_USAGE: it is no such text, or its path is not that of the name. `*ret_path` is owned. */
int data_ref_read(const char *name, const char *text, char **ret_path, struct content *ret, struct error *);
