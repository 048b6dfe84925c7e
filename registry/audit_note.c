/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints as text: c2sp.org/signed-note and c2sp.org/tlog-checkpoint. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "registry/audit_internal.h"
#include "registry/signing_keys.h"

#define NOTE_MAX	65536
#define SIGNATURES_MAX	64
#define ED25519		0x01 /* signature type */
#define KEY_HASH	4
#define DASH		"\xe2\x80\x94 "

void checkpoint_release(struct checkpoint *cp)
{
	free(cp->origin);
	free(cp->note);
	cp->origin = cp->note = NULL;
}

/* ---- keys ---- */

static void key_hash(const char *name, const struct sign_public *key, uint8_t ret[KEY_HASH])
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest digest;

	strbuf_printf(&text, "%s\n%c", name, ED25519);
	strbuf_add(&text, key->b, sizeof(key->b));
	digest_of(text.buf, text.len, &digest);
	memcpy(ret, digest.b, KEY_HASH);
}

void checkpoint_key_line(const char *name, const struct sign_public *key, struct strbuf *ret)
{
	uint8_t hash[KEY_HASH], typed[1 + SIGN_PUBLIC] = { ED25519 };

	key_hash(name, key, hash);
	memcpy(typed + 1, key->b, SIGN_PUBLIC);
	strbuf_printf(ret, "%s+%02x%02x%02x%02x+", name, hash[0], hash[1], hash[2], hash[3]);
	base64_encode(typed, sizeof(typed), ret);
}

/* ---- reading ---- */

struct line {
	const char *at;
	size_t len;
	int number;
};

/* The next one, without its end; false: there is none that ends. */
static bool next_line(const char **at, const char *end, struct line *line)
{
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));

	if (!stop)
		return false;
	*line = (struct line){ *at, (size_t)(stop - *at), line->number + 1 };
	*at = stop + 1;
	return true;
}

static bool read_size(const struct line *line, uint64_t *ret)
{
	uint64_t n = 0;

	if (!line->len || line->len > 18 || (line->len > 1 && *line->at == '0'))
		return false;
	for (size_t i = 0; i < line->len; i++) {
		if (line->at[i] < '0' || line->at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(line->at[i] - '0');
	}
	*ret = n;
	return true;
}

static bool read_base64(const char *at, size_t len, struct strbuf *ret)
{
	CLEANUP(cleanup_free) char *text = xstrndup(at, len);

	return base64_decode(text, ret);
}

static bool read_root(const struct line *line, struct digest *ret)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	if (!read_base64(line->at, line->len, &bytes) || bytes.len != sizeof(ret->b))
		return false;
	memcpy(ret->b, bytes.buf, sizeof(ret->b));
	return true;
}

/* "— NAME BASE64": the parts lie in the line. */
static bool split_signature(const struct line *line, struct line *name, struct line *base64)
{
	const char *from = line->at + strlen(DASH), *end = line->at + line->len, *blank;

	if (line->len <= strlen(DASH) || memcmp(line->at, DASH, strlen(DASH)))
		return false;
	blank = memchr(from, ' ', (size_t)(end - from));
	if (!blank || blank == from || blank + 1 == end || memchr(blank + 1, ' ', (size_t)(end - blank - 1)))
		return false;
	*name = (struct line){ from, (size_t)(blank - from), line->number };
	*base64 = (struct line){ blank + 1, (size_t)(end - blank - 1), line->number };
	return true;
}

static int bad_line(int number, const char *what, struct error *err)
{
	return error_set(err, ERR_USAGE, "it is no checkpoint of a log: line %d: %s", number, what);
}

static int check_bytes(const char *text, size_t len, struct error *err)
{
	if (len > NOTE_MAX)
		return error_set(err, ERR_USAGE, "it is no checkpoint of a log: it has more than %d bytes", NOTE_MAX);
	if (utf8_span(text, len) != len)
		return error_set(err, ERR_USAGE, "it is no checkpoint of a log: it is not UTF-8");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\n')
			return error_set(err, ERR_USAGE, "it is no checkpoint of a log: it has control characters");
	return 0;
}

static int read_signatures(const char **at, const char *end, struct line *line, struct error *err)
{
	struct line name, base64;
	int n = 0;

	for (; next_line(at, end, line); n++)
		if (n == SIGNATURES_MAX || !split_signature(line, &name, &base64))
			return bad_line(line->number, n == SIGNATURES_MAX ? "too many signatures" :
					"a signature is: em dash, blank, name, blank, base64", err);
	if (*at != end)
		return bad_line(line->number + 1, "it does not end; was it cut off?", err);
	return n ? 0 : bad_line(line->number + 1, "there is no signature", err);
}

int checkpoint_parse(const char *text, size_t len, struct checkpoint *ret, struct error *err)
{
	const char *at = text, *end = text + len;
	struct checkpoint cp = { 0 };
	struct line origin = { 0 }, line;

	if (check_bytes(text, len, err) < 0)
		return -1;
	if (!next_line(&at, end, &origin) || !origin.len)
		return bad_line(1, "the name of the log is missing", err);
	line = origin;
	if (!next_line(&at, end, &line) || !read_size(&line, &cp.size))
		return bad_line(2, "the number of events is wrong or missing", err);
	if (!next_line(&at, end, &line) || !read_root(&line, &cp.root))
		return bad_line(3, "the root hash is wrong or missing", err);
	do {
		if (!next_line(&at, end, &line))
			return bad_line(line.number + 1, "the signatures are missing", err);
	} while (line.len);
	if (read_signatures(&at, end, &line, err) < 0)
		return -1;
	cp.origin = xstrndup(origin.at, origin.len);
	cp.note = xstrndup(text, len);
	*ret = cp;
	return 0;
}

/* ---- signatures ---- */

/* What is signed: all up to the empty line, with the end of the line before it. */
static size_t signed_len(const char *note)
{
	const char *empty = strstr(note, "\n\n");

	return (size_t)(empty - note) + 1;
}

int checkpoint_signed_by(const struct checkpoint *cp, const struct sign_public *key)
{
	size_t len = signed_len(cp->note);
	const char *at = cp->note + len + 1, *end = cp->note + strlen(cp->note);
	struct line line = { 0 }, name, base64;
	uint8_t hash[KEY_HASH];
	int right = 0;

	key_hash(cp->origin, key, hash);
	while (next_line(&at, end, &line)) {
		CLEANUP_STRBUF struct strbuf sig = STRBUF_INIT;

		if (!split_signature(&line, &name, &base64) || name.len != strlen(cp->origin) ||
		    memcmp(name.at, cp->origin, name.len) || !read_base64(base64.at, base64.len, &sig) ||
		    sig.len < KEY_HASH || memcmp(sig.buf, hash, KEY_HASH))
			continue;
		/* One wrong signature by a key that is known spoils the note. */
		if (sig.len != KEY_HASH + SIGN_SIGNATURE ||
		    !sign_verify(key, cp->note, len, (const uint8_t *)sig.buf + KEY_HASH))
			return 0;
		right = 1;
	}
	return right;
}

struct search {
	const struct checkpoint *cp;
	bool own; /* it is of this log */
	char key[SIGN_ID + 1];
};

/* A key that has ended is believed as far as the log reached then; one of somebody else never of this log. */
static bool may_sign(const struct search *s, const struct signing_public *key)
{
	if (key->state == SIGNING_ACTIVE)
		return s->own;
	if (key->foreign)
		return !s->own && key->state == SIGNING_TRUSTED;
	return s->own && s->cp->size <= (uint64_t)key->last;
}

static int try_key(void *ctx, const struct signing_public *key)
{
	struct search *s = ctx;

	if (!*s->key && may_sign(s, key) && checkpoint_signed_by(s->cp, &key->key))
		memcpy(s->key, key->id, sizeof(s->key));
	return 0;
}

int checkpoint_signed(struct db *db, const struct checkpoint *cp, char ret_key[65], struct error *err)
{
	struct search s = { .cp = cp };
	char origin[AUDIT_ORIGIN];

	if (audit_origin(db, origin, err) < 0)
		return -1;
	s.own = !strcmp(origin, cp->origin);
	if (signing_publics_each(db, try_key, &s, err) < 0)
		return -1;
	if (!*s.key)
		return 0;
	memcpy(ret_key, s.key, sizeof(s.key));
	return 1;
}

int checkpoint_sign(const char *origin, uint64_t size, const struct digest *root, const struct sign_key *key,
		    struct checkpoint *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf note = STRBUF_INIT;
	uint8_t signature[KEY_HASH + SIGN_SIGNATURE];
	struct sign_public public;

	strbuf_printf(&note, "%s\n%" PRIu64 "\n", origin, size);
	base64_encode(root->b, sizeof(root->b), &note);
	strbuf_putc(&note, '\n');
	sign_key_public(key, &public);
	key_hash(origin, &public, signature);
	if (sign_bytes(key, note.buf, note.len, signature + KEY_HASH, err) < 0)
		return -1;
	strbuf_printf(&note, "\n" DASH "%s ", origin);
	base64_encode(signature, sizeof(signature), &note);
	strbuf_putc(&note, '\n');
	*ret = (struct checkpoint){ .origin = xstrdup(origin), .size = size, .root = *root };
	ret->note = strbuf_detach(&note);
	return 0;
}

/* ---- many ---- */

/* A note ends with the line of its last signature: an empty line, or the end, follows. */
static const char *note_end(const char *at, const char *end)
{
	const char *head = strstr(at, "\n\n"), *stop;

	if (!head)
		return NULL;
	stop = strstr(head + 2, "\n\n");
	if (stop)
		return stop + 1;
	return end > head + 2 && end[-1] == '\n' ? end : NULL;
}

int checkpoints_read(const char *text, size_t len, const char *name,
		     int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx, struct error *err)
{
	const char *end = text + len, *stop;
	int n = 0, r = 0;

	for (const char *at = text; r == 0 && at < end && (stop = note_end(at, end)); at = stop + strspn(stop, "\n")) {
		CLEANUP(cleanup_free) char *where = xasprintf("%s, number %d", name, ++n);
		struct checkpoint cp;

		if (checkpoint_parse(at, (size_t)(stop - at), &cp, err) < 0) {
			error_wrap(err, "%s", where);
			if (err)
				err->code = ERR_DAMAGED;
			return -1;
		}
		r = each(ctx, where, &cp);
		checkpoint_release(&cp);
	}
	return r < 0 ? -1 : 0;
}
