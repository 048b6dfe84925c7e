/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/mem.h"
#include "runners/docker_runner.h"
/*
 * Each stream of a log is bytes that only grow, and each reading gives them from their
 * beginning. So what was handed on is told by its length: `seen`. A followed log can
 * break off (the engine restarts) and can lose its end (a last line without a newline);
 * in both cases the log is read again and as many bytes are passed over.
 *
 * Podman's followed log loses lines in its middle when the program writes fast (4.3), so
 * there the log is read again and again, each time later when it is long.
 *
 * Not messages are counted, as Podman cuts a long line differently each time; and `since`
 * is not used: stamps of the two streams are not in order, Podman's have whole
 * seconds, and clocks step.
 *
 * After the end, mostly nothing or one line is missing, and Docker searches a whole
 * log for what is wanted, but finds its end at once. So first only the last messages
 * are asked for: what follows the one handed on last is new. When that is not among them, or
 * is not the only one of its kind, or stands first (so that it could be another of its
 * kind), all is read.
 */

#define TAIL       100
#define BATCH_MAX  65536
#define POLL_SHARE 10 /* of the time, one is spent with polling */

static void read_again(void *arg);

void docker_output_init(struct docker_output *output, struct docker_task *task)
{
	output->task = task;
	output->log.held = output->batch = (struct strbuf)STRBUF_INIT;
	output->pause_ms = docker_patience.pause_first;
}

static struct loop *loop_of(const struct docker_output *output)
{
	return output->task->docker->loop;
}

static void cancel_all(struct docker_output *output)
{
	loop_cancel(loop_of(output), steal(&output->timer));
	http_cancel(steal(&output->call));
}

void docker_output_release(struct docker_output *output)
{
	cancel_all(output);
	docker_log_release(&output->log);
	strbuf_release(&output->batch);
}

static void set_timer(struct docker_output *output, int64_t ms, void (*fire)(void *ctx))
{
	loop_cancel(loop_of(output), output->timer);
	output->timer = loop_after(loop_of(output), ms, fire, output);
}

/* -- messages -- */

static void keep_end(struct docker_output *output, const char *text, size_t len)
{
	const size_t room = sizeof(output->err_end);
	size_t kept = output->err_len;

	if (len >= room) {
		memcpy(output->err_end, text + len - room, room);
		output->err_len = room;
		return;
	}
	if (kept + len > room) {
		memmove(output->err_end, output->err_end + kept + len - room, room - len);
		kept = room - len;
	}
	memcpy(output->err_end + kept, text, len);
	output->err_len = kept + len;
}

static void hand_on(struct docker_output *output, enum runner_stream stream, const char *text, size_t len)
{
	struct docker_task *task = output->task;

	if (!len)
		return;
	if (!output->any)
		FAILPOINT("docker.first_output");
	output->any = true;
	if (stream == RUNNER_STDERR)
		keep_end(output, text, len);
	task->docker->events->output(task->owner, stream, text, len);
}

static void flush(struct docker_output *output)
{
	hand_on(output, output->batch_stream, output->batch.buf, output->batch.len);
	strbuf_clear(&output->batch);
}

/* How many bytes at the beginning of a message were handed on before. */
static size_t count_old(struct docker_output *output, const struct docker_frame *frame)
{
	uint64_t *left = &output->skip[frame->stream];
	size_t old = frame->len < *left ? frame->len : (size_t)*left;

	if (!output->tail) {
		*left -= old;
		return old;
	}
	if (output->matched)
		return 0;
	output->matched = frame->mark == output->last_mark && output->at > 1;
	return frame->len;
}

/*
 * Docker's driver "local" forgets the newline of a line that came in parts (20.10). A new line has a
 * new stamp, so the one before it has ended. Not counted as seen: the log has no such byte.
 */
static void end_line(struct docker_output *output, const struct docker_frame *frame)
{
	uint64_t *open = &output->open[frame->stream];

	if (*open && *open != frame->stamp && !output->task->docker->podman)
		strbuf_putc(&output->batch, '\n');
	*open = !frame->len || frame->text[frame->len - 1] == '\n' ? 0 : frame->stamp;
}

static int take_frame(void *ctx, const struct docker_frame *frame)
{
	struct docker_output *output = ctx;
	size_t old;

	output->at++;
	old = count_old(output, frame);
	if (old == frame->len)
		return 0;
	output->messages++;
	output->seen[frame->stream] += frame->len - old;
	output->twin = frame->mark == output->last_mark;
	output->last_mark = frame->mark;
	if (output->batch.len && (output->batch_stream != frame->stream || output->batch.len > BATCH_MAX))
		flush(output);
	output->batch_stream = frame->stream;
	end_line(output, frame);
	strbuf_add(&output->batch, frame->text + old, frame->len - old);
	return 0;
}

static int take_bytes(void *ctx, const char *bytes, size_t len)
{
	struct docker_output *output = ctx;
	int rc = docker_log_feed(&output->log, bytes, len, &output->why);

	output->moved_ms = clock_mono_ms();
	output->pause_ms = docker_patience.pause_first;
	flush(output);
	return rc;
}

static void send_request(struct docker_output *output, const char *query, void (*done)(void *, const struct http_reply *))
{
	struct docker_task *task = output->task;
	CLEANUP(cleanup_free) char *path =
		docker_path(task->docker, "/containers/%s/logs?stdout=1&stderr=1&timestamps=1%s", task->name, query);
	const struct http_request request = {
		.method = "GET", .path = path, .data = take_bytes, .done = done, .ctx = output
	};

	error_clear(&output->why);
	docker_log_release(&output->log);
	docker_log_init(&output->log, take_frame, output);
	output->at = 0;
	memcpy(output->skip, output->seen, sizeof(output->skip));
	output->matched = false;
	output->sent_ms = clock_mono_ms();
	output->call = http_start(task->docker->client, &request);
}

/* -- following -- */

static void look(void *arg)
{
	struct docker_output *output = arg;

	output->timer = NULL;
	docker_task_look(output->task);
}

static int64_t next_pause(struct docker_output *output)
{
	int64_t ms = output->pause_ms;

	output->pause_ms = ms * 2 < docker_patience.pause_most ? ms * 2 : docker_patience.pause_most;
	return ms;
}

static void poll_again(void *arg)
{
	struct docker_output *output = arg;

	output->timer = NULL;
	docker_output_follow(output);
}

static int64_t next_poll(const struct docker_output *output)
{
	int64_t ms = (clock_mono_ms() - output->sent_ms) * POLL_SHARE;

	return ms > docker_patience.poll ? ms : docker_patience.poll;
}

/* Its end is no news of the container, which may run on; but one that ended tells so soon by itself. */
static void followed(void *ctx, const struct http_reply *reply)
{
	struct docker_output *output = ctx;

	output->call = NULL;
	if (output->finishing)
		set_timer(output, 0, read_again);
	else if (output->task->docker->podman && !reply->error)
		set_timer(output, next_poll(output), poll_again);
	else
		set_timer(output, docker_patience.look + next_pause(output), look);
}

void docker_output_follow(struct docker_output *output)
{
	if (output->call || output->finishing)
		return;
	FAILPOINT("docker.following");
	output->tail = false;
	send_request(output, output->task->docker->podman ? "" : "&follow=1", followed);
}

/* -- completing -- */

static void give_up(struct docker_output *output, const char *why)
{
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	docker_add_words(&words, why);
	docker_task_logged(output->task, words.buf);
}

static void read_broke(struct docker_output *output, const char *why)
{
	if (clock_mono_ms() - output->moved_ms < docker_patience.lost)
		set_timer(output, next_pause(output), read_again);
	else
		give_up(output, why);
}

static void read_in_another_version(struct docker_output *output)
{
	docker_engine_renegotiate(output->task->docker->engine, NULL);
	read_broke(output, "the container engine speaks no version that we do");
}

static void was_read(void *ctx, const struct http_reply *reply)
{
	struct docker_output *output = ctx;

	output->call = NULL;
	loop_cancel(loop_of(output), steal(&output->timer));
	if (output->why.code)
		give_up(output, output->why.msg);
	else if (reply->error)
		read_broke(output, reply->error->msg);
	else if (docker_reply_wants_version(reply->status, reply->body))
		read_in_another_version(output);
	else if (reply->status != 200)
		give_up(output, reply->body->buf);
	else if (docker_log_end(&output->log, &output->why) < 0)
		give_up(output, output->why.msg);
	else if (output->tail && !output->matched)
		set_timer(output, 0, read_again);
	else
		docker_task_logged(output->task, NULL);
}

/* Of the followed log, that is its end; of one that is read, the engine hangs. */
static void be_quiet(void *arg)
{
	struct docker_output *output = arg;
	int64_t quiet = clock_mono_ms() - output->moved_ms;
	int64_t most = output->reading ? docker_patience.call : docker_patience.idle;

	output->timer = NULL;
	if (quiet < most) {
		set_timer(output, most - quiet, be_quiet);
		return;
	}
	http_cancel(steal(&output->call));
	if (output->reading)
		read_broke(output, "the engine stopped sending it");
	else
		read_again(output);
}

static bool may_read_tail(const struct docker_output *output)
{
	return output->messages >= TAIL && !output->twin && !output->tail && !output->task->docker->podman;
}

static void read_again(void *arg)
{
	struct docker_output *output = arg;
	CLEANUP(cleanup_free) char *query = NULL;

	output->timer = NULL;
	output->tail = may_read_tail(output);
	output->reading = true;
	query = output->tail ? xasprintf("&tail=%d", TAIL) : xstrdup("");
	send_request(output, query, was_read);
	set_timer(output, docker_patience.call, be_quiet);
}

void docker_output_finish(struct docker_output *output)
{
	output->finishing = true;
	output->moved_ms = clock_mono_ms(); /* what is behind may take this long to come */
	if (output->call)
		set_timer(output, docker_patience.idle, be_quiet);
	else
		set_timer(output, 0, read_again);
}
