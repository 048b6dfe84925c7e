/* SPDX-License-Identifier: Apache-2.0 */
/* Text of token, user and permission commands. */
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void time_cell(struct table *table, const struct js *item, const char *key)
{
	char time[HUMAN];

	table_cell(table, STYLE_PLAIN, "%s",
		   js_get(item, key) ? human_time(js_get_int(item, key, 0), time) : "-");
}

static void put_removed(struct print *p, const char *what, const struct js *result)
{
	print_put(p, STYLE_GOOD, "removed");
	print_put(p, STYLE_PLAIN, " %s %s\n", what, js_get_str(result, "name"));
}

/* ---- tokens ---- */

void print_token_add(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "added");
	print_put(p, STYLE_PLAIN, " token %s; it is shown this once:\n\n%s\n\n", js_get_str(result, "name"),
		  js_get_str(result, "token"));
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " for MLflow's clients, export MLFLOW_TRACKING_TOKEN=...; for this one, mlops login URL\n");
}

void print_token_rm(struct print *p, const struct js *result)
{
	put_removed(p, "token", result);
}

static void scopes_cell(struct table *table, const struct js *item)
{
	const struct js *scopes = js_get(item, "scopes");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < js_len(scopes); i++)
		strbuf_printf(&text, "%s%s", i ? "," : "", js_text(js_at(scopes, i)));
	if (js_get(item, "run"))
		strbuf_printf(&text, " run %.8s", js_get_str(item, "run"));
	table_cell(table, STYLE_PLAIN, "%s", text.buf);
}

void print_token_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "TOKEN", .shrink = true }, { .title = "ID", .drop = 4 },   { .title = "USER", .shrink = true, .drop = 1 },
		{ .title = "ROLE" },		      { .title = "SCOPE" },	      { .title = "CREATED", .drop = 5 },
		{ .title = "EXPIRES", .drop = 2 },    { .title = "USED", .drop = 3 },
	};
	const struct js *tokens = js_get(result, "tokens");
	struct table table;

	if (!js_len(tokens)) {
		print_put(p, STYLE_PLAIN, "no tokens; add one with: mlops token add NAME\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(tokens); i++) {
		const struct js *item = js_at(tokens, i);

		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "name"));
		table_cell(&table, STYLE_DIM, "%s", js_get_str(item, "id"));
		table_cell(&table, STYLE_PLAIN, "%s", or_dash(js_get_str(item, "user")));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(item, "role"));
		scopes_cell(&table, item);
		time_cell(&table, item, "created");
		if (js_get_bool(item, "expired"))
			table_cell(&table, STYLE_BAD, "expired");
		else
			time_cell(&table, item, "expires");
		time_cell(&table, item, "last_used");
	}
	table_print(&table, p);
}

/* ---- users ---- */

void print_user_add(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "added");
	print_put(p, STYLE_PLAIN, " user %s, %s\n", js_get_str(result, "name"), js_get_str(result, "role"));
}

void print_user_edit(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "changed");
	print_put(p, STYLE_PLAIN, " user %s\n", js_get_str(result, "name"));
}

void print_user_rm(struct print *p, const struct js *result)
{
	put_removed(p, "user", result);
}

void print_user_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "USER", .shrink = true }, { .title = "ROLE" },
		{ .title = "LOGIN" },		     { .title = "TOKENS", .right = true, .drop = 1 },
		{ .title = "PERMISSIONS", .right = true, .drop = 2 }, { .title = "ADDED", .drop = 3 },
	};
	const struct js *users = js_get(result, "users");
	struct table table;

	if (!js_len(users)) {
		print_put(p, STYLE_PLAIN, "no users; add one with: mlops user add NAME\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(users); i++) {
		const struct js *item = js_at(users, i);
		bool disabled = js_get_bool(item, "disabled");

		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "name"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(item, "role"));
		table_cell(&table, disabled ? STYLE_BAD : STYLE_PLAIN, "%s",
			   disabled ? "disabled" : js_get_bool(item, "password") ? "password" : "tokens only");
		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(item, "tokens", 0));
		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(item, "permissions", 0));
		time_cell(&table, item, "created");
	}
	table_print(&table, p);
}

/* ---- permissions ---- */

void print_permission_add(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "set");
	print_put(p, STYLE_PLAIN, " %s may %s %s %s\n", js_get_str(result, "user"), js_get_str(result, "level"),
		  js_get_str(result, "kind"), js_get_str(result, "name"));
}

void print_permission_rm(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "removed:");
	print_put(p, STYLE_PLAIN, " the role of %s counts again for %s %s\n", js_get_str(result, "user"),
		  js_get_str(result, "kind"), js_get_str(result, "name"));
}

void print_permission_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "USER", .shrink = true },
		{ .title = "LEVEL" },
		{ .title = "KIND" },
		{ .title = "NAME", .shrink = true },
	};
	const struct js *permissions = js_get(result, "permissions");
	struct table table;

	if (!js_len(permissions)) {
		print_put(p, STYLE_PLAIN, "no permissions: roles say it all\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(permissions); i++) {
		const struct js *item = js_at(permissions, i);

		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "user"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(item, "level"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(item, "kind"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(item, "name"));
	}
	table_print(&table, p);
}
