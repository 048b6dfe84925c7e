/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
struct strbuf;
/* Words of a command line that is shown to be typed: quoted where a POSIX shell needs it. The caller frees. */
char *shell_word(const char *);
void shell_append(struct strbuf *, const char *word);
