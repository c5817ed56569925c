#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"

/* A fresh set of roots, top first: <test>/<n>/0, /1, ... */
static char **make_roots(int n)
{
	static int serial;
	char **roots = NULL;

	serial++;
	for (int i = 0; i < n; i++) {
		char *root = xasprintf("%s/%d/%d", test_dir(), serial, i);

		assert_int_equal(mkdir_p(root, 0755), 0);
		strv_add_owned(&roots, root);
	}
	return roots;
}

static void put(const char *root, const char *path, const char *text)
{
	autofree char *file = xasprintf("%s%s", root, path), *dir = xstrdup(file);
	FILE *f;

	*strrchr(dir, '/') = '\0';
	assert_int_equal(mkdir_p(dir, 0755), 0);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_link(const char *root, const char *path, const char *target)
{
	autofree char *file = xasprintf("%s%s", root, path);

	assert_int_equal(symlink(target, file), 0);
}

/* "uid:gid home groups" or the error. */
static char *who(char **roots, const char *user, const char *add)
{
	autostrv char **group_add = add ? strv_split(add, ',') : NULL;
	struct spec_user u = {0};
	struct err err = {0};
	autobuf text = {0};

	if (spec_user_lookup(roots, user, group_add, &u, &err) < 0)
		return xstrdup(err.text);
	buf_addf(&text, "%u:%u %s", u.uid, u.gid, u.home);
	for (size_t i = 0; i < u.n_groups; i++)
		buf_addf(&text, " %u", u.groups[i]);
	spec_user_free(&u);
	return buf_take(&text);
}

static void is(char **roots, const char *user, const char *want)
{
	autofree char *got = who(roots, user, NULL);

	assert_string_equal(got, want);
}

#define PASSWD                                                                             \
	"root:x:0:0:root:/root:/bin/sh\n#c\n\nalice:x:1000:1001:A,B:/home/alice:/bin/sh\n" \
	"nohome:x:5:6\nbroken:x:x:y:z\nhuge:x:99999999999:1::/:\n"
#define GROUP	     "root:x:0:\nwheel:x:10:root,alice\naudio:x:29:bob,alice\nalice:x:1001:\nshort:x:7\n"
#define NOBODY(name) "unable to find user " name ": no matching entries in passwd file"

TEST(users_and_groups_are_found_as_docker_does)
{
	static const struct {
		const char *user, *add, *want;
	} cases[] = {
		{NULL, NULL, "0:0 /root 10"},
		{"", NULL, "0:0 /root 10"},
		{"root", NULL, "0:0 /root 10"},
		{"alice", NULL, "1000:1001 /home/alice 10 29"},
		{"1000", NULL, "1000:1001 /home/alice 10 29"},
		{"alice:wheel", NULL, "1000:10 /home/alice"},
		{"alice:4711", NULL, "1000:4711 /home/alice"},
		{"4242", NULL, "4242:0 /"},
		{"4242:77", "audio,88", "4242:77 / 29 88"},
		{"nohome", NULL, "5:6 /"},
		{"alice:short", NULL, "1000:7 /home/alice"},
		{"alice", "audio,wheel,5", "1000:1001 /home/alice 10 29 5"},
		{"bob", NULL, NOBODY("bob")},
		{"broken", NULL, NOBODY("broken")},
		{"huge", NULL, NOBODY("huge")},
		{"alice:nope", NULL,
		 "unable to find group nope: no matching entries in group file"},
		{"alice", "nope", "Unable to find group nope"},
		{"2147483648", NULL,
		 "unable to find user 2147483648: uids and gids must be in range 0-2147483647"},
		{"-1", NULL, "unable to find user -1: uids and gids must be in range 0-2147483647"},
	};
	autostrv char **roots = make_roots(1);

	put(roots[0], "/etc/passwd", PASSWD);
	put(roots[0], "/etc/group", GROUP);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *got = who(roots, cases[i].user, cases[i].add);

		assert_string_equal(got, cases[i].want);
	}
}

TEST(an_image_without_accounts_has_numbers_only)
{
	autostrv char **roots = make_roots(2);

	is(roots, "", "0:0 /");
	is(roots, "7:8", "7:8 /");
	is(roots, "x", NOBODY("x"));
}

TEST(uppermost_layer_wins_and_links_are_followed_across_layers)
{
	autostrv char **roots = make_roots(3);

	put(roots[2], "/etc/passwd", "a:x:1:1::/low:\n");
	put(roots[1], "/etc/passwd", "a:x:2:2::/mid:\n");
	is(roots, "a", "2:2 /mid");

	/* from the top by a link in the middle to the bottom */
	put(roots[2], "/usr/share/real/passwd", "a:x:3:3::/real:\n");
	put(roots[1], "/usr/lib/x", "");
	put_link(roots[1], "/usr/lib/passwd", "../share/real/./passwd");
	put(roots[0], "/etc/x", "");
	put_link(roots[0], "/etc/passwd", "/usr/lib/passwd");
	is(roots, "a", "3:3 /real");

	put(roots[0], "/usr/lib/passwd", "a:x:4:4::/up:\n");
	is(roots, "a", "4:4 /up");
}

TEST(links_do_not_lead_out_of_the_image)
{
	autostrv char **roots = make_roots(1);
	autofree char *outside = xasprintf("%s/outside", test_dir());
	autofree char *up = xasprintf("../../../../../../../..%s", outside), *got = NULL;

	put("", outside, "evil:x:0:0::/:\n");
	put(roots[0], "/etc/x", "");
	put_link(roots[0], "/etc/passwd", outside);
	is(roots, "evil", NOBODY("evil"));

	put_link(roots[0], "/etc/group", up);
	is(roots, "0:evil", "unable to find group evil: no matching entries in group file");

	strv_free(roots);
	roots = make_roots(1);
	put_link(roots[0], "/etc", "../../../../../../etc");
	got = who(roots, "root", NULL);
	assert_non_null(strstr(got, "Too many levels of symbolic links"));
}

TEST(loops_and_odd_files_are_refused_and_never_block)
{
	autostrv char **roots = make_roots(1);
	autofree char *passwd = xasprintf("%s/etc/passwd", roots[0]), *loop = NULL;

	put(roots[0], "/etc/x", "");
	put_link(roots[0], "/etc/passwd", "passwd");
	loop = who(roots, "root", NULL);
	assert_non_null(strstr(loop, "Too many levels of symbolic links"));

	assert_int_equal(unlink(passwd), 0);
	assert_int_equal(mkfifo(passwd, 0644), 0);
	is(roots, "root", "the image's /etc/passwd is not a regular file");

	assert_int_equal(unlink(passwd), 0);
	put(roots[0], "/etc/passwd", "root:x:0:0::/:\n");
	assert_int_equal(truncate(passwd, 1LL << 40), 0);
	is(roots, "root", "the image's /etc/passwd is larger than 4 MiB");

	assert_int_equal(unlink(passwd), 0);
	assert_int_equal(mkdir(passwd, 0755), 0);
	is(roots, "7", "7:0 /");
}

TEST(whiteouts_and_opaque_directories_hide)
{
	autostrv char **roots = make_roots(2);
	autofree char *white = xasprintf("%s/etc/passwd", roots[0]);
	autofree char *etc = xasprintf("%s/etc", roots[0]);

	put(roots[1], "/etc/passwd", "a:x:1:1::/:\n");
	put(roots[0], "/etc/x", "");
	if (mknod(white, S_IFCHR, makedev(0, 0)) < 0)
		skip();
	is(roots, "a", NOBODY("a"));
	assert_int_equal(unlink(white), 0);
	is(roots, "a", "1:1 /");

	if (setxattr(etc, "trusted.overlay.opaque", "y", 1, 0) == 0)
		is(roots, "a", NOBODY("a"));

	strv_free(roots);
	roots = make_roots(2);
	put(roots[1], "/etc/passwd", "a:x:1:1::/:\n");
	free(etc);
	etc = xasprintf("%s/etc", roots[0]);
	assert_int_equal(mknod(etc, S_IFCHR, makedev(0, 0)), 0);
	is(roots, "a", NOBODY("a"));
}
