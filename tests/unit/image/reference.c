/* References by docker's grammar. */
#include "image/reference.h"

#include "base/str.h"
#include "test.h"

TEST(names_are_normalised_and_shown_familiar)
{
	static const struct {
		const char *text, *normalised, *familiar;
	} table[] = {
		{"busybox", "docker.io/library/busybox", "busybox"},
		{"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
		{"library/busybox", "docker.io/library/busybox", "busybox"},
		{"docker.io/busybox", "docker.io/library/busybox", "busybox"},
		{"index.docker.io/busybox:x", "docker.io/library/busybox:x", "busybox:x"},
		{"docker.io/a/b:c", "docker.io/a/b:c", "a/b:c"},
		{"a/b/c", "docker.io/a/b/c", "a/b/c"},
		{"library/a/b", "docker.io/library/a/b", "library/a/b"},
		{"localhost/x", "localhost/x", "localhost/x"},
		{"localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"},
		{"quay.io/a/b:c", "quay.io/a/b:c", "quay.io/a/b:c"},
		{"host:50/x", "host:50/x", "host:50/x"},
		{"HOST/x", "HOST/x", "HOST/x"},
		{"[::1]:5000/x:1", "[::1]:5000/x:1", "[::1]:5000/x:1"},
		{"127.0.0.1/x", "127.0.0.1/x", "127.0.0.1/x"},
		{"a-b__c.d_e---f", "docker.io/library/a-b__c.d_e---f", "a-b__c.d_e---f"},
		{"x:A_b.C-1", "docker.io/library/x:A_b.C-1", "x:A_b.C-1"},
		{"sha256:abc", "docker.io/library/sha256:abc", "sha256:abc"},
		{"x@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "docker.io/library/"
		 "x@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "x@sha256:0123456789012345678901234567890123456789012345678901234567890123"},
		{"h:1/x:t@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "h:1/x:t@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "h:1/x:t@sha256:0123456789012345678901234567890123456789012345678901234567890123"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autoreference r = {0};
		autofree char *text = NULL;
		struct err err = {0};

		if (reference_parse(table[i].text, &r, &err) < 0)
			fail_msg("%s: %s", table[i].text, err.text);
		text = reference_text(&r);
		assert_string_equal(text, table[i].normalised);
		assert_string_equal(familiar_text(text), table[i].familiar);
	}
}

TEST(what_docker_refuses_is_refused)
{
	static const char *const table[] = {
		"",
		":",
		":x",
		"x:",
		"@",
		"x@",
		"/x",
		"x/",
		"x//y",
		"-x",
		"x-",
		"_x",
		"x_",
		".x",
		"x.",
		"x..y",
		"x___y",
		"x._y",
		"x:.t",
		"x:-t",
		"x:t t",
		"x y",
		"x/Y",
		"X",
		"x:1:2",
		"a.b/",
		"a..b/x",
		"-a.b/x",
		"a.b-/x",
		"host:/x",
		"host:a/x",
		"[::1/x",
		"[]/x",
		"[::g]/x",
		"x@sha256:",
		"x@sha256:12",
		"x@md5:0123456789abcdef0123456789abcdef",
		"x@y@z",
		"a@b/c",
		"x@sha256:0123456789012345678901234567890123456789012345678901234567890123a",
		"x\n",
		"x\xc3\xa9",
		"x?",
		"x*",
		"x:t/",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	char text[400];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct reference r;
		struct err err = {0};

		if (reference_parse(table[i], &r, &err) == 0)
			fail_msg("'%s' was taken", table[i]);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	memset(text, 'a', sizeof text);
	text[300] = '\0';
	assert_true(reference_parse(text, &(struct reference){0}, NULL) < 0);
	snprintf(text, sizeof text, "x:%0129d", 1);
	assert_true(reference_parse(text, &(struct reference){0}, NULL) < 0);
}

TEST(upper_case_is_refused_in_docker_s_words)
{
	struct reference r;
	struct err err = {0};

	assert_true(reference_parse("Foo", &r, &err) < 0);
	assert_string_equal(err.text, "invalid reference format: repository name (library/Foo) "
				      "must be lowercase");
}

TEST(latest_is_given_only_without_tag_and_digest)
{
	autoreference r = {0};
	autoreference tagged = {0};

	assert_int_equal(reference_parse("x", &r, NULL), 0);
	reference_add_default_tag(&r);
	assert_string_equal(r.tag, "latest");
	assert_int_equal(reference_parse("x:1", &tagged, NULL), 0);
	reference_add_default_tag(&tagged);
	assert_string_equal(tagged.tag, "1");
}
