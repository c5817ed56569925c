/*
 * Fuzz target: the record of runs, as both sides read it: the daemon its records, the shim its own
 * file, which it cuts, appends to and forgets parts of.
 */
#include "fuzz.h"

#include "shim/records.h"
#include "wire/layout.h"
#include "wire/runs.h"

static int dir_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open_dir_at(AT_FDCWD, fuzz_dir());
	return fd;
}

struct seen {
	size_t n;
	struct run_record last;
};

static void look(void *arg, const struct run_record *r)
{
	struct seen *s = arg;

	must(r->event > RUN_NONE && r->event <= RUN_GAVE_UP && r->run >= 0);
	must(memchr(r->text, '\0', sizeof r->text));
	s->n++;
	s->last = *r;
}

static struct seen read_all(void)
{
	struct seen s = {0};

	must(runs_read(dir_fd(), look, &s, NULL, NULL) == 0);
	return s;
}

/* The shim reads lines of later releases too; for the daemon they are none. */
static bool of_the_future(void)
{
	struct seen s = {0};

	return runs_read(dir_fd(), look, &s, NULL, NULL) < 0;
}

/* The same, but for a text that was cut inside a character. */
static void must_be_same(const struct run_record *a, const struct run_record *b)
{
	must(a->event == b->event && a->run == b->run && a->time_ns == b->time_ns);
	must(a->pid == b->pid && a->pid_ticks == b->pid_ticks);
	must(a->code == b->code && a->signal == b->signal && a->oom == b->oom);
	must(a->due_ns == b->due_ns && a->count == b->count);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct run_record next = {.event = RUN_ENDED, .run = 77, .time_ns = 1, .code = 9};
	struct records rs = {0};
	struct seen was, is;

	fuzz_write(dir_fd(), LAYOUT_RUNS, data, n);
	if (of_the_future())
		return 0;
	was = read_all();

	/* The shim goes on behind it: nothing that was a record is none any more. */
	must(records_open(&rs, dir_fd(), NULL) == 0);
	must(records_add(&rs, was.n > 0 ? &was.last : &next, 1) == 0);
	must(records_add(&rs, &next, 1) == 0);
	is = read_all();
	must(is.n == was.n + 2);
	must_be_same(&is.last, &next);

	records_forget(&rs, 76);
	is = read_all();
	must(is.n >= 1);
	must_be_same(&is.last, &next);
	(void) close(rs.fd);
	buf_free(&rs.pending);
	return 0;
}
