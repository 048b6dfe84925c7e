/* SPDX-License-Identifier: Apache-2.0 */
/* Whether who was let in once is still to be: answers that go on for long ask it again. */
#include "agent/access_internal.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"

bool access_holds(const struct principal *who)
{
	struct error err;
	struct db *db;
	bool holds = true;

	if (who->how != PRINCIPAL_TOKEN && who->how != PRINCIPAL_PASSWORD)
		return true;
	db = access_db_lock();
	/* what cannot be looked up now is no reason to end what was allowed */
	if (db)
		holds = grant_holds(db, &who->grant, clock_wall_ms(), &err) != 0;
	access_db_unlock();
	return holds;
}
