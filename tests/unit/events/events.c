#include "events/events.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "events/journal.h"
#include "test.h"

/* A literal where a struct wants char *. */
#define S(text) ((char *) (text))

static char *fresh_dir(void)
{
	char *path = xasprintf("%s/events-XXXXXX", test_dir());

	assert_non_null(mkdtemp(path));
	return path;
}

static struct events *opened(const char *dir)
{
	struct events *e = NULL;
	struct err err = {};

	if (events_open(dir, &e, &err) < 0)
		fail_msg("%s", err.text);
	return e;
}

static void publish_of(struct events *e, int64_t time_ns, const char *action, const char *id,
		       const char *name, const char *image)
{
	char *attributes[] = {S("image"), (char *) image, S("name"), (char *) name, NULL};
	struct event ev = {
		.time_ns = time_ns,
		.type = S("container"),
		.action = (char *) action,
		.id = (char *) id,
		.attributes.kv = attributes,
	};

	events_publish(e, &ev);
}

static void publish(struct events *e, int64_t time_ns, const char *action, const char *id)
{
	publish_of(e, time_ns, action, id, "web", "debian:12");
}

static struct event_listener *listening(struct events *e, int64_t since, int64_t until)
{
	struct event_listener *l = NULL;

	assert_int_equal(events_listen(e, since, until, NULL, &l, NULL), 0);
	return l;
}

static bool is_readable(const struct event_listener *l, int timeout_ms)
{
	struct pollfd p = {.fd = events_fd(l), .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static void assert_next(struct event_listener *l, const char *action, int64_t time_ns)
{
	struct event ev = {};

	assert_int_equal(events_next(l, &ev), 1);
	assert_string_equal(ev.action, action);
	assert_int_equal(ev.time_ns, time_ns);
	event_free(&ev);
}

static void assert_nothing(struct event_listener *l, int r)
{
	struct event ev = {};

	assert_int_equal(events_next(l, &ev), r);
}

TEST(listeners_get_what_comes_and_then_sleep)
{
	struct events *e = opened(NULL);
	struct event_listener *a = listening(e, 0, 0), *b = listening(e, 0, 0);

	assert_nothing(a, 0);
	assert_false(is_readable(a, 0));
	publish(e, 10, "create", "x");
	publish(e, 5, "start", "x");
	assert_true(is_readable(a, 1000));
	assert_next(a, "create", 10);
	assert_next(a, "start", 5);
	assert_nothing(a, 0);
	assert_false(is_readable(a, 0));
	assert_next(b, "create", 10);
	events_unlisten(a);
	publish(e, 11, "die", "x");
	assert_next(b, "start", 5);
	assert_next(b, "die", 11);
	events_unlisten(b);
	events_close(e);
}

TEST(the_past_comes_in_order_of_time_and_survives_a_restart)
{
	autofree char *dir = fresh_dir();
	struct events *e = opened(dir);
	struct event_listener *l;
	struct event ev;

	publish(e, 100, "create", "x");
	publish(e, 300, "start", "x");
	publish(e, 200, "die", "x"); /* told late */
	publish(e, 50, "old", "x");
	events_close(e);

	e = opened(dir);
	l = listening(e, 100, 0);
	publish(e, 400, "destroy", "x");
	assert_int_equal(events_next(l, &ev), 1);
	assert_string_equal(ev.action, "create");
	assert_string_equal(ev.type, "container");
	assert_string_equal(ev.id, "x");
	assert_string_equal(strmap_get(&ev.attributes, "image"), "debian:12");
	event_free(&ev);
	assert_next(l, "die", 200);
	assert_next(l, "start", 300);
	assert_next(l, "destroy", 400);
	assert_nothing(l, 0);
	events_unlisten(l);

	l = listening(e, 0, 0);
	assert_nothing(l, 0);
	events_unlisten(l);
	l = listening(e, 0, 250);
	assert_next(l, "old", 50);
	assert_next(l, "create", 100);
	assert_next(l, "die", 200);
	assert_nothing(l, 2);
	events_unlisten(l);
	events_close(e);
}

/* A daemon that dies between telling and noting that it told leaves it to be told again. */
TEST(what_was_told_twice_happened_once)
{
	autofree char *dir = fresh_dir();
	struct events *e = opened(dir);
	struct event_listener *l;

	publish(e, 100, "oom", "x");
	publish(e, 100, "die", "x");
	publish(e, 90, "start", "x");
	events_close(e);
	e = opened(dir);
	publish(e, 100, "oom", "x");
	publish(e, 100, "die", "x");
	publish_of(e, 100, "die", "x", "renamed", "debian:12");
	publish_of(e, 100, "die", "x", "web", "other");
	publish(e, 100, "die", "y");
	publish(e, 101, "die", "x");
	l = listening(e, 1, 0);
	assert_next(l, "start", 90);
	assert_next(l, "oom", 100);
	assert_next(l, "die", 100);
	assert_next(l, "die", 100); /* with other words */
	assert_next(l, "die", 100); /* another container's */
	assert_next(l, "die", 101);
	assert_nothing(l, 0);
	events_unlisten(l);
	events_close(e);
}

TEST(until_in_the_future_ends_the_listener_then)
{
	struct events *e = opened(NULL);
	int64_t until = now_ns() + 80 * NSEC_PER_MSEC;
	struct event_listener *l = listening(e, 0, until);

	assert_nothing(l, 0);
	publish(e, until + 1, "late", "x");
	publish(e, until, "last", "x");
	assert_next(l, "last", until);
	assert_nothing(l, 0);
	assert_true(is_readable(l, 5000));
	assert_true(now_ns() >= until);
	assert_nothing(l, 2);
	events_unlisten(l);
	events_close(e);
}

TEST(ending_wakes_listeners_who_still_get_what_they_have)
{
	struct events *e = opened(NULL);
	struct event_listener *l = listening(e, 0, 0), *late;

	assert_nothing(l, 0);
	publish(e, 1, "create", "x");
	events_end(e);
	publish(e, 2, "start", "x");
	late = listening(e, 0, 0);
	events_close(e);
	assert_true(is_readable(l, 1000));
	assert_next(l, "create", 1);
	assert_nothing(l, 2);
	assert_nothing(late, 2);
	events_unlisten(l);
	events_unlisten(late);
}

TEST(a_listener_too_far_behind_is_cut_off)
{
	struct events *e = opened(NULL);
	struct event_listener *l = listening(e, 0, 0);

	for (int i = 1; i <= 5000; i++)
		publish(e, i, "create", "x");
	for (int i = 1; i <= 4096; i++)
		assert_next(l, "create", i);
	assert_nothing(l, 2);
	events_unlisten(l);
	events_close(e);
}

TEST(a_torn_last_line_is_no_line_and_harms_no_other)
{
	autofree char *dir = fresh_dir();
	autofree char *path = xasprintf("%s/events.jsonl", dir);
	struct events *e = opened(dir);
	struct event_listener *l;
	struct stat st;

	publish(e, 100, "create", "x");
	publish(e, 200, "start", "x");
	events_close(e);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 20), 0);

	e = opened(dir);
	publish(e, 300, "die", "x");
	l = listening(e, 1, 0);
	assert_next(l, "create", 100);
	assert_next(l, "die", 300);
	assert_nothing(l, 0);
	events_unlisten(l);
	events_close(e);
}

TEST(the_journal_is_bounded_and_keeps_the_newest)
{
	autofree char *dir = fresh_dir();
	struct journal j;
	struct journal_view v;
	struct journal_place *p;
	struct event ev = {.type = S("container"), .action = S("start"), .id = S("x")};
	struct stat st;
	size_t n;

	assert_int_equal(journal_open(&j, dir, NULL), 0);
	j.max = 4096;
	for (int i = 1; i <= 1000; i++) {
		autofree char *line = NULL;
		size_t len;

		ev.time_ns = i;
		line = journal_line(&ev, &len);
		journal_append(&j, line, len);
	}
	journal_look(&j, &v);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstat(v.fd[i], &st), 0);
		assert_in_range(st.st_size, 1, 4096);
	}
	journal_search(&v, 1, 0, NULL, &p, &n);
	assert_in_range(n, 40, 200);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i].time_ns, 1001 - (int64_t) (n - i));
	free(p);
	journal_view_close(&v);
	journal_close(&j);
}

TEST(a_view_stays_readable_when_its_files_are_rotated_away)
{
	autofree char *dir = fresh_dir();
	struct events *e = opened(dir);
	autofree char *big = xmalloc(20001);
	struct event_listener *l;

	memset(big, 'b', 20000);
	big[20000] = '\0';
	publish(e, 1, "first", "x");
	l = listening(e, 1, 0);
	for (int i = 0; i < 600; i++) /* 12 MB */
		publish(e, 100 + i, "big", big);
	assert_next(l, "first", 1);
	for (int i = 0; i < 600; i++)
		assert_next(l, "big", 100 + i);
	assert_nothing(l, 0);
	events_unlisten(l);
	events_close(e);
}

/* A failing disk: no file of this process may grow. */
TEST(an_event_that_cannot_be_journalled_is_still_told)
{
	autofree char *dir = fresh_dir();
	struct events *e = opened(dir);
	struct event_listener *l = listening(e, 0, 0);
	struct rlimit old, none;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){0, old.rlim_max};
	(void) signal(SIGXFSZ, SIG_IGN);
	(void) setrlimit(RLIMIT_FSIZE, &none);
	publish(e, 1, "create", "x");
	publish(e, 2, "start", "x");
	(void) setrlimit(RLIMIT_FSIZE, &old);
	publish(e, 3, "die", "x");

	assert_next(l, "create", 1);
	assert_next(l, "start", 2);
	assert_next(l, "die", 3);
	events_unlisten(l);
	l = listening(e, 1, 0);
	assert_next(l, "die", 3);
	events_unlisten(l);
	events_close(e);
}

enum { PER_THREAD = 300 };

struct publisher {
	struct events *events;
	const char *id;
};

static void *publish_many(void *arg)
{
	struct publisher *p = arg;

	for (int i = 0; i < PER_THREAD; i++)
		publish(p->events, 1000 + i, "tick", p->id);
	return NULL;
}

/* However the listener's coming falls among the publications: each is seen once. */
TEST(between_past_and_live_there_is_no_gap_and_no_double)
{
	autofree char *dir = fresh_dir();
	struct events *e = opened(dir);
	struct publisher publishers[3] = {{e, "x"}, {e, "y"}, {e, "z"}};
	struct event_listener *l[20];
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, publish_many, &publishers[i]),
				 0);
	for (int i = 0; i < 20; i++)
		l[i] = listening(e, 1, 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);

	for (int i = 0; i < 20; i++) {
		int seen[PER_THREAD] = {0};
		struct event ev;

		while (events_next(l[i], &ev) == 1) {
			seen[ev.time_ns - 1000]++;
			event_free(&ev);
		}
		for (int k = 0; k < PER_THREAD; k++)
			assert_int_equal(seen[k], 3);
		events_unlisten(l[i]);
	}
	events_close(e);
}

TEST(damaged_journal_lines_are_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"null",
		"{\"time\":1}",
		"{\"time\":\"x\",\"type\":\"a\",\"action\":\"b\"}",
		"{\"time\":0,\"type\":\"a\",\"action\":\"b\"}",
		"{\"time\":1,\"type\":\"a\",\"action\":\"b\",\"attributes\":[1]}",
	};
	struct event ev;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(journal_parse(bad[i], strlen(bad[i]), &ev), -1);
}

static bool matches(const char *json, const struct event *ev)
{
	struct filters f = {};
	bool r;

	assert_int_equal(filters_parse(json, event_filter_keys, &f, NULL), 0);
	r = event_match(&f, ev);
	filters_free(&f);
	return r;
}

TEST(filters_let_through_what_docker_would)
{
	char *attributes[] = {
		S("image"), S("reg:5000/debian:12"), S("name"), S("web"), S("tier"), S("front"),
		NULL};
	struct event c = {
		.type = S("container"),
		.action = S("exec_create: ls -l"),
		.id = S("abcdef"),
		.attributes.kv = attributes,
	};
	char *image_attributes[] = {S("name"), S("debian:12"), NULL};
	struct event i = {
		.type = S("image"),
		.action = S("tag"),
		.id = S("sha256:123"),
		.attributes.kv = image_attributes,
	};

	assert_true(matches("", &c));
	assert_true(matches("{\"container\":[\"abc\"]}", &c));
	assert_true(matches("{\"container\":[\"web\"]}", &c));
	assert_false(matches("{\"container\":[\"db\"]}", &c));
	assert_false(matches("{\"container\":[\"debian\"]}", &i));
	assert_true(matches("{\"type\":[\"container\",\"network\"]}", &c));
	assert_false(matches("{\"type\":[\"network\"]}", &c));
	assert_true(matches("{\"event\":[\"exec_create\"]}", &c));
	assert_true(matches("{\"event\":[\"exec_create: ls -l\"]}", &c));
	assert_false(matches("{\"event\":[\"exec\"]}", &c));
	assert_true(matches("{\"image\":[\"reg:5000/debian:12\"]}", &c));
	assert_true(matches("{\"image\":[\"reg:5000/debian\"]}", &c));
	assert_false(matches("{\"image\":[\"reg\"]}", &c));
	assert_true(matches("{\"image\":[\"debian\"]}", &i));
	assert_true(matches("{\"image\":[\"sha256:123\"]}", &i));
	assert_true(matches("{\"label\":[\"tier=front\"]}", &c));
	assert_false(matches("{\"label\":[\"tier=back\"]}", &c));
	assert_true(matches("{\"scope\":[\"local\"]}", &c));
	assert_false(matches("{\"scope\":[\"swarm\"]}", &c));
	assert_false(matches("{\"container\":[\"web\"],\"event\":[\"die\"]}", &c));
}

static void assert_json(const struct event *ev, const char *want)
{
	autojson json_t *tree = event_json(ev);
	autofree char *text = json_text(tree);

	assert_string_equal(text, want);
}

TEST(json_is_that_of_docker)
{
	char *attributes[] = {S("image"), S("busybox"), S("name"), S("web"), NULL};
	struct event ev = {
		.time_ns = 1700000000123456789,
		.type = S("container"),
		.action = S("start"),
		.id = S("abc"),
		.attributes.kv = attributes,
	};

	assert_json(
		&ev,
		"{\"status\":\"start\",\"id\":\"abc\",\"from\":\"busybox\",\"Type\":\"container\","
		"\"Action\":\"start\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":{\"image\":"
		"\"busybox\","
		"\"name\":\"web\"}},\"scope\":\"local\",\"time\":1700000000,"
		"\"timeNano\":1700000000123456789}");
	ev.type = S("volume");
	ev.attributes.kv = NULL;
	assert_json(&ev, "{\"Type\":\"volume\",\"Action\":\"start\",\"Actor\":{\"ID\":\"abc\","
			 "\"Attributes\":{}},\"scope\":\"local\",\"time\":1700000000,"
			 "\"timeNano\":1700000000123456789}");
}
