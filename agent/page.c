/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/page.h"
#include <stdio.h>
#include <string.h>
#include "agent/health.h"
#include "agent/router.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/census.h"
#include "registry/project.h"

static const char style[] =
	":root{color-scheme:light dark;--line:#8884;--soft:#888;--mark:#0a7d55}"
	"*{box-sizing:border-box}"
	"body{font:16px/1.55 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:3rem 1.25rem}"
	"h1{font-size:1.9rem;margin:0;letter-spacing:-.02em}"
	"h2{font-size:1.05rem;margin:2.2rem 0 .6rem}"
	"p{margin:.4rem 0}.soft{color:var(--soft)}"
	".live::before{content:\"\";display:inline-block;width:.6rem;height:.6rem;border-radius:50%;"
	"background:var(--mark);margin-right:.5rem}"
	"dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.75rem;margin:1.5rem 0}"
	"dl div{border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}"
	"dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-size:1.5rem;font-variant-numeric:tabular-nums}"
	"pre{border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;overflow-x:auto;"
	"font:14px/1.5 ui-monospace,monospace;margin:.4rem 0}"
	"a{color:inherit}";

static void add_escaped(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		const char *entity = *text == '&'   ? "&amp;"
				     : *text == '<' ? "&lt;"
				     : *text == '>' ? "&gt;"
				     : *text == '"' ? "&quot;"
				     : *text == '\'' ? "&#39;"
						    : NULL;

		if (entity)
			strbuf_puts(out, entity);
		else
			strbuf_putc(out, *text);
	}
}

static void add_count(struct strbuf *out, const char *what, int64_t n)
{
	strbuf_printf(out, "<div><dt>%s</dt><dd>%lld</dd></div>", what, (long long)n);
}

static void add_counts(struct strbuf *out, const struct census *c)
{
	int64_t runs = 0;

	for (size_t i = 0; i < RUN_STATUSES; i++)
		runs += c->runs[i];
	strbuf_puts(out, "<dl>");
	add_count(out, "experiments", c->experiments);
	add_count(out, "runs", runs);
	add_count(out, "running now", c->runs[RUN_RUNNING]);
	add_count(out, "registered models", c->models);
	add_count(out, "model versions", c->versions);
	strbuf_puts(out, "</dl>\n");
}

/* As the browser knows it. */
static char *own_url(const struct call *call)
{
	const char *host = call_header(call, "Host");

	return xasprintf("http%s://%s", call->peer.is_tls ? "s" : "", host && *host ? host : "127.0.0.1:5000");
}

static void add_example(struct strbuf *out, const char *title, const char *before, const char *url, const char *after)
{
	strbuf_printf(out, "<p>%s</p><pre>", title);
	add_escaped(out, before);
	add_escaped(out, url);
	add_escaped(out, after);
	strbuf_puts(out, "</pre>\n");
}

static void add_examples(struct strbuf *out, const char *url)
{
	strbuf_puts(out, "<h2>Connect</h2>\n");
	add_example(out, "Training code that uses MLflow, unchanged:", "export MLFLOW_TRACKING_URI=", url,
		    "\npython train.py");
	add_example(out, "The command line, from any machine that reaches this one, after mlops login with a token:",
		    "mlops --agent ", url, " runs");
	add_example(out, "Anything else:", "curl '", url,
		    "/api/2.0/mlflow/experiments/search?max_results=10'");
	strbuf_puts(out, "<p class=soft>From other machines, and for all but tracking, a token is needed: "
			 "<code>mlops token add NAME</code> makes one.</p>\n"
			 "<h2>For operators</h2>\n<p><a href=\"/livez\">/livez</a> \302\267 "
			 "<a href=\"/readyz\">/readyz</a> \302\267 <a href=\"/metrics\">/metrics</a></p>\n");
}

static int serve_page(struct call *call, struct project *project, struct error *err)
{
	bool known = access_knows(&call->who);
	CLEANUP(cleanup_free) char *url = own_url(call);
	struct strbuf out = STRBUF_INIT;
	char nonce[33], policy[160];
	struct census census;

	if (known && health_census(project, &census, err) < 0)
		return -1;
	clock_uuid(nonce);
	strbuf_printf(&out, "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
		      "<meta name=viewport content=\"width=device-width\">\n<title>mlops</title>\n"
		      "<style nonce=\"%s\">%s</style>\n<h1>", nonce, style);
	add_escaped(&out, known ? path_base(project->top) : "mlops");
	strbuf_puts(&out, "</h1>\n<p class=\"soft live\">mlops agent " MLOPS_VERSION " is running</p>\n");
	if (known)
		add_counts(&out, &census);
	add_examples(&out, url);
	strbuf_puts(&out, "</html>\n");
	call_reply_buf(call, 200, "text/html; charset=utf-8", &out);
	snprintf(policy, sizeof(policy), "default-src 'none'; style-src 'nonce-%s'; base-uri 'none'; "
		 "form-action 'none'; frame-ancestors 'none'", nonce);
	call_add_header(call, "Content-Security-Policy", policy);
	return 0;
}

static const struct route routes[] = {
	{ .method = "GET", .path = "/", .flags = ROUTE_OPEN, .lane = LANE_READ, .serve = serve_page },
};

void page_start(void)
{
	router_add(routes, ARRAY_LEN(routes));
}
