/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is a header and the entries as they stand in memory: it never leaves the
 * machine, so it is in the machine's own byte order. Reading it is one read and one
 * checksum; an index of (dev, ino) is built anew.
 */
#include "store/statcache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/statcache_internal.h"

static const char cache_file[] = "statcache";
static const char cache_magic[16] = "mlops stat 1\n";
#define BYTE_ORDER_MARK 0x0102030405060708ull
#define MAX_ENTRIES	(64u << 20)
#define DAY_MS		(24 * 3600 * 1000ll)
#define TOUCH_DAYS	7  /* how exactly the last use is known */
#define KEEP_DAYS	30 /* entries unused for so long go when they outweigh the others */
#define PRUNE_ABOVE	4096

struct header {
	char magic[16];
	uint64_t mark, count, checksum; /* of the entries */
};
struct cached {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns; /* ctime 0: only a hint, never equal to a real one */
	struct digest id;
	uint32_t used_day;
	uint32_t pad;
};
struct image { /* the file */
	struct header header;
	struct cached entries[];
};
struct statcache {
	pthread_rwlock_t lock; /* readers are many and short */
	struct image *image;
	size_t len, cap; /* of its entries */
	uint32_t *slots; /* index + 1, 0 free; a power of two, at most half full */
	size_t nslots;
	uint32_t today;
	bool dirty;
};

static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

/* Against torn and rotten files, not against an attacker. Four lanes keep the multiplier busy. */
static uint64_t checksum(const void *data, size_t len)
{
	const char *at = data;
	uint64_t lanes[4] = { 1, 2, 3, len }, word;

	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t *lane = &lanes[i / 8 % 4];

		memcpy(&word, at + i, 8);
		*lane = (*lane ^ word) * 0x9fb21c651e98df25ull;
		*lane ^= *lane >> 29;
	}
	return mix(lanes[0] ^ mix(lanes[1] ^ mix(lanes[2] ^ mix(lanes[3]))));
}

static uint32_t *find_slot(const struct statcache *cache, uint64_t dev, uint64_t ino)
{
	uint64_t hash = mix(ino ^ mix(dev));

	for (size_t i = hash & (cache->nslots - 1);; i = (i + 1) & (cache->nslots - 1)) {
		uint32_t *slot = &cache->slots[i];

		if (!*slot || (cache->image->entries[*slot - 1].ino == ino &&
			       cache->image->entries[*slot - 1].dev == dev))
			return slot;
	}
}

/* Indexes all entries with room for as many more; a later entry of one file replaces an earlier. */
static void build_index(struct statcache *cache)
{
	size_t want = 64;

	while (want < 4 * cache->len)
		want *= 2;
	free(cache->slots);
	cache->nslots = want;
	cache->slots = xcalloc(want, sizeof(*cache->slots));
	for (size_t i = 0; i < cache->len; i++)
		*find_slot(cache, cache->image->entries[i].dev, cache->image->entries[i].ino) =
		    (uint32_t)i + 1;
}

static bool read_all(int fd, void *buf, size_t len)
{
	char *at = buf;

	while (len) {
		ssize_t n = read(fd, at, len);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool header_valid(const struct header *header, uint64_t file_size)
{
	return !memcmp(header->magic, cache_magic, sizeof(cache_magic)) &&
	       header->mark == BYTE_ORDER_MARK && header->count <= MAX_ENTRIES &&
	       file_size == sizeof(*header) + header->count * sizeof(struct cached);
}

static void load_image(struct statcache *cache, int fd)
{
	struct header header;
	struct stat st;
	size_t size;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !read_all(fd, &header, sizeof(header)) ||
	    !header_valid(&header, (uint64_t)st.st_size))
		return;
	size = header.count * sizeof(struct cached);
	/* Untouched pages of the room for growth cost nothing. */
	CLEANUP(cleanup_free) struct image *image = xmalloc(sizeof(*image) + size + size / 2);
	if (!read_all(fd, image->entries, size) ||
	    checksum(image->entries, size) != header.checksum)
		return;
	cache->len = header.count;
	cache->cap = (size + size / 2) / sizeof(struct cached);
	cache->image = steal(&image);
}

struct statcache *statcache_load(int dirfd)
{
	struct statcache *cache = xcalloc(1, sizeof(*cache));
	CLEANUP(cleanup_fd)
	int fd = openat(dirfd, cache_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	pthread_rwlock_init(&cache->lock, NULL);
	cache->today = (uint32_t)(clock_wall_ms() / DAY_MS);
	if (fd >= 0)
		load_image(cache, fd);
	build_index(cache);
	return cache;
}

void statcache_free(struct statcache *cache)
{
	if (!cache)
		return;
	pthread_rwlock_destroy(&cache->lock);
	free(cache->image);
	free(cache->slots);
	free(cache);
}

static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* The entry of this file when size and mtime still hold, or NULL. The lock is held, by readers too: they all
 * write the same day. */
static struct cached *find(struct statcache *cache, const struct stat *st)
{
	uint32_t slot = *find_slot(cache, st->st_dev, st->st_ino);
	struct cached *entry = slot ? &cache->image->entries[slot - 1] : NULL;

	if (!entry || entry->size != (uint64_t)st->st_size ||
	    entry->mtime_ns != to_ns(&st->st_mtim))
		return NULL;
	if (cache->today >= __atomic_load_n(&entry->used_day, __ATOMIC_RELAXED) + TOUCH_DAYS) {
		__atomic_store_n(&entry->used_day, cache->today, __ATOMIC_RELAXED);
		__atomic_store_n(&cache->dirty, true, __ATOMIC_RELAXED);
	}
	return entry;
}

bool statcache_get(struct statcache *cache, const struct stat *st, struct digest *ret)
{
	const struct cached *entry;
	bool found;

	pthread_rwlock_rdlock(&cache->lock);
	entry = find(cache, st);
	found = entry && entry->ctime_ns == to_ns(&st->st_ctim);
	if (found)
		*ret = entry->id;
	pthread_rwlock_unlock(&cache->lock);
	return found;
}

bool statcache_hint(struct statcache *cache, const struct stat *st, struct digest *ret)
{
	uint32_t slot;
	bool found;

	pthread_rwlock_rdlock(&cache->lock);
	slot = *find_slot(cache, st->st_dev, st->st_ino);
	found = slot && cache->image->entries[slot - 1].size == (uint64_t)st->st_size;
	if (found)
		*ret = cache->image->entries[slot - 1].id;
	pthread_rwlock_unlock(&cache->lock);
	return found;
}

bool statcache_get_linked(struct statcache *cache, const struct stat *st, struct digest *ret)
{
	const struct cached *entry;

	pthread_rwlock_rdlock(&cache->lock);
	entry = find(cache, st);
	if (entry)
		*ret = entry->id;
	pthread_rwlock_unlock(&cache->lock);
	return entry != NULL;
}

static void make_room(struct statcache *cache)
{
	if (cache->len < cache->cap)
		return;
	cache->cap += cache->cap / 2 + 64;
	cache->image = xreallocarray(cache->image, 1,
				     sizeof(*cache->image) + cache->cap * sizeof(struct cached));
}

static void put(struct statcache *cache, const struct stat *st, int64_t ctime_ns,
		const struct digest *id)
{
	struct cached entry = {
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = to_ns(&st->st_mtim),
		.ctime_ns = ctime_ns,
		.id = *id,
		.used_day = cache->today,
	};
	uint32_t *slot;

	pthread_rwlock_wrlock(&cache->lock);
	slot = find_slot(cache, entry.dev, entry.ino);
	if (*slot) {
		cache->image->entries[*slot - 1] = entry;
	} else if (cache->len < MAX_ENTRIES) {
		make_room(cache);
		cache->image->entries[cache->len++] = entry;
		*slot = (uint32_t)cache->len;
		if (2 * cache->len > cache->nslots)
			build_index(cache);
	}
	cache->dirty = true;
	pthread_rwlock_unlock(&cache->lock);
}

void statcache_put(struct statcache *cache, const struct stat *st, const struct digest *id,
		   int64_t started_ns)
{
	int64_t settled = started_ns - STATCACHE_RACY_NS;

	if (to_ns(&st->st_mtim) < settled && to_ns(&st->st_ctim) < settled)
		put(cache, st, to_ns(&st->st_ctim), id);
}

void statcache_put_linked(struct statcache *cache, const struct stat *st, const struct digest *id)
{
	if (to_ns(&st->st_mtim) < clock_wall_ms() * 1000000 - STATCACHE_RACY_NS)
		put(cache, st, 0, id);
}

/* Drops entries not used for long once they are more than half of a big cache. */
static void prune(struct statcache *cache)
{
	size_t used = 0, n = 0;

	for (size_t i = 0; i < cache->len; i++)
		used += cache->image->entries[i].used_day + KEEP_DAYS >= cache->today;
	if (cache->len < PRUNE_ABOVE || cache->len < 2 * used)
		return;
	for (size_t i = 0; i < cache->len; i++)
		if (cache->image->entries[i].used_day + KEEP_DAYS >= cache->today)
			cache->image->entries[n++] = cache->image->entries[i];
	cache->len = n;
	build_index(cache);
}

int statcache_save(struct statcache *cache, int dirfd, struct error *err)
{
	struct header *header;
	size_t size;

	if (!cache->dirty)
		return 0;
	prune(cache);
	size = cache->len * sizeof(struct cached);
	header = &cache->image->header;
	*header = (struct header){ .mark = BYTE_ORDER_MARK, .count = cache->len };
	memcpy(header->magic, cache_magic, sizeof(cache_magic));
	header->checksum = checksum(cache->image->entries, size);
	if (io_replace_file(dirfd, cache_file, cache->image, sizeof(*header) + size, 0644, false,
			    err) < 0)
		return error_wrap(err, "cannot save the stat cache");
	cache->dirty = false;
	return 0;
}
