/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of clients become arguments that fit their operation, or are refused in words. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/mlflow_args.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/run_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_numbers(const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++) {
		int64_t whole;
		double real;

		wire_int(js_get(js_at(list, i), "timestamp"), &whole);
		wire_real(js_get(js_at(list, i), "value"), &real);
	}
}

/* The first byte chooses the operation. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "run.log", "metric.log", "run.create", "experiment.create", "run.update" };
	CLEANUP_JS struct js *args = NULL;
	struct error err = { 0 };
	const struct op *op;

	if (!size)
		return 0;
	op = op_find(names[data[0] % ARRAY_LEN(names)]);
	if (mlflow_args_of((const char *)data + 1, size - 1, op, &args, &err) < 0) {
		assert(err.code == ERR_USAGE && *err.msg);
		return 0;
	}
	assert(js_typeof(args) == JS_OBJECT);
	read_numbers(js_get(args, "metrics"));
	for (const struct op_param *p = op->params; p->name; p++) {
		char key[64];
		const struct js *value = js_get(args, op_param_key(p, key));

		assert(value || !(p->flags & OPP_REQUIRED));
		assert(!value || !(p->flags & OPP_MANY) || js_typeof(value) == JS_ARRAY);
		assert(!value || p->type != OP_INT || js_typeof(value) == JS_INT);
	}
	return 0;
}
