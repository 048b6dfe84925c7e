/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/ops.h"
/* Options of mlops-agent, which `mlops agent` passes on: one table for both programs' help, completion and checks. Ends
 * with name NULL. */
extern const struct op_param agent_params[];
extern const char agent_summary[], agent_details[];
