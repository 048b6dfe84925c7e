/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/mem.h"
#include "monitor/drift/drift.h"

static const char *const names[] = {
	[DRIFT_NONE] = "OK",	   [DRIFT_FOUND] = "DRIFT",	  [DRIFT_INSUFFICIENT] = "INSUFFICIENT",
	[DRIFT_UNDECIDED] = "UNDECIDED", [DRIFT_NEW] = "NEW",	  [DRIFT_MISSING] = "MISSING",
	[DRIFT_ALL_NULL] = "ALL_NULL", [DRIFT_TYPE_CHANGED] = "TYPE_CHANGED",
	[DRIFT_SKIPPED] = "SKIPPED",   [DRIFT_QUARANTINED] = "QUARANTINED",
};

const char *drift_state_name(enum drift_state state)
{
	return names[state];
}

bool drift_state_parse(const char *name, enum drift_state *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*ret = (enum drift_state)i;
		return true;
	}
	return false;
}
