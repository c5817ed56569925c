/* The store: looking up by id, prefix and name; names are taken once; claims. */
#include "test.h"

#include "container/container.h"

static struct container_store *open_store(const char *name)
{
	autofree char *data = xasprintf("%s/%s-d", test_dir(), name),
		      *exec = xasprintf("%s/%s-e", test_dir(), name);
	struct container_store *s;

	assert_int_equal(container_store_open(data, exec, &s, NULL), 0);
	return s;
}

static struct container *made_at(int64_t created_ns, char digit)
{
	char id[CONTAINER_ID_LEN + 1];
	struct container *c;

	memset(id, digit, CONTAINER_ID_LEN);
	id[CONTAINER_ID_LEN] = '\0';
	c = container_new(id);
	c->created_ns = created_ns;
	return c;
}

static struct container *add(struct container_store *s, char digit, const char *name)
{
	struct container *c = made_at(0, digit);

	c->handled = true;
	c->name = xstrdup(name);
	assert_int_equal(container_name_index_add(s, name, c, NULL), 0);
	container_store_add(s, c);
	container_unref(c);
	return c;
}

TEST(found_by_id_prefix_and_name)
{
	struct container_store *s = open_store("find");
	struct container *a = add(s, 'a', "one"), *b = add(s, 'b', "two"), *found;
	static const char *const refs_a[] = {"a", "aaaa", "one", "/one"};

	for (size_t i = 0; i < ARRAY_SIZE(refs_a); i++) {
		assert_int_equal(container_lookup(s, refs_a[i], &found, NULL), 0);
		assert_ptr_equal(found, a);
		container_unref(found);
	}
	assert_int_equal(container_lookup(s, b->id, &found, NULL), 0);
	assert_ptr_equal(found, b);
	container_unref(found);
	container_store_close(s);
}

TEST(not_found_and_ambiguous_are_told_apart)
{
	struct container_store *s = open_store("ambiguous");
	struct container *found,
		*x = container_new(
			"ab00000000000000000000000000000000000000000000000000000000000000"),
		*y = container_new(
			"ab11111111111111111111111111111111111111111111111111111111111111");
	struct err err = {0};

	container_store_add(s, x);
	container_store_add(s, y);
	assert_true(container_lookup(s, "ab", &found, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_true(container_lookup(s, "", &found, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_true(container_lookup(s, "ac", &found, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.text, "No such container: ac");
	container_unref(x);
	container_unref(y);
	container_store_close(s);
}

TEST(a_name_is_taken_once)
{
	struct container_store *s = open_store("names");
	struct container *a = add(s, 'a', "one"), *b = container_new("b");
	struct err err = {0};

	assert_true(container_name_index_add(s, "one", b, &err) < 0);
	assert_int_equal(err.kind, ERR_CONFLICT);
	container_name_index_remove(s, "one", b); /* not b's to give back */
	assert_true(container_name_index_add(s, "one", b, NULL) < 0);
	container_name_index_remove(s, "one", a);
	assert_int_equal(container_name_index_add(s, "one", b, NULL), 0);
	container_unref(b);
	container_store_close(s);
}

TEST(a_name_without_its_container_in_the_store_finds_nothing)
{
	struct container_store *s = open_store("early");
	struct container *c = container_new("c"), *found;

	assert_int_equal(container_name_index_add(s, "early", c, NULL), 0);
	assert_true(container_lookup(s, "early", &found, NULL) < 0);
	container_unref(c);
	container_store_close(s);
}

static void expect_order(struct container_store *s, const char *digits)
{
	struct container **list;
	size_t n;

	container_store_all(s, &list, &n);
	assert_int_equal(n, strlen(digits));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i]->id[0], digits[i]);
	container_list_free(list, n);
}

TEST(all_come_newest_first_and_of_one_age_by_id)
{
	struct container_store *s = open_store("order");
	struct container *made[] = {made_at(2, 'a'), made_at(3, 'b'), made_at(1, 'c'),
				    made_at(2, 'd'), made_at(2, '0')};

	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		container_store_add(s, made[i]);
	expect_order(s, "b0adc");
	container_store_add(s, made[0]); /* it is there */
	container_store_remove(s, made[3]);
	container_store_remove(s, made[3]);
	expect_order(s, "b0ac");
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		container_unref(made[i]);
	container_store_close(s);
}

TEST(a_store_that_is_filled_at_once_is_as_one_that_grew)
{
	struct container_store *s = open_store("fill");
	struct container *list[] = {made_at(1, 'c'), made_at(2, 'd'), made_at(2, 'a'),
				    made_at(3, 'b')},
			 *late = made_at(2, 'c'), *found;

	late->id[CONTAINER_ID_LEN - 1] = 'd';
	container_store_fill(s, list, ARRAY_SIZE(list));
	expect_order(s, "badc");
	container_store_add(s, late);
	expect_order(s, "bacdc");
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		assert_int_equal(container_lookup(s, list[i]->id, &found, NULL), 0);
		assert_ptr_equal(found, list[i]);
		container_unref(found);
		container_unref(list[i]);
	}
	assert_true(container_lookup(s, "cc", &found, NULL) < 0); /* two of them */
	container_unref(late);
	container_store_close(s);
}

TEST(many_names_are_found_and_given_up)
{
	struct container_store *s = open_store("many");
	struct container *c = add(s, 'a', "first"), *found;
	char name[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(container_name_index_add(s, name, c, NULL), 0);
	}
	for (int i = 0; i < 1000; i += 2) {
		snprintf(name, sizeof name, "n%d", i);
		container_name_index_remove(s, name, c);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(container_lookup(s, name, &found, NULL) == 0, i % 2);
		if (i % 2)
			container_unref(found);
	}
	container_store_close(s);
}

TEST(a_claim_on_what_is_gone_fails)
{
	struct container *c = container_new("x");
	struct err err = {0};

	c->handled = true;
	assert_int_equal(container_claim(c, NULL), 0);
	container_release(c);
	c->gone = true;
	assert_true(container_claim(c, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	container_unref(c);
}
