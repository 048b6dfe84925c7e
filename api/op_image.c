/* SPDX-License-Identifier: Apache-2.0 */
/* image list and image update: which exact bytes the names of images stand for. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "api/data.h"
#include "api/loaded.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/build.h"
#include "pipeline/built.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "runners/docker_build.h"
#include "runners/docker_engine.h"

/* A name of an image, as written, and who uses it. */
struct image {
	const char *name;     /* lent by the plan or the lock file */
	const char *pin;      /* lent; the name itself when it is exact; "build:HEX"; NULL: never resolved here */
	struct strlist steps; /* and images that are built upon it; none: only mlops.lock names it */
	const struct plan_node *built; /* a step of one that is built here, else NULL */
	const char *pushed;   /* lent; the pin of where it was pushed to, or NULL */
	char *problem;        /* why it could not be built, or NULL */
};
struct images {
	struct loaded loaded;
	struct lockfile lock;
	struct looker *looker; /* NULL: no image is built here */
	struct image *items; /* in the order of the steps */
	size_t len, cap;
};

static void images_release(struct images *images)
{
	for (size_t i = 0; i < images->len; i++) {
		strlist_release(&images->items[i].steps);
		free(images->items[i].problem);
	}
	free(images->items);
	looker_free(images->looker);
	lockfile_release(&images->lock);
	loaded_release(&images->loaded);
}

static struct image *image_find(struct images *images, const char *name)
{
	for (size_t i = 0; i < images->len; i++)
		if (!strcmp(images->items[i].name, name))
			return &images->items[i];
	return NULL;
}

static struct image *image_of(struct images *images, const char *name)
{
	struct image *found = image_find(images, name);
	const struct lock_entry *entry;

	if (found)
		return found;
	entry = lockfile_find(&images->lock, LOCKED_IMAGE, name);
	GROW(images->items, images->len, images->cap);
	images->items[images->len] = (struct image){
		.name = name,
		.pin = docker_ref_is_pinned(name) ? name : entry ? entry->value : NULL,
	};
	return &images->items[images->len++];
}

static void use(struct image *image, const char *user)
{
	if (!strlist_has(&image->steps, user))
		strlist_push(&image->steps, user);
}

/* Its key, where it was pushed to, and its bases, which are images as others are. */
static void look_at_build(struct images *images, struct image *image)
{
	const struct plan_node *node = image->built;
	CLEANUP(cleanup_free) char *pushed = NULL;
	const struct lock_entry *entry;
	const struct build *build;
	const struct strlist *bases;
	struct digest key;
	struct error why = { 0 };

	if (look_build(images->looker, node, &build, &why) < 0) {
		image->problem = xstrdup(why.msg);
		return;
	}
	image->pin = look_pin(images->looker, node);
	if (image->pin && build->section->push.text && digest_parse(strchr(image->pin, ':') + 1, &key)) {
		pushed = build_pushed_name(build->section, &key);
		entry = lockfile_find(&images->lock, LOCKED_IMAGE, pushed);
		image->pushed = entry ? entry->value : NULL;
	}
	bases = dockerfile_bases(build->dockerfile);
	for (size_t i = 0; i < bases->len; i++)
		use(image_of(images, bases->items[i]), node->image); /* `image` may have moved */
}

static int add_build(struct project *p, struct images *images, const struct plan_node *node, struct error *err)
{
	struct image *image = image_of(images, node->image);

	use(image, node->name);
	if (image->built)
		return 0;
	image->built = node;
	image->pin = NULL;
	if (!images->looker && looker_new(p, images->loaded.plan, false, &images->looker, err) < 0)
		return -1;
	look_at_build(images, image);
	return 0;
}

/* Whether the name is only where an image that is built here was pushed to. */
static bool is_pushed_name(const struct images *images, const char *name)
{
	for (size_t i = 0; i < images->loaded.pipeline->nimages; i++)
		if (build_is_pushed_name(&images->loaded.pipeline->images[i], name))
			return true;
	return false;
}

/* What the steps name. */
static int images_load(struct op_context *ctx, const char *file, struct images *ret, struct error *err)
{
	struct project *p = ctx->project;

	if (lockfile_load(p->rootfd, &ret->lock, err) < 0 || loaded_make(ctx, file, NULL, false, &ret->loaded, err) < 0)
		return -1;
	for (size_t i = 0; i < ret->loaded.plan->len; i++) {
		const struct plan_node *node = &ret->loaded.plan->nodes[i];

		if (node->build && add_build(p, ret, node, err) < 0)
			return -1;
		if (node->image && !node->build)
			use(image_of(ret, node->image), node->name);
	}
	return 0;
}

static struct js *names_json(const struct strlist *names)
{
	struct js *list = js_array();

	for (size_t i = 0; i < names->len; i++)
		js_push_str(list, names->items[i]);
	return list;
}

static struct js *engine_json(struct docker_engine *engine, struct error *err)
{
	const struct docker_info *info;
	struct js *json;

	if (docker_engine_info(engine, &info, err) < 0)
		return NULL;
	json = js_object();
	js_set_str(json, "product", info->product);
	js_set_str(json, "version", info->version);
	js_set_str(json, "address", info->address);
	js_set_str(json, "platform", info->platform);
	return json;
}

/* What the engine calls it; NULL: it does not have it. Owned. */
static int engine_name(const struct project *p, struct docker_engine *engine, const struct image *image, char **ret,
		       struct error *err)
{
	*ret = NULL;
	if (!engine || (image->built && !image->pin))
		return 0;
	if (image->built)
		return built_find(p, engine, strchr(image->pin, ':') + 1, ret, err) < 0 ? -1 : 0;
	*ret = xstrdup(image->pin ? image->pin : image->name);
	return 0;
}

/* {name, pin, exact, built, pushed, problem, steps[], here, id, size, platform}; the last four only when an engine could
 * be asked, and pushed and problem only of one that is built here. */
static int image_json(const struct project *p, struct docker_engine *engine, const struct image *image, struct js **ret,
		      struct error *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	CLEANUP_JS struct js *info = NULL;
	struct js *json;
	struct error own;

	if (engine_name(p, engine, image, &name, err) < 0)
		return -1;
	if (name && docker_image_inspect(engine, name, &info, &own) < 0 && own.code != ERR_NOT_FOUND) {
		if (err)
			*err = own;
		return -1;
	}
	json = js_object();
	js_set_str(json, "name", image->name);
	js_set_str(json, "pin", image->pin);
	js_set_bool(json, "exact", docker_ref_is_pinned(image->name));
	js_set_bool(json, "built", image->built);
	js_set_str(json, "pushed", image->pushed);
	js_set_str(json, "problem", image->problem);
	js_set(json, "steps", names_json(&image->steps));
	if (engine)
		js_set_bool(json, "here", info);
	if (info) {
		js_set_str(json, "id", js_get_str(info, "id"));
		js_set_int(json, "size", js_get_int(info, "size", 0));
		js_set_str(json, "platform", js_get_str(info, "platform"));
	}
	*ret = json;
	return 0;
}

/*
 * image.list {file} -> {engine{product, version, address, platform} | no_engine{message, help},
 *                       images: [{name, pin, exact, built, pushed, problem, steps[], here, id, size, platform}]}
 */
int op_image_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(images_release) struct images images = { .lock = LOCKFILE_INIT };
	CLEANUP(cleanup_docker_engine) struct docker_engine *engine = NULL;
	CLEANUP_JS struct js *result = js_object();
	struct js *list = js_array(), *about = NULL;
	struct error absent = { 0 };

	js_set(result, "images", list);
	if (images_load(ctx, js_get_str(args, "file"), &images, err) < 0)
		return -1;
	for (size_t i = 0; i < images.lock.len; i++)
		if (images.lock.entries[i].kind == LOCKED_IMAGE &&
		    !is_pushed_name(&images, images.lock.entries[i].name))
			image_of(&images, images.lock.entries[i].name);
	if (docker_engine_open(&engine, &absent) == 0)
		about = engine_json(engine, &absent);
	if (about) {
		js_set(result, "engine", about);
	} else {
		struct js *none = js_object();

		js_set_str(none, "message", absent.msg);
		js_set_str(none, "help", *absent.help ? absent.help : NULL);
		js_set(result, "no_engine", none);
	}
	for (size_t i = 0; i < images.len; i++) {
		struct js *json;

		if (image_json(ctx->project, about ? engine : NULL, &images.items[i], &json, err) < 0)
			return -1;
		js_push(list, json);
	}
	*ret_result = steal(&result);
	return 0;
}

static int name_fault(const struct images *images, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	const char *nearest;

	for (size_t i = 0; i < images->len; i++)
		strlist_push(&known, images->items[i].name);
	error_set(err, ERR_NOT_FOUND, "no step of %s uses the image '%s'", images->loaded.pipeline->file, name);
	nearest = strlist_nearest(&known, name);
	return nearest ? error_help(err, "did you mean '%s'?", nearest) :
			 error_help(err, "run: mlops image list, which shows what they use");
}

/* The images to resolve anew: those that were named, else all; an exact one has nothing to resolve. */
static int choose(struct images *images, const struct js *names, struct strlist *ret, struct error *err)
{
	for (size_t i = 0; i < js_len(names); i++) {
		const char *name = js_text(js_at(names, i));

		if (!image_find(images, name))
			return name_fault(images, name, err);
		if (docker_ref_is_pinned(name)) {
			error_set(err, ERR_USAGE, "the image '%s' names exact bytes: there is nothing to update", name);
			return error_help(err, "write another digest in %s", images->loaded.pipeline->file);
		}
		if (image_find(images, name)->built) {
			error_set(err, ERR_USAGE, "the image '%s' is built here: it follows from its files", name);
			return error_help(err, "run: mlops image update, which looks for new ones of what it is built upon");
		}
		strlist_push(ret, name);
	}
	for (size_t i = 0; !js_len(names) && i < images->len; i++)
		if (!docker_ref_is_pinned(images->items[i].name) && !images->items[i].built)
			strlist_push(ret, images->items[i].name);
	return 0;
}

/*
 * An image that was built here and never went through a registry cannot be pulled: its name stands for what the engine
 * has. Its pin is an id; or the engine made up a digest for what it built, and then Docker Hub does not know the name.
 * A name of one word is in the Hub's public library, so "not found" does not mean that a login is missing.
 */
static int resolve_newest(struct op_context *ctx, struct docker_engine *engine, const char *name, struct js *notes,
			  char **ret_pin, struct error *err)
{
	CLEANUP(cleanup_free) char *here = NULL, *note = NULL;
	CLEANUP_JS struct js *info = NULL;
	struct error why = { 0 };

	if (docker_image_inspect(engine, name, &info, NULL) == 0 &&
	    docker_image_resolve(engine, name, false, ctx->progress, &here, err) < 0)
		return -1;
	if (here && !strchr(here, '@')) {
		*ret_pin = steal(&here);
		return 0;
	}
	if (docker_image_resolve(engine, name, true, ctx->progress, ret_pin, &why) == 0)
		return 0;
	if (!here || why.code != ERR_NOT_FOUND || strchr(name, '/')) {
		if (err)
			*err = why;
		return -1;
	}
	note = xasprintf("%s: it stands for the image that is here", why.msg);
	js_push_str(notes, note);
	*ret_pin = steal(&here);
	return 0;
}

static int update(struct op_context *ctx, struct images *images, const struct strlist *names, struct js *list,
		  struct js *notes, struct error *err)
{
	CLEANUP(cleanup_docker_engine) struct docker_engine *engine = NULL;

	if (names->len && docker_engine_open(&engine, err) < 0)
		return -1;
	for (size_t i = 0; i < names->len; i++) {
		const struct image *image = image_find(images, names->items[i]);
		CLEANUP(cleanup_free) char *pin = NULL;
		struct js *json;

		if (resolve_newest(ctx, engine, image->name, notes, &pin, err) < 0)
			return -1;
		json = js_object();
		js_set_str(json, "name", image->name);
		js_set_str(json, "old", image->pin);
		js_set_str(json, "new", pin);
		js_set_bool(json, "changed", !image->pin || strcmp(image->pin, pin) != 0);
		js_set(json, "steps", names_json(&image->steps));
		js_push(list, json);
	}
	return 0;
}

/*
 * image.update {names[], file} -> {images: [{name, old, new, changed, steps[]}], notes[]}
 *
 * All names are resolved before one is written: a failure changes nothing.
 */
int op_image_update(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(images_release) struct images images = { .lock = LOCKFILE_INIT };
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP_JS struct js *result = js_object();
	struct js *list = js_array(), *notes = js_array();

	js_set(result, "images", list);
	js_set(result, "notes", notes);
	if (data_lock_tree(ctx, &locks, notes, err) < 0 ||
	    images_load(ctx, js_get_str(args, "file"), &images, err) < 0 ||
	    lockfile_check(&images.lock, err) < 0 || choose(&images, js_get(args, "names"), &names, err) < 0 ||
	    update(ctx, &images, &names, list, notes, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++)
		if (js_get_bool(js_at(list, i), "changed"))
			lockfile_set(&images.lock, LOCKED_IMAGE, js_get_str(js_at(list, i), "name"),
				     js_get_str(js_at(list, i), "new"));
	if (lockfile_save(&images.lock, ctx->project->rootfd, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}
