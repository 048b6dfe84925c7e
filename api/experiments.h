/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * `mlops run -p lr=0.1,0.01`: every combination runs in a scratch tree of the work tree as it is now, which nothing
 * touches, one after the other: each uses as many steps at a time as a run may, and two runs would not know what the
 * other one takes of the machine.
 */
struct combinations;
struct error;
struct js;
struct op_context;
struct run_options;

/*
 * -> {experiment, pipeline, status, total, finished, failed, duration_ms, combinations: [{params{}, label, status, run_id|null,
 *     metrics{}, duration_ms, changed[], error{}, failure{}, tree}]}. status: FINISHED FAILED KILLED, and null of one that
 * was not begun; tree: the scratch tree of one that failed, which is kept. Emits the runs' events with `combination`, its
 * number, and steps named "LABEL: STEP". With dry: nothing is made, and combinations are {params{}, label, steps[]}.
 * ERR_FAILED when one failed.
 */
int experiments_run(struct op_context *, const struct js *args, const char *file, const struct combinations *,
		    const struct run_options *, struct js **ret_result, struct error *);
