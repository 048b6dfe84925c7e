/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The tables against the events: what aliases, versions, approvals, people, keys and data are now must be what the events
 * made them. Both are read at one moment.
 */
struct db;
struct error;
struct findings;

/* -1 only when it could not look. */
int audit_check_state(struct db *, struct findings *, struct error *);
