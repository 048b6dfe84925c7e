/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Exit status of mlops-pause: what is mounted at MLOPS_PAUSE_PROBE is no file. */
#define MLOPS_PAUSE_BLIND 66
#define MLOPS_PAUSE_PROBE "/probe"
