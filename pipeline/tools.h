/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is known of the programs that steps run: for Python, its version and installed
 * packages. It is recorded with a step's run and is not in its key.
 */
struct js;
struct plan_node;

/* {host, version, packages[], packages_digest} now, by asking the program, which takes a while. NULL when it is no
 * Python, runs in a container, or did not run on this machine before (`before` is what was recorded): why never runs
 * what a stranger's project brings. Owned by the caller. */
struct js *tools_ask(const struct plan_node *, const struct js *before, const char *root);
/* Differences of two of them in the form of key_differences, of the kinds python and package, with in_key: false. What
 * one side does not know is not compared. Owned by the caller. */
struct js *tools_differences(const struct js *old, const struct js *now);
