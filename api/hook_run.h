/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/* What hooks do when git calls them: they tell an agent what a ref is now. They end soon whatever the agent does. */
struct error;
struct js;
struct strbuf;

/* Of the commit just made; each ref of "OLD NEW REF" lines, as git tells post-receive. Notes for the person at the terminal
 * are pushed to `notes`: an agent that is not there is one of them, and no error. */
int hook_after_commit(const char *dir, struct js *notes, struct error *);
int hook_after_receive(const char *dir, const struct strbuf *lines, struct js *notes, struct error *);
