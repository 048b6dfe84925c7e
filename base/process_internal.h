/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What process_find and the spawner share: where exec finds a program. 0 and the path
 * to give to execve (symlinks kept: a Python environment knows itself by them), or an
 * errno. Relative names and PATH entries count from `cwd`. The caller frees *ret.
 */
int program_locate(const char *name, const char *path_env, const char *cwd, char **ret);
