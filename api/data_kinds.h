/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What pipelines ask of tables (pipeline/data_kinds.h), answered by monitor/, which they do not know. */
struct data_kinds;
extern const struct data_kinds api_data_kinds;
