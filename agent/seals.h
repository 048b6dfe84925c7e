/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files of runs become trees when their runs have ended (files_seal): a thread that looks once a second while there are
 * runs whose files changed, and else sleeps. */
struct error;

int seals_start(struct error *); /* after the lanes */
void seals_stop(void);           /* before the lanes stop */
/* Files are changed now, or were a moment ago. */
void seals_wake(void);
