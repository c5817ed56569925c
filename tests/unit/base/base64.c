/* Base64: the vectors of RFC 4648, section 10. */
#include "test.h"

#include "base/base64.h"
#include "base/mem.h"

TEST(the_vectors_of_the_rfc)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		autofree char *text = base64_encode(rows[i][0], strlen(rows[i][0]));

		assert_string_equal(text, rows[i][1]);
		size_t n;
		autofree char *back = base64_decode(text, &n);

		assert_int_equal(n, strlen(rows[i][0]));
		assert_memory_equal(back, rows[i][0], n);
	}
}

TEST(bytes_of_all_values)
{
	static const unsigned char bytes[] = {0xff, 0xfe, 0xfb, 0x00};
	autofree char *text = base64_encode(bytes, sizeof bytes);

	assert_string_equal(text, "//77AA==");
	size_t n;
	autofree unsigned char *back = base64_decode(text, &n);

	assert_int_equal(n, sizeof bytes);
	assert_memory_equal(back, bytes, n);
}

TEST(what_is_not_base64_is_refused)
{
	static const char *const bad[] = {"Z",	      "Zg",    "Zg=",  "Zg===", "====", "Z===",
					  "Zg==Zg==", "Zm9=v", "Zm 9", "Zm\n9", "Zg=a"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		size_t n = 99;
		autofree void *data = base64_decode(bad[i], &n);

		assert_null(data);
		assert_int_equal(n, 99);
	}
}
