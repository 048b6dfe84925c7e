/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_verify.h"
#include "base/base64.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/audit.h"
#include "registry/audit_findings.h"
#include "registry/audit_known.h"
#include "registry/audit_records.h"
#include "registry/audit_state.h"
#include "registry/audit_tree.h"
#include "registry/project.h"

static int begin(struct db *db, struct js *result, uint64_t *ret_size, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char origin[AUDIT_ORIGIN];
	struct digest root;

	/* events of before the tree are taken in, but not what somebody put behind its last leaf */
	if (audit_origin(db, origin, err) < 0 || audit_size(db, ret_size, err) < 0 ||
	    (!*ret_size && (audit_catch_up(db, err) < 0 || audit_size(db, ret_size, err) < 0)))
		return -1;
	js_set_str(result, "origin", origin);
	js_set_int(result, "events", (int64_t)*ret_size);
	/* without all hashes there is none, and the check of the tree says which are missing */
	if (audit_root(db, *ret_size, &root, NULL) < 0)
		return 0;
	base64_encode(root.b, sizeof(root.b), &text);
	js_set_str(result, "root", text.buf);
	return 0;
}

static int verdict(struct findings *findings, const struct js *list, struct error *err)
{
	int64_t n = findings_count(findings);

	if (!n)
		return 0;
	error_set(err, ERR_DAMAGED, "the audit log does not hold: %s%s", js_get_str(js_at(list, 0), "text"),
		  n > 1 ? ", and more" : "");
	return error_help(err, "keep a copy of .mlops as it is; a backup, or checkpoints that others have, tell what was there before");
}

int audit_verify(struct project *p, const char *against, size_t len, const char *name, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_findings) struct findings *findings = findings_new();
	CLEANUP_JS struct js *result = js_object(), *notes = js_array();
	struct audit_records records;
	struct audit_known known;
	uint64_t size;
	struct db *db;
	struct js *list;

	if (project_db(p, &db, err) < 0 || begin(db, result, &size, err) < 0 ||
	    audit_check_tree(p, size, findings, err) < 0 ||
	    audit_check_known(p, against, len, name, notes, findings, &known, err) < 0 ||
	    audit_check_state(db, findings, err) < 0 || audit_check_records(db, findings, &records, err) < 0)
		return -1;
	js_set_int(result, "checkpoints", known.checkpoints);
	js_set_int(result, "signed", (int64_t)known.signed_size);
	js_set_int(result, "runs", records.runs);
	js_set_int(result, "edited", records.edited);
	js_set(result, "findings", list = findings_json(findings));
	js_set_int(result, "found", findings_count(findings));
	js_set(result, "notes", js_ref(notes));
	*ret = steal(&result);
	return verdict(findings, list, err);
}
