/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>
#include "base/error.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/mem.h"

struct exchange {
	struct strbuf body;
	char *header;
	int status;
	bool done;
	struct error err;
};

static void exchange_done(void *arg, const struct http_reply *reply)
{
	struct exchange *exchange = arg;

	exchange->done = true;
	exchange->status = reply->status;
	exchange->header = reply->header ? xstrdup(reply->header) : NULL;
	strbuf_add(&exchange->body, reply->body->buf, reply->body->len);
	if (reply->error)
		exchange->err = *reply->error;
}

static int exchange_run(struct loop *loop, struct exchange *exchange, const char *name, struct error *err)
{
	if (loop_run(loop, err) < 0)
		return -1;
	if (!exchange->done)
		return error_set(err, ERR_ENV, "%s: no answer", name);
	if (!exchange->err.code)
		return 0;
	if (err)
		*err = exchange->err;
	return -1;
}

int http_exchange(const struct http_server *server, const struct http_request *request, const char *header,
		  int *ret_status, struct strbuf *ret_body, char **ret_header, struct error *err)
{
	CLEANUP(cleanup_loop) struct loop *loop = loop_new();
	CLEANUP(cleanup_http_client) struct http_client *client = http_client_new(loop, server);
	struct exchange exchange = { .body = STRBUF_INIT };
	struct http_request copied = *request;
	int rc;

	copied.data = NULL;
	copied.done = exchange_done;
	copied.ctx = &exchange;
	if (header)
		http_want(client, header);
	http_start(client, &copied);
	rc = exchange_run(loop, &exchange, server->url, err);
	if (rc == 0) {
		*ret_status = exchange.status;
		strbuf_add(ret_body, exchange.body.buf, exchange.body.len);
		if (ret_header)
			*ret_header = steal(&exchange.header);
	}
	strbuf_release(&exchange.body);
	free(exchange.header);
	return rc;
}

void http_escape(struct strbuf *ret, const char *text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text; text++) {
		if (strchr(unreserved, *text))
			strbuf_putc(ret, *text);
		else
			strbuf_printf(ret, "%%%02X", (unsigned char)*text);
	}
}
