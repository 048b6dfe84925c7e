/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/strbuf.h"
/*
 * What the files that speak to a Docker Engine share: requests with renegotiation, errors
 * that the engine words, registry logins, the stream of a pull.
 */
struct docker_engine;
struct docker_ref;
struct error;
struct js;
struct progress;

/* Milliseconds. Tests make them short. */
extern struct docker_limits {
	int64_t ping; /* an engine that listens answers this fast, or hangs */
	int64_t call; /* any other short request; removing a container can take a while */
	int64_t idle; /* a pull in which nothing moved */
	int64_t tick; /* how often a pull looks whether it shall stop */
} docker_limits;

/* -- where it listens -- */

struct docker_address {
	char *text; /* "unix:///var/run/docker.sock" */
	char *url, *unix_path, *ca, *cert, *key; /* of struct http_server */
};
/* Of the environment, or the first of the usual sockets. On failure *ret may hold parts: release it. */
int docker_address_find(struct docker_address *ret, struct error *);
void docker_address_release(struct docker_address *);
/* No whole reply came, and `why` of http_client.h says what happened: ERR_ENV with the fix; errno stays. Returns -1. */
int docker_address_error(const struct docker_address *, const struct error *why, struct error *);

/* -- requests -- */

struct docker_request {
	const char *method;
	const char *path;       /* after the prefix: "/images/x/json" */
	const struct js *body;  /* or NULL */
};
/* Waits. 0 with any status; the reply's body is appended. An engine that speaks another version by now is
 * negotiated with again, and asked once more. */
int docker_request(struct docker_engine *, const struct docker_request *, int *ret_status, struct strbuf *ret_body,
		   struct error *);
/* The body of a reply as JSON; `what` names the request in the message. */
int docker_reply_json(const struct strbuf *body, const char *what, struct js **ret, struct error *);
/* A reply other than 2xx, {"message": ...}, as an error "WHAT: MESSAGE": 400 ERR_USAGE, 404 ERR_NOT_FOUND,
 * 409 ERR_CONFLICT, else ERR_ENV. Returns -1. */
int docker_reply_error(int status, const struct strbuf *body, const char *what, struct error *);
/* docker_address_error of the engine. */
int docker_lost_error(const struct docker_engine *, const struct error *why, struct error *);
/* "Docker" or "Podman"; lent until it is negotiated again. */
const char *docker_engine_product(const struct docker_engine *);
/* Whether a reply says that the engine does not speak the version in the path: negotiate, then repeat. */
bool docker_reply_wants_version(int status, const struct strbuf *body);
/* Pings again, waiting. The text of docker_engine_prefix is void afterwards, and the strings in docker_info are new
 * ones; the struct itself and the server stay. On failure all is as before. */
int docker_engine_renegotiate(struct docker_engine *, struct error *);
/* The engine's words on one line, appended: no control bytes. */
void docker_add_words(struct strbuf *, const char *words);
/* The words of a reply other than 2xx, appended: of {"message": ...}, or the text itself. */
void docker_reply_words(const struct strbuf *body, struct strbuf *);

/* -- names of images -- */

/* "REPOSITORY:TAG", "REPOSITORY@sha256:HEX" or the id. Owned. */
char *docker_ref_format(const struct docker_ref *);
/* Both name one repository, in any spelling: "python", "docker.io/library/python". */
bool docker_repository_equal(const char *, const char *);

/* -- registry logins -- */

struct docker_login {
	char *header; /* value of X-Registry-Auth; of no login "e30=" */
	char *remark; /* why there is none although one is configured, for help lines; NULL */
};
/* From $DOCKER_CONFIG/config.json, ~/.docker/config.json, or Podman's auth.json. A file that cannot be
 * read is an error naming it; a credential helper that fails is not, as most images need no login. */
int docker_login_find(const char *registry, struct docker_login *ret, struct error *);
void docker_login_release(struct docker_login *);

/* What a config file says about one registry. */
struct docker_auth {
	char *helper; /* suffix of the program docker-credential-*, to be asked first; or NULL */
	char *user, *password, *token; /* or NULL */
};
/* `file` names the config in messages. ERR_ENV for entries that make no sense. */
int docker_auth_read(const struct js *config, const char *file, const char *registry, struct docker_auth *ret,
		     struct error *);
/* What a credential helper printed. False: no login. */
bool docker_auth_from_helper(const char *text, size_t len, struct docker_auth *ret);
void docker_auth_release(struct docker_auth *);

/* -- pulls, pushes, builds -- */

/* The reply to one: JSON values, a line each, in any split. */
struct docker_stream;
struct docker_stream *docker_stream_new(void);
void docker_stream_free(struct docker_stream *);
/* -1: the engine reported an error (docker_stream_failure), or what came is not such a stream. */
int docker_stream_feed(struct docker_stream *, const char *bytes, size_t len, struct error *);
/* Calls with every value that is no error. */
void docker_stream_each(struct docker_stream *, void (*each)(void *ctx, const struct js *event), void *ctx);
int docker_stream_end(struct docker_stream *, struct error *); /* the last line may have no end */
const char *docker_stream_failure(const struct docker_stream *); /* the engine's words, or NULL; lent */
/* Of layers whose size is known. */
void docker_stream_bytes(const struct docker_stream *, uint64_t *ret_done, uint64_t *ret_total);

/* Pulls a name with a tag or digest. `shown` is for messages and progress. */
int docker_pull(struct docker_engine *, const struct docker_ref *, const char *shown, const struct progress *,
		struct error *);

/* A long request whose reply is such a stream, waited for. */
struct docker_follow {
	const char *method;
	const char *path;             /* after the prefix */
	const char *const *headers;   /* NULL-terminated; may be NULL */
	ssize_t (*upload)(void *ctx, char *buf, size_t size); /* of http_request; may be NULL */
	void (*event)(void *ctx, const struct js *); /* every value that is no error */
	/* Every 200 ms, with the bytes of layers: true stops. */
	bool (*tick)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
	int64_t idle_ms;              /* so long nothing may come; 0: for ever */
	int64_t timeout_ms;           /* of the whole; 0: none */
	bool signals;                 /* SIGINT, SIGTERM and SIGHUP stop it */
};
enum docker_followed { FOLLOWED, FOLLOW_REFUSED, FOLLOW_LOST, FOLLOW_STOPPED, FOLLOW_IDLE, FOLLOW_TIMEOUT };
/* FOLLOW_REFUSED: `words` are the engine's, of the stream or of a reply other than 2xx, and *ret_status is the
 * latter's. FOLLOW_LOST: the error says why. Else there is no error yet. Ending early closes the connection, which
 * tells the engine to stop. */
enum docker_followed docker_follow(struct docker_engine *, const struct docker_follow *, struct strbuf *words,
				   int *ret_status, struct error *);
