/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
/*
 * Secrets on their way into steps. A run reads those of its steps once, before anything starts, and keeps to the values
 * they had then: what is given to a step is what is masked. An attempt finds them as files, in a directory of its own
 * on a tmpfs of this machine: TMPFS/mlops-UID/PROJECT/ATTEMPT/NAME, where TMPFS is $XDG_RUNTIME_DIR or /dev/shm and
 * PROJECT is that of orphans_label. Nothing of it is ever an argument, in the project, or on a disk.
 */
struct error;
struct mask_set;
struct plan;
struct plan_node;
struct project;
struct strlist;
struct run_secrets;

/*
 * Reads the secrets of all selected steps. For those that `needs` says (NULL: for all), each must be there and fit for
 * what it is used for, and the tmpfs must be; what is missing is named in one error, ERR_NOT_FOUND. Of the others one
 * that cannot be read is left out until a step wants it.
 */
int run_secrets_open(struct project *, const struct plan *, bool (*needs)(void *ctx, const struct plan_node *),
		     void *ctx, struct run_secrets **ret, struct error *);
/* Wipes the values. After the last stream of the mask. May be NULL. */
void run_secrets_close(struct run_secrets *);
/* Of all that were read. Lent. */
const struct mask_set *run_secrets_mask(const struct run_secrets *);

/*
 * Makes the directory of an attempt, "RUN-STEP-N", anew, with files of mode 0400; as root they are given to `uid` and
 * `gid`. Appends to `env` NAME_FILE=INSIDE/NAME, where the step finds it (`inside` NULL: where it is), and NAME=VALUE
 * for those that it wants so. *ret_dir is its path, owned by the caller; NULL when the step has no secrets.
 */
int secret_files_make(struct run_secrets *, const struct plan_node *, const char *attempt, const char *inside,
		      uid_t uid, gid_t gid, struct strlist *env, char **ret_dir, struct error *);
/* The attempt ended. One without secrets is none the worse. */
void secret_files_drop(const struct project *, const char *attempt);
/* What a killed mlops left: all attempts of this project that are not in `keep` and whose run has no executor. Cheap
 * when there are none. */
void secret_files_sweep(struct project *, const struct strlist *keep);
