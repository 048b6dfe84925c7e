/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error_json.h"
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"

static const char *nonempty(const char *text)
{
	return *text ? text : NULL;
}

struct js *error_to_json(const struct error *err)
{
	struct js *json = js_object();

	js_set_str(json, "code", error_name(err->code));
	js_set_str(json, "message", err->msg);
	js_set_str(json, "where", nonempty(err->where));
	js_set_str(json, "help", nonempty(err->help));
	return json;
}

static enum error_code code_named(const char *name)
{
	for (enum error_code code = ERR_FAILED; code <= ERR_INTERRUPTED; code++)
		if (name && !strcmp(error_name(code), name))
			return code;
	return ERR_ENV;
}

int error_from_json(const struct js *json, const char *fallback, struct error *err)
{
	const char *message = js_get_str(json, "message"), *where = js_get_str(json, "where");
	const char *help = js_get_str(json, "help");

	error_set(err, code_named(js_get_str(json, "code")), "%s", message ? message : fallback);
	if (where && err)
		snprintf(err->where, sizeof(err->where), "%s", where);
	return help ? error_help(err, "%s", help) : -1;
}
