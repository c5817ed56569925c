#include "base/err.h"

#include <errno.h>

#include "test.h"

TEST(set_says_kind_and_text)
{
	struct err err = {0};

	assert_int_equal(err_set(&err, ERR_NOT_FOUND, "No such image: %s", "x"), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(err.errnum, 0);
	assert_string_equal(err.text, "No such image: x");
}

TEST(sys_adds_the_words_of_the_system)
{
	struct err err = {0};

	assert_int_equal(err_sys(&err, ENOENT, "open %s", "/x"), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(err.errnum, ENOENT);
	assert_string_equal(err.text, "open /x: No such file or directory");
}

TEST(wrap_puts_words_in_front_and_keeps_the_rest)
{
	struct err err = {0};

	err_sys(&err, EACCES, "open x");
	assert_int_equal(err_wrap(&err, "start %s", "web"), -1);
	assert_string_equal(err.text, "start web: open x: Permission denied");
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_int_equal(err.errnum, EACCES);
	err_clear(&err);
	assert_int_equal(err.kind, ERR_NONE);
	assert_string_equal(err.text, "");
}

TEST(long_texts_are_cut)
{
	char text[2000];
	struct err err = {0};

	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	err_set(&err, ERR_INVALID, "%s", text);
	err_wrap(&err, "%s", text);
	err_sys(&err, ENOENT, "%s", text);
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

TEST(nobody_need_listen)
{
	assert_int_equal(err_set(NULL, ERR_INVALID, "x"), -1);
	assert_int_equal(err_sys(NULL, EIO, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	err_clear(NULL);
}
