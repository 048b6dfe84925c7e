/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "registry/audit_facts.h"
/* The events, one after the other, as facts. */
struct db;
struct error;

/* Reads all events; a name that no event should have is no fact. */
int audit_replay(struct db *, struct facts *, struct error *);
