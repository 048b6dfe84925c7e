/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include "base/error.h"
#include "base/library.h"

/* libm is a part of libc6: wherever this runs it is there. */
#define MATH "libm.so.6"
#define MATH_FUNCTIONS(X) X(, cbrt) X(, hypot)

struct math {
	MATH_FUNCTIONS(LIBRARY_MEMBER)
};
static const char *const names[] = LIBRARY_NAMES(MATH_FUNCTIONS);
static struct error err;
static int inits;

static void count_init(void)
{
	inits++;
}

static int prepare(void **state)
{
	(void)state;
	inits = 0;
	error_clear(&err);
	return 0;
}

static void functions_are_found_in_their_order(void **state)
{
	struct math math = { 0 };
	struct library library = LIBRARY(MATH, "libc6", names, &math, NULL);

	(void)state;
	assert_int_equal(library_load(&library, &err), 0);
	assert_true(fabs(math.cbrt(27) - 3) < 1e-9);
	assert_true(fabs(math.hypot(3, 4) - 5) < 1e-9);
}

static void loading_twice_prepares_it_once(void **state)
{
	struct math math = { 0 };
	struct library library = LIBRARY(MATH, "libc6", names, &math, count_init);

	(void)state;
	assert_int_equal(library_load(&library, &err), 0);
	assert_int_equal(library_load(&library, &err), 0);
	assert_int_equal(inits, 1);
}

static void a_missing_library_names_its_package(void **state)
{
	struct math math = { 0 };
	struct library library = LIBRARY("libnothing.so.7", "libnothing7", names, &math, count_init);

	(void)state;
	assert_int_equal(library_load(&library, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_string_equal(err.msg, "cannot load libnothing.so.7: cannot open shared object file: "
				     "No such file or directory");
	assert_string_equal(err.help, "run: apt-get install libnothing7");
	assert_int_equal(library_load(&library, NULL), -1);
	assert_int_equal(inits, 0);
}

static void a_missing_function_leaves_the_table_empty(void **state)
{
	static const char *const more[] = { "cbrt", "no_such_function", NULL };
	struct math math = { 0 };
	struct library library = LIBRARY(MATH, "libc6", more, &math, count_init);

	(void)state;
	assert_int_equal(library_load(&library, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_string_equal(err.msg, "cannot load " MATH ": it has no no_such_function");
	assert_string_equal(err.help, "run: apt-get install libc6");
	assert_null(math.cbrt);
	assert_int_equal(inits, 0);
}

static void what_could_not_be_loaded_is_tried_again(void **state)
{
	struct math math = { 0 };
	struct library library = LIBRARY("libnothing.so.7", "libnothing7", names, &math, count_init);

	(void)state;
	assert_int_equal(library_load(&library, &err), -1);
	library.soname = MATH; /* as if it had been installed meanwhile */
	assert_int_equal(library_load(&library, &err), 0);
	assert_int_equal(inits, 1);
}

static void *use(void *arg)
{
	struct library *library = arg;
	const struct math *math = library->table;

	return library_load(library, NULL) == 0 && math->hypot(3, 4) > 4.9 ? arg : NULL;
}

static void threads_may_load_at_once(void **state)
{
	struct math math = { 0 };
	struct library library = LIBRARY(MATH, "libc6", names, &math, count_init);
	pthread_t threads[8];
	void *used;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, &library), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &used), 0);
		assert_ptr_equal(used, &library);
	}
	assert_int_equal(inits, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(functions_are_found_in_their_order, prepare),
		cmocka_unit_test_setup(loading_twice_prepares_it_once, prepare),
		cmocka_unit_test_setup(a_missing_library_names_its_package, prepare),
		cmocka_unit_test_setup(a_missing_function_leaves_the_table_empty, prepare),
		cmocka_unit_test_setup(what_could_not_be_loaded_is_tried_again, prepare),
		cmocka_unit_test_setup(threads_may_load_at_once, prepare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
