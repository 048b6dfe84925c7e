/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All patterns in one automaton (Aho and Corasick): each byte of the input is one step, and each state knows the
 * longest pattern that ends there. Matches that overlap are one; so is what is left of the input, however it was cut.
 *
 * States are numbered breadth first: the children of one stand in a row, most have one or none, and the depth of a
 * state is where its number lies among the levels. From the root, bytes that begin no pattern are skipped: the first
 * four of each pattern are known by their hash.
 */
#include "base/mask.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mask_internal.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define STARS	 "***"
#define BLOCK	 ((size_t)64 << 10) /* of input, between two looks at what is certain */
#define BYTES	 256
#define HASH_BITS 19
#define MAX_NODES (UINT32_MAX / 2)

/* While patterns are added. */
struct trie_node {
	uint32_t child, sibling; /* 0: none */
	uint32_t ends;           /* length of the pattern that ends here, or 0 */
	unsigned char byte;
};
enum state_kind { STATE_LEAF, STATE_CHAIN, STATE_BRANCH };
struct state {
	uint32_t fail;  /* the longest other state that this one ends with */
	uint32_t found; /* length of the longest pattern that ends here, or 0 */
	uint32_t next;  /* CHAIN: its child; BRANCH: index in branches */
	unsigned char byte; /* CHAIN: of its child */
	unsigned char kind;
};
struct branch {
	uint64_t bits[BYTES / 64]; /* bytes that go on */
	uint32_t first;            /* child of the lowest of them */
	uint16_t before[BYTES / 64]; /* bits set in the words before */
};

struct mask_set {
	struct trie_node *trie; /* [0] is the root; NULL once the states are made */
	size_t ntrie, trie_cap;
	pthread_mutex_t making;
	struct state *states;
	size_t nstates;
	struct branch *branches;
	size_t nbranches, branches_cap;
	uint32_t *levels;       /* first state of each depth */
	size_t nlevels, levels_cap;
	uint32_t from_root[BYTES];
	unsigned char begins[1u << HASH_BITS >> 3]; /* hashes of the first four bytes of all patterns */
	bool some;
};

/* Bytes [from, to) of the stream are secret. */
struct cover {
	uint64_t from, to;
	bool shown; /* its stars were written, and more of it may come */
};
struct mask_stream {
	const struct mask_set *set;
	uint32_t state;
	uint64_t at;            /* bytes read */
	char *held;             /* the last of them, which are not certain yet */
	size_t held_from, held_to, held_cap;
	struct cover *covers;   /* not written yet, in order, apart from each other */
	size_t ncovers, covers_cap;
};

/* ---- patterns ---- */

struct mask_set *mask_set_new(void)
{
	struct mask_set *set = xcalloc(1, sizeof(*set));

	pthread_mutex_init(&set->making, NULL);
	GROW(set->trie, set->ntrie, set->trie_cap);
	set->trie[set->ntrie++] = (struct trie_node){ 0 };
	return set;
}

static void wipe_trie(struct mask_set *set)
{
	if (set->trie)
		explicit_bzero(set->trie, set->trie_cap * sizeof(*set->trie));
	free(set->trie);
	set->trie = NULL;
}

void mask_set_free(struct mask_set *set)
{
	if (!set)
		return;
	wipe_trie(set);
	if (set->states)
		explicit_bzero(set->states, set->nstates * sizeof(*set->states));
	if (set->branches)
		explicit_bzero(set->branches, set->nbranches * sizeof(*set->branches));
	free(set->states);
	free(set->branches);
	free(set->levels);
	pthread_mutex_destroy(&set->making);
	free(set);
}

static uint32_t trie_child(struct mask_set *set, uint32_t at, unsigned char byte)
{
	uint32_t child = set->trie[at].child;

	while (child && set->trie[child].byte != byte)
		child = set->trie[child].sibling;
	if (child || set->ntrie >= MAX_NODES)
		return child;
	GROW(set->trie, set->ntrie, set->trie_cap);
	child = (uint32_t)set->ntrie++;
	set->trie[child] = (struct trie_node){ .byte = byte, .sibling = set->trie[at].child };
	set->trie[at].child = child;
	return child;
}

static unsigned hash4(const void *text)
{
	uint32_t bytes;

	memcpy(&bytes, text, sizeof(bytes));
	return bytes * 2654435761u >> (32 - HASH_BITS);
}

static void add_pattern(void *ctx, const char *pattern, size_t len)
{
	struct mask_set *set = ctx;
	uint32_t at = 0;

	for (size_t i = 0; i < len; i++) {
		at = trie_child(set, at, (unsigned char)pattern[i]);
		if (!at)
			return;
	}
	set->trie[at].ends = (uint32_t)len;
	set->begins[hash4(pattern) / 8] |= (unsigned char)(1u << hash4(pattern) % 8);
	set->some = true;
}

void mask_set_add(struct mask_set *set, const char *secret, size_t len)
{
	mask_each_form(secret, len, add_pattern, set);
}

int mask_set_is_empty(const struct mask_set *set)
{
	return !set || !set->some;
}

/* ---- states ---- */

static unsigned bits_below(const struct branch *b, unsigned char byte)
{
	uint64_t below = b->bits[byte / 64] & (((uint64_t)1 << byte % 64) - 1);

	return b->before[byte / 64] + (unsigned)__builtin_popcountll(below);
}

/* 0: it has none for this byte. */
static inline uint32_t child_of(const struct mask_set *set, const struct state *s, unsigned char byte)
{
	const struct branch *b;

	if (s->kind == STATE_CHAIN)
		return s->byte == byte ? s->next : 0;
	if (s->kind == STATE_LEAF)
		return 0;
	b = &set->branches[s->next];
	return b->bits[byte / 64] >> byte % 64 & 1 ? b->first + bits_below(b, byte) : 0;
}

static inline uint32_t step(const struct mask_set *set, uint32_t at, unsigned char byte)
{
	while (at) {
		const struct state *s = &set->states[at];
		uint32_t child = child_of(set, s, byte);
		if (child)
			return child;
		at = s->fail;
	}
	return set->from_root[byte];
}

/* Two children or more, numbered by their bytes from b->first on. Returns how many. */
static uint32_t make_branch(const struct mask_set *set, uint32_t child, struct branch *b, uint32_t *order)
{
	uint32_t children[BYTES] = { 0 }, count = 0;

	for (; child; child = set->trie[child].sibling)
		children[set->trie[child].byte] = child;
	for (unsigned byte = 0; byte < BYTES; byte++) {
		if (byte % 64 == 0)
			b->before[byte / 64] = (uint16_t)count;
		if (!children[byte])
			continue;
		b->bits[byte / 64] |= (uint64_t)1 << byte % 64;
		order[b->first + count++] = children[byte];
	}
	return count;
}

/* Numbers the children of a node from `first` on and notes them in `order`. Returns how many. */
static uint32_t make_state(struct mask_set *set, uint32_t node, struct state *s, uint32_t first, uint32_t *order)
{
	struct branch b = { .first = first };
	uint32_t child = set->trie[node].child, count;

	if (!child)
		return 0;
	if (!set->trie[child].sibling) {
		s->kind = STATE_CHAIN;
		s->byte = set->trie[child].byte;
		s->next = first;
		order[first] = child;
		return 1;
	}
	count = make_branch(set, child, &b, order);
	s->kind = STATE_BRANCH;
	s->next = (uint32_t)set->nbranches;
	GROW(set->branches, set->nbranches, set->branches_cap);
	set->branches[set->nbranches++] = b;
	return count;
}

static void make_states(struct mask_set *set)
{
	CLEANUP(cleanup_free) uint32_t *order = xcalloc(set->ntrie, sizeof(*order));
	uint32_t made = 1;

	set->nstates = set->ntrie;
	set->states = xcalloc(set->nstates, sizeof(*set->states));
	for (uint32_t at = 0, level_end = 0; at < set->nstates; at++) {
		uint32_t first = made;
		if (at == level_end) {
			GROW(set->levels, set->nlevels, set->levels_cap);
			set->levels[set->nlevels++] = at;
			level_end = made;
		}
		made += make_state(set, order[at], &set->states[at], first, order);
		for (uint32_t child = first; child < made; child++) {
			const struct trie_node *node = &set->trie[order[child]];
			struct state *s = &set->states[child];
			s->fail = at ? step(set, set->states[at].fail, node->byte) : 0;
			s->found = node->ends ? node->ends : set->states[s->fail].found;
			if (!at)
				set->from_root[node->byte] = child;
		}
	}
}

/* The first reader makes the states; all others find them. */
static void make_ready(const struct mask_set *ready)
{
	struct mask_set *set = (struct mask_set *)ready;

	pthread_mutex_lock(&set->making);
	if (!set->states)
		make_states(set);
	wipe_trie(set);
	pthread_mutex_unlock(&set->making);
}

/* ---- streams ---- */

struct mask_stream *mask_stream_new(const struct mask_set *set)
{
	struct mask_stream *m = xcalloc(1, sizeof(*m));

	if (!mask_set_is_empty(set)) {
		make_ready(set);
		m->set = set;
	}
	return m;
}

void mask_stream_free(struct mask_stream *m)
{
	if (!m)
		return;
	if (m->held)
		explicit_bzero(m->held, m->held_cap);
	free(m->held);
	free(m->covers);
	free(m);
}

static void add_cover(struct mask_stream *m, uint64_t from, uint64_t to)
{
	struct cover cover = { .from = from, .to = to };

	while (m->ncovers && m->covers[m->ncovers - 1].to > from) {
		const struct cover *last = &m->covers[--m->ncovers];
		cover.from = last->from < from ? last->from : from;
		cover.shown |= last->shown;
		from = cover.from;
	}
	GROW(m->covers, m->ncovers, m->covers_cap);
	m->covers[m->ncovers++] = cover;
}

/* Bytes that the state remembers: nothing before them can be part of a match that is still to come. */
static size_t depth_of(const struct mask_set *set, uint32_t at)
{
	size_t low = 0, high = set->nlevels;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (set->levels[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The next byte from `i` on that may begin a pattern. */
static size_t skip(const struct mask_set *set, const unsigned char *data, size_t i, size_t len)
{
	while (i + MASK_SHORTEST <= len && !(set->begins[hash4(data + i) / 8] >> hash4(data + i) % 8 & 1))
		i++;
	return i;
}

/* The same for a state that is shorter than any pattern. */
static size_t short_depth(const struct mask_set *set, uint32_t at)
{
	size_t depth = 0;

	while (set->levels[depth + 1] <= at)
		depth++;
	return depth;
}

/*
 * With many patterns two or three bytes nearly always begin one, and the states would never come back to the root.
 * What is that short is begun again where skip() can look at it; each byte is begun with once at most.
 */
static void find_matches(struct mask_stream *m, const unsigned char *data, size_t len)
{
	const struct mask_set *set = m->set;
	const uint32_t deep = set->levels[MASK_SHORTEST];
	uint32_t at = m->state;

	for (size_t i = 0; i < len; i++) {
		uint32_t child;
		if (!at)
			i = skip(set, data, i, len);
		child = child_of(set, &set->states[at], data[i]);
		at = child ? child : step(set, set->states[at].fail, data[i]);
		if (!child && at < deep && short_depth(set, at) <= i) {
			i -= short_depth(set, at);
			at = 0;
		} else if (set->states[at].found) {
			add_cover(m, m->at + i + 1 - set->states[at].found, m->at + i + 1);
		}
	}
	m->state = at;
}

/* Bytes [from, to) of the stream, from those held or from the new ones, which begin at m->at. */
static void put_bytes(const struct mask_stream *m, const char *data, uint64_t from, uint64_t to, struct strbuf *out)
{
	uint64_t held = m->at - (m->held_to - m->held_from);

	if (from < m->at && from < to) {
		uint64_t end = to < m->at ? to : m->at;
		strbuf_add(out, m->held + m->held_from + (from - held), (size_t)(end - from));
		from = end;
	}
	if (from < to)
		strbuf_add(out, data + (from - m->at), (size_t)(to - from));
}

/* Writes all before `limit`. */
static void put_certain(struct mask_stream *m, const char *data, uint64_t limit, struct strbuf *out)
{
	uint64_t from = m->at - (m->held_to - m->held_from);
	size_t done = 0;

	for (; done < m->ncovers && m->covers[done].from < limit; done++) {
		struct cover *c = &m->covers[done];
		if (!c->shown) {
			put_bytes(m, data, from, c->from, out);
			strbuf_puts(out, STARS);
			c->shown = true;
		}
		from = c->to;
		if (c->to > limit)
			break;
	}
	if (from < limit)
		put_bytes(m, data, from, limit, out);
	m->ncovers -= done;
	if (done)
		memmove(m->covers, m->covers + done, m->ncovers * sizeof(*m->covers));
}

/* Keeps [limit, m->at + len). */
static void hold(struct mask_stream *m, const char *data, size_t len, uint64_t limit)
{
	uint64_t held = m->at - (m->held_to - m->held_from);

	if (limit >= m->at) {
		m->held_from = m->held_to = 0;
		data += limit - m->at;
		len -= (size_t)(limit - m->at);
	} else {
		m->held_from += (size_t)(limit - held);
	}
	if (m->held_from > m->held_to / 2) {
		memmove(m->held, m->held + m->held_from, m->held_to - m->held_from);
		m->held_to -= m->held_from;
		m->held_from = 0;
	}
	if (m->held_cap - m->held_to < len) {
		m->held_cap = 2 * (m->held_to + len);
		m->held = xreallocarray(m->held, m->held_cap, 1);
	}
	if (len)
		memcpy(m->held + m->held_to, data, len);
	m->held_to += len;
}

static void feed_block(struct mask_stream *m, const char *data, size_t len, struct strbuf *out)
{
	uint64_t limit;

	find_matches(m, (const unsigned char *)data, len);
	limit = m->at + len - depth_of(m->set, m->state);
	put_certain(m, data, limit, out);
	hold(m, data, len, limit);
	m->at += len;
}

void mask_stream_feed(struct mask_stream *m, const char *data, size_t len, struct strbuf *out)
{
	if (!m->set) {
		strbuf_add(out, data, len);
		return;
	}
	for (size_t n; len; data += n, len -= n) {
		n = len < BLOCK ? len : BLOCK;
		feed_block(m, data, n, out);
	}
}

void mask_stream_end(struct mask_stream *m, struct strbuf *out)
{
	put_certain(m, NULL, m->at, out);
	m->held_from = m->held_to = 0;
	m->state = 0;
}

void mask_stream_cut(struct mask_stream *m, struct strbuf *out)
{
	size_t held = m->held_to - m->held_from;

	if (held >= MASK_SHORTEST)
		add_cover(m, m->at - held, m->at);
	mask_stream_end(m, out);
}

void mask_cut_text(const struct mask_set *set, const char *text, size_t len, struct strbuf *out)
{
	struct mask_stream *m = mask_stream_new(set);

	mask_stream_feed(m, text, len, out);
	mask_stream_cut(m, out);
	mask_stream_free(m);
}

void mask_text(const struct mask_set *set, const char *text, size_t len, struct strbuf *out)
{
	struct mask_stream *m = mask_stream_new(set);

	mask_stream_feed(m, text, len, out);
	mask_stream_end(m, out);
	mask_stream_free(m);
}
