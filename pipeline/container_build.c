/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that are built here become images of the engine: known from an earlier build (built.h), pulled by the pin
 * of whoever pushed them, or built. Before the run for the steps that are known to run; for one that is only
 * known later on a worker, one at a time, while other steps go on.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "pipeline/build.h"
#include "pipeline/built.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "registry/lockfile.h"
#include "runners/docker_build.h"
#include "runners/docker_engine.h"

struct engine_image {
	struct engine *engine;
	const struct build *build; /* lent by the looker */
	struct strlist pins;       /* of its bases, in their order */
	char *pushed_name, *pushed_pin; /* what mlops.lock has, and then what it shall have; NULL: none */
	char hex[DIGEST_HEX + 1];
	char *id;                  /* what the engine has */
	bool told;                 /* pushed_pin is new */
	bool working, on_worker;
	atomic_bool stop;
	int64_t begun_ms;
	struct strlist notes;      /* made by a worker */
	struct strlist tail;       /* of a build that failed */
	struct error err;
};

static struct engine_image *image_of(struct engine *e, const struct plan_node *node)
{
	return strmap_get(&e->images, node->build->name);
}

void container_images_release(struct engine *e)
{
	for (size_t i = 0; i < e->images.len; i++) {
		struct engine_image *image = e->images.entries[i].value;

		strlist_release(&image->pins);
		strlist_release(&image->notes);
		strlist_release(&image->tail);
		free(image->pushed_name);
		free(image->pushed_pin);
		free(image->id);
		free(image);
	}
	strmap_release(&e->images);
}

/* All that is needed is copied: a worker must not see mlops.lock change. */
static struct engine_image *image_new(struct engine *e, const struct plan_node *node, struct error *err)
{
	const struct build *build;
	struct engine_image *image;
	const struct lockfile *lock = look_lock(e->looker);
	const struct lock_entry *entry;
	const struct strlist *bases;
	struct digest key;

	if (look_build(e->looker, node, &build, err) < 0)
		return NULL;
	if (!look_pin(e->looker, node)) {
		error_set(err, ERR_CONFLICT, "image %s: what it is built upon was not resolved", node->build->name);
		return NULL;
	}
	image = xcalloc(1, sizeof(*image));
	image->engine = e;
	image->build = build;
	strmap_set(&e->images, node->build->name, image);
	digest_parse(strchr(look_pin(e->looker, node), ':') + 1, &key);
	digest_format(&key, image->hex);
	bases = dockerfile_bases(build->dockerfile);
	for (size_t i = 0; i < bases->len; i++)
		strlist_push(&image->pins, build_base_pin(lock, bases->items[i]));
	if (!build->section->push.text)
		return image;
	image->pushed_name = build_pushed_name(build->section, &key);
	entry = lockfile_find(lock, LOCKED_IMAGE, image->pushed_name);
	if (entry && docker_ref_is_pinned(entry->value))
		image->pushed_pin = xstrdup(entry->value);
	return image;
}

/* ---- telling ---- */

static void emit(struct engine_image *image, const char *state, const char *text)
{
	struct js *event;

	if (image->on_worker || !image->engine->opt->emit)
		return;
	event = js_object();
	js_set_str(event, "event", "build");
	js_set_str(event, "image", image->build->section->name);
	js_set_str(event, "state", state);
	js_set_str(event, "text", text);
	if (strcmp(state, "running") != 0)
		js_set_int(event, "duration_ms", clock_mono_ms() - image->begun_ms);
	engine_emit(image->engine, event);
}

static void on_line(void *ctx, const char *text)
{
	if (*text)
		emit(ctx, "running", text);
}

static void note(struct engine_image *image, char *text)
{
	if (image->on_worker)
		strlist_push(&image->notes, text);
	else
		engine_note(image->engine, "%s", text);
	free(text);
}

/* ---- building ---- */


static const char *pin_of(void *ctx, const char *base)
{
	const struct engine_image *image = ctx;
	const struct strlist *bases = dockerfile_bases(image->build->dockerfile);

	for (size_t i = 0; i < bases->len; i++)
		if (!strcmp(bases->items[i], base))
			return image->pins.items[i];
	return base;
}

static int ensure_bases(struct engine_image *image, struct docker_engine *engine, const struct progress *progress,
			struct error *err)
{
	const struct strlist *bases = dockerfile_bases(image->build->dockerfile);

	for (size_t i = 0; i < bases->len; i++)
		if (docker_image_ensure(engine, bases->items[i], image->pins.items[i], progress, err) < 0)
			return -1;
	return 0;
}

/* The builder's step is an instruction of the Dockerfile. */
static void tell_where(const struct engine_image *image, const struct docker_built *built, struct error *err)
{
	int line = dockerfile_line(image->build->dockerfile, built->step);

	if (line && err && !*err->where)
		error_where(err, image->build->file, line, 0);
}

static int build_it(struct engine_image *image, struct docker_engine *engine, const struct progress *progress,
		    struct error *err)
{
	const struct build *b = image->build;
	CLEANUP(cleanup_free) char *name = xasprintf("image %s", b->section->name);
	struct strlist labels CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf dockerfile = STRBUF_INIT;
	struct context_stream *stream;
	struct docker_built built;
	int r;

	strlist_push_owned(&labels, xasprintf(BUILD_LABEL "=%s", image->hex));
	dockerfile_pinned(b->dockerfile, pin_of, image, &dockerfile);
	stream = context_stream_new(&b->context, dockerfile.buf);
	const struct docker_build spec = {
		.name = name,
		.context = context_stream_read,
		.ctx = stream,
		.bytes = b->context.bytes,
		.dockerfile = context_stream_dockerfile(stream),
		.args = &b->args,
		.labels = &labels,
		.network = b->section->network,
		.timeout_ms = b->section->timeout_ms,
		.signals = !image->on_worker,
		.line = on_line,
		.line_ctx = image,
	};
	FAILPOINT("build.begin");
	r = docker_build(engine, &spec, progress, &built, err);
	FAILPOINT("build.built");
	if (r == 0) {
		image->id = steal(&built.id);
	} else {
		tell_where(image, &built, err);
		strlist_release(&image->tail);
		image->tail = built.tail;
		built.tail = (struct strlist)STRLIST_INIT;
	}
	docker_built_release(&built);
	context_stream_free(stream);
	return r;
}

static int build_and_tell(struct engine_image *image, struct docker_engine *engine, const struct progress *progress,
			  struct error *err)
{
	int r = ensure_bases(image, engine, progress, err);

	if (r < 0)
		return error_wrap(err, "image %s", image->build->section->name);
	emit(image, "running", NULL);
	r = build_it(image, engine, progress, err);
	emit(image, r == 0 ? "ok" : "failed", NULL);
	if (r < 0)
		return -1;
	note(image, xasprintf("image %s was built: %.19s", image->build->section->name, image->id));
	return built_note(image->engine->project, image->hex, image->id, err);
}

/* ---- registries ---- */

/* 1 pulled, 0 the registry does not have it any more, -1 error. */
static int pull(struct engine_image *image, struct docker_engine *engine, const struct progress *progress,
		struct error *err)
{
	const char *name = image->build->section->name;
	CLEANUP_JS struct js *info = NULL;
	struct error why = { 0 };
	const char *id;
	int labelled;

	if (!image->pushed_pin)
		return 0;
	if (docker_image_ensure(engine, image->pushed_name, image->pushed_pin, progress, &why) < 0) {
		if (why.code == ERR_NOT_FOUND) {
			note(image, xasprintf("%s: image %s is built anew", why.msg, name));
			free(steal(&image->pushed_pin));
			return 0;
		}
		if (err)
			*err = why;
		return error_wrap(err, "image %s", name);
	}
	if (docker_image_inspect(engine, image->pushed_pin, &info, err) < 0)
		return -1;
	id = js_get_str(info, "id");
	labelled = id ? docker_image_has_label(engine, id, BUILD_LABEL, image->hex, err) : 0;
	if (labelled < 0 || (labelled && built_note(image->engine->project, image->hex, id, err) < 0))
		return -1;
	if (labelled) {
		image->id = xstrdup(id);
		return 1;
	}
	error_set(err, ERR_CONFLICT, "%s, which mlops.lock pins for image %s, was not built from these files",
		  image->pushed_pin, name);
	return error_help(err, "remove the line of %.200s from mlops.lock", image->pushed_name);
}

static int push(struct engine_image *image, struct docker_engine *engine, const struct progress *progress,
		struct error *err)
{
	const char *tag = image->pushed_name ? strrchr(image->pushed_name, ':') + 1 : NULL;

	if (!tag || image->pushed_pin || image->engine->opt->untrusted)
		return 0;
	if (docker_push(engine, image->id, image->build->section->push.text, tag, progress, &image->pushed_pin, err) < 0)
		return error_wrap(err, "image %s", image->build->section->name);
	FAILPOINT("build.pushed");
	image->told = true;
	return 0;
}

/* ---- having ---- */

static int have(struct engine_image *image, struct docker_engine *engine, const struct progress *progress,
		struct error *err)
{
	int r;

	if (built_find(image->engine->project, engine, image->hex, &image->id, err) < 0)
		return -1;
	if (!image->id) {
		r = pull(image, engine, progress, err);
		if (r < 0 || (r == 0 && build_and_tell(image, engine, progress, err) < 0))
			return -1;
	}
	return push(image, engine, progress, err);
}

/* In the loop's thread, or before it runs. */
static void settle(struct engine_image *image)
{
	struct engine *e = image->engine;

	for (size_t i = 0; i < image->notes.len; i++)
		engine_note(e, "%s", image->notes.items[i]);
	strlist_release(&image->notes);
	if (!image->told)
		return;
	image->told = false;
	look_set_pin(e->looker, image->pushed_name, image->pushed_pin);
	build_forget_pushed(look_lock(e->looker), image->build->section, image->pushed_name);
}

int container_pin_bases(struct engine *e, const struct plan_node *node, struct error *err)
{
	const struct build *build;
	const struct strlist *bases;

	if (look_build(e->looker, node, &build, err) < 0)
		return -1;
	bases = dockerfile_bases(build->dockerfile);
	for (size_t i = 0; i < bases->len; i++)
		if (!build_base_pin(look_lock(e->looker), bases->items[i]) &&
		    container_pin_image(e, bases->items[i], err) < 0)
			return error_wrap(err, "image %s", node->build->name);
	return 0;
}

int container_have_image(struct engine *e, const struct plan_node *node, struct error *err)
{
	struct engine_image *image = image_of(e, node);

	if (!image)
		image = image_new(e, node, err);
	if (!image)
		return -1;
	if (image->err.code) {
		if (err)
			*err = image->err;
		return -1;
	}
	if (image->id)
		return 0;
	if (!e->containers) { /* a scripted runner takes any name */
		image->id = xasprintf("sha256:%s", image->hex);
		return 0;
	}
	image->begun_ms = clock_mono_ms();
	if (have(image, e->containers, e->opt->progress, &image->err) == 0) {
		settle(image);
		return 0;
	}
	if (err)
		*err = image->err;
	return -1;
}

const char *container_image_id(struct engine *e, const struct plan_node *node)
{
	const struct engine_image *image = image_of(e, node);

	return image ? image->id : NULL;
}

const struct strlist *container_build_tail(struct engine *e, const struct plan_node *node)
{
	const struct engine_image *image = node->build ? image_of(e, node) : NULL;

	return image && image->err.code ? &image->tail : NULL;
}

/* ---- while steps run ---- */

static bool on_progress(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	struct engine_image *image = ctx;
	const struct progress *p = image->engine->opt->progress;

	if (atomic_load(&image->stop))
		return true;
	return p && p->report(p->ctx, what, files, bytes, total);
}

static void have_work(void *ctx)
{
	struct engine_image *image = ctx;
	const struct progress progress = { on_progress, image };
	CLEANUP(cleanup_docker_engine) struct docker_engine *engine = NULL;

	if (docker_engine_open(&engine, &image->err) == 0)
		have(image, engine, &progress, &image->err);
}

static void have_done(void *ctx)
{
	struct engine_image *image = ctx;

	image->working = image->on_worker = false;
	image->engine->building = false;
	settle(image);
	schedule_pump(image->engine);
}

bool container_image_waits(struct task *t)
{
	struct engine *e = t->engine;
	struct engine_image *image;
	struct error err;

	if (!t->node->build || !e->containers)
		return false;
	image = image_of(e, t->node);
	if (!image)
		image = image_new(e, t->node, &err);
	if (!image || image->id || image->err.code)
		return false; /* container_start tells the error */
	if (!e->building) {
		e->building = image->working = image->on_worker = true;
		image->begun_ms = clock_mono_ms();
		engine_note(e, "image %s: looked for, and built if it is not there", image->build->section->name);
		loop_work(e->loop, have_work, have_done, image);
	}
	return true;
}

void container_stop_builds(struct engine *e)
{
	for (size_t i = 0; i < e->images.len; i++)
		atomic_store(&((struct engine_image *)e->images.entries[i].value)->stop, true);
}
