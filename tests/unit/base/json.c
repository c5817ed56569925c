#include "base/json.h"

#include <errno.h>

#include "test.h"

struct inner {
	char *type;
	int64_t size;
	char **args;
};

static const struct field inner_fields[] = {
	FIELD(struct inner, "Type", FIELD_STR, type),
	FIELD_F(struct inner, "Size", FIELD_INT, size, FIELD_OMIT),
	FIELD_F(struct inner, "Args", FIELD_STRV, args, FIELD_OMIT),
	FIELD_END,
};

struct outer {
	bool tty;
	int64_t count;
	char *name;
	char *title;
	char **cmd;
	char **entrypoint;
	char **ports;
	struct strmap labels;
	int64_t created;
	int64_t swappiness;
	int oom;
	struct inner host;
	struct inner more;
	struct objects mounts;
	struct objects devices;
	struct inner *maybe;
	struct inner *other;
	json_t *raw;
};

static const struct field outer_fields[] = {
	FIELD(struct outer, "Tty", FIELD_BOOL, tty),
	FIELD(struct outer, "Count", FIELD_INT, count),
	FIELD(struct outer, "Name", FIELD_STR, name),
	FIELD_F(struct outer, "Title", FIELD_STR, title, FIELD_NULLABLE),
	FIELD(struct outer, "Cmd", FIELD_STRV, cmd),
	FIELD_F(struct outer, "Entrypoint", FIELD_STRV, entrypoint, FIELD_NULLABLE),
	FIELD(struct outer, "Ports", FIELD_SET, ports),
	FIELD(struct outer, "Labels", FIELD_MAP, labels),
	FIELD(struct outer, "Created", FIELD_TIME, created),
	FIELD(struct outer, "Swappiness", FIELD_OPT_INT, swappiness),
	FIELD(struct outer, "Oom", FIELD_OPT_BOOL, oom),
	FIELD_SUB(struct outer, "HostConfig", FIELD_OBJECT, host, inner_fields, struct inner, 0),
	FIELD_SUB(struct outer, "More", FIELD_OBJECT, more, inner_fields, struct inner, FIELD_OMIT),
	FIELD_SUB(struct outer, "Mounts", FIELD_OBJECTS, mounts, inner_fields, struct inner, 0),
	FIELD_SUB(struct outer, "Devices", FIELD_OBJECTS, devices, inner_fields, struct inner,
		  FIELD_NULLABLE),
	FIELD_SUB(struct outer, "Maybe", FIELD_OPT_OBJECT, maybe, inner_fields, struct inner, 0),
	FIELD_SUB(struct outer, "Other", FIELD_OPT_OBJECT, other, inner_fields, struct inner,
		  FIELD_OMIT),
	FIELD(struct outer, "Raw", FIELD_JSON, raw),
	FIELD_END,
};

static const char full[] =
	"{\"Tty\":true,\"Count\":-9223372036854775807,\"Name\":\"web\",\"Title\":\"\","
	"\"Cmd\":[\"a\",\"b\"],\"Entrypoint\":[],\"Ports\":{\"80/tcp\":{},\"53/udp\":{}},"
	"\"Labels\":{\"k\":\"v\",\"e\":\"\"},\"Created\":\"2006-01-02T15:04:05.000000001Z\","
	"\"Swappiness\":0,\"Oom\":false,\"HostConfig\":{\"Type\":\"bind\",\"Size\":3},"
	"\"More\":{\"Type\":\"\",\"Args\":[\"x\"]},"
	"\"Mounts\":[{\"Type\":\"bind\"},{\"Type\":\"tmpfs\",\"Size\":7}],\"Devices\":[],"
	"\"Maybe\":{\"Type\":\"\"},\"Other\":{\"Type\":\"x\",\"Size\":2},\"Raw\":{\"any\":[1,2.5,"
	"null]}}";

static const char empty[] =
	"{\"Tty\":false,\"Count\":0,\"Name\":\"\",\"Title\":null,\"Cmd\":[],\"Entrypoint\":null,"
	"\"Ports\":{},\"Labels\":{},\"Created\":\"0001-01-01T00:00:00Z\",\"Swappiness\":null,"
	"\"Oom\":null,\"HostConfig\":{\"Type\":\"\"},\"Mounts\":[],\"Devices\":null,\"Maybe\":null,"
	"\"Raw\":null}";

static int load(struct outer *o, const char *text, struct err *err)
{
	json_error_t bad;
	autojson json_t *json = json_loads(text, JSON_DECODE_ANY, &bad);

	if (!json)
		fail_msg("%s in %s", bad.text, text);
	fields_init(outer_fields, o);
	return fields_load(outer_fields, o, json, err);
}

/* As load(), by the reader of our own text, which must be sure of it. */
static bool load_own(struct outer *o, const char *text)
{
	fields_init(outer_fields, o);
	return fields_load_own(outer_fields, o, text, strlen(text));
}

static void expect_saved(const struct outer *o, const char *want)
{
	autojson json_t *json = fields_save(outer_fields, o);
	autofree char *text = json_text(json);

	assert_string_equal(text, want);
}

TEST(what_was_loaded_is_saved_in_the_order_of_the_table)
{
	struct err err = {0};
	struct outer o;

	if (load(&o, full, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(o.tty);
	assert_int_equal(o.oom, 0);
	assert_string_equal(strmap_get(&o.labels, "k"), "v");
	assert_int_equal(o.mounts.n, 2);
	assert_string_equal(objects_at(&o.mounts, struct inner, 1)->type, "tmpfs");
	expect_saved(&o, full);
	fields_free(outer_fields, &o);
	expect_saved(&o, empty);
	fields_free(outer_fields, &o);
}

/* What it takes it reads as fields_load() does. */
static void expect_own(const char *text)
{
	struct outer own, any;

	if (!load_own(&own, text))
		fail_msg("not taken: %s", text);
	assert_int_equal(load(&any, text, NULL), 0);
	if (!fields_equal(outer_fields, &own, &any))
		fail_msg("read otherwise: %s", text);
	fields_free(outer_fields, &own);
	fields_free(outer_fields, &any);
}

TEST(own_text_is_loaded_without_a_tree)
{
	static const char *const texts[] = {
		full,
		empty,
		"{}",
		"{\"Count\":-9223372036854775808}",
		"{\"Count\":9223372036854775807}",
		"{\"Count\":0,\"Name\":null}",
		"{\"Name\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t \x7f\"}",
		"{\"Name\":\"\u00fc\u20ac\U0001f600\",\"Cmd\":[\"\u00fc\\n\",\"\"]}",
		"{\"Ports\":{},\"Labels\":{}}",
		"{\"Created\":\"\"}",
		"{\"Created\":\"2006-01-02T15:04:05+07:00\"}",
		"{\"HostConfig\":{},\"Mounts\":[],\"Maybe\":{}}",
		"{\"Raw\":[]}",
		"{\"Raw\":{\"a\":{\"b\":[1e3,\"}]\",null,true]}}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		expect_own(texts[i]);
}

/* Some of it fields_load() takes, in its own way, and some is damage: either is not for us. */
TEST(text_that_is_not_our_own_is_left_to_others)
{
	static const char *const texts[] = {
		"",
		"[]",
		"null",
		"{",
		"{}}",
		"{} ",
		" {}",
		"{\"Tty\":true",
		"{\"Tty\":true,}",
		"{,\"Tty\":true}",
		"{\"Tty\" :true}",
		"{\"Tty\": true}",
		"{\"Tty\":tru}",
		"{\"Tty\":1}",
		"{\"Tt\":true}",
		"{\"TTY\":true}",
		"{\"Ttyx\":true}",
		"{\"\":true}",
		"{\"Later\":1}",
		"{\"Tty\":true,\"Tty\":true}",
		"{\"Count\":1,\"Tty\":true}",
		"{\"Count\":1.0}",
		"{\"Count\":1e2}",
		"{\"Count\":01}",
		"{\"Count\":-}",
		"{\"Count\":\"1\"}",
		"{\"Count\":9223372036854775808}",
		"{\"Count\":-9223372036854775809}",
		"{\"Count\":99999999999999999999}",
		"{\"Name\":\"a",
		"{\"Name\":\"a\\",
		"{\"Name\":\"\\u0041\"}",
		"{\"Name\":\"\\x\"}",
		"{\"Name\":\"\n\"}",
		"{\"Name\":\"\xff\"}",
		"{\"Name\":\"\xc3\"}",
		"{\"Name\":1}",
		"{\"Cmd\":\"a\"}",
		"{\"Cmd\":[null]}",
		"{\"Cmd\":[\"a\",]}",
		"{\"Cmd\":[,\"a\"]}",
		"{\"Cmd\":[\"a\"\"b\"]}",
		"{\"Cmd\":[\"a\"",
		"{\"Ports\":{\"80/tcp\":{\"a\":1}}}",
		"{\"Ports\":{\"80/tcp\":{},\"80/tcp\":{}}}",
		"{\"Labels\":{\"k\":null}}",
		"{\"Labels\":{\"k\":\"v\",\"k\":\"w\"}}",
		"{\"Labels\":{\"k\"}}",
		"{\"Created\":\"yesterday\"}",
		"{\"Created\":7}",
		"{\"HostConfig\":[]}",
		"{\"HostConfig\":{\"Later\":1}}",
		"{\"Mounts\":[null]}",
		"{\"Mounts\":[{\"Type\":\"bind\"}",
		"{\"Maybe\":{\"Type\":7}}",
		"{\"Raw\":1}",
		"{\"Raw\":[1}}",
		"{\"Raw\":{\"a\":}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct outer o, untouched;

		fields_init(outer_fields, &untouched);
		if (load_own(&o, texts[i]))
			fail_msg("taken: %s", texts[i]);
		assert_true(fields_equal(outer_fields, &o, &untouched));
	}
	/* A NUL ends nothing. */
	{
		static const char cut[] = "{\"Tty\":true}\0";
		struct outer o;

		fields_init(outer_fields, &o);
		assert_false(fields_load_own(outer_fields, &o, cut, sizeof cut - 1));
	}
}

TEST(null_and_missing_are_empty)
{
	struct outer missing, null;

	assert_int_equal(load(&missing, "{\"Unknown\":1}", NULL), 0);
	assert_int_equal(load(&null,
			      "{\"Tty\":null,\"Count\":null,\"Name\":null,\"Cmd\":null,"
			      "\"Ports\":null,\"Labels\":null,\"Created\":null,\"Swappiness\":null,"
			      "\"Oom\":null,\"HostConfig\":null,\"Mounts\":null,\"Maybe\":null,"
			      "\"Raw\":null}",
			      NULL),
			 0);
	assert_true(missing.swappiness == FIELD_UNSET && missing.oom == FIELD_UNSET_BOOL);
	expect_saved(&missing, empty);
	expect_saved(&null, empty);
	assert_true(fields_equal(outer_fields, &missing, &null));
	fields_free(outer_fields, &missing);
	fields_free(outer_fields, &null);
}

TEST(copies_are_deep_and_equal)
{
	struct outer o, copy, none;

	assert_int_equal(load(&o, full, NULL), 0);
	memset(&copy, 0xaa, sizeof copy);
	fields_copy(outer_fields, &copy, &o);
	assert_true(fields_equal(outer_fields, &o, &copy));
	assert_ptr_not_equal(o.name, copy.name);
	fields_free(outer_fields, &o);
	expect_saved(&copy, full);

	fields_init(outer_fields, &none);
	fields_copy(outer_fields, &o, &none);
	assert_true(fields_equal(outer_fields, &o, &none));
	assert_false(fields_equal(outer_fields, &copy, &none));
	fields_free(outer_fields, &o);
	fields_free(outer_fields, &copy);
}

TEST(each_field_makes_a_difference)
{
	static const char *const texts[] = {
		"{\"Tty\":true}",
		"{\"Count\":1}",
		"{\"Name\":\"x\"}",
		"{\"Title\":\"\"}",
		"{\"Cmd\":[\"\"]}",
		"{\"Entrypoint\":[]}",
		"{\"Ports\":{\"1\":{}}}",
		"{\"Labels\":{\"a\":\"b\"}}",
		"{\"Labels\":{\"a\":\"c\"}}",
		"{\"Created\":\"2006-01-02T15:04:05Z\"}",
		"{\"Swappiness\":0}",
		"{\"Oom\":false}",
		"{\"HostConfig\":{\"Size\":1}}",
		"{\"More\":{\"Size\":1}}",
		"{\"Mounts\":[{}]}",
		"{\"Mounts\":[{\"Size\":1}]}",
		"{\"Devices\":[]}",
		"{\"Raw\":{}}",
		"{}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
			struct outer a, b;

			assert_int_equal(load(&a, texts[i], NULL), 0);
			assert_int_equal(load(&b, texts[k], NULL), 0);
			if (fields_equal(outer_fields, &a, &b) != (i == k))
				fail_msg("%s and %s", texts[i], texts[k]);
			fields_free(outer_fields, &a);
			fields_free(outer_fields, &b);
		}
}

TEST(sets_and_maps_have_no_order)
{
	struct outer a, b;

	assert_int_equal(
		load(&a, "{\"Ports\":{\"1\":{},\"2\":{}},\"Labels\":{\"a\":\"1\",\"b\":\"2\"}}",
		     NULL),
		0);
	assert_int_equal(
		load(&b, "{\"Ports\":{\"2\":{},\"1\":{}},\"Labels\":{\"b\":\"2\",\"a\":\"1\"}}",
		     NULL),
		0);
	assert_true(fields_equal(outer_fields, &a, &b));
	fields_free(outer_fields, &a);
	fields_free(outer_fields, &b);
}

TEST(names_match_exactly_else_without_regard_to_case)
{
	struct outer o;

	assert_int_equal(load(&o, "{\"name\":\"low\",\"COUNT\":5}", NULL), 0);
	assert_string_equal(o.name, "low");
	assert_int_equal(o.count, 5);
	fields_free(outer_fields, &o);
	assert_int_equal(load(&o, "{\"name\":\"low\",\"Name\":\"exact\",\"NAME\":7}", NULL), 0);
	assert_string_equal(o.name, "exact");
	fields_free(outer_fields, &o);
	assert_int_equal(load(&o, "{\"name\":\"low\",\"Name\":null}", NULL), 0);
	assert_null(o.name);
	fields_free(outer_fields, &o);
}

TEST(go_is_generous_and_so_are_we)
{
	struct outer o;

	assert_int_equal(load(&o,
			      "{\"Count\":5.0,\"Cmd\":\"one\",\"Labels\":{\"a\":null},"
			      "\"Created\":\"\",\"Mounts\":[null]}",
			      NULL),
			 0);
	assert_int_equal(o.count, 5);
	assert_string_equal(o.cmd[0], "one");
	assert_null(o.cmd[1]);
	assert_string_equal(strmap_get(&o.labels, "a"), "");
	assert_int_equal(o.created, 0);
	assert_int_equal(o.mounts.n, 1);
	fields_free(outer_fields, &o);
}

TEST(wrong_types_are_named_with_their_path)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"[]", "must be an object"},
		{"{\"Tty\":1}", "Tty: must be true or false"},
		{"{\"Count\":1.5}", "Count: must be a whole number"},
		{"{\"Count\":\"1\"}", "Count: must be a whole number"},
		{"{\"Count\":1e30}", "Count: is too large"},
		{"{\"Count\":-9223372036854775809.0}", NULL},
		{"{\"Count\":9223372036854775808.0}", "Count: is too large"},
		{"{\"count\":true}", "Count: must be a whole number"},
		{"{\"Name\":[]}", "Name: must be a string"},
		{"{\"Cmd\":7}", "Cmd: must be an array of strings"},
		{"{\"Cmd\":[\"a\",7]}", "Cmd[1]: must be a string"},
		{"{\"Ports\":[]}", "Ports: must be an object"},
		{"{\"Labels\":\"x\"}", "Labels: must be an object of strings"},
		{"{\"Labels\":{\"k\":1}}", "Labels.k: must be a string"},
		{"{\"Created\":\"now\"}", "Created: must be a time as of RFC 3339"},
		{"{\"Created\":5}", "Created: must be a time as of RFC 3339"},
		{"{\"Swappiness\":{}}", "Swappiness: must be a whole number"},
		{"{\"Oom\":0}", "Oom: must be true or false"},
		{"{\"HostConfig\":5}", "HostConfig: must be an object"},
		{"{\"HostConfig\":{\"Size\":true}}", "HostConfig.Size: must be a whole number"},
		{"{\"Mounts\":{}}", "Mounts: must be an array"},
		{"{\"Mounts\":[{},{},{\"Type\":1}]}", "Mounts[2].Type: must be a string"},
		{"{\"Mounts\":[{\"Args\":[1]}]}", "Mounts[0].Args[0]: must be a string"},
		{"{\"Mounts\":[1]}", "Mounts[0]: must be an object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		struct outer o;
		int r = load(&o, cases[i].text, &err);

		assert_int_equal(r, cases[i].want ? -1 : 0);
		assert_string_equal(err.text, cases[i].want ? cases[i].want : "");
		if (r < 0)
			assert_int_equal(err.kind, ERR_INVALID);
		fields_free(outer_fields, &o);
	}
}

TEST(loading_twice_leaks_nothing)
{
	autojson json_t *json = json_loads(full, 0, NULL);
	struct outer o;

	fields_init(outer_fields, &o);
	assert_int_equal(fields_load(outer_fields, &o, json, NULL), 0);
	assert_int_equal(fields_load(outer_fields, &o, json, NULL), 0);
	expect_saved(&o, full);
	fields_free(outer_fields, &o);
}

TEST(bytes_that_are_not_utf8_are_replaced)
{
	struct outer o;
	autojson json_t *json = NULL;

	fields_init(outer_fields, &o);
	o.name = xstrdup("a\xff\"");
	strmap_set(&o.labels, "k\xff", "v\n\xff");
	json = fields_save(outer_fields, &o);
	assert_string_equal(json_str(json, "Name"), "a\xef\xbf\xbd\"");
	assert_string_equal(json_str(json_object_get(json, "Labels"), "k\xef\xbf\xbd"),
			    "v\n\xef\xbf\xbd");
	fields_free(outer_fields, &o);
}

TEST(what_is_saved_is_the_callers_to_change)
{
	autojson json_t *json = NULL;
	struct outer o;

	assert_int_equal(load(&o, full, NULL), 0);
	json = fields_save(outer_fields, &o);
	json_object_clear(json_object_get(json, "Raw"));
	expect_saved(&o, full);
	fields_free(outer_fields, &o);
}

struct kept {
	int64_t count;
	struct inner host;
	struct objects mounts;
	json_t *rest;
};

static const struct field kept_fields[] = {
	FIELD(struct kept, "Count", FIELD_INT, count),
	FIELD_SUB(struct kept, "HostConfig", FIELD_OBJECT, host, inner_fields, struct inner, 0),
	FIELD_SUB(struct kept, "Mounts", FIELD_OBJECTS, mounts, inner_fields, struct inner, 0),
	FIELD_KEEP_REST(struct kept, rest),
	FIELD_END,
};

static char *through_kept(const char *text, int64_t count)
{
	autojson json_t *json = json_loads(text, 0, NULL), *back = NULL;
	struct kept k, copy;

	fields_init(kept_fields, &k);
	assert_int_equal(fields_load(kept_fields, &k, json, NULL), 0);
	k.count = count;
	fields_copy(kept_fields, &copy, &k);
	assert_true(fields_equal(kept_fields, &k, &copy));
	fields_free(kept_fields, &k);
	back = fields_save(kept_fields, &copy);
	fields_free(kept_fields, &copy);
	assert_null(copy.rest);
	return json_text(back);
}

TEST(what_no_row_reads_is_written_back_as_it_came)
{
	autofree char *kept = through_kept(
		"{\"Later\":{\"a\":[1,null]},\"count\":1,\"HostConfig\":{\"Type\":\"x\",\"New\":2."
		"5,"
		"\"Deep\":{\"Count\":7}},\"\":0,\"Mounts\":[{\"Type\":\"y\",\"New\":1}]}",
		5);
	autofree char *none = through_kept("{\"Count\":1,\"HostConfig\":null,\"Mounts\":[]}", 6);

	assert_string_equal(
		kept,
		"{\"Count\":5,\"HostConfig\":{\"Type\":\"x\",\"New\":2.5,\"Deep\":{\"Count\":7}},"
		"\"Mounts\":[{\"Type\":\"y\"}],\"Later\":{\"a\":[1,null]},\"\":0}");
	assert_string_equal(none, "{\"Count\":6,\"HostConfig\":{\"Type\":\"\"},\"Mounts\":[]}");
}

TEST(maps_replace_and_keep_their_order)
{
	struct strmap m = {0};
	autofree char *all = NULL;
	const char *k, *v;
	int n = 0;

	assert_null(strmap_get(&m, "a"));
	strmap_set(&m, "a", "1");
	strmap_set(&m, "b", NULL);
	strmap_set(&m, "a", strmap_get(&m, "a")); /* its own value */
	strmap_set(&m, "a", "3");
	all = strv_join(m.kv, ",");
	assert_string_equal(all, "a,3,b,");
	strmap_foreach (&m, k, v)
		n += k && v;
	assert_int_equal(n, 2);
	strv_free(m.kv);
}

TEST(files_are_read_back_and_bad_ones_say_where)
{
	autoclose int dir = test_dir_fd();
	autojson json_t *json = json_loads(full, 0, NULL);
	json_t *back = NULL;
	struct err err = {0};

	assert_int_equal(json_save_at(dir, "a.json", json, SAVE_ATOMIC, &err), 0);
	assert_int_equal(json_read_at(dir, "a.json", 1 << 20, &back, &err), 0);
	assert_true(json_equal(json, back));
	json_decref(back);
	back = NULL;

	assert_int_equal(json_read_at(dir, "none", 99, &back, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(json_read_at(dir, "a.json", 9, &back, &err), -1);
	assert_int_equal(err.errnum, EFBIG);
	assert_int_equal(save_file_at(dir, "b", "{\n\"a\":}", 7, SAVE_ATOMIC, NULL), 0);
	assert_int_equal(json_read_at(dir, "b", 99, &back, &err), -1);
	assert_int_equal(err.errnum, EBADMSG);
	assert_true(str_has_prefix(err.text, "b: line 2, column 5: "));
	assert_int_equal(json_read_at(dir, "b", 99, &back, NULL), -1);
	assert_null(back);
}

TEST(members_can_be_asked_for)
{
	autojson json_t *json = json_loads("{\"s\":\"x\",\"i\":5,\"r\":1.5}", 0, NULL);
	autofree char *null = json_text(NULL);

	assert_string_equal(json_str(json, "s"), "x");
	assert_null(json_str(json, "i"));
	assert_null(json_str(NULL, "i"));
	assert_int_equal(json_int(json, "i", 7), 5);
	assert_int_equal(json_int(json, "r", 7), 7);
	assert_int_equal(json_int(json, "none", 7), 7);
	assert_string_equal(null, "null");
}
