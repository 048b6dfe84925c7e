/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "store/content.h"
/*
 * The code of a run as one tree of the store, from which it can be repeated without any repository: the pipeline's own
 * files, and what git tracks or does not ignore, with that of submodules; without git, and in a scratch tree, what stands
 * in the project. Outputs are left out, and directories that are inputs, too, as they are kept by themselves.
 */
struct error;
struct plan;
struct project;
struct scanner;

#define CODE_FILE_MAX	((uint64_t)4 << 20)  /* bytes of one file */
#define CODE_FILES_MAX	((uint64_t)64 << 20) /* of all */
#define CODE_FILES_MOST 20000

/* Stores with the scanner's batch. *ret is ABSENT when there is nothing. *ret_whole: nothing was left out because it is too
 * large, too much, or cannot be read. */
int code_files_store(const struct scanner *, const struct project *, const struct plan *, struct content *ret,
		     bool *ret_whole, struct error *);
