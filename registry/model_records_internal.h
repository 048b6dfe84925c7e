/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* What both sides of the records of models share. */
struct db;
struct error;
struct js;

#define MODEL_RECORD_VERSION 1
#define MODEL_RECORD_FILES   4 /* roles that a candidate may have files for */

/* A version that is there, as a member of a record. */
int model_version_record(struct db *, int64_t version, struct js **ret, struct error *);
