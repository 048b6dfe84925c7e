/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A webhook: a line that names provider and event, a signature's line, the body. Without the secret nothing is proven, and
 * what is read names only branches and commits that git could have.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "policy/webhook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct head {
	char *event, *signature;
};

static const char *get(void *ctx, const char *name)
{
	const struct head *head = ctx;

	if (strstr(name, "-event"))
		return head->event;
	return !strcmp(name, "webhook-id") || !strcmp(name, "webhook-timestamp") ? "1" : head->signature;
}

static void check(const struct webhook_event *e)
{
	if (!e->delivery || (e->kind == WEBHOOK_PUSH && (!e->ref || !e->branch)) || (e->all_changed && e->changed.len))
		abort();
	if (e->after && strspn(e->after, "0123456789abcdef") < 40)
		abort();
	if (e->branch && (strstr(e->branch, "..") || *e->branch == '-'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	char *signature = strchr(text, '\n'), *body = signature ? strchr(signature + 1, '\n') : NULL;
	const char *const secrets[] = { "a secret of 24 bytes ...", "" };
	struct head head = { text, signature ? signature + 1 : NULL };
	struct webhook_event event;
	enum webhook_provider provider;

	if (!body)
		return 0;
	*signature = *body++ = '\0';
	const struct webhook_request r = { get, &head, body, strlen(body) };

	webhook_check_head(&r, NULL);
	if (strcmp(head.signature, secrets[0]) != 0 && webhook_verify(&r, secrets, 2, 0, &provider, NULL) == 0)
		abort();
	for (provider = WEBHOOK_GITHUB; provider <= WEBHOOK_GENERIC; provider++) {
		if (webhook_read(&r, provider, &event, NULL) < 0)
			continue;
		check(&event);
		webhook_event_release(&event);
	}
	return 0;
}
