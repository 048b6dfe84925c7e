/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * What is known of the machine on which a step runs, recorded with its run and in no key: it should decide nothing, and is
 * looked at when a result cannot be had again.
 */
struct js;

/* {cpu, kernel}, and of a step on this machine itself, not in a container, {libc, env{}}. Owned. */
struct js *host_facts(bool local);
/* Differences of two of them in the form of key_differences, of the kinds cpu, kernel, libc and inherited. Owned. */
struct js *host_differences(const struct js *old, const struct js *now);
