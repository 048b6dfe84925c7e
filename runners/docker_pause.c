/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/archive.h"
#include "base/digest.h"
#include "base/failpoint.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "runners/docker_runner.h"
#include "runners/pause/mlops_pause.h"
/*
 * The image holds one file and is named by its digest, so it is imported once an engine.
 * Pause containers have deterministic names: one that a killed run left is started again
 * instead of made.
 */

#define REPOSITORY "localhost/mlops-pause" /* a plain name would be Docker Hub's */
#define TAG_HEX    12
#define TRIES      3 /* to start a pause container */

/* The bytes of the program, from pause/embed.c.in. */
extern const char mlops_pause_begin[], mlops_pause_end[];

static size_t program_len(void)
{
	return (size_t)(mlops_pause_end - mlops_pause_begin);
}

static void slot_fails(struct docker_slot *slot, enum runner_cause cause, const char *message, const char *help)
{
	slot->state = SLOT_EMPTY;
	slot->tries = 0;
	if (slot->task)
		docker_task_fail(slot->task, cause, message, help);
}

static void slot_fails_by(struct docker_slot *slot, const struct docker_answer *answer, const char *what)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (answer->status)
		strbuf_printf(&text, "%s: ", what);
	docker_answer_words(slot->docker, answer, &text);
	slot_fails(slot, answer->status ? CAUSE_START : CAUSE_LOST, text.buf, "");
}

static void slot_ready(struct docker_slot *slot)
{
	slot->state = SLOT_READY;
	slot->tries = 0;
	slot->docker->probed = true;
	if (slot->task)
		docker_task_create(slot->task);
}

static void ask_for_slot(struct docker_slot *slot, struct docker_ask *ask)
{
	ask->task = slot->task;
	ask->handle = &slot->asked;
	ask->ctx = slot;
	docker_ask(slot->docker, ask);
}

/* -- the container -- */

static void make_container(struct docker_slot *slot);

static void container_removed(void *ctx, const struct docker_answer *answer)
{
	(void)answer; /* what is still in the way is told by create */
	make_container(ctx);
}

static void make_anew(void *arg)
{
	struct docker_slot *slot = arg;

	slot->timer = NULL;
	ask_for_slot(slot, &(struct docker_ask){
				   .method = "DELETE",
				   .path = xasprintf("/containers/%s?v=1&force=1", slot->pause),
				   .done = container_removed,
			   });
}

static void container_started(void *ctx, const struct docker_answer *answer)
{
	struct docker_slot *slot = ctx;

	if (answer->status == 204 || answer->status == 304) {
		FAILPOINT("docker.pause_started");
		slot_ready(slot);
	} else if (answer->status && ++slot->tries < TRIES) {
		/* An engine that shuts down refuses at first, and then does not answer. */
		slot->timer = loop_after(slot->docker->loop, docker_patience.doubt, make_anew, slot);
	} else {
		slot_fails_by(slot, answer, "cannot start the pause container");
	}
}

static void start_container(struct docker_slot *slot)
{
	ask_for_slot(slot, &(struct docker_ask){
				   .method = "POST",
				   .path = xasprintf("/containers/%s/start", slot->pause),
				   .done = container_started,
			   });
}

static bool is_about_the_probe(const struct docker *docker, const char *words)
{
	return strstr(words, docker->probe) &&
	       (strstr(words, "does not exist") || strstr(words, "no such file or directory"));
}

/* Where a source is missing, Podman makes an empty directory; the program ends when it sees that. */
bool docker_pause_is_blind(const struct docker_answer *inspect)
{
	return js_get_int(js_get(inspect->json, "State"), "ExitCode", 0) == MLOPS_PAUSE_BLIND;
}

void docker_pause_blind(struct docker_slot *slot)
{
	CLEANUP(cleanup_free) char *text = xasprintf("the container engine at %s does not see the files of this machine",
						     slot->docker->address);

	slot_fails(slot, CAUSE_START, text,
		   "DOCKER_HOST must name an engine of this machine, one that sees the project's directory");
}

static void container_created(void *ctx, const struct docker_answer *answer)
{
	struct docker_slot *slot = ctx;
	struct docker *docker = slot->docker;
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	docker_answer_words(docker, answer, &words);
	if (answer->status == 201 || docker_answer_conflicts(answer)) {
		FAILPOINT("docker.pause_created");
		start_container(slot);
	} else if (answer->status && is_about_the_probe(docker, words.buf)) {
		docker_pause_blind(slot);
	} else {
		docker->image_state = IMAGE_UNKNOWN; /* it may have been removed */
		slot_fails_by(slot, answer, "cannot make the pause container");
	}
}

static void make_container(struct docker_slot *slot)
{
	struct docker_ask ask = {
		.method = "POST",
		.path = xasprintf("/containers/create?name=%s", slot->pause),
		.body = STRBUF_INIT,
		.done = container_created,
	};

	slot->state = SLOT_MAKES_PAUSE;
	slot->tried = true;
	docker_pause_body(slot->docker, slot->docker->image, slot->network ? "default" : "none", &ask.body);
	ask_for_slot(slot, &ask);
}

/* -- the image -- */

static void image_ready(struct docker *docker)
{
	docker->image_state = IMAGE_READY;
	for (size_t i = 0; i < docker->nslots; i++)
		if (docker->slots[i]->state == SLOT_WAITS_FOR_IMAGE)
			make_container(docker->slots[i]);
}

static void image_fails(struct docker *docker, const struct docker_answer *answer)
{
	docker->image_state = IMAGE_UNKNOWN;
	for (size_t i = 0; i < docker->nslots; i++)
		if (docker->slots[i]->state == SLOT_WAITS_FOR_IMAGE)
			slot_fails_by(docker->slots[i], answer, "cannot import the pause image");
}

static struct docker_task *a_waiting_task(const struct docker *docker)
{
	for (size_t i = 0; i < docker->nslots; i++)
		if (docker->slots[i]->state == SLOT_WAITS_FOR_IMAGE && docker->slots[i]->task)
			return docker->slots[i]->task;
	return NULL;
}

/* Errors may come inside a reply with status 200; they are told when the container is made. */
static void image_imported(void *ctx, const struct docker_answer *answer)
{
	if (answer->status == 200)
		image_ready(ctx);
	else
		image_fails(ctx, answer);
}

static void import_image(struct docker *docker)
{
	const struct archive_entry_spec file = { "mlops-pause", mlops_pause_begin, program_len(), 0755 };
	struct docker_ask ask = {
		.method = "POST",
		/* The tag in `repo`, as Podman ignores `tag`. */
		.path = xasprintf("/images/create?fromSrc=-&repo=%s", docker->image),
		.body = STRBUF_INIT,
		.type = "application/x-tar",
		.task = a_waiting_task(docker),
		.done = image_imported,
		.ctx = docker,
	};

	archive_tar(&file, 1, &ask.body, NULL);
	docker_ask(docker, &ask);
}

static void image_looked_up(void *ctx, const struct docker_answer *answer)
{
	if (answer->status == 200)
		image_ready(ctx);
	else if (answer->status == 404)
		import_image(ctx);
	else
		image_fails(ctx, answer);
}

static void look_up_image(struct docker *docker)
{
	char hex[DIGEST_HEX + 1];
	struct digest digest;

	if (!docker->image) {
		digest_of(mlops_pause_begin, program_len(), &digest);
		docker->image = xasprintf("%s:%.*s", REPOSITORY, TAG_HEX, digest_format(&digest, hex));
	}
	docker->image_state = IMAGE_ASKED;
	docker_ask(docker, &(struct docker_ask){
				   .method = "GET",
				   .path = xasprintf("/images/%s/json", docker->image),
				   .task = a_waiting_task(docker),
				   .done = image_looked_up,
				   .ctx = docker,
			   });
}

/* -- a slot -- */

void docker_pause_ensure(struct docker_slot *slot)
{
	struct docker *docker = slot->docker;

	if (slot->state == SLOT_READY || (!slot->task->joins && docker->probed)) {
		docker_task_create(slot->task);
	} else if (slot->state != SLOT_EMPTY) {
		return; /* a task before this one asked for it */
	} else if (docker->image_state == IMAGE_READY) {
		make_container(slot);
	} else {
		slot->state = SLOT_WAITS_FOR_IMAGE;
		if (docker->image_state == IMAGE_UNKNOWN)
			look_up_image(docker);
	}
}

void docker_pause_renew(struct docker_slot *slot)
{
	slot->state = SLOT_MAKES_PAUSE;
	make_anew(slot);
}
