/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/http_client.h"
/*
 * A Docker Engine, or Podman's compatible service: where it listens, which version of
 * its API is spoken, its images and containers. Every call here waits for the answer;
 * the runner (docker.h) talks to the same engine from the loop.
 *
 * The address is DOCKER_HOST: unix://PATH, or tcp://HOST:PORT with DOCKER_TLS_VERIFY and
 * DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem); tcp without TLS is refused, because who
 * reaches that port is root. Without it, the first socket that is there: Docker's, then
 * those of rootless Docker and Podman of this user, then Podman's.
 *
 * API: https://docs.docker.com/reference/api/engine/, versions 1.41 (Docker 20.10) to
 * 1.51, negotiated by /_ping; "too new" and "too old" of an engine that was replaced
 * under us negotiate again.
 *
 * Errors are ERR_ENV with the fix in help (no engine: start or install it; no
 * permission: the docker group), ERR_NOT_FOUND for an unknown image.
 */
struct error;
struct js;
struct progress;

struct docker_engine;
#define DOCKER_API_OLDEST "1.41"
#define DOCKER_API_NEWEST "1.51"

/* Finds, pings and negotiates. */
int docker_engine_open(struct docker_engine **ret, struct error *);
void docker_engine_close(struct docker_engine *);
void cleanup_docker_engine(struct docker_engine **);

struct docker_info {
	const char *address;  /* "unix:///var/run/docker.sock" */
	const char *product;  /* "Docker", "Podman" */
	const char *version;  /* of the engine */
	const char *api;      /* negotiated: "1.41" */
	const char *platform; /* "linux/amd64" */
	bool rootless;        /* root inside is the engine's user outside */
	double cpus;
	int64_t mem;
	const char *log_driver; /* the fastest that keeps what was printed: "local" or "json-file" */
};
/* Lent until the engine is closed; its strings change when a version is negotiated again. Asks at the first call. */
int docker_engine_info(struct docker_engine *, const struct docker_info **ret, struct error *);
/* Lent: for an http_client of one's own, and the prefix of paths: "/v1.41". */
const struct http_server *docker_engine_server(const struct docker_engine *);
const char *docker_engine_prefix(const struct docker_engine *);

/* An image name as users write it: [HOST[:PORT]/]PATH[:TAG][@sha256:HEX], or sha256:HEX, an image's id. */
struct docker_ref {
	char *registry;   /* "docker.io", "registry:5000"; NULL for an id */
	char *repository; /* as the engine is asked for it: "python", "registry:5000/ml/train" */
	char *tag;        /* NULL when there is a digest */
	char *digest;     /* "sha256:HEX" or NULL */
};
/* ERR_USAGE for what no registry would take. */
int docker_ref_parse(const char *text, struct docker_ref *ret, struct error *);
void docker_ref_release(struct docker_ref *);
/* Whether the text names exact bytes by itself. */
bool docker_ref_is_pinned(const char *text);

/*
 * What a name stands for now, exactly: "REPOSITORY@sha256:HEX" when it came from, or went
 * to, a registry, else the image's id "sha256:HEX". An image that the engine does not
 * have is pulled, with progress; with `newest` it is pulled anyway, and where that
 * fails while the image is here, that is an error. Owned by the caller.
 */
int docker_image_resolve(struct docker_engine *, const char *name, bool newest, const struct progress *, char **ret_pin,
			 struct error *);
/* The engine has this pin afterwards: it is pulled when it has not. `name` is for messages. */
int docker_image_ensure(struct docker_engine *, const char *name, const char *pin, const struct progress *,
			struct error *);
/* {id, digests[], platform, size, created}. ERR_NOT_FOUND. Pulls nothing. */
int docker_image_inspect(struct docker_engine *, const char *name, struct js **ret, struct error *);

/* Containers whose label mlops.project is `project`: those of one work tree. `state` is the engine's word:
 * created, running, exited, ... */
struct docker_container {
	const char *id, *name, *run, *step, *state;
};
int docker_containers(struct docker_engine *, const char *project,
		      int (*each)(void *ctx, const struct docker_container *), void *ctx, struct error *);
/* Kills and removes; absent is no error. */
int docker_container_remove(struct docker_engine *, const char *name, struct error *);
