/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/webhook.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/base64.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/strbuf.h"

#define CLOCKS_DIFFER_MS (5 * 60 * 1000)
#define SIGNATURES_MAX	 8 /* of one request: keys that change may both sign */
#define SPELLED		 "whsec_"

const char *webhook_provider_name(enum webhook_provider provider)
{
	static const char *const names[] = {
		[WEBHOOK_GITHUB] = "github", [WEBHOOK_GITEA] = "gitea",	   [WEBHOOK_FORGEJO] = "forgejo",
		[WEBHOOK_GITLAB] = "gitlab", [WEBHOOK_GENERIC] = "generic",
	};

	return names[provider];
}

static const char *header(const struct webhook_request *r, const char *name)
{
	const char *value = r->header(r->ctx, name);

	return value && *value ? value : NULL;
}

/* ---- proofs ---- */

/* Lower-case hex of a digest, as HMAC-SHA256 under the secret. */
static void sign(const char *secret, size_t len, const struct webhook_request *r, const char *before, struct digest *ret)
{
	struct hmac hmac;

	hmac_init(&hmac, secret, len);
	hmac_update(&hmac, before, strlen(before));
	hmac_update(&hmac, r->body, r->len);
	hmac_final(&hmac, ret);
}

static bool fits_hex(const struct webhook_request *r, const char *proof, const char *secret)
{
	char hex[DIGEST_HEX + 1];
	struct digest digest;

	if (!strncmp(proof, "sha256=", 7))
		proof += 7;
	sign(secret, strlen(secret), r, "", &digest);
	digest_format(&digest, hex);
	return secret_equal(proof, strlen(proof), hex, DIGEST_HEX);
}

static bool fits_token(const struct webhook_request *r, const char *proof, const char *secret)
{
	struct digest theirs, ours;

	(void)r;
	/* of hashes: the time tells nothing of the secret's length */
	digest_of(proof, strlen(proof), &theirs);
	digest_of(secret, strlen(secret), &ours);
	return secret_equal(theirs.b, sizeof(theirs.b), ours.b, sizeof(ours.b));
}

/* "v1,BASE64 v1,BASE64": one of them. */
static bool fits_one(const char *proof, const struct digest *digest)
{
	CLEANUP_STRBUF struct strbuf wanted = STRBUF_INIT;
	bool fits = false;

	strbuf_puts(&wanted, "v1,");
	base64_encode(digest->b, sizeof(digest->b), &wanted);
	for (int i = 0; i < SIGNATURES_MAX && *proof; i++) {
		size_t len = strcspn(proof, " ");

		fits |= secret_equal(proof, len, wanted.buf, wanted.len);
		proof += len + strspn(proof + len, " ");
	}
	return fits;
}

static bool fits_standard(const struct webhook_request *r, const char *proof, const char *secret)
{
	const char *id = header(r, "webhook-id"), *time = header(r, "webhook-timestamp");
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT, before = STRBUF_INIT;
	struct digest digest;

	if (!id || !time)
		return false;
	strbuf_reserve(&key, strlen(secret) + 1); /* growing would leave copies behind */
	if (strncmp(secret, SPELLED, strlen(SPELLED)) != 0 || !base64_decode(secret + strlen(SPELLED), &key))
		strbuf_puts(&key, secret);
	strbuf_printf(&before, "%s.%s.", id, time);
	sign(key.buf, key.len, r, before.buf, &digest);
	explicit_bzero(key.buf, key.len);
	return key.len >= WEBHOOK_SECRET_MIN && fits_one(proof, &digest);
}

/* In their order. */
static const struct proof {
	const char *header;
	bool (*fits)(const struct webhook_request *, const char *proof, const char *secret);
	bool timed;
} proofs[] = {
	{ "webhook-signature", fits_standard, true },
	{ "x-hub-signature-256", fits_hex, false },
	{ "x-forgejo-signature", fits_hex, false },
	{ "x-gitea-signature", fits_hex, false },
	{ "x-gitlab-token", fits_token, false },
};

static const struct proof *find_proof(const struct webhook_request *r)
{
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++)
		if (header(r, proofs[i].header))
			return &proofs[i];
	return NULL;
}

/* ---- heads ---- */

/* Forgejo speaks Gitea's headers, too, and both speak GitHub's. */
static enum webhook_provider find_provider(const struct webhook_request *r)
{
	static const struct {
		const char *header;
		enum webhook_provider provider;
	} events[] = {
		{ "x-forgejo-event", WEBHOOK_FORGEJO },
		{ "x-gitea-event", WEBHOOK_GITEA },
		{ "x-github-event", WEBHOOK_GITHUB },
		{ "x-gitlab-event", WEBHOOK_GITLAB },
	};

	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (header(r, events[i].header))
			return events[i].provider;
	return WEBHOOK_GENERIC;
}

int webhook_check_head(const struct webhook_request *r, struct error *err)
{
	const char *type = header(r, "content-type");

	if (!find_proof(r)) {
		error_set(err, ERR_AUTH, "the webhook is not signed");
		return error_help(err, "give the forge's webhook the secret of this project");
	}
	if (type && !strncasecmp(type, "application/json", 16) && (!type[16] || strchr("; \t", type[16])))
		return 0;
	error_set(err, ERR_USAGE, "a webhook's body is JSON, not '%.80s'", type ? type : "");
	return error_help(err, "set the content type of the forge's webhook to application/json");
}

/* Seconds since 1970. */
static int check_time(const struct webhook_request *r, int64_t now_ms, struct error *err)
{
	const char *text = header(r, "webhook-timestamp");
	char *end;
	int64_t seconds = text ? strtoll(text, &end, 10) : 0;

	if (!text || *end || seconds < 0 || seconds > INT64_MAX / 1000)
		return error_set(err, ERR_USAGE, "webhook-timestamp is no time");
	if (seconds * 1000 - now_ms <= CLOCKS_DIFFER_MS && now_ms - seconds * 1000 <= CLOCKS_DIFFER_MS)
		return 0;
	error_set(err, ERR_USAGE, "the webhook was signed at %" PRId64 ", which is more than 5 minutes from now", seconds);
	return error_help(err, "is it an old one, or are the clocks of both machines right?");
}

int webhook_verify(const struct webhook_request *r, const char *const *secrets, size_t n, int64_t now_ms,
		   enum webhook_provider *ret, struct error *err)
{
	const struct proof *proof = find_proof(r);
	bool fits = false;

	for (size_t i = 0; proof && i < n; i++)
		if (strlen(secrets[i]) >= WEBHOOK_SECRET_MIN)
			fits |= proof->fits(r, header(r, proof->header), secrets[i]);
	if (!fits)
		return error_set(err, ERR_AUTH, "the webhook's signature is not that of this project's secret");
	if (proof->timed && check_time(r, now_ms, err) < 0)
		return -1;
	*ret = find_provider(r);
	return 0;
}
