/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and passwords. MLflow's clients send them with every request, and looking at one takes a slow hash by design:
 * that is done on a lane of its own, and remembered for a while as a fast hash with a salt of this process. Whoever
 * fails often has to wait. Tokens need none of it: nobody guesses one.
 */
#include "agent/access_internal.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "agent/lanes.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"

#define KNOWN	    256
#define KNOWN_MS    (10 * 60 * 1000)
#define PLACES	    512
#define FAILURES    10 /* of one place in: */
#define FAILURES_MS (60 * 1000)
#define WAITING     32 /* for the lane, about 3 s */

/* A password that was right: `key` of what was sent, `kept` of what the database had to say of it. */
static struct known {
	struct digest key, kept;
	int64_t until_ms;
} known[KNOWN];
static struct place {
	char address[64];
	unsigned failures;
	int64_t since_ms;
} places[PLACES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint waiting;

/* ---- those who fail ---- */

/* Of IPv6 a customer has 2^64 addresses: they are one place. */
static void place_name(const char *address, char ret[64])
{
	unsigned char bytes[16];

	snprintf(ret, 64, "%s", address);
	if (inet_pton(AF_INET6, address, bytes) != 1)
		return;
	memset(bytes + 8, 0, 8);
	inet_ntop(AF_INET6, bytes, ret, 64);
}

/* Two places may share an entry: the later one has it, once the other's time is over or it failed less. */
static struct place *find_place(const char *name)
{
	struct digest digest;

	digest_of(name, strlen(name), &digest);
	return &places[(digest.b[0] | digest.b[1] << 8) % PLACES];
}

int login_may_try(const char *address, int64_t now_ms, struct error *err)
{
	char name[64];
	struct place *place;
	bool may;

	place_name(address, name);
	pthread_mutex_lock(&mutex);
	place = find_place(name);
	may = strcmp(place->address, name) || place->failures < FAILURES || now_ms - place->since_ms >= FAILURES_MS;
	pthread_mutex_unlock(&mutex);
	if (may)
		return 0;
	error_set(err, ERR_LIMIT, "too many wrong passwords came from %s", name);
	return error_help(err, "wait a minute");
}

void login_failed(const char *address, int64_t now_ms)
{
	struct place *place;
	char name[64];
	bool over;

	place_name(address, name);
	pthread_mutex_lock(&mutex);
	place = find_place(name);
	over = now_ms - place->since_ms >= FAILURES_MS;
	if (over || (strcmp(place->address, name) && place->failures < FAILURES)) {
		place->failures = 0;
		place->since_ms = now_ms;
		memcpy(place->address, name, sizeof(name));
	}
	if (!strcmp(place->address, name))
		place->failures++;
	pthread_mutex_unlock(&mutex);
}

/* ---- those who are known ---- */

static void key_of(const struct credentials *given, struct digest *ret)
{
	static unsigned char salt[32];
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	static bool salted;
	struct hasher h;

	pthread_mutex_lock(&once);
	if (!salted)
		clock_random(salt, sizeof(salt));
	salted = true;
	pthread_mutex_unlock(&once);
	hasher_init(&h);
	hasher_update(&h, salt, sizeof(salt));
	hasher_update(&h, given->user, strlen(given->user) + 1);
	hasher_update(&h, given->secret, strlen(given->secret));
	hasher_final(&h, ret);
}

/* Another password, another user under the same name: then what is kept is another, too. */
static bool is_known(const struct digest *key, const char *kept, int64_t now_ms)
{
	const struct known *k = &known[key->b[0] % KNOWN];
	struct digest digest;
	bool found;

	digest_of(kept, strlen(kept), &digest);
	pthread_mutex_lock(&mutex);
	found = secret_equal(k->key.b, sizeof(k->key.b), key->b, sizeof(key->b)) && digest_equal(&k->kept, &digest) &&
		now_ms < k->until_ms;
	pthread_mutex_unlock(&mutex);
	return found;
}

static void remember(const struct digest *key, const char *kept, int64_t now_ms)
{
	struct known *k = &known[key->b[0] % KNOWN];

	pthread_mutex_lock(&mutex);
	k->key = *key;
	digest_of(kept, strlen(kept), &k->kept);
	k->until_ms = now_ms + KNOWN_MS;
	pthread_mutex_unlock(&mutex);
}

static int read_user(const char *name, struct grant *ret, char ret_kept[PASSWORD_HASH], struct error *err)
{
	struct db *db = access_db_lock();
	int r = db ? grant_by_user(db, name, ret, ret_kept, err) : error_set(err, ERR_ENV, "the agent is stopping");

	access_db_unlock();
	return r;
}

static void set_user(struct principal *ret, const struct grant *grant)
{
	ret->how = PRINCIPAL_PASSWORD;
	ret->grant = *grant;
	snprintf(ret->name, sizeof(ret->name), "%s", grant->user);
}

int login_check(const struct peer *peer, const struct credentials *given, struct principal *ret, struct error *err)
{
	int64_t now_ms = clock_mono_ms();
	char kept[PASSWORD_HASH];
	struct digest key;
	struct grant grant;

	key_of(given, &key);
	if (read_user(given->user, &grant, kept, err) < 0)
		return -1;
	if (*kept && is_known(&key, kept, now_ms)) {
		set_user(ret, &grant);
		return 0;
	}
	if (login_may_try(peer->address, now_ms, err) < 0)
		return -1;
	ret->how = PRINCIPAL_CLAIMED;
	return 0;
}

static int prove_password(const struct peer *peer, const struct credentials *given, struct principal *ret, struct error *err)
{
	char kept[PASSWORD_HASH];
	struct digest key;
	struct grant grant;

	key_of(given, &key);
	if (read_user(given->user, &grant, kept, err) < 0 || login_may_try(peer->address, clock_mono_ms(), err) < 0)
		return -1;
	/* Of several requests with one password the first has done it. */
	if (!(*kept && is_known(&key, kept, clock_mono_ms())) && !password_verify(given->secret, *kept ? kept : NULL)) {
		login_failed(peer->address, clock_mono_ms());
		return error_set(err, ERR_AUTH, "the user or the password is wrong");
	}
	remember(&key, kept, clock_mono_ms());
	set_user(ret, &grant);
	return 0;
}

static int prove(struct call *call, struct project *project, struct error *err)
{
	struct demand demand = route_demand(call->route);
	CLEANUP(credentials_release) struct credentials given = { 0 };
	int r;

	(void)project;
	r = credentials_parse(call_header(call, "Authorization"), &given, err);
	if (r == 0)
		r = prove_password(&call->peer, &given, &call->who, err);
	atomic_fetch_sub(&waiting, 1);
	return r < 0 ? -1 : demand_check(&demand, &call->who, err);
}

int access_defer(struct call *call, struct error *err)
{
	if (atomic_fetch_add(&waiting, 1) < WAITING) {
		lanes_give(call, LANE_LOGIN, prove);
		return 0;
	}
	atomic_fetch_sub(&waiting, 1);
	return error_set(err, ERR_LIMIT, "too many passwords wait to be looked at");
}
