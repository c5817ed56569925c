/* The index and the records it is made of. */
#include "base/time.h"
#include "image/store.h"
#include "test.h"

static struct images store;

static const char *hex_of(unsigned n)
{
	static char hex[4][DIGEST_HEX_LEN + 1];
	static unsigned turn;
	char *ret = hex[turn++ % 4];

	/* Spread over all prefixes, but stable. */
	snprintf(ret, sizeof hex[0], "%08x%056x", n * 2654435761U, n);
	return ret;
}

static json_t *record(unsigned n, const char *name, int64_t tagged)
{
	json_t *r = json_pack(
		"{si ss s{ss ss ss s{s[s]} s{ss s[ss]} s[{ss} {sb}]} s[{ss sI ss sI} {ss sI ss "
		"sI}] "
		"s[] s[]}",
		"Version", IMAGE_FORMAT_VERSION, "Id", hex_of(n), "Config", "architecture", "amd64",
		"os", "linux", "created", "2024-01-02T03:04:05Z", "config", "Env", "A=b", "rootfs",
		"type", "layers", "diff_ids", "sha256:aaaaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbbbb",
		"history", "created_by", "one", "empty_layer", 1, "Layers", "Dir",
		"aaaaaaaaaaaaaaaa", "Size", (json_int_t) 5, "Blob", hex_of(1), "BlobSize",
		(json_int_t) 3, "Dir", "bbbbbbbbbbbbbbbb", "Size", (json_int_t) 7, "Blob",
		hex_of(2), "BlobSize", (json_int_t) 4, "Names", "Digests");

	assert_non_null(r);
	if (name)
		record_add_name(r, name, tagged);
	return r;
}

static struct entry *entry(unsigned n, const char *name, int64_t tagged)
{
	autojson json_t *r = record(n, name, tagged);
	struct entry *e;
	struct err err = {0};

	if (entry_from_record(r, &e, &err) < 0)
		fail_msg("%s", err.text);
	return e;
}

static void clear(void)
{
	while (store.n > 0)
		index_drop(&store, store.entries[0]);
	free(take(store.entries));
	free(take(store.names));
	store = (struct images){0};
}

TEST(a_record_gives_the_image)
{
	auto_(entry_free_p) struct entry *e = entry(1, "docker.io/library/x:1", 42);
	const struct image *im = &e->snap->image;

	assert_string_equal(im->architecture, "amd64");
	assert_string_equal(im->config.env[0], "A=b");
	assert_int_equal(im->size, 12);
	assert_int_equal(im->tagged_ns, 42);
	assert_int_equal(im->history.n, 2);
	assert_int_equal(objects_at(&im->history, struct image_history, 0)->size, 5);
	assert_int_equal(objects_at(&im->history, struct image_history, 1)->size, 0);
	assert_int_equal(e->n_names, 1);
	assert_string_equal(e->names[0].name, "docker.io/library/x:1");
}

TEST(a_record_that_is_not_ours_is_refused)
{
	static const struct {
		const char *key;
		const char *value;
	} table[] = {
		{"Version", "2"},   {"Version", "\"1\""}, {"Id", "\"abc\""},	 {"Id", "null"},
		{"Config", "[]"},   {"Layers", "[]"},	  {"Layers", "[{},{}]"}, {"Names", "[1]"},
		{"Config", "null"}, {"Names", "[{}]"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		autojson json_t *r = record(1, NULL, 0);
		struct entry *e;
		struct err err = {0};

		json_object_set_new(r, table[i].key,
				    json_loads(table[i].value, JSON_DECODE_ANY, NULL));
		if (entry_from_record(r, &e, &err) == 0)
			fail_msg("%s = %s was taken", table[i].key, table[i].value);
		assert_true(err.text[0]);
	}
}

TEST(ids_are_found_whole_and_by_unique_prefix)
{
	for (unsigned i = 1; i <= 500; i++)
		index_put(&store, entry(i, NULL, 0));
	assert_int_equal(store.n, 500);
	for (unsigned i = 1; i <= 500; i++) {
		struct entry *e = index_by_id(&store, hex_of(i));
		char prefix[DIGEST_HEX_LEN + 1];

		assert_non_null(e);
		assert_string_equal(entry_hex(e), hex_of(i));
		snprintf(prefix, sizeof prefix, "%.8s", hex_of(i));
		assert_ptr_equal(index_by_prefix(&store, prefix), e);
	}
	assert_null(index_by_prefix(&store, "0"));
	assert_null(index_by_prefix(&store, ""));
	assert_null(index_by_id(&store, hex_of(501)));
	clear();
}

TEST(a_name_has_one_owner)
{
	struct entry *a, *b;

	index_put(&store, entry(1, "docker.io/library/x:1", 1));
	index_put(&store, entry(2, "docker.io/library/x:1", 2));
	a = index_by_id(&store, hex_of(1));
	b = index_by_id(&store, hex_of(2));
	assert_ptr_equal(index_by_name(&store, "docker.io/library/x:1"), b);
	assert_int_equal(a->n_names, 0);
	assert_true(a->stale);
	assert_false(b->stale);
	index_drop(&store, b);
	assert_null(index_by_name(&store, "docker.io/library/x:1"));
	assert_int_equal(store.n_names, 0);
	clear();
}

TEST(at_open_the_later_owner_wins)
{
	store.entries = xcalloc(4, sizeof *store.entries);
	store.entries[store.n++] = entry(1, "docker.io/library/x:1", 5);
	store.entries[store.n++] = entry(2, "docker.io/library/x:1", 9);
	store.entries[store.n++] = entry(3, "docker.io/library/x:1", 7);
	index_sort(&store);
	assert_int_equal(store.n_names, 1);
	assert_string_equal(entry_hex(index_by_name(&store, "docker.io/library/x:1")), hex_of(2));
	for (size_t i = 0; i < store.n; i++)
		assert_int_equal(store.entries[i]->stale, store.entries[i]->n_names == 0);
	clear();
}

TEST(resolve_prefers_names_to_ids)
{
	char name[100];
	struct entry *e;

	/* An image named like the beginning of another's id. */
	index_put(&store, entry(1, NULL, 0));
	snprintf(name, sizeof name, "docker.io/library/%.6s:latest", hex_of(1));
	index_put(&store, entry(2, name, 1));
	snprintf(name, sizeof name, "%.6s", hex_of(1));
	assert_int_equal(index_resolve(&store, name, &e, NULL), 0);
	assert_string_equal(entry_hex(e), hex_of(2));
	snprintf(name, sizeof name, "%.7s", hex_of(1));
	assert_int_equal(index_resolve(&store, name, &e, NULL), 0);
	assert_string_equal(entry_hex(e), hex_of(1));
	snprintf(name, sizeof name, "sha256:%.6s", hex_of(1));
	assert_int_equal(index_resolve(&store, name, &e, NULL), 0);
	assert_string_equal(entry_hex(e), hex_of(1));
	clear();
}

TEST(ten_thousand_images_resolve_fast)
{
	int64_t start;
	struct entry *e;

	for (unsigned i = 1; i <= 10000; i++) {
		char name[100];

		snprintf(name, sizeof name, "docker.io/library/n%u:latest", i);
		index_put(&store, entry(i, name, 1));
	}
	start = monotonic_ns();
	for (unsigned i = 1; i <= 10000; i++) {
		char name[100];

		snprintf(name, sizeof name, "n%u", i);
		assert_int_equal(index_resolve(&store, name, &e, NULL), 0);
	}
	print_message("%lld ns each\n", (long long) (monotonic_ns() - start) / 10000);
	while (store.n > 0)
		index_drop(&store, store.entries[store.n - 1]);
	clear();
}
