/* Seccomp programs: learnt once, found by the very same profile, and never from what is no program.
 */
#include "test.h"

#include "spec/private.h"

static char *program_file(const char *name, size_t len)
{
	autoclose int dir = test_dir_fd();
	autofree char *text = xcalloc(1, len + 1);

	assert_int_equal(save_file_at(dir, name, text, len, SAVE_ATOMIC, NULL), 0);
	return xasprintf("%s/%s", test_dir(), name);
}

TEST(a_learnt_program_is_found_by_its_profile_only)
{
	struct spec_filters *f = spec_filters_new();
	autofree char *path = program_file("program", 8), *found = NULL;

	assert_null(filters_find(f, "{\"a\":1}"));
	spec_filters_learn(f, "{\"a\":1}", path);
	found = filters_find(f, "{\"a\":1}");
	assert_string_equal(found, "AAAAAAAAAAA=");
	assert_null(filters_find(f, "{\"a\":2}"));
	spec_filters_free(f);
}

TEST(what_is_no_program_is_not_learnt)
{
	struct spec_filters *f = spec_filters_new();
	autofree char *empty = program_file("empty", 0), *torn = program_file("torn", 12),
		      *large = program_file("large", 8 * 4096 + 8);

	spec_filters_learn(f, "p", empty);
	spec_filters_learn(f, "p", torn);
	spec_filters_learn(f, "p", large);
	spec_filters_learn(f, "p", "/no/such/file");
	assert_null(filters_find(f, "p"));
	spec_filters_free(f);
}

TEST(the_oldest_makes_room)
{
	struct spec_filters *f = spec_filters_new();
	autofree char *path = program_file("program", 8), *newest = NULL;
	char profile[8];

	for (int i = 0; i < 9; i++) {
		snprintf(profile, sizeof profile, "p%d", i);
		spec_filters_learn(f, profile, path);
	}
	assert_null(filters_find(f, "p0"));
	newest = filters_find(f, "p8");
	assert_non_null(newest);
	spec_filters_free(f);
}
