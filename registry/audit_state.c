/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_state.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/audit_facts.h"
#include "registry/audit_findings.h"
#include "registry/audit_replay.h"

enum {
	MAY_GO = 1,    /* that a row is gone changes nothing to the worse, and its going may be no event */
	MAY_COME = 2,  /* not every row has an event */
};
/* `sql` gives model or NULL, key and value, as the facts have them. */
static const struct check {
	enum fact_book book;
	const char *noun;
	unsigned flags;
	const char *sql;
} checks[] = {
	{ FACT_VERSION, "version", 0,
	  "SELECT m.name, 'v' || v.number, coalesce(v.run_id, '') FROM model_versions v JOIN registered_models m ON m.id = v.model" },
	{ FACT_CONTENT, "files of version", MAY_COME,
	  "SELECT m.name, 'v' || v.number, c.kind || ':' || lower(hex(c.digest)) FROM candidates k"
	  " JOIN model_versions v ON v.id = k.version JOIN registered_models m ON m.id = v.model JOIN contents c ON c.id = k.content" },
	{ FACT_SOURCE, "source of version", MAY_COME,
	  "SELECT m.name, 'v' || v.number, v.source FROM model_versions v JOIN registered_models m ON m.id = v.model" },
	{ FACT_STAGE, "stage of version", 0,
	  "SELECT m.name, 'v' || v.number, lower(v.stage) FROM model_versions v JOIN registered_models m ON m.id = v.model" },
	{ FACT_VERDICT, "verdict on version", 0,
	  "SELECT m.name, 'v' || v.number, k.verdict || ' ' || k.lines FROM candidates k"
	  " JOIN model_versions v ON v.id = k.version JOIN registered_models m ON m.id = v.model" },
	{ FACT_ALIAS, "alias", 0,
	  "SELECT m.name, a.alias, 'v' || a.number FROM model_aliases a JOIN registered_models m ON m.id = a.model" },
	{ FACT_MOVE, "move of alias", 0,
	  "SELECT m.name, p.alias || '#' || row_number() OVER (PARTITION BY p.model, p.alias ORDER BY p.id),"
	  " 'v' || p.after || ' by ' || p.actor FROM promotions p JOIN registered_models m ON m.id = p.model" },
	{ FACT_APPROVAL, "approval", 0,
	  "SELECT m.name, CAST(a.id AS TEXT), a.state || ' ' || a.alias || ' v' || a.number FROM approvals a"
	  " JOIN registered_models m ON m.id = a.model" },
	{ FACT_REJECTED, "rejection of version", 0,
	  "SELECT m.name, 'v' || r.number, '' FROM rejected_versions r JOIN registered_models m ON m.id = r.model" },
	{ FACT_HELD, "hold of alias", 0,
	  "SELECT m.name, h.alias, '' FROM held_aliases h JOIN registered_models m ON m.id = h.model" },
	{ FACT_PERMISSION, "permission", 0,
	  "SELECT iif(p.kind = 'model', p.object, NULL), iif(p.kind = 'model', u.name, u.name || ' ' || p.object), p.level"
	  " FROM permissions p JOIN users u ON u.id = p.user" },
	{ FACT_USER, "role of user", 0, "SELECT NULL, name, role FROM users" },
	{ FACT_DISABLED, "end of user", 0, "SELECT NULL, name, '' FROM users WHERE disabled" },
	{ FACT_TOKEN, "token", MAY_GO,
	  "SELECT NULL, t.name, coalesce(u.name, '') FROM tokens t LEFT JOIN users u ON u.id = t.user WHERE t.run IS NULL" },
	{ FACT_KEY, "signing key", 0,
	  "SELECT NULL, id, state || coalesce(' ' || last, '') FROM signing_keys" },
	{ FACT_DATA, "data", 0,
	  "SELECT NULL, a.name || '@v' || v.number, c.kind || ':' || lower(hex(c.digest)) FROM artifact_versions v"
	  " JOIN artifacts a ON a.id = v.artifact JOIN contents c ON c.id = v.content WHERE v.run IS NULL" },
	{ FACT_FORGOTTEN, "forgotten object", 0, "SELECT NULL, lower(hex(digest)), '' FROM forgotten" },
	{ FACT_REPRODUCED, "reproduction", 0,
	  "SELECT NULL, subject, verdict || ' ' || run_id FROM reproductions r"
	  " WHERE id = (SELECT max(n.id) FROM reproductions n WHERE n.subject = r.subject)" },
	{ FACT_ATTESTED, "attestation", 0,
	  "SELECT NULL, CAST(t.seq AS TEXT), t.predicate || ' of ' || t.subject || ' by ' || t.key || ' in ' || lower(hex(c.digest))"
	  " FROM attestations t JOIN contents c ON c.id = t.envelope" },
};

/* "alias churn@champion" */
static char *label(const struct check *check, const char *model, const char *key)
{
	return xasprintf("%s %.100s%s%.200s", check->noun, model ? model : "", model ? "@" : "", key);
}

static const char *shown(const char *value)
{
	return *value ? value : "there";
}

static void judge_row(const struct check *check, const struct facts *facts, struct db_stmt *q, struct findings *findings)
{
	const char *name = db_text(q, 0), *key = db_text(q, 1), *value = db_text(q, 2);
	const struct fact_model *model = name ? facts_find(facts, name) : &facts->world;
	struct fact *fact = model && key ? fact_get(model, check->book, key) : NULL;
	CLEANUP(cleanup_free) char *what = label(check, name, key ? key : "?");

	if (fact)
		fact->seen = true;
	if (!value)
		value = "";
	if (!fact && !(check->flags & MAY_COME))
		findings_add(findings, FOUND_STATE, 0, 0, "%s is %.200s, and no event tells of it", what, shown(value));
	else if (fact && strcmp(fact->value, value) != 0)
		findings_add(findings, FOUND_STATE, fact->seq, 0, "%s is %.200s, and event %lld left it %.200s", what, shown(value),
			     (long long)fact->seq, shown(fact->value));
}

static void judge_unseen(const struct check *check, const struct fact_model *model, struct findings *findings)
{
	const struct strmap *book = &model->books[check->book];

	for (size_t i = 0; i < book->len; i++) {
		const struct fact *fact = book->entries[i].value;
		CLEANUP(cleanup_free) char *what = NULL;

		if (!fact->value || fact->seen)
			continue;
		what = label(check, model->name, book->entries[i].key);
		findings_add(findings, FOUND_STATE, fact->seq, 0, "%s is not there, and event %lld left it %.200s", what,
			     (long long)fact->seq, shown(fact->value));
	}
}

static int judge(struct db *db, const struct check *check, const struct facts *facts, struct findings *findings,
		 struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, check->sql);
	int r;

	while ((r = db_step(q, err)) > 0)
		judge_row(check, facts, q, findings);
	if (r < 0 || check->flags & MAY_GO)
		return r;
	judge_unseen(check, &facts->world, findings);
	for (size_t i = 0; i < facts->len; i++)
		if (!facts->all[i]->dead)
			judge_unseen(check, facts->all[i], findings);
	return 0;
}

int audit_check_state(struct db *db, struct findings *findings, struct error *err)
{
	CLEANUP(facts_release) struct facts facts = FACTS_INIT;
	/* it stays open, so that all that follows sees the same moment */
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM audit_log");

	if (db_step(q, err) < 0 || audit_replay(db, &facts, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (judge(db, &checks[i], &facts, findings, err) < 0)
			return -1;
	return 0;
}
