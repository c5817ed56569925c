/* Loading: what each file says, and what happens where it cannot be read. */
#include "test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "container/container.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct place {
	struct container_store *store;
	char *data;
	char *exec;
};

static void place_make(struct place *p, const char *name)
{
	struct err err = {0};

	p->data = xasprintf("%s/%s-data", test_dir(), name);
	p->exec = xasprintf("%s/%s-exec", test_dir(), name);
	assert_int_equal(container_store_open(p->data, p->exec, &p->store, &err), 0);
	assert_int_equal(mkdirat(container_store_data_dir(p->store), ID, 0700), 0);
}

static void place_free(struct place *p)
{
	container_store_close(p->store);
	free(p->data);
	free(p->exec);
}

static void write_data(struct place *p, const char *name, const char *text)
{
	autoclose int dir = container_open_data(p->store, ID);

	assert_int_equal(save_file_at(dir, name, text, strlen(text), SAVE_ATOMIC, NULL), 0);
}

static void write_config(struct place *p)
{
	auto_(container_config_unref_p) struct container_config *cc = container_config_new();

	cc->id = xstrdup(ID);
	cc->name = xstrdup("web");
	cc->image_id = xstrdup("sha256:00");
	cc->created_ns = 42;
	cc->host.memory = 1LL << 33;
	strv_add(&cc->config.env, "A=b");
	assert_int_equal(container_save_config(p->store, cc, NULL), 0);
}

static struct container *load(struct place *p)
{
	struct container *c = NULL;
	struct err err = {0};

	if (container_load(p->store, ID, exists_at(container_store_exec_dir(p->store), ID), &c,
			   &err) < 0)
		return NULL;
	return c;
}

TEST(config_round_trips)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;

	place_make(&p, "config");
	write_config(&p);
	c = load(&p);
	assert_non_null(c);
	assert_string_equal(c->name, "web");
	assert_int_equal(c->phase, PHASE_CREATED);
	assert_int_equal(c->created_ns, 42);
	assert_int_equal(c->config->host.memory, 1LL << 33);
	assert_string_equal(c->config->config.env[0], "A=b");
	assert_true(c->handled);
}

/* Else every restore would take the long way, and nobody would notice. */
static void expect_own(const char *dir, const char *name, const struct field *fields, void *obj)
{
	autofree char *text = NULL;
	autoclose int fd = open_dir_at(AT_FDCWD, dir);
	autofree char *path = xasprintf(LAYOUT_CONTAINERS "/" ID "/%s", name);
	size_t len;

	assert_int_equal(read_file_at(fd, path, 1 << 20, &text, &len), 0);
	fields_init(fields, obj);
	if (!fields_load_own(fields, obj, text, len))
		fail_msg("%s: %s", name, text);
	fields_free(fields, obj);
}

TEST(what_is_saved_is_read_without_a_tree)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;
	struct container_config config;
	struct container_phase phase;
	struct container_state state;

	place_make(&p, "own");
	write_config(&p);
	c = load(&p);
	c->state.wanted = WANTED_RUNNING;
	c->state.run = 1;
	c->state.error = xstrdup("x \"y\"\n\u00fc");
	c->state.health = xnew(struct container_health);
	c->phase = PHASE_RUNNING;
	assert_int_equal(mkdirat(container_store_exec_dir(p.store), ID, 0700), 0);
	assert_int_equal(container_save_state_locked(p.store, c, NULL), 0);
	assert_int_equal(container_save_phase_locked(p.store, c, NULL), 0);
	expect_own(p.data, LAYOUT_CONFIG, container_config_fields, &config);
	expect_own(p.data, LAYOUT_STATE, container_state_fields, &state);
	expect_own(p.exec, LAYOUT_PHASE, container_phase_fields, &phase);
}

TEST(what_a_save_left_is_tidied_unless_a_verb_is_at_it)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;
	autoclose int dir = -1;

	place_make(&p, "tidy");
	write_config(&p);
	write_data(&p, "." LAYOUT_CONFIG ".new", "{");
	write_data(&p, "." LAYOUT_STATE ".new", "{");
	c = load(&p);
	dir = container_open_data(p.store, ID);
	assert_int_equal(container_claim(c, NULL), 0);
	assert_false(container_tidy(p.store, c, false));
	assert_true(exists_at(dir, "." LAYOUT_STATE ".new"));
	assert_true(container_tidy(p.store, c, true));
	assert_false(exists_at(dir, "." LAYOUT_STATE ".new"));
	container_release(c);
	write_data(&p, "." LAYOUT_STATE ".new", "{");
	assert_true(container_tidy(p.store, c, false));
	assert_false(exists_at(dir, "." LAYOUT_CONFIG ".new"));
	assert_false(exists_at(dir, "." LAYOUT_STATE ".new"));
	assert_true(exists_at(dir, LAYOUT_CONFIG));
}

TEST(state_round_trips)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL, *again = NULL;

	place_make(&p, "state");
	write_config(&p);
	c = load(&p);
	c->state.wanted = WANTED_RUNNING;
	c->state.run = c->state.settled_run = 3;
	c->state.started_ns = 1000000007;
	c->state.finished_ns = 2000000011;
	c->state.exit_code = 139;
	c->state.oom_killed = true;
	c->state.error = xstrdup("x \"y\"\n");
	assert_int_equal(container_save_state_locked(p.store, c, NULL), 0);
	again = load(&p);
	assert_true(fields_equal(container_state_fields, &c->state, &again->state));
	assert_int_equal(again->phase, PHASE_EXITED);
}

TEST(health_of_a_living_run_is_with_its_phase)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL, *again = NULL;
	struct container_health *h;

	place_make(&p, "health");
	write_config(&p);
	c = load(&p);
	assert_int_equal(mkdirat(container_store_exec_dir(p.store), ID, 0700), 0);
	c->state.wanted = WANTED_RUNNING;
	c->state.run = 1;
	c->phase = PHASE_RUNNING;
	h = c->disk.health = xnew(struct container_health);
	h->status = xstrdup("healthy");
	h->failing_streak = 2;
	h->due_ns = 5000000001;
	h->probe = xstrdup("ab");
	h->taken = xstrdup("cd");
	h->log.items = xnew(struct health_result);
	h->log.n = 1;
	*objects_at(&h->log, struct health_result, 0) = (struct health_result){
		.start_ns = 7, .end_ns = 8, .exit_code = -1, .output = xstrdup("no \xff\n")};
	assert_int_equal(container_save_state_locked(p.store, c, NULL), 0);
	assert_int_equal(container_save_phase_locked(p.store, c, NULL), 0);
	again = load(&p);
	assert_null(again->state.health);
	assert_non_null(again->disk.health);
	/* What is no UTF-8 is told by its replacement. */
	free(objects_at(&h->log, struct health_result, 0)->output);
	objects_at(&h->log, struct health_result, 0)->output = xstrdup("no \uFFFD\n");
	assert_true(fields_equal(container_health_fields, h, again->disk.health));
	assert_int_equal(again->disk.health->due_ns, 5000000001);
}

TEST(a_begun_run_without_a_phase_is_starting_until_a_record_says_more)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;

	place_make(&p, "begun");
	write_config(&p);
	write_data(&p, LAYOUT_STATE, "{\"Version\":1,\"Wanted\":1,\"Run\":2,\"SettledRun\":1}");
	c = load(&p);
	assert_int_equal(c->phase, PHASE_STARTING);
	assert_false(c->handled);
}

TEST(a_wish_to_be_gone_outlives_everything)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;

	place_make(&p, "gone");
	write_config(&p);
	write_data(&p, LAYOUT_STATE, "{\"Version\":1,\"Wanted\":3,\"Run\":2,\"SettledRun\":1}");
	c = load(&p);
	assert_int_equal(c->phase, PHASE_REMOVING);
}

TEST(an_unreadable_config_makes_it_dead_and_names_the_file)
{
	static const char *const damaged[] = {"",
					      "{",
					      "[]",
					      "{\"Version\":1}",
					      "{\"Version\":99,\"Id\":\"" ID "\"}",
					      "{\"Version\":1,\"Id\":\"ff\",\"Name\":\"x\"}",
					      "{\"Version\":1,\"Id\":\"" ID
					      "\",\"Name\":\"x\",\"HostConfig\":3}"};

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		auto_(place_free) struct place p = {0};
		auto_(container_unref_p) struct container *c = NULL;
		autofree char *name = xasprintf("damaged-%zu", i);

		place_make(&p, name);
		write_data(&p, LAYOUT_CONFIG, damaged[i]);
		c = load(&p);
		assert_non_null(c);
		assert_int_equal(c->phase, PHASE_DEAD);
		assert_non_null(strstr(c->problem, LAYOUT_CONFIG));
	}
}

TEST(an_unreadable_state_makes_it_dead_but_keeps_its_config)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;

	place_make(&p, "bad-state");
	write_config(&p);
	write_data(&p, LAYOUT_STATE, "{\"Version\":1,\"Run\":\"two\"}");
	c = load(&p);
	assert_int_equal(c->phase, PHASE_DEAD);
	assert_non_null(strstr(c->problem, LAYOUT_STATE));
	assert_string_equal(c->name, "web");
}

TEST(a_state_that_is_gone_though_it_ran_is_not_taken_for_never_started)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;

	place_make(&p, "no-state");
	write_config(&p);
	write_data(&p, LAYOUT_RUNS, "{}\n");
	c = load(&p);
	assert_int_equal(c->phase, PHASE_DEAD);
}

TEST(an_unfinished_create_is_no_container)
{
	auto_(place_free) struct place p = {0};

	place_make(&p, "unfinished");
	assert_null(load(&p));
	write_data(&p, LAYOUT_RUNS, "");
	assert_null(load(&p));
}

static void assert_keeps(int dir, const char *name, const char *text)
{
	autofree char *now = NULL;

	assert_int_equal(read_file_at(dir, name, 1 << 20, &now, NULL), 0);
	if (!strstr(now, text))
		fail_msg("%s lost %s: %s", name, text, now);
}

TEST(keys_of_a_later_version_are_tolerated_and_kept_when_a_file_is_written_again)
{
	auto_(place_free) struct place p = {0};
	auto_(container_unref_p) struct container *c = NULL;
	autofree char *phase = NULL;
	autoclose int data = -1, exec = -1;

	place_make(&p, "later");
	assert_int_equal(mkdirat(container_store_exec_dir(p.store), ID, 0700), 0);
	data = container_open_data(p.store, ID);
	exec = container_open_exec(p.store, ID);
	write_data(&p, LAYOUT_CONFIG,
		   "{\"Version\":1,\"Id\":\"" ID "\",\"Name\":\"web\",\"Later\":[1],"
		   "\"HostConfig\":{\"Memory\":5,\"Faster\":true}}");
	write_data(&p, LAYOUT_STATE,
		   "{\"Version\":1,\"Run\":2,\"SettledRun\":1,\"Mood\":\"good\"}");
	phase = xasprintf(
		"{\"Version\":1,\"BootId\":\"%s\",\"Phase\":\"running\",\"Run\":2,\"Beat\":4}",
		boot_id());
	assert_int_equal(save_file_at(exec, LAYOUT_PHASE, phase, strlen(phase), SAVE_ATOMIC, NULL),
			 0);

	c = load(&p);
	assert_int_equal(c->phase, PHASE_RUNNING);
	assert_int_equal(container_save_config(p.store, c->config, NULL), 0);
	assert_int_equal(container_save_state_locked(p.store, c, NULL), 0);
	assert_int_equal(container_save_phase_locked(p.store, c, NULL), 0);
	assert_keeps(data, LAYOUT_CONFIG, "\"Later\":[1]");
	assert_keeps(data, LAYOUT_CONFIG, "\"Faster\":true");
	assert_keeps(data, LAYOUT_STATE, "\"Mood\":\"good\"");
	assert_keeps(exec, LAYOUT_PHASE, "\"Beat\":4");
}

/* state.json learns of a run at its end, phase.json at its beginning. */
TEST(a_run_begun_in_place_is_running_and_one_that_is_settled_is_over)
{
	static const struct {
		int run;
		enum phase phase;
	} cases[] = {{2, PHASE_OVER}, {3, PHASE_RUNNING}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_(place_free) struct place p = {0};
		auto_(container_unref_p) struct container *c = NULL;
		autofree char *phase = NULL;
		autoclose int exec = -1;

		place_make(&p, cases[i].phase == PHASE_OVER ? "settled" : "in-place");
		assert_int_equal(mkdirat(container_store_exec_dir(p.store), ID, 0700), 0);
		exec = container_open_exec(p.store, ID);
		write_config(&p);
		write_data(&p, LAYOUT_STATE, "{\"Version\":1,\"Run\":2,\"SettledRun\":2}");
		phase = xasprintf(
			"{\"Version\":1,\"BootId\":\"%s\",\"Phase\":\"running\",\"Run\":%d}",
			boot_id(), cases[i].run);
		assert_int_equal(
			save_file_at(exec, LAYOUT_PHASE, phase, strlen(phase), SAVE_ATOMIC, NULL),
			0);
		c = load(&p);
		assert_int_equal(c->phase, cases[i].phase);
	}
}

/* No file can be opened for a while: nothing is known of it, which is not that it was never made. */
TEST(what_cannot_be_opened_is_dead_and_not_unfinished)
{
	auto_(place_free) struct place p;
	auto_(container_unref_p) struct container *c = NULL;
	struct rlimit was, none;

	place_make(&p, "no-files");
	write_config(&p);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	c = load(&p);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_non_null(c);
	assert_int_equal(c->phase, PHASE_DEAD);
	assert_non_null(strstr(c->problem, "Too many open files"));
}
