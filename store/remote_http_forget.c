/* SPDX-License-Identifier: Apache-2.0 */
/* An agent as a remote: what it has to forget, and what it has forgotten. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "store/remote_http_internal.h"
#include "store/tombstone.h"

struct js *remote_http_digests(const struct digest *ids, size_t n)
{
	struct js *body = js_object(), *list = js_array();
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < n; i++)
		js_push_str(list, digest_format(&ids[i], hex));
	js_set(body, "digests", list);
	return body;
}

static int forget_group(struct remote_http *r, const struct digest *ids, size_t n, const struct tombstone *stone,
			struct error *err)
{
	CLEANUP_JS struct js *body = remote_http_digests(ids, n);
	CLEANUP_JS struct js *answer = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;

	js_set_str(body, "reason", stone->reason);
	a.method = "POST";
	a.path = "/objects/forget";
	a.body = body;
	return ask_json(r, &a, &answer, err);
}

int remote_http_forget(struct remote *remote, const struct digest *ids, size_t n, const struct tombstone *stone,
		       struct error *err)
{
	for (size_t at = 0; at < n; at += REMOTE_HTTP_GROUP)
		if (forget_group((struct remote_http *)remote, ids + at, n - at < REMOTE_HTTP_GROUP ? n - at : REMOTE_HTTP_GROUP,
				 stone, err) < 0)
			return -1;
	return 0;
}

static void read_stone(const struct js *item, struct tombstone *ret)
{
	const char *date = js_get_str(item, "date"), *reason = js_get_str(item, "reason");

	snprintf(ret->date, sizeof(ret->date), "%.10s", date && *date ? date : "?");
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason ? reason : "");
}

static int ask_group(struct remote_http *r, const struct digest *ids, size_t n, struct tombstone *ret, struct error *err)
{
	CLEANUP_JS struct js *body = remote_http_digests(ids, n);
	CLEANUP_JS struct js *answer = NULL;
	struct ask a CLEANUP(ask_release) = ASK_INIT;
	struct strmap found CLEANUP(strmap_release) = STRMAP_INIT;
	char hex[DIGEST_HEX + 1];
	const struct js *list;

	a.method = "POST";
	a.path = "/objects/forgotten";
	a.body = body;
	if (ask_json(r, &a, &answer, err) < 0)
		return -1;
	list = js_get(answer, "forgotten");
	for (size_t i = 0; i < js_len(list); i++)
		if (js_get_str(js_at(list, i), "digest"))
			strmap_set(&found, js_get_str(js_at(list, i), "digest"), js_at(list, i));
	for (size_t i = 0; i < n; i++) {
		const struct js *item = strmap_get(&found, digest_format(&ids[i], hex));

		ret[i] = (struct tombstone){ .date = "" };
		if (item)
			read_stone(item, &ret[i]);
	}
	return 0;
}

int remote_http_forgotten(struct remote *remote, const struct digest *ids, size_t n, struct tombstone *ret, struct error *err)
{
	for (size_t at = 0; at < n; at += REMOTE_HTTP_GROUP)
		if (ask_group((struct remote_http *)remote, ids + at, n - at < REMOTE_HTTP_GROUP ? n - at : REMOTE_HTTP_GROUP,
			      ret + at, err) < 0)
			return -1;
	return 0;
}
