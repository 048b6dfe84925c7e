/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/strmap.h"
#include "store/scan.h"
/* What changed inside of an input: sizes, and the files of a directory. */
struct js;
struct looker;
struct store;

struct input_explainer {
	struct store *store;
	struct scanner scanner;
	struct looker *looker; /* which looked at the inputs */
	struct strmap told;    /* an input that many steps share is compared once */
};
void input_explainer_release(struct input_explainer *);
/*
 * To a difference of the kind input it adds, as far as they are known: old_size, new_size; of directories old_files,
 * new_files, and, when both are, files: [{path, change: added|changed|removed, old_size, new_size}] (at most 20), added,
 * changed, removed (all). What is not in the store any more is told in `note`.
 */
void input_explain(struct input_explainer *, struct js *difference);
