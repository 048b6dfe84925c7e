/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an operation may be done with the experiment or model that it is about. */
#include "agent/access_internal.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "registry/project.h"

int access_op(const struct principal *who, const struct op *op, struct project *project, const struct js *args,
	      struct error *err)
{
	(void)project;
	(void)args;
	if (who->grant.role >= (int)op->role)
		return 0;
	return error_set(err, ERR_DENIED, "%s has role %s, %s needs %s", who->name, access_roles[who->grant.role],
			 op->name, access_roles[op->role]);
}
