/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "monitor/split/split_internal.h"

int split_keys_init(struct split_keys *k, struct error *err)
{
	*k = (struct split_keys){ .fd = io_scratch(err) };
	if (k->fd < 0)
		return -1;
	k->piece = xcalloc(SPLIT_KEYS, sizeof(*k->piece));
	return 0;
}

void split_keys_release(struct split_keys *k)
{
	if (!k->piece)
		return;
	close(k->fd);
	free(k->piece);
	k->piece = NULL;
}

static int flush(struct split_keys *k, struct error *err)
{
	if (k->len && io_write_all(k->fd, k->piece, k->len * sizeof(*k->piece), "a temporary file", err) < 0)
		return -1;
	k->n += k->len;
	k->len = 0;
	return 0;
}

int split_keys_add(struct split_keys *k, uint64_t key, uint32_t class, struct error *err)
{
	k->piece[k->len++] = (struct split_key){ key, class, 0 };
	return k->len == SPLIT_KEYS ? flush(k, err) : 0;
}

int split_keys_rewind(struct split_keys *k, struct error *err)
{
	/* What was read is in the file already. */
	if (!k->next && flush(k, err) < 0)
		return -1;
	k->next = 0;
	k->len = k->at = 0;
	return 0;
}

int split_keys_next(struct split_keys *k, struct split_key *ret, struct error *err)
{
	if (k->at == k->len) {
		size_t want = k->n - k->next < SPLIT_KEYS ? (size_t)(k->n - k->next) : SPLIT_KEYS, bytes = want * sizeof(*ret);

		for (size_t done = 0; done < bytes;) {
			ssize_t n = pread(k->fd, (char *)k->piece + done, bytes - done, (off_t)(k->next * sizeof(*ret) + done));

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return error_sys(err, n < 0 ? errno : EIO, "cannot read a temporary file");
			done += (size_t)n;
		}
		k->next += want;
		k->len = want;
		k->at = 0;
	}
	if (k->at == k->len)
		return 0;
	*ret = k->piece[k->at++];
	return 1;
}

/* Looks for the key of a rank, eight bits a pass. */
struct search {
	uint64_t rank;	 /* among the keys that begin with `prefix`, from 1; 0: before all */
	uint64_t prefix; /* of the bits above those of this pass */
	uint64_t below;	 /* keys that are less than all with the prefix */
	uint64_t want;	 /* rank among all keys */
	uint64_t counts[256];
};

static int count_pass(struct split_keys *keys, struct search *searches, size_t ncuts, unsigned shift, struct error *err)
{
	struct split_key k;
	int more;

	if (split_keys_rewind(keys, err) < 0)
		return -1;
	while ((more = split_keys_next(keys, &k, err)) > 0)
		for (size_t i = 0; i < ncuts; i++) {
			struct search *s = &searches[k.class * ncuts + i];

			if (shift == 56 || k.key >> (shift + 8) == s->prefix)
				s->counts[k.key >> shift & 255]++;
		}
	return more;
}

/* Keeps the counts of the last pass, for the number of equal keys. */
static void narrow(struct search *s, bool last)
{
	unsigned byte = 0;

	while (byte < 255 && s->counts[byte] < s->rank) {
		s->rank -= s->counts[byte];
		s->below += s->counts[byte];
		byte++;
	}
	s->prefix = s->prefix << 8 | byte;
	for (size_t i = 0; !last && i < 256; i++)
		s->counts[i] = 0;
}

/* Equal keys go where the number comes nearer to what was asked. */
static struct split_cut cut_of(const struct search *s)
{
	uint64_t equal = s->counts[s->prefix & 255], over = s->below + equal - s->want, under = s->want - s->below;

	if (!s->want)
		return (struct split_cut){ 0, false };
	if (under < over)
		return (struct split_cut){ s->prefix - 1, s->below > 0 };
	return (struct split_cut){ s->prefix, true };
}

int split_cuts_find(struct split_keys *keys, const uint64_t *class_rows, size_t nclasses, const struct split_options *options,
		    struct split_cut *ret, struct error *err)
{
	size_t ncuts = options->nparts - 1, n = nclasses * ncuts;
	CLEANUP(cleanup_free) struct search *searches = xcalloc(n + 1, sizeof(*searches));
	double share = 0;

	for (size_t i = 0; i < ncuts; i++) {
		share += options->parts[i].share;
		for (size_t c = 0; c < nclasses; c++) {
			struct search *s = &searches[c * ncuts + i];

			s->rank = s->want = (uint64_t)floor(share * (double)class_rows[c] + 0.5);
		}
	}
	for (unsigned shift = 64; shift;) {
		shift -= 8;
		if (count_pass(keys, searches, ncuts, shift, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			narrow(&searches[i], !shift);
	}
	for (size_t i = 0; i < n; i++)
		ret[i] = cut_of(&searches[i]);
	return 0;
}
