/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/login.h"
#include <string.h>
#include "base/address.h"
#include "base/credentials.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/args.h"
#include "cli/input.h"
#include "cli/print.h"
#include "cli/remote.h"

#define TOKEN_MAX 1024

static void wipe(struct strbuf *text)
{
	if (text->len)
		explicit_bzero(text->buf, text->len);
	strbuf_release(text);
}

/* Without the blanks that a paste brings. */
static int read_token(const struct address *address, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *what = xasprintf("token for %s", address->name);
	struct strbuf text CLEANUP(wipe) = STRBUF_INIT;
	size_t start, len;

	if (input_read(what, TOKEN_MAX, &text, err) < 0)
		return -1;
	start = strspn(text.buf, " \t\r\n");
	len = strcspn(text.buf + start, " \t\r\n");
	if (len && start + len + strspn(text.buf + start + len, " \t\r\n") == text.len) {
		strbuf_add(ret, text.buf + start, len);
		for (const char *c = ret->buf; *c; c++)
			if ((unsigned char)*c < '!' || (unsigned char)*c > '~')
				return error_set(err, ERR_USAGE, "this is no token: it holds characters that none has");
		return 0;
	}
	error_set(err, ERR_USAGE, len ? "this is no token: it holds a blank" : "no token was given");
	return error_help(err, "type it, or give it on standard input: mlops login %s < FILE", address->name);
}

static int log_in(const struct address *address, struct js *result, struct error *err)
{
	struct strbuf token CLEANUP(wipe) = STRBUF_INIT;
	CLEANUP_JS struct js *who = NULL;

	if (!address->is_private) {
		error_set(err, ERR_DENIED, "%s: who listens on the way would learn the token", address->name);
		return error_help(err, "use https://");
	}
	if (read_token(address, &token, err) < 0 || remote_whoami(address, token.buf, &who, err) < 0 ||
	    credentials_store(address, token.buf, NULL, err) < 0)
		return -1;
	js_set_str(result, "actor", js_get_str(who, "actor"));
	js_set_str(result, "role", js_get_str(who, "role"));
	return 0;
}

static int log_out(const struct address *address, struct js *result, struct error *err)
{
	bool had = false;

	if (credentials_store(address, NULL, &had, err) < 0)
		return -1;
	js_set_bool(result, "removed", had);
	return had ? 0 : error_set(err, ERR_NOT_FOUND, "there is no token for %s", address->name);
}

int login(const struct args *args, struct js **ret_result, struct error *err)
{
	const char *url = js_get_str(args->json, "url");
	CLEANUP(address_release) struct address address = { 0 };
	CLEANUP(cleanup_free) char *file = NULL;
	CLEANUP_JS struct js *result = js_object();

	url = url ? url : remote_agent(args);
	if (!url) {
		error_set(err, ERR_USAGE, "URL is missing");
		return error_help(err, "such as: mlops login https://mlops.example:5000");
	}
	if (address_parse(url, &address, err) < 0 || credentials_path(&file, err) < 0)
		return -1;
	js_set_str(result, "agent", address.name);
	js_set_str(result, "file", file);
	if ((js_get_bool(args->json, "rm") ? log_out : log_in)(&address, result, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}

void print_login(struct print *p, const struct js *result)
{
	const char *agent = js_get_str(result, "agent"), *role = js_get_str(result, "role");

	if (js_get_bool(result, "removed")) {
		print_put(p, STYLE_GOOD, "forgot");
		print_put(p, STYLE_PLAIN, " the token for %s\n", agent);
		return;
	}
	print_put(p, STYLE_GOOD, "logged in");
	print_put(p, STYLE_PLAIN, " to %s as %s%s%s\n", agent, js_get_str(result, "actor"), role ? ", role " : "",
		  role ? role : "");
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " mlops --agent %s runs\n", agent);
}
