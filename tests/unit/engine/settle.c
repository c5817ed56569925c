/* settle: records become state and events in order, once, with their own times, whenever they are
 * read. */
#include "test.h"

#include <sys/stat.h>

#include "engine/internal.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct place {
	struct engine e;
	struct container *c;
	int runs;
};

static void place_make(struct place *p, const char *name, int64_t run, enum phase phase)
{
	autofree char *data = xasprintf("%s/%s-d", test_dir(), name),
		      *exec = xasprintf("%s/%s-e", test_dir(), name);
	autoclose int dir = -1;

	memset(p, 0, sizeof *p);
	assert_int_equal(container_store_open(data, exec, &p->e.store, NULL), 0);
	assert_int_equal(events_open(NULL, &p->e.events, NULL), 0);
	assert_int_equal(mkdirat(container_store_data_dir(p->e.store), ID, 0700), 0);
	assert_int_equal(mkdirat(container_store_exec_dir(p->e.store), ID, 0700), 0);
	dir = container_open_data(p->e.store, ID);
	p->runs = openat(dir, LAYOUT_RUNS, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(p->runs >= 0);
	p->c = container_new(ID);
	p->c->name = xstrdup("web");
	p->c->phase = phase;
	p->c->state.wanted = WANTED_RUNNING;
	p->c->state.run = run;
}

static void place_free(struct place *p)
{
	container_unref(p->c);
	close_p(&p->runs);
	events_close(p->e.events);
	container_store_close(p->e.store);
}

static void write_record(struct place *p, struct run_record r)
{
	assert_int_equal(runs_append(p->runs, &r), 0);
}

/* Actions with their times, as the listener got them: "start@10 die@20 ". */
static char *told(struct event_listener *l)
{
	autobuf b = {0};
	struct event ev;

	while (events_next(l, &ev) == 1) {
		buf_addf(&b, "%s@%lld ", ev.action, (long long) ev.time_ns);
		event_free(&ev);
	}
	return buf_take(&b);
}

static struct event_listener *listen_to(struct place *p)
{
	struct event_listener *l;
	struct filters none = {0};

	assert_int_equal(events_listen(p->e.events, 0, 0, &none, &l, NULL), 0);
	return l;
}

TEST(an_end_is_settled_with_its_own_time)
{
	auto_(place_free) struct place p;
	struct event_listener *l;
	autofree char *text = NULL;

	place_make(&p, "end", 1, PHASE_RUNNING);
	l = listen_to(&p);
	write_record(
		&p,
		(struct run_record){
			.event = RUN_STARTED, .run = 1, .time_ns = 10, .pid = 5, .pid_ticks = 6});
	write_record(&p, (struct run_record){.event = RUN_ENDED,
					     .run = 1,
					     .time_ns = 20,
					     .code = 139,
					     .signal = 11,
					     .oom = true});
	assert_true(settle_records(&p.e, p.c));
	assert_int_equal(p.c->state.exit_code, 139);
	assert_int_equal(p.c->state.exit_signal, 11);
	assert_true(p.c->state.oom_killed);
	assert_int_equal(p.c->state.started_ns, 10);
	assert_int_equal(p.c->state.finished_ns, 20);
	assert_int_equal(p.c->state.settled_run, 1);
	assert_int_equal(p.c->phase, PHASE_OVER);
	text = told(l);
	assert_string_equal(text, "start@10 oom@20 die@20 ");
	events_unlisten(l);
}

TEST(a_record_is_news_only_once)
{
	auto_(place_free) struct place p;
	struct event_listener *l;
	autofree char *first = NULL, *second = NULL;

	place_make(&p, "once", 1, PHASE_RUNNING);
	l = listen_to(&p);
	write_record(
		&p,
		(struct run_record){
			.event = RUN_STARTED, .run = 1, .time_ns = 10, .pid = 5, .pid_ticks = 6});
	assert_false(settle_records(&p.e, p.c));
	assert_false(settle_records(&p.e, p.c));
	first = told(l);
	assert_string_equal(first, "start@10 ");
	write_record(&p, (struct run_record){.event = RUN_ENDED, .run = 1, .time_ns = 20});
	assert_true(settle_records(&p.e, p.c));
	assert_true(settle_records(&p.e, p.c));
	second = told(l);
	assert_string_equal(second, "die@20 ");
	events_unlisten(l);
}

TEST(runs_that_came_and_went_are_each_told_in_order)
{
	auto_(place_free) struct place p;
	struct event_listener *l;
	autofree char *text = NULL;

	place_make(&p, "many", 1, PHASE_RUNNING);
	l = listen_to(&p);
	for (int64_t run = 1; run <= 3; run++) {
		write_record(&p, (struct run_record){.event = RUN_STARTED,
						     .run = run,
						     .time_ns = run * 100,
						     .pid = 5,
						     .pid_ticks = 6});
		write_record(&p, (struct run_record){.event = RUN_ENDED,
						     .run = run,
						     .time_ns = run * 100 + 50,
						     .code = 1});
		if (run < 3)
			write_record(&p, (struct run_record){.event = RUN_RESTART,
							     .run = run + 1,
							     .time_ns = run * 100 + 50,
							     .due_ns = run * 100 + 60,
							     .count = run});
	}
	assert_true(settle_records(&p.e, p.c));
	text = told(l);
	assert_string_equal(text, "start@100 die@150 start@200 die@250 start@300 die@350 ");
	assert_int_equal(p.c->state.settled_run, 3);
	assert_int_equal(p.c->state.restart_count, 2);
	assert_int_equal(p.c->phase, PHASE_OVER);
	events_unlisten(l);
}

TEST(an_old_record_is_history_not_news)
{
	auto_(place_free) struct place p;

	place_make(&p, "old", 2, PHASE_RUNNING);
	p.c->state.settled_run = 1;
	write_record(&p,
		     (struct run_record){.event = RUN_ENDED, .run = 1, .time_ns = 20, .code = 9});
	assert_false(settle_records(&p.e, p.c));
	assert_int_equal(p.c->state.exit_code, 0);
	assert_int_equal(p.c->phase, PHASE_RUNNING);
}

TEST(lost_is_255_and_says_so)
{
	auto_(place_free) struct place p;

	place_make(&p, "lost", 1, PHASE_RUNNING);
	settle_lost(&p.e, p.c, "exit status lost");
	assert_int_equal(p.c->state.exit_code, 255);
	assert_string_equal(p.c->state.error, "exit status lost");
	assert_int_equal(p.c->state.settled_run, 1);
}

static void give_check(struct place *p)
{
	struct healthcheck *check;

	p->c->config = container_config_new();
	check = &p->c->config->config.healthcheck;
	strv_add(&check->test, "CMD");
	strv_add(&check->test, "true");
	check->interval_ns = 7 * NSEC_PER_SEC;
	assert_int_equal(supervisor_new(&p->e.supervisor, NULL), 0);
}

static void drop_check(struct place *p)
{
	link_drop(&p->c->health_timer);
	supervisor_free(p->e.supervisor);
}

TEST(each_run_has_a_health_of_its_own)
{
	auto_(place_free) struct place p;
	const int64_t start = now_ns();
	const struct container_health *h;

	place_make(&p, "health", 1, PHASE_RUNNING);
	give_check(&p);
	for (int64_t run = 1; run <= 2; run++) {
		write_record(&p, (struct run_record){.event = RUN_STARTED,
						     .run = run,
						     .time_ns = start + run,
						     .pid = 5,
						     .pid_ticks = 6});
		assert_false(settle_records(&p.e, p.c));
		h = p.c->disk.health;
		assert_string_equal(h->status, "starting");
		assert_int_equal(h->due_ns, start + run + 7 * NSEC_PER_SEC);
		assert_int_equal(h->failing_streak, 0);
		assert_non_null(p.c->health_timer);
		p.c->disk.health->failing_streak = 1;
		p.c->disk.health->probe = xstrdup("ab");
		write_record(&p, (struct run_record){
					 .event = RUN_ENDED, .run = run, .time_ns = start + 9});
		if (run == 1)
			write_record(&p, (struct run_record){.event = RUN_RESTART,
							     .run = 2,
							     .time_ns = start + 9,
							     .due_ns = start + 9,
							     .count = 1});
		(void) settle_records(&p.e, p.c);
		assert_null(p.c->disk.health);
		assert_null(p.c->health_timer);
		h = p.c->state.health;
		assert_string_equal(h->status, "unhealthy");
		assert_int_equal(h->failing_streak, 1);
		assert_null(h->probe);
		assert_int_equal(h->due_ns, 0);
	}
	drop_check(&p);
}

TEST(without_a_check_there_is_no_health)
{
	auto_(place_free) struct place p;

	place_make(&p, "no-check", 1, PHASE_RUNNING);
	p.c->config = container_config_new();
	write_record(
		&p,
		(struct run_record){
			.event = RUN_STARTED, .run = 1, .time_ns = 10, .pid = 5, .pid_ticks = 6});
	assert_false(settle_records(&p.e, p.c));
	assert_null(p.c->disk.health);
	assert_null(p.c->health_timer);
}

TEST(waiters_hear_of_the_end)
{
	auto_(place_free) struct place p;
	struct container_waiter exits = {.condition = WAIT_NEXT_EXIT, .event_fd = -1},
				gone = {.condition = WAIT_REMOVED, .event_fd = -1, .next = &exits};

	place_make(&p, "waiters", 1, PHASE_RUNNING);
	p.c->waiters = &gone;
	write_record(&p,
		     (struct run_record){.event = RUN_ENDED, .run = 1, .time_ns = 20, .code = 7});
	assert_true(settle_records(&p.e, p.c));
	assert_true(exits.done);
	assert_int_equal(exits.exit_code, 7);
	assert_false(gone.done);
}

TEST(who_looks_often_uses_up_no_tries)
{
	auto_(place_free) struct place p;
	autoclose int dir = -1;

	place_make(&p, "unread", 1, PHASE_RUNNING);
	p.e.ending = true; /* nobody is kicked */
	p.c->handled = true;
	assert_int_equal(supervisor_new(&p.e.supervisor, NULL), 0);
	dir = container_open_data(p.e.store, ID);
	assert_int_equal(renameat(dir, LAYOUT_RUNS, dir, "hidden"), 0);
	assert_int_equal(mkdirat(dir, LAYOUT_RUNS, 0700), 0);
	for (int i = 0; i < 20; i++)
		settle_now(&p.e, p.c);
	assert_int_equal(p.c->unread, 1);
	assert_int_equal(unlinkat(dir, LAYOUT_RUNS, AT_REMOVEDIR), 0);
	write_record(&p,
		     (struct run_record){.event = RUN_ENDED, .run = 1, .time_ns = 20, .code = 7});
	assert_int_equal(renameat(dir, "hidden", dir, LAYOUT_RUNS), 0);
	assert_true(settle_records(&p.e, p.c));
	assert_int_equal(p.c->state.exit_code, 7);
	assert_int_equal(p.c->unread, 0);
	link_drop(&p.c->timer);
	supervisor_free(p.e.supervisor);
}
