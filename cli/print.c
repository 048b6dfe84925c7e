/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print.h"
#include <stdarg.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const struct {
	const char *op;
	printer *print;
} printers[] = {
	{ "project.init", print_init },
	{ "project.doctor", print_doctor },
	{ "project.config", print_config },
	{ "project.version", print_version },
	{ "project.add", print_project_add },
	{ "project.list", print_project_list },
	{ "project.rm", print_project_rm },
	{ "trigger.list", print_trigger_list },
	{ "trigger.show", print_trigger_show },
	{ "trigger.fire", print_trigger_fire },
	{ "trigger.pause", print_trigger_paused },
	{ "trigger.resume", print_trigger_paused },
	{ "trigger.history", print_trigger_history },
	{ "trigger.next", print_trigger_next },
	{ "data.add", print_add },
	{ "data.status", print_status },
	{ "data.diff", print_diff },
	{ "data.checkout", print_checkout },
	{ "data.push", print_push },
	{ "data.pull", print_pull },
	{ "lock.take", print_lock_take },
	{ "image.list", print_image_list },
	{ "image.update", print_image_update },
	{ "hooks.install", print_hooks_install },
	{ "hooks.remove", print_hooks_remove },
	{ "hooks.run", print_hooks_run },
	{ "trigger.approve", print_trigger_approve },
	{ "secret.add", print_secret_add },
	{ "secret.list", print_secret_list },
	{ "secret.rm", print_secret_rm },
	{ "key.add", print_key_add },
	{ "key.list", print_key_list },
	{ "key.rotate", print_key_rotate },
	{ "key.revoke", print_key_revoke },
	{ "key.show", print_key_show },
	{ "token.add", print_token_add },
	{ "token.list", print_token_list },
	{ "token.rm", print_token_rm },
	{ "user.add", print_user_add },
	{ "user.edit", print_user_edit },
	{ "user.list", print_user_list },
	{ "user.rm", print_user_rm },
	{ "permission.add", print_permission_add },
	{ "permission.list", print_permission_list },
	{ "permission.rm", print_permission_rm },
	{ "store.fsck", print_fsck },
	{ "run.start", print_run },
	{ "run.submit", print_submitted },
	{ "ci.run", print_ci },
	{ "data.forget", print_forget },
	{ "forget.agree", print_forget_agree },
	{ "forget.withdraw", print_forget_withdraw },
	{ "forget.list", print_forget_list },
	{ "forget.show", print_forget_show },
	{ "notify.list", print_notify_list },
	{ "notify.retry", print_notify_retry },
	{ "attest.make", print_attest },
	{ "attest.verify", print_verify },
	{ "run.why", print_why },
	{ "step.accept", print_accept },
	{ "cache.list", print_cache_list },
	{ "cache.rm", print_cache_rm },
	{ "pipeline.dag", print_dag },
	{ "pipeline.check", print_check },
	{ "pipeline.keys", print_keys },
	{ "run.list", print_runs },
	{ "run.stop", print_stop },
	{ "run.show", print_show },
	{ "model.search", print_model_list },
	{ "model.show", print_model_show },
	{ "model.promote", print_model_moved },
	{ "model.approve", print_model_moved },
	{ "model.reject", print_model_moved },
	{ "model.rollback", print_model_moved },
	{ "model.release", print_model_moved },
	{ "model.approvals", print_model_approvals },
	{ "model.card", print_model_card },
	{ "model.reproduce", print_reproduce },
	{ "lineage", print_lineage },
	{ "profile.make", print_profile },
	{ "schema.infer", print_schema_infer },
	{ "schema.check", print_schema_check },
	{ "table.split", print_split },
	{ "drift.compare", print_drift },
	{ "monitor.list", print_monitor_list },
	{ "monitor.show", print_monitor_show },
	{ "monitor.check", print_monitor_check },
	{ "monitor.history", print_monitor_history },
	{ "monitor.replay", print_monitor_replay },
	{ "monitor.ack", print_monitor_said },
	{ "monitor.pause", print_monitor_said },
	{ "monitor.resume", print_monitor_said },
	{ "bundle.create", print_bundle_create },
	{ "bundle.verify", print_bundle_verify },
	{ "bundle.import", print_bundle_import },
	{ "event.list", print_events },
	{ "audit.list", print_audit_list },
	{ "audit.verify", print_audit_verify },
	{ "audit.prove", print_audit_prove },
	{ "audit.check", print_audit_check },
	{ "audit.checkpoint", print_audit_checkpoint },
	{ "access.whoami", print_whoami },
};

printer *event_printer_find(const char *op_name)
{
	return !strcmp(op_name, "event.list") ? print_event : NULL;
}

printer *printer_find(const char *op_name)
{
	for (size_t i = 0; i < ARRAY_LEN(printers); i++)
		if (!strcmp(printers[i].op, op_name))
			return printers[i].print;
	return NULL;
}

static const char *const style_codes[STYLES] = {
	[STYLE_PLAIN] = "", [STYLE_BOLD] = "\033[1m", [STYLE_DIM] = "\033[2m",
	[STYLE_GOOD] = "\033[32m", [STYLE_WARN] = "\033[33m", [STYLE_BAD] = "\033[1;31m",
	[STYLE_NAME] = "\033[36m",
};

/* The style ends before the line does, so that a pager or a cut line never carries it on. */
static void put_styled(struct print *p, enum style style, const char *text)
{
	size_t len = strlen(text), ends = 0;
	bool styled = p->color && style != STYLE_PLAIN;

	while (ends < len && text[len - ends - 1] == '\n')
		ends++;
	if (styled && len > ends)
		fprintf(p->out, "%s%.*s\033[0m%s", style_codes[style], (int)(len - ends), text,
			text + len - ends);
	else
		fputs(text, p->out);
}

void print_put(struct print *p, enum style style, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf raw = STRBUF_INIT, safe = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&raw, fmt, args);
	va_end(args);
	text_escape(raw.buf, raw.len, TEXT_KEEP_LINES, &safe);
	put_styled(p, style, safe.buf);
}

void print_word(struct print *p, enum style style, const char *text)
{
	CLEANUP_STRBUF struct strbuf safe = STRBUF_INIT;

	text_escape(text, strlen(text), TEXT_ONE_LINE, &safe);
	put_styled(p, style, safe.buf);
}

const char *print_symbol(const struct print *p, const char *utf8, const char *ascii)
{
	return p->utf8 ? utf8 : ascii;
}

void print_error(struct print *p, const struct error *err)
{
	print_put(p, STYLE_BAD, "error:");
	print_put(p, STYLE_PLAIN, " %s\n", err->msg);
	if (*err->where)
		print_put(p, STYLE_PLAIN, "  --> %s\n", err->where);
	if (*err->help) {
		print_put(p, STYLE_GOOD, "help:");
		print_put(p, STYLE_PLAIN, " %s\n", err->help);
	}
}

/* JSON leaves DEL, C1 controls and reordering characters alone; inside strings, the only place they
 * can stand, an escape means the same and is harmless on a terminal. */
void print_json(FILE *out, const struct js *value, bool pretty)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(value, pretty ? JS_PRETTY : JS_COMPACT, &text);
	strbuf_putc(&text, '\n');
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char *s = (const unsigned char *)text.buf + i;

		if (s[0] == 0x7f)
			fputs("\\u007f", out);
		else if (s[0] == 0xc2 && s[1] < 0xa0)
			fprintf(out, "\\u00%02x", s[1]);
		else if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae)
			fprintf(out, "\\u20%02x", s[2] - 0x80);
		else if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
			fprintf(out, "\\u20%02x", s[2] - 0x40);
		else {
			putc(s[0], out);
			continue;
		}
		i += s[0] == 0x7f ? 0 : s[0] == 0xc2 ? 1 : 2;
	}
}
