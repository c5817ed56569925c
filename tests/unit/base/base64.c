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
	}
}

TEST(bytes_of_all_values)
{
	static const unsigned char bytes[] = {0xff, 0xfe, 0xfb, 0x00};
	autofree char *text = base64_encode(bytes, sizeof bytes);

	assert_string_equal(text, "//77AA==");
}
