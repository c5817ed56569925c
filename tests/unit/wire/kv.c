#include "wire/kv.h"

#include <errno.h>

#include "test.h"

static int parse(const char *text, struct kv *ret)
{
	return kv_parse(text, strlen(text), ret);
}

TEST(what_is_written_is_read_again)
{
	static const char *const values[] = {"",   "plain", "a=b",	 "two\nlines",
					     "\\", "\\n",   "\n\n\\\\n", "\xc3\xa9"};
	autobuf b = {0};
	autokv kv = {0};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		kv_add(&b, "v", values[i]);
	kv_add_int(&b, "n", INT64_MIN);
	assert_int_equal(kv_parse(b.text, b.len, &kv), 0);
	assert_int_equal(strv_len(kv.items), 2 * ARRAY_SIZE(values) + 2);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		assert_string_equal(kv.items[2 * i], "v");
		assert_string_equal(kv.items[2 * i + 1], values[i]);
	}
	assert_int_equal(kv_int(&kv, "n", 7), INT64_MIN);
}

TEST(first_value_counts_and_absent_is_null)
{
	autokv kv = {0};

	assert_int_equal(parse("a=1\na=2\nempty=\nword=x\nlast=9", &kv), 0);
	assert_string_equal(kv_get(&kv, "a"), "1");
	assert_string_equal(kv_get(&kv, "empty"), "");
	assert_null(kv_get(&kv, "b"));
	assert_int_equal(kv_int(&kv, "last", 7), 9);
	assert_int_equal(kv_int(&kv, "word", 7), 7);
	assert_int_equal(kv_int(&kv, "b", 7), 7);
}

TEST(damage_is_refused)
{
	static const char *const damaged[] = {"x",    "a=1\nx\n", "\n",	  "a=1\n\n",
					      "a=\\", "a=\\x",	  "a=1\\"};
	struct kv kv = {0};

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++)
		assert_int_equal(parse(damaged[i], &kv), -EINVAL);
	assert_int_equal(kv_parse("a=\0b", 4, &kv), -EINVAL);
	assert_null(kv.items);
	assert_int_equal(parse("", &kv), 0);
	assert_null(kv_get(&kv, ""));
	kv_free(&kv);
}

TEST(size_is_bounded_and_many_lines_are_fast)
{
	autobuf b = {0};
	autokv kv = {0};

	while (b.len < 64 * 1024)
		buf_adds(&b, "=\n");
	assert_int_equal(kv_parse(b.text, b.len, &kv), 0);
	buf_adds(&b, "=\n");
	assert_int_equal(kv_parse(b.text, b.len, &kv), -EINVAL);
}
