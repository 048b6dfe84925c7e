/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "registry/access.h"
/* What looking up and changing share. */
extern const char *const access_levels[ACCESS_LEVELS];
/* "tracking,objects" and back; a word of a newer program gives nothing. */
char *scopes_format(unsigned scopes);
unsigned scopes_parse(const char *text);
/* "... FROM tokens": how a user's and a token's role make one, the lower of both. */
int lower_role(const char *a, const char *b);
