/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Named points where a test kills, fails or delays the program, in builds with
 * -DMLOPS_FAILPOINTS (presets debug, asan, tsan); nothing in others.
 *
 *     MLOPS_FAILPOINT=NAME=kill|sleep:MS      kill is SIGKILL to itself
 *     MLOPS_FAILPOINT=list:FILE               appends each name it passes to FILE
 *
 * A name is FLOOR.WHAT ("docker.created"), and stands once in the code.
 */
#ifdef MLOPS_FAILPOINTS
void failpoint(const char *name);
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) ((void)0)
#endif
