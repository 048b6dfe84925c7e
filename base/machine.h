/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * What this process may use of its machine: less than there is where its CPU affinity or its control groups
 * (v1 or v2, its own and those above) say so.
 */
double machine_cpus(void);
int64_t machine_memory(void); /* bytes */
/* What the CPU calls itself ("AMD EPYC 7763 64-Core Processor"), else its architecture. */
void machine_cpu_name(char *ret, size_t size);
/* NVIDIA's GPUs, as device files; 0 when there are none. */
int machine_gpus(void);
