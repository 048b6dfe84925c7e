/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/db.h"
/* The migrations registry/schema/NNNN_name.sql, in order; made at build time. */
extern const struct db_migration registry_schema[];
