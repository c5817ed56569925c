/* What a daemon is started with: sd_listen_fds(3), and what the former image wrote down. */
#include "daemon/heritage.h"

#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

TEST(descriptors_that_were_passed_have_names)
{
	autostrv char **names = NULL;

	assert_int_equal(activation_parse(7, "7", "3", "a:b", &names), 3);
	assert_int_equal(strv_len(names), 3);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[1], "b");
	assert_string_equal(names[2], "unknown");
}

TEST(descriptors_of_others_and_nonsense_are_left_alone)
{
	static const char *const wrong[][2] = {
		{NULL, "1"}, {"7", NULL}, {"8", "1"},	   {"7", "0"}, {"7", "-1"},
		{"", "1"},   {"7", ""},	  {"7", "100000"}, {"7", "x"}, {"7x", "1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		autostrv char **names = NULL;

		assert_int_equal(activation_parse(7, wrong[i][0], wrong[i][1], "a", &names), 0);
		assert_null(names);
	}
}

static void add_conn(struct heritage *h, int fd, const char *bytes, size_t n)
{
	h->left.conns = xreallocarray(h->left.conns, h->left.n_conns + 1, sizeof *h->left.conns);
	h->left.conns[h->left.n_conns] = (struct http_left_conn){.fd = fd};
	if (n)
		buf_add(&h->left.conns[h->left.n_conns].in, bytes, n);
	h->left.n_conns++;
}

/* Descriptors are numbers here, far from any that are open. */
TEST(what_is_written_down_is_read_again)
{
	struct heritage h = {.passed = true}, got = {0};
	autobuf text = {0};
	int pair[2];

	heritage_add_socket(&h, 1001);
	heritage_add_socket(&h, 1002);
	h.left.queue_fd = 1010;
	h.shelf = http_shelf_new(-1);
	http_shelf_add(h.shelf, (const int[]){1003, 1004});
	http_shelf_add(h.shelf, (const int[]){1005, 1006});
	add_conn(&h, 1007, NULL, 0);
	add_conn(&h, 1008, "GET /\nconn 9 9\n\0x\n", 18);
	add_conn(&h, 1009, "\n", 1);

	heritage_write(&h, &text);
	assert_int_equal(heritage_parse(text.text, text.len, &got, NULL), 0);
	assert_true(got.passed);
	assert_string_equal(got.from, HOLDFAST_VERSION);
	assert_int_equal(got.left.n_listen, 2);
	assert_int_equal(got.left.listen_fds[1], 1002);
	assert_int_equal(got.left.queue_fd, 1010);
	assert_true(http_shelf_pair(got.shelf, 1, pair));
	assert_int_equal(pair[1], 1006);
	assert_false(http_shelf_pair(got.shelf, 2, pair));
	assert_int_equal(got.left.n_conns, 3);
	assert_int_equal(got.left.conns[0].in.len, 0);
	assert_int_equal(got.left.conns[1].fd, 1008);
	assert_int_equal(got.left.conns[1].in.len, 18);
	assert_memory_equal(got.left.conns[1].in.text, "GET /\nconn 9 9\n\0x\n", 18);
	assert_int_equal(got.left.conns[2].in.len, 1);
	heritage_free(&h);
	heritage_free(&got);
}

TEST(a_later_versions_lines_are_passed_over)
{
	static const char text[] = "holdfast heritage 1\nsails 3\nlisten 1001\nfrom 9.9\n";
	struct heritage h = {0};

	assert_int_equal(heritage_parse(text, strlen(text), &h, NULL), 0);
	assert_int_equal(h.left.n_listen, 1);
	assert_string_equal(h.from, "9.9");
	heritage_free(&h);
}

TEST(what_is_torn_says_so_and_keeps_what_is_whole)
{
	static const char *const torn[] = {
		"holdfast heritage 1\nlisten 1001\nconn 1002 50\nshort\n",
		"holdfast heritage 1\nlisten 1001\nconn 1002 2\nabc\n",
		"holdfast heritage 1\nlisten 1001\nconn 1002 18446744073709551615\nabc\n",
		"holdfast heritage 1\nlisten 1001\nfrom",
	};
	struct err err = {0};
	struct heritage none = {0};

	for (size_t i = 0; i < ARRAY_SIZE(torn); i++) {
		struct heritage h = {0};

		assert_true(heritage_parse(torn[i], strlen(torn[i]), &h, &err) < 0);
		assert_int_equal(h.left.n_listen, 1);
		assert_int_equal(h.left.n_conns, 0);
		heritage_free(&h);
	}
	assert_true(heritage_parse("#!/bin/sh\n", 10, &none, &err) < 0);
}
