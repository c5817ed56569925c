/* Names, options, and the store of volumes on disk. */
#include "volume/volume.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "test.h"

TEST(names_are_checked_as_docker_does)
{
	static const char *const good[] = {"ab", "a.b_c-d", "0x", "A9"};
	static const char *const bad[] = {"", "a", ".a", "-a", "a/b", "a b", "a:b", "ä1", "../x"};
	char longest[VOLUME_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(volume_check_name(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = {0};

		assert_true(volume_check_name(bad[i], &err) < 0);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	memset(longest, 'a', sizeof longest);
	longest[VOLUME_NAME_MAX + 1] = '\0';
	assert_true(volume_check_name(longest, NULL) < 0);
	longest[VOLUME_NAME_MAX] = '\0';
	assert_int_equal(volume_check_name(longest, NULL), 0);
}

static struct strmap options_of(const char *text)
{
	autostrv char **parts = strv_split(text, ' ');
	struct strmap m = {0};

	for (char **p = parts; *p && **p; p++) {
		char *equals = strchr(*p, '=');

		*equals = '\0';
		strmap_set(&m, *p, equals + 1);
	}
	return m;
}

TEST(options_are_checked_as_docker_does)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"type=tmpfs device=tmpfs", ""},
		{"type=tmpfs device=tmpfs o=size=1m", ""},
		{"size=0", ""},
		{"size=10m", "quota size requested but no quota support"},
		{"size=big", "invalid size: 'big'"},
		{"what=1", "invalid option: \"what\""},
		{"type=tmpfs", "missing required option: \"device\""},
		{"device=/x", "missing required option: \"type\""},
		{"o=ro", "missing required option: \"device\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strmap m = options_of(cases[i][0]);
		struct err err = {0};

		(void) volume_check_options(&m, &err);
		assert_string_equal(err.text, cases[i][1]);
		strv_free(m.kv);
	}
}

TEST(options_say_what_is_mounted)
{
	static const char *const cases[][2] = {
		{"", "-"},
		{"type=tmpfs device=tmpfs", "tmpfs tmpfs "},
		{"type=tmpfs device=tmpfs o=size=1m,uid=5", "tmpfs tmpfs size=1m,uid=5"},
		{"type=none device=/x o=bind,ro", "bind /x bind,ro"},
		{"type=nfs device=:/x o=addr=10.0.0.1,nfsvers=4",
		 "nfs :/x addr=10.0.0.1,nfsvers=4"},
		{"type=nfs4 device=:/x o=addr=::1", "nfs4 :/x addr=::1"},
		{"type=ext4 device=/dev/x o=addr=nosuch.invalid",
		 "ext4 /dev/x addr=nosuch.invalid"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct volume v = {.options = options_of(cases[i][0])};
		struct volume_mount m;
		autofree char *words = NULL, *got = NULL;

		assert_int_equal(volume_mount_of(&v, &m, NULL), 0);
		words = strv_join(m.options, ",");
		got = m.type ? xasprintf("%s %s %s", m.type, m.device, words) : xstrdup("-");
		assert_string_equal(got, cases[i][1]);
		volume_mount_free(&m);
		strv_free(v.options.kv);
	}
}

/* A store of its own, in a fresh data root, which is left as the working directory. */
static struct volumes *fresh(void)
{
	autofree char *root = xasprintf("%s/volumes-XXXXXX", test_dir());
	struct volumes *vs;

	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	assert_int_equal(volumes_open(root, root, &vs, NULL), 0);
	return vs;
}

static void make(struct volumes *vs, const char *name)
{
	auto_(volume_free_p) struct volume *v = NULL;
	bool made;

	assert_int_equal(
		volumes_create(vs, &(struct volume_request){.name = name}, &v, &made, NULL), 0);
	assert_true(made);
}

static void put(const char *path, const char *text)
{
	assert_int_equal(save_file_at(AT_FDCWD, path, text, strlen(text), SAVE_ATOMIC, NULL), 0);
}

/* Names, and what begins with a dot, with spaces between; sorted by kind. */
static char *listed(struct volumes *vs)
{
	struct volume **list;
	autobuf b = {0};
	size_t n;

	assert_int_equal(volumes_list(vs, &list, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", list[i]->name);
	volume_list_free(list, n);
	return buf_take(&b);
}

static void assert_listed(struct volumes *vs, const char *names)
{
	autofree char *got = listed(vs);

	assert_string_equal(got, names);
}

TEST(a_volume_is_whole_or_gone)
{
	struct volumes *vs = fresh();
	auto_(volume_free_p) struct volume *v = NULL, *again = NULL;
	struct strmap labels = options_of("a=b c=");
	const struct volume_request rq = {.name = "data", .labels = &labels};
	char gone[VOLUME_GONE_MAX];
	struct err err = {0};
	struct stat st;
	bool made;

	assert_int_equal(volumes_create(vs, &rq, &v, &made, NULL), 0);
	assert_true(made);
	assert_string_equal(strmap_get(&v->labels, "a"), "b");
	assert_int_equal(stat(v->mountpoint, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(volumes_create(vs, &rq, &again, &made, NULL), 0);
	assert_false(made);
	assert_int_equal(again->created_ns, v->created_ns);

	put("volumes/data/_data/file", "four");
	assert_int_equal(volumes_size(vs, "data"), 4);
	assert_int_equal(volumes_take_away(vs, "data", gone, NULL), 0);
	assert_listed(vs, "");
	assert_true(volumes_take_away(vs, "data", gone, &err) < 0);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	strv_free(labels.kv);
	volumes_close(vs);
}

#define ROUNDS 1000

/* As a removal and a creation do it: the name goes before the files, and comes after them. */
static void *come_and_go(void *rounds)
{
	while (atomic_fetch_add((atomic_int *) rounds, 1) < ROUNDS)
		if (rename("volumes/data", "volumes/.gone-0") < 0 ||
		    unlink("volumes/.gone-0/volume.json") < 0 || rmdir("volumes/.gone-0") < 0 ||
		    mkdir("volumes/.new-0", 0711) < 0 ||
		    link("kept.json", "volumes/.new-0/volume.json") < 0 ||
		    rename("volumes/.new-0", "volumes/data") < 0) {
			*(atomic_int *) rounds = ROUNDS + 1;
			return (void *) (intptr_t) errno;
		}
	return NULL;
}

TEST(a_volume_that_goes_as_it_is_looked_at_is_not_there)
{
	struct volumes *vs = fresh();
	atomic_int rounds = 0;
	unsigned problems = 0;
	pthread_t id;
	void *fault;

	make(vs, "data");
	assert_int_equal(link("volumes/data/volume.json", "kept.json"), 0);
	assert_int_equal(rmdir("volumes/data/_data"), 0);
	assert_int_equal(thread_start(&id, "goes", come_and_go, &rounds), 0);
	while (atomic_load(&rounds) < ROUNDS) {
		auto_(volume_free_p) struct volume *v = NULL;
		struct err err = {0};

		if (volumes_get(vs, "data", &v, &err) < 0)
			problems += err.kind != ERR_NOT_FOUND;
		else
			problems += v->problem != NULL;
	}
	pthread_join(id, &fault);
	assert_int_equal((intptr_t) fault, 0);
	assert_int_equal(problems, 0);
	volumes_close(vs);
}

TEST(what_is_no_volume_is_not_made_one)
{
	struct volumes *vs = fresh();
	auto_(volume_free_p) struct volume *v = NULL;
	struct err err = {0};
	bool made;

	put("volumes/metadata.db", "another engine's");
	assert_true(volumes_create(vs, &(struct volume_request){.name = "metadata.db"}, &v, &made,
				   &err) < 0);
	assert_string_equal(err.text, "create metadata.db: File exists");
	assert_listed(vs, "");
	volumes_close(vs);
}

TEST(a_pending_volume_is_seen_when_it_is_published)
{
	struct volumes *vs = fresh();
	auto_(volume_free_p) struct volume *v = NULL, *w = NULL;
	const struct volume_request a = {.name = "aaaa"}, b = {.name = "bbbb"};
	autostrv char **pending = NULL, **gone = NULL;
	char dropped[VOLUME_GONE_MAX];

	assert_int_equal(volumes_create_pending(vs, &a, &v, NULL), 0);
	assert_int_equal(volumes_create_pending(vs, &b, &w, NULL), 0);
	assert_true(volume_is_anonymous(v));
	assert_listed(vs, "");
	volumes_recover(vs, &pending, &gone);
	assert_int_equal(strv_len(pending), 2);
	assert_int_equal(volumes_publish(vs, "aaaa", NULL), 1);
	assert_int_equal(volumes_publish(vs, "aaaa", NULL), 0);
	assert_int_equal(volumes_drop_pending(vs, "bbbb", dropped), 0);
	assert_true(volumes_publish(vs, "bbbb", NULL) < 0);
	assert_listed(vs, "aaaa");
	volumes_close(vs);
}

TEST(an_unreadable_volume_is_usable_by_its_data_only)
{
	static const char *const texts[] = {"", "{", "[]", "{\"Driver\":7}",
					    "{\"Version\":99,\"Driver\":\"local\"}"};
	struct volumes *vs = fresh();

	make(vs, "data");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		auto_(volume_free_p) struct volume *v = NULL, *w = NULL;
		struct err err = {0};

		put("volumes/data/volume.json", texts[i]);
		assert_int_equal(volumes_get(vs, "data", &v, NULL), 0);
		assert_non_null(v->problem);
		assert_true(volumes_get_usable(vs, "data", &w, &err) < 0);
		assert_int_equal(err.kind, ERR_CONFLICT);
		put("volumes/data/_data/file", "x");
		assert_int_equal(volumes_get_usable(vs, "data", &w, NULL), 0);
		assert_int_equal(remove("volumes/data/_data/file"), 0);
	}
	assert_listed(vs, "data");
	volumes_close(vs);
}

static void fill(struct volumes *vs, const char *name, bool copied)
{
	auto_(volume_free_p) struct volume *v = NULL;
	struct volume_fill f;

	assert_int_equal(volumes_get(vs, name, &v, NULL), 0);
	assert_int_equal(volumes_fill_begin(vs, v, false, &f, NULL), 0);
	assert_non_null(f.path);
	{
		autofree char *one = xasprintf("%s/one", f.path);

		put(one, "1");
		assert_int_equal(chmod(f.path, 0750), 0);
	}
	assert_false(exists_at(AT_FDCWD, "volumes/data/_data/one"));
	assert_int_equal(volumes_fill_end(vs, &f, copied, NULL), 0);
}

TEST(what_fills_a_volume_is_all_there_or_not_at_all)
{
	struct volumes *vs = fresh();
	auto_(volume_free_p) struct volume *v = NULL;
	autostrv char **pending = NULL, **gone = NULL;
	struct volume_fill f;
	struct stat st;

	make(vs, "data");
	fill(vs, "data", false);
	assert_false(exists_at(AT_FDCWD, "volumes/data/_data/one"));
	fill(vs, "data", true);
	assert_true(exists_at(AT_FDCWD, "volumes/data/_data/one"));
	assert_int_equal(stat("volumes/data/_data", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);

	assert_int_equal(volumes_get(vs, "data", &v, NULL), 0);
	assert_int_equal(volumes_fill_begin(vs, v, false, &f, NULL), 0);
	assert_null(f.path); /* not empty */
	assert_int_equal(volumes_fill_end(vs, &f, false, NULL), 0);
	volumes_recover(vs, &pending, &gone);
	assert_null(pending);
	assert_null(gone);
	volumes_close(vs);
}

TEST(what_a_death_left_is_completed_or_taken_away)
{
	struct volumes *vs = fresh();
	autostrv char **pending = NULL, **gone = NULL;

	make(vs, "data");
	make(vs, "half");
	assert_int_equal(mkdir_p("volumes/.filled-data/dir", 0755), 0);
	assert_int_equal(mkdir_p("volumes/.filled-removed/dir", 0755), 0);
	assert_int_equal(mkdir_p("volumes/.fill-half/dir", 0755), 0);
	assert_int_equal(mkdir_p("volumes/.new-0123/_data", 0755), 0);
	put("volumes/.filled-data/mine", "the image's");
	put("volumes/data/_data/mine", "a user's");
	volumes_recover(vs, &pending, &gone);
	assert_int_equal(strv_len(gone), 2);
	for (char **g = gone; *g; g++)
		volumes_delete(vs, *g);
	assert_true(exists_at(AT_FDCWD, "volumes/data/_data/dir"));
	assert_false(exists_at(AT_FDCWD, "volumes/half/_data/dir"));
	assert_false(exists_at(AT_FDCWD, "volumes/.filled-data"));
	assert_false(exists_at(AT_FDCWD, "volumes/.filled-removed"));
	assert_false(exists_at(AT_FDCWD, "volumes/.new-0123"));
	{
		autofree char *text = NULL;

		assert_int_equal(
			read_file_at(AT_FDCWD, "volumes/data/_data/mine", 100, &text, NULL), 0);
		assert_string_equal(text, "a user's");
	}
	assert_listed(vs, "data half");
	volumes_close(vs);
}
