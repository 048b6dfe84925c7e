/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "store/content.h"
/*
 * Whatever a user types for a thing: a run (id prefix of 4+, "last", its name), an
 * artifact (PATH[@vN|@latest]), a version of a registered model (MODEL@vN|@ALIAS), a content (sha256:PREFIX, or file:/tree: as printed), a git
 * revision. Resolved here and nowhere else; ambiguity is ERR_USAGE that lists the candidates.
 */
struct error;
struct project;
enum name_kind { NAME_RUN, NAME_ARTIFACT, NAME_CONTENT, NAME_COMMIT, NAME_VERSION };
struct name {
	enum name_kind kind;
	char run[33];
	char commit[65];
	char artifact[1024];    /* or the model */
	int64_t version;
	struct content content; /* of an artifact or content */
};
enum name_accept {
	ACCEPT_RUN = 1 << NAME_RUN,
	ACCEPT_ARTIFACT = 1 << NAME_ARTIFACT,
	ACCEPT_CONTENT = 1 << NAME_CONTENT,
	ACCEPT_COMMIT = 1 << NAME_COMMIT,
	ACCEPT_VERSION = 1 << NAME_VERSION,
	ACCEPT_ANY = 31,
};
int name_resolve(struct project *, const char *text, unsigned accept, struct name *ret, struct error *);
