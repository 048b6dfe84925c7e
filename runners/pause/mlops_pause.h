/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Exit status of mlops-pause: what is mounted at MLOPS_PAUSE_PROBE is no file. */
#define MLOPS_PAUSE_BLIND 66
#define MLOPS_PAUSE_PROBE "/probe"
/* A directory, where steps reach an agent: what comes to MLOPS_PAUSE_PORT of loopback goes to the socket in it. */
#define MLOPS_PAUSE_AGENT  "/agent"
#define MLOPS_PAUSE_SOCKET "agent.sock"
#define MLOPS_PAUSE_PORT   5000
