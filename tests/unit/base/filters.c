#include "base/filters.h"

#include "test.h"

static const char *const keys[] = {"status", "label", "label!", "name", "dangling", "id", NULL};

static struct filters parsed(const char *json)
{
	struct filters f = {};
	struct err err = {};

	if (filters_parse(json, keys, &f, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	return f;
}

static void assert_refused(const char *json, const char *why)
{
	struct filters f = {};
	struct err err = {};

	assert_true(filters_parse(json, keys, &f, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
	assert_null(f.pairs.kv);
}

TEST(both_shapes_are_read)
{
	struct filters go = parsed("{\"status\":{\"exited\":true,\"dead\":true}}");
	struct filters py = parsed("{\"status\":[\"exited\",\"dead\"]}");

	for (int i = 0; i < 2; i++) {
		struct filters *f = i ? &py : &go;

		assert_true(filters_match(f, "status", "exited"));
		assert_true(filters_match(f, "status", "dead"));
		assert_false(filters_match(f, "status", "running"));
		assert_false(filters_match(f, "status", NULL));
		assert_string_equal(filters_get(f, "status"), "exited");
		filters_free(f);
	}
}

TEST(no_filter_matches_everything)
{
	static const char *const none[] = {NULL, "", "{}", "{\"status\":{}}", "{\"status\":null}"};
	struct strmap labels = {};

	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		struct filters f = parsed(none[i]);

		assert_false(filters_has(&f, "status"));
		assert_true(filters_match(&f, "status", "x"));
		assert_true(filters_match_prefix(&f, "id", "x"));
		assert_true(filters_match_regex(&f, "name", NULL));
		assert_true(filters_match_labels(&f, "label", &labels));
		assert_true(filters_match_prune_labels(&f, &labels));
		filters_free(&f);
	}
}

TEST(what_is_wrong_is_named)
{
	assert_refused("{\"colour\":[\"red\"]}", "invalid filter 'colour'");
	assert_refused("{\"status\":\"exited\"}", "'status'");
	assert_refused("{\"status\":[1]}", "'status'");
	assert_refused("[]", "must be a JSON object");
	assert_refused("{", "invalid filters");
}

TEST(prefix_matches_the_beginning_only)
{
	struct filters f = parsed("{\"id\":[\"abc\"]}");

	assert_true(filters_match_prefix(&f, "id", "abcdef"));
	assert_false(filters_match_prefix(&f, "id", "xabc"));
	assert_false(filters_match_prefix(&f, "id", NULL));
	filters_free(&f);
}

static bool name_matches(const char *pattern, const char *name)
{
	struct filters f = {};
	bool r;

	filters_add(&f, "name", pattern);
	r = filters_match_regex(&f, "name", name);
	filters_free(&f);
	return r;
}

TEST(names_match_as_expression_or_as_text)
{
	assert_true(name_matches("eb", "web"));
	assert_true(name_matches("^/?web$", "web"));
	assert_false(name_matches("^web$", "web2"));
	assert_true(name_matches("w(a|e)b.*", "my-web-1"));
	assert_true(name_matches("a[", "xa[x"));
	assert_false(name_matches("a[", "xax"));
	assert_false(name_matches("((a{1,255}){1,255}){1,255}", "aaa"));
}

TEST(all_labels_must_match)
{
	struct strmap labels = {};
	struct filters both = parsed("{\"label\":[\"a\",\"b=2\"]}");
	struct filters other = parsed("{\"label\":[\"a\",\"b=3\"]}");
	struct filters empty = parsed("{\"label\":[\"c=\"]}");

	strmap_set(&labels, "a", "1");
	strmap_set(&labels, "b", "2");
	strmap_set(&labels, "c", "");
	assert_true(filters_match_labels(&both, "label", &labels));
	assert_false(filters_match_labels(&other, "label", &labels));
	assert_true(filters_match_labels(&empty, "label", &labels));
	filters_free(&both);
	filters_free(&other);
	filters_free(&empty);
	strv_free(labels.kv);
}

TEST(prune_spares_what_label_with_exclamation_mark_names)
{
	struct strmap labels = {};
	struct filters f = parsed("{\"label!\":[\"keep\"]}");

	assert_true(filters_match_prune_labels(&f, &labels));
	strmap_set(&labels, "keep", "yes");
	assert_false(filters_match_prune_labels(&f, &labels));
	filters_free(&f);
	strv_free(labels.kv);
}

TEST(booleans_are_strict)
{
	static const struct {
		const char *json;
		int r;
		bool value;
	} rows[] = {
		{"{}", 0, true},
		{"{\"dangling\":[\"1\"]}", 0, true},
		{"{\"dangling\":{\"false\":true}}", 0, false},
		{"{\"dangling\":[\"maybe\"]}", -1, true},
		{"{\"dangling\":[\"true\",\"false\"]}", -1, true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct filters f = parsed(rows[i].json);
		struct err err = {};
		bool value = true;

		assert_int_equal(filters_bool(&f, "dangling", true, &value, &err), rows[i].r);
		assert_int_equal(value, rows[i].value);
		if (rows[i].r < 0)
			assert_non_null(strstr(err.text, "invalid filter 'dangling="));
		filters_free(&f);
	}
}
