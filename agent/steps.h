/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The agent of one run, `mlops-agent steps`: MLflow's API for the steps of `mlops run` that say tracking = yes, beside
 * whatever agent serves the project, so that it needs no other address, certificate or login, and no other agent's end
 * disturbs a run. It listens on any loopback port and on a Unix socket that pause containers mount, trusts nobody
 * without a token, wherever he comes from, and takes no lock: the database's own is enough.
 *
 * From the start of the process, which has one thread and nothing opened, to its exit status. It says "ready: URL" when
 * it is, and ends when its standard input does: whoever started it is gone, or wants it to be. `socket` is replaced.
 */
int steps_main(const char *dir, const char *socket);
