/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops.h"
#include "base/error.h"

int op_split(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	(void)ctx;
	(void)args;
	(void)ret_result;
	return error_set(err, ERR_UNSUPPORTED, "not yet");
}
