/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Checkpoints of the audit log (checkpoint_due): a thread with a project of its own looks every few seconds, because a git
 * remote that it pushes them to may take its time. */
struct error;

int signer_start(const char *dir, struct error *); /* after the lanes */
void signer_stop(void);
