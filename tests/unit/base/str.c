#include "base/str.h"

#include <errno.h>

#include "test.h"

TEST(buffer_grows_and_ends_with_nul)
{
	autobuf b = {0};
	char big[1000];

	buf_adds(&b, "a");
	buf_addc(&b, 'b');
	buf_addf(&b, "%d", 12);
	assert_string_equal(b.text, "ab12");

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	buf_addf(&b, "%s", big);
	buf_addf(&b, "%s!", big);
	assert_int_equal(b.len, 4 + 999 + 1000);
	assert_int_equal(strlen(b.text), b.len);
	assert_int_equal(b.text[b.len - 1], '!');
}

TEST(buffer_consumes_from_the_front)
{
	autobuf b = {0};
	char *text;

	buf_consume(&b, 0);
	buf_adds(&b, "hello");
	buf_consume(&b, 2);
	assert_string_equal(b.text, "llo");
	buf_consume(&b, 99);
	assert_string_equal(b.text, "");
	memcpy(buf_reserve(&b, 3), "xyz", 3);
	b.len += 3;
	text = buf_take(&b);
	assert_memory_equal(text, "xyz", 3);
	free(text);
	text = buf_take(&b);
	assert_string_equal(text, "");
	free(text);
}

static void check_json(const char *in, size_t n, const char *want)
{
	autobuf b = {0};

	buf_add_json(&b, in, n);
	assert_string_equal(b.text, want);
}

TEST(json_escapes_what_must_be)
{
	check_json("", 0, "");
	check_json("plain", 5, "plain");
	check_json("\"\\/\b\f\n\r\t", 8, "\\\"\\\\/\\b\\f\\n\\r\\t");
	check_json("\0\v\x1f\x7f", 4, "\\u0000\\u000b\\u001f\x7f");
	check_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8b", 9,
		   "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8b");
}

TEST(json_replaces_what_is_not_utf8)
{
	check_json("a\xff"
		   "b",
		   3, "a\\ufffdb");
	check_json("\xc0\x80", 2, "\\ufffd\\ufffd");		/* overlong NUL */
	check_json("\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
	check_json("\xf4\x90\x80\x80", 4, "\\ufffd\\ufffd\\ufffd\\ufffd");
	check_json("\xe2\x82", 2, "\\ufffd\\ufffd"); /* cut short */
}

TEST(vectors)
{
	autostrv char **v = NULL, **copy = NULL, **parts = NULL;
	autofree char *joined = NULL;

	assert_int_equal(strv_len(NULL), 0);
	assert_null(strv_copy(NULL));
	assert_false(strv_contains(NULL, "a"));
	strv_add(&v, "a");
	strv_add_owned(&v, xstrdup("b"));
	assert_int_equal(strv_len(v), 2);
	assert_true(strv_contains(v, "b"));
	assert_false(strv_contains(v, "c"));
	copy = strv_copy(v);
	joined = strv_join(copy, ", ");
	assert_string_equal(joined, "a, b");

	parts = strv_split(",x,,y", ',');
	assert_int_equal(strv_len(parts), 4);
	assert_string_equal(parts[0], "");
	assert_string_equal(parts[3], "y");
}

TEST(empty_vectors_join_and_split)
{
	autostrv char **parts = strv_split("", ',');
	autofree char *joined = strv_join(NULL, ",");

	assert_int_equal(strv_len(parts), 1);
	assert_string_equal(joined, "");
}

TEST(comparisons)
{
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_eq("a", "a"));
	assert_true(str_has_prefix("sha256:x", "sha256:"));
	assert_false(str_has_prefix("sha", "sha256:"));
	assert_true(str_has_suffix("x.json", ".json"));
	assert_false(str_has_suffix("n", ".json"));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty("x"));
}

TEST(glob_is_as_go_matches_paths)
{
	static const struct {
		const char *pattern, *s;
		bool want;
	} cases[] = {
		{"abc", "abc", true},
		{"*", "abc", true},
		{"*c", "abc", true},
		{"a*", "a", true},
		{"a*", "ab/c", false},
		{"a*/b", "abc/b", true},
		{"a*b*c*d", "axbxcxd", true},
		{"a*b?c*x", "abxbbxdbxebxczzx", true},
		{"a*b?c*x", "abxbbxdbxebxczzy", false},
		{"ab[c]", "abc", true},
		{"ab[b-d]", "abc", true},
		{"ab[^c]", "abc", false},
		{"ab[^e-g]", "abc", true},
		{"a\\*b", "a*b", true},
		{"a\\*b", "ab", false},
		{"a?b",
		 "a\xe2\x98\xba"
		 "b",
		 true},
		{"a[^a]b",
		 "a\xe2\x98\xba"
		 "b",
		 true},
		{"a???b",
		 "a\xe2\x98\xba"
		 "b",
		 false},
		{"[a-\xce\xb6]*", "\xce\xb1", true},
		{"*[a-\xce\xb6]", "A", false},
		{"a?b", "a/b", false},
		{"a*b", "a/b", false},
		{"[\\]a]", "]", true},
		{"[\\-]", "-", true},
		{"[x\\-]", "-", true},
		{"[]a]", "]", false},
		{"[-]", "-", false},
		{"[x-]", "x", false},
		{"[a-b-c]", "a", false},
		{"[", "a", false},
		{"[^", "a", false},
		{"a[", "ab", false},
		{"*x", "xxx", true},
		{"", "", true},
		{"", "a", false},
		{"a\\", "a", false},
		{"**", "ab", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (str_glob(cases[i].pattern, cases[i].s) != cases[i].want)
			fail_msg("%s against %s", cases[i].pattern, cases[i].s);
}

TEST(numbers_are_read_whole_or_not_at_all)
{
	int64_t i = 7;
	uint64_t u = 7;

	assert_int_equal(parse_i64("", &i), -EINVAL);
	assert_int_equal(parse_i64(NULL, &i), -EINVAL);
	assert_int_equal(parse_i64("-", &i), -EINVAL);
	assert_int_equal(parse_i64(" 1", &i), -EINVAL);
	assert_int_equal(parse_i64("1x", &i), -EINVAL);
	assert_int_equal(parse_i64("9223372036854775808", &i), -ERANGE);
	assert_int_equal(parse_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999x", &u), -EINVAL);
	assert_int_equal(parse_u64("-1", &u), -EINVAL);
	assert_true(i == 7 && u == 7);

	assert_int_equal(parse_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(parse_i64("9223372036854775807", &i), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
}

TEST(sizes_are_as_docker_reads_them)
{
	static const struct {
		const char *s;
		int64_t want;
	} good[] = {
		{"0", 0},
		{"32", 32},
		{"32b", 32},
		{"32B", 32},
		{"32k", 32 << 10},
		{"32KB", 32 << 10},
		{"32Kib", 32 << 10},
		{"32 kb", 32 << 10},
		{"32m", 32 << 20},
		{"32G", 32LL << 30},
		{"32t", 32LL << 40},
		{"32PB", 32LL << 50},
		{"2.5GB", 5LL << 29},
		{"0.5k", 512},
		{"1.1g", 1181116006},
		{"32.", 32},
	};
	static const char *const bad[] = {"",	 "hello", "-32",  "32x",  "32bb", "32kbb", "32kibx",
					  " 32", "32i",	  "32ki", ".3kB", "3 2",  "32  k", "k"};
	int64_t v = 7;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (parse_size(good[i].s, &v) < 0 || v != good[i].want)
			fail_msg("%s gave %lld", good[i].s, (long long) v);
	v = 7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse_size(bad[i], &v) != -EINVAL || v != 7)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(parse_size(NULL, &v), -EINVAL);
	assert_int_equal(parse_size("9999999999g", &v), -ERANGE);
	assert_int_equal(parse_size("99999999999999999999", &v), -ERANGE);
}

TEST(hexadecimal)
{
	char text[65], other[65];

	hex_encode("\x00\xfe\x10", 3, text);
	assert_string_equal(text, "00fe10");
	assert_int_equal(hex_digit('9'), 9);
	assert_int_equal(hex_digit('a'), 10);
	assert_int_equal(hex_digit('F'), 15);
	assert_int_equal(hex_digit('g'), -1);
	assert_int_equal(hex_digit('\0'), -1);
	assert_int_equal(hex_digit('\x10'), -1); /* which differs from '0' in one bit alone */
	assert_true(str_is_hex("00fe10", 6));
	assert_false(str_is_hex("00fe10", 5));
	assert_false(str_is_hex("00fe", 6));
	assert_false(str_is_hex("00FE10", 6));
	random_hex(text, 64);
	random_hex(other, 64);
	assert_true(str_is_hex(text, 64));
	assert_string_not_equal(text, other);
	random_hex(text, 7);
	assert_true(str_is_hex(text, 7));
}

TEST(addresses)
{
	assert_true(str_is_ip("10.0.0.1") && str_is_ip("fd00::1") && str_is_ip("::"));
	assert_false(str_is_ip("") || str_is_ip("10.0.0") || str_is_ip("10.0.0.1/8"));
	assert_false(str_is_ip("[fd00::1]") || str_is_ip("localhost"));
}
