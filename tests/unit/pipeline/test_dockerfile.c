/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/dockerfile.h"

static const char *pin(void *ctx, const char *base)
{
	(void)ctx;
	return strstr(base, "one") ? "sha256:1111" : "r/two@sha256:2222";
}

/* Its images, and its text with pins; `args` is one or NULL. */
static const struct {
	const char *text, *args, *bases, *pinned;
} cases[] = {
	{ "FROM one", NULL, "one", "FROM sha256:1111\n" },
	{ "from one:1 as X\nRUN true\n", NULL, "one:1", "from sha256:1111 as X\nRUN true\n" },
	{ "\xef\xbb\xbf" "FROM one\r\nRUN a\r\n", NULL, "one", "FROM sha256:1111\nRUN a\r\n" },
	{ "FROM --platform=linux/amd64 one AS a\nFROM A\nFROM scratch\nCOPY --from=a /x /\nCOPY --from=0 /x /\n", NULL, "one",
	  "FROM --platform=linux/amd64 sha256:1111 AS a\nFROM A\nFROM scratch\nCOPY --from=a /x /\nCOPY --from=0 /x /\n" },
	{ "FROM one\nCOPY --chown=1 --from=h/two:3 a \\\n # why\n\n  b\nRUN x\n", NULL, "h/two:3,one",
	  "FROM sha256:1111\nCOPY --chown=1 --from=r/two@sha256:2222 a   b\n\n\n\nRUN x\n" },
	{ "FROM one AS s\nRUN --mount=type=bind,from=two,target=/t --mount=from=s,target=/u x\n", NULL, "one,two",
	  "FROM sha256:1111 AS s\nRUN --mount=type=bind,from=r/two@sha256:2222,target=/t --mount=from=s,target=/u x\n" },
	{ "ARG V=1\nARG B=\"one:$V\"\nFROM ${B}\n", NULL, "one:1", "ARG V=1\nARG B=\"one:$V\"\nFROM sha256:1111\n" },
	{ "ARG B=two\nFROM $B-x\n", "B=one", "one-x", "ARG B=two\nFROM sha256:1111\n" },
	{ "ARG B\nFROM ${B:-one}${C:+x}\n", NULL, "one", NULL },
	{ "ARG A=on B=e\nFROM $A$B\n", NULL, "one", NULL },
	{ "ARG A=two\nARG A=one\nFROM $A\n", NULL, "one", NULL },
	{ "ARG A=\nFROM one${A}\n", NULL, "one", NULL },
	{ "FROM \\\n  one\n", NULL, "one", "FROM   sha256:1111\n\n" },
	{ "# escape=`\nFROM `\none\nRUN a \\\nFROM two\n", NULL, "one,two", NULL },
	{ "# syntax=x\n# Escape = `\nFROM `\none\n", NULL, "one", NULL },
	{ "#\n# escape=`\nFROM \\\none\n", NULL, "one", NULL },
	{ "FROM one\nRUN a \\\n&& b \\\nFROM two\n", NULL, "one", NULL },
	{ "FROM one\nRUN echo \\\\\nFROM two\n", NULL, "one,two", NULL },
	{ "FROM one\nRUN cat <<EOF > x\nFROM three\nEOF\nFROM two\n", NULL, "one,two", NULL },
	{ "FROM one\nCOPY --from=two <<-\"E\" y /\nFROM three\n\tE\n", NULL, "one,two",
	  "FROM sha256:1111\nCOPY --from=r/two@sha256:2222 <<-\"E\" y /\nFROM three\n\tE\n" },
	{ "FROM one\nRUN echo $((1<<EOF))\nFROM two\nEOF\n", NULL, "one,two", NULL },
	{ "FROM one\nRUN echo <<EOF\nFROM two\n", NULL, "one,two", NULL },
	{ "FROM one\nARG B=x\nONBUILD COPY --from=three a b\n# FROM four\nLABEL FROM=five\n", NULL, "one", NULL },
	{ "FROM r/two@sha256:"
	  "0000000000000000000000000000000000000000000000000000000000000000\n", NULL, "r/two@sha256:"
	  "0000000000000000000000000000000000000000000000000000000000000000", "FROM r/two@sha256:2222\n" },
};

static void test_images_of_a_dockerfile(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(cleanup_dockerfile) struct dockerfile *d = NULL;
		struct strlist args CLEANUP(strlist_release) = STRLIST_INIT;
		CLEANUP(cleanup_free) char *bases = NULL;
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		struct error err;

		if (cases[i].args)
			strlist_push(&args, cases[i].args);
		if (dockerfile_parse(cases[i].text, strlen(cases[i].text), "Dockerfile", &args, &d, &err) < 0)
			fail_msg("%s: %s %s", cases[i].text, err.where, err.msg);
		bases = strlist_join(dockerfile_bases(d), ",");
		assert_string_equal(bases, cases[i].bases);
		dockerfile_pinned(d, pin, NULL, &text);
		if (cases[i].pinned)
			assert_string_equal(text.buf, cases[i].pinned);
	}
}

static void test_steps_have_lines(void **state)
{
	static const char text[] = "# c\nARG A=1\n\nFROM one\nRUN a \\\n  b\n\nRUN c <<X\nRUN d\nX\nRUN e\n";
	static const int lines[] = { 2, 4, 5, 8, 11, 0 };
	CLEANUP(cleanup_dockerfile) struct dockerfile *d = NULL;

	(void)state;
	assert_int_equal(dockerfile_parse(text, strlen(text), "Dockerfile", NULL, &d, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_int_equal(dockerfile_line(d, (int)i + 1), lines[i]);
	assert_int_equal(dockerfile_line(d, 0), 0);
}

static const struct {
	const char *text, *message, *where;
} faults[] = {
	{ "", "Dockerfile has no FROM", "" },
	{ "RUN x\nFROM one", "RUN stands before FROM", "Dockerfile:1" },
	{ "\nFROM", "FROM names no image", "Dockerfile:2" },
	{ "FROM $B", "$B has no value", "Dockerfile:1" },
	{ "ARG B\nFROM x:${B}", "$B has no value", "Dockerfile:2" },
	{ "ARG B=\nFROM $B", "FROM $B names no image", "Dockerfile:2" },
	{ "FROM ${B", "${B: this ${ cannot be read", "Dockerfile:1" },
	{ "FROM ${B:?x}", "${B:?x}: this ${ cannot be read", "Dockerfile:1" },
	{ "FROM --platform=$BUILDPLATFORM one", "$BUILDPLATFORM has no value", "Dockerfile:1" },
	{ "FROM one\nARG S=x\nCOPY --from=$S a b", "from=$S: only FROM may hold a variable", "Dockerfile:3" },
	{ "FROM One Two", NULL, "Dockerfile:1" },
	{ "FROM one\nARG LATE=two\nFROM $LATE", "$LATE has no value", "Dockerfile:3" },
	{ "ARG A=0123456789abcdef\nARG A=$A$A$A$A$A$A$A$A\nARG A=$A$A$A$A$A$A$A$A\nARG A=$A$A$A$A$A\nFROM one:$A",
	  NULL, "Dockerfile:4" },
};

static void test_what_is_not_known_before_the_build(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct dockerfile *d = NULL;
		struct error err = { 0 };

		if (dockerfile_parse(faults[i].text, strlen(faults[i].text), "Dockerfile", NULL, &d, &err) == 0)
			fail_msg("%s", faults[i].text);
		assert_int_equal(err.code, ERR_USAGE);
		if (faults[i].message)
			assert_string_equal(err.msg, faults[i].message);
		assert_string_equal(err.where, faults[i].where);
		if (faults[i].message && !*err.help)
			fail_msg("no help: %s", err.msg);
	}
	assert_int_equal(dockerfile_parse("a\0b", 3, "Dockerfile", NULL, &(struct dockerfile *){ NULL }, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_images_of_a_dockerfile),
		cmocka_unit_test(test_steps_have_lines),
		cmocka_unit_test(test_what_is_not_known_before_the_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
