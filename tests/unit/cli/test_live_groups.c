/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/live_groups.h"
#include "cli/text.h"

/* Lines that stayed and lines of the last view, each with its end; a mark stands before a line of the view. */
struct screen {
	struct live_groups *groups;
	struct strbuf said, view;
	size_t widest;
};

static void on_say(void *ctx, const char *code, const char *word, const char *text)
{
	struct screen *s = ctx;

	(void)code;
	strbuf_printf(&s->said, "%s%s%s\n", word, *word ? " " : "", text);
}

static void on_show(void *ctx, enum live_mark mark, const char *text)
{
	static const char marks[] = { [MARK_NONE] = ' ', [MARK_BUSY] = '*', [MARK_BAD] = '!' };
	struct screen *s = ctx;
	size_t width = (size_t)text_width(text) + (mark == MARK_NONE ? 0 : 2);

	strbuf_printf(&s->view, "%c %s\n", marks[mark], text);
	if (width > s->widest)
		s->widest = width;
}

static void begin(struct screen *s, bool plain)
{
	*s = (struct screen){ .said = STRBUF_INIT, .view = STRBUF_INIT };
	s->groups = live_groups_new(plain, &(struct live_sink){ on_say, on_show, s }, 0);
}

static void end(struct screen *s)
{
	live_groups_free(s->groups);
	strbuf_release(&s->said);
	strbuf_release(&s->view);
}

static void tell(struct screen *s, int64_t now, const char *json)
{
	struct js *event;

	assert_int_equal(js_parse(json, strlen(json), "event", &event, NULL), 0);
	live_groups_event(s->groups, event, now);
	js_free(event);
}

static void step(struct screen *s, int64_t now, const char *name, const char *state, const char *rest)
{
	CLEANUP(cleanup_free) char *json =
		xasprintf("{\"event\":\"step\",\"step\":\"%s\",\"state\":\"%s\"%s}", name, state, rest);

	tell(s, now, json);
}

static void group_of(struct screen *s, int total)
{
	CLEANUP(cleanup_free) char *json = xasprintf("{\"event\":\"run\",\"run\":null,\"total\":%d,\"groups\":"
						     "[{\"group\":\"train\",\"total\":%d}]}", total, total);

	tell(s, 0, json);
}

/* Instances `from`..`to` reach a state, one each ms. */
static void each(struct screen *s, int from, int to, const char *state)
{
	for (int i = from; i <= to; i++) {
		char name[32];

		snprintf(name, sizeof(name), "train@%d", i);
		step(s, i, name, state, "");
	}
}

static void draw(struct screen *s, int width, int height, int64_t now)
{
	strbuf_clear(&s->view);
	s->widest = 0;
	live_groups_view(s->groups, width, height, true, now);
	live_groups_status(s->groups, width, true, now);
	assert_true(s->widest <= (size_t)width);
}

static size_t count_lines(const struct strbuf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += text->buf[i] == '\n';
	return n;
}

static void expect_in(const struct strbuf *text, const char *part)
{
	if (!strstr(text->buf, part))
		fail_msg("'%s' is not in:\n%s", part, text->buf);
}

static void a_group_is_one_line_with_its_counts(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	group_of(&s, 500);
	each(&s, 1, 318, "running");
	each(&s, 1, 312, "ok");
	step(&s, 400, "train@313", "failed", ",\"error\":\"step train@313 failed with exit status 1\",\"done\":313,\"total\":500");
	draw(&s, 100, 24, 240000 + 314);
	expect_in(&s.view, "  train  313/500 done, 5 running, 1 failed, 182 waiting   slowest train@314 4m 00s\n");
	expect_in(&s.view, "! failed: train@313\n* train@314  4m 00s\n* train@315");
	expect_in(&s.view, "  313/500 steps, 1 failed");
	assert_string_equal(s.said.buf, "failed   train@313  step train@313 failed with exit status 1\n");
	end(&s);
}

static void at_most_eight_running_steps_the_slowest_first(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	group_of(&s, 100);
	each(&s, 1, 30, "running");
	step(&s, 50, "train@1", "ok", "");
	draw(&s, 80, 24, 60000);
	expect_in(&s.view, "* train@2 ");
	expect_in(&s.view, "* train@9 ");
	assert_null(strstr(s.view.buf, "* train@10 "));
	expect_in(&s.view, "and 21 more\n");
	draw(&s, 80, 6, 60000);
	assert_true(count_lines(&s.view) <= 6);
	end(&s);
}

static void a_complete_group_leaves_one_line(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	group_of(&s, 25);
	each(&s, 1, 25, "running");
	each(&s, 1, 25, "ok");
	assert_string_equal(s.said.buf, "all of   train  25/25 done  24 ms\n");
	draw(&s, 80, 24, 100);
	assert_null(strstr(s.view.buf, "train"));
	end(&s);
}

static void few_steps_are_told_one_by_one(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, true);
	group_of(&s, 3);
	step(&s, 1, "train@1", "running", ",\"reason\":\"never run here\"");
	tell(&s, 2, "{\"event\":\"output\",\"step\":\"train@1\",\"text\":\"one\\nbar 1%\\rbar 2%\"}");
	step(&s, 3, "train@1", "ok", ",\"duration_ms\":2");
	step(&s, 3, "train@2", "skipped", ",\"reason\":\"when: lr > 1 does not hold\"");
	assert_string_equal(s.said.buf, "running  train@1: never run here\n"
					"train@1 | one\ntrain@1 | bar 2%\n"
					"done     train@1  2 ms\n"
					"skipped  train@2  when: lr > 1 does not hold\n");
	end(&s);
}

static void plain_lines_of_a_large_group_end_after_twenty_but_for_failures(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, true);
	group_of(&s, 500);
	each(&s, 1, 100, "running");
	each(&s, 1, 50, "ok");
	assert_int_equal(count_lines(&s.said), 40);
	tell(&s, 60, "{\"event\":\"output\",\"step\":\"train@77\",\"text\":\"quiet\"}");
	step(&s, 70, "train@77", "timeout", ",\"error\":\"step train@77 ran longer than its timeout\"");
	assert_int_equal(count_lines(&s.said), 41);
	expect_in(&s.said, "timeout  train@77  step train@77 ran longer than its timeout\n");
	tell(&s, 9000, "{\"event\":\"tick\"}");
	assert_int_equal(count_lines(&s.said), 41);
	tell(&s, 10001, "{\"event\":\"tick\"}");
	expect_in(&s.said, "so far   train  51/500 done, 49 running, 1 failed, 400 waiting   slowest train@51 ");
	tell(&s, 30000, "{\"event\":\"tick\"}");
	assert_int_equal(count_lines(&s.said), 42); /* there is no news */
	end(&s);
}

static void a_step_that_will_be_tried_again_waits_in_the_view(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	step(&s, 1, "fetch", "running", "");
	step(&s, 2, "fetch", "retrying", ",\"reason\":\"attempt 2 of 3 in 8 s: out of memory\"");
	draw(&s, 80, 24, 10);
	expect_in(&s.view, "  fetch  attempt 2 of 3 in 8 s: out of memory\n");
	expect_in(&s.view, ", 1 retry  ");
	step(&s, 8000, "fetch", "running", "");
	draw(&s, 80, 24, 8100);
	expect_in(&s.view, "* fetch  100 ms\n");
	assert_null(strstr(s.view.buf, "attempt 2"));
	expect_in(&s.said, "again    fetch  attempt 2 of 3 in 8 s: out of memory\n");
	end(&s);
}

static void narrow_terminals_cut_names_before_times(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	group_of(&s, 500);
	step(&s, 0, "train@depth-12%2Cmodel-gradient-boosted", "running", "");
	tell(&s, 1, "{\"event\":\"output\",\"step\":\"train@depth-12%2Cmodel-gradient-boosted\",\"text\":\"epoch 日本語日本語日本語\"}");
	for (int width = 4; width <= 120; width++)
		draw(&s, width, 24, 125000);
	draw(&s, 20, 24, 125000);
	expect_in(&s.view, "* train@dep…  2m 05s\n");
	draw(&s, 60, 1, 125000);
	assert_true(count_lines(&s.view) <= 3);
	end(&s);
}

static void control_bytes_of_names_and_output_do_nothing(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	step(&s, 0, "a\\u001b[2J", "running", "");
	tell(&s, 1, "{\"event\":\"output\",\"step\":\"a\\u001b[2J\",\"text\":\"\\u001b]0;x\\u0007\"}");
	draw(&s, 80, 24, 5);
	assert_null(strchr(s.view.buf, 0x1b));
	end(&s);
}

static void the_time_it_stood_still_does_not_count(void **state)
{
	struct screen s;

	(void)state;
	begin(&s, false);
	step(&s, 0, "a", "running", "");
	tell(&s, 1000, "{\"event\":\"suspended\"}");
	tell(&s, 100000, "{\"event\":\"resumed\"}");
	draw(&s, 80, 24, 101000);
	expect_in(&s.view, "* a  2.0 s\n");
	end(&s);
}

static void malformed_events_do_nothing(void **state)
{
	static const char *const odd[] = {
		"{}", "[]", "{\"event\":3}", "{\"event\":\"step\"}", "{\"event\":\"step\",\"step\":\"a\"}",
		"{\"event\":\"output\",\"step\":\"a\"}", "{\"event\":\"run\",\"groups\":[{},3,{\"group\":\"g\"}]}",
		"{\"event\":\"step\",\"step\":\"g@1\",\"state\":\"ok\"}", "{\"event\":\"step\",\"step\":\"x\",\"state\":\"odd\"}",
		"{\"event\":\"resumed\"}",
	};
	struct screen s;

	(void)state;
	for (int plain = 0; plain < 2; plain++) {
		begin(&s, plain);
		for (size_t i = 0; i < ARRAY_LEN(odd); i++)
			tell(&s, (int64_t)i, odd[i]);
		draw(&s, 80, 24, 100);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_is_one_line_with_its_counts),
		cmocka_unit_test(at_most_eight_running_steps_the_slowest_first),
		cmocka_unit_test(a_complete_group_leaves_one_line),
		cmocka_unit_test(few_steps_are_told_one_by_one),
		cmocka_unit_test(plain_lines_of_a_large_group_end_after_twenty_but_for_failures),
		cmocka_unit_test(a_step_that_will_be_tried_again_waits_in_the_view),
		cmocka_unit_test(narrow_terminals_cut_names_before_times),
		cmocka_unit_test(control_bytes_of_names_and_output_do_nothing),
		cmocka_unit_test(the_time_it_stood_still_does_not_count),
		cmocka_unit_test(malformed_events_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
