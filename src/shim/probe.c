/* See probe.h. */
#include "shim/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "shim/stdio.h"
#include "wire/layout.h"

/* A pipe holds no more, but for the most privileged. */
#define DRAIN_MAX (1024 * 1024)

struct probe {
	struct exec exec;
	int64_t timeout_ns;
	struct timer deadline;
	bool timed_out;
	struct watch out; /* stdout and stderr of it, in the order of writing */
	struct buf output;
	bool cut;
};

/* struct exec is the first member. */
static struct probe *probe_of(struct exec *x)
{
	return (struct probe *) x;
}

static size_t *count(struct execs *xs)
{
	return &xs->n_probes;
}

static void probe_free(struct exec *x)
{
	struct probe *p = probe_of(x);
	struct loop *loop = x->all->loop;

	loop_timer_cancel(loop, &p->deadline);
	loop_unwatch(loop, &p->out);
	close_p(&p->out.fd);
	buf_free(&p->output);
	exec_close(x);
	free(p);
}

/* Reads once; false where there is no more, now or for ever. What is too much is read and dropped:
 * a writer must not be stopped by us. */
static bool read_output(struct probe *p, size_t *ret_n)
{
	size_t room = PROBE_OUTPUT_MAX - p->output.len;
	char text[4096];
	ssize_t n;

	do
		n = read(p->out.fd, text, sizeof text);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			loop_unwatch(p->exec.all->loop, &p->out);
		return false;
	}
	/* A text ends where C says so: bytes of 0 are not kept. */
	for (ssize_t i = 0; i < n && room > 0; i++)
		if (text[i]) {
			buf_addc(&p->output, text[i]);
			room--;
		}
	p->cut |= room == 0;
	*ret_n = (size_t) n;
	return true;
}

static void on_output(void *arg, uint32_t events)
{
	size_t n;

	(void) events;
	(void) read_output(arg, &n);
}

static void drain(struct probe *p)
{
	size_t n = 0;

	for (size_t total = 0; total < DRAIN_MAX && read_output(p, &n); total += n)
		;
}

static void on_deadline(void *arg)
{
	struct probe *p = arg;

	p->timed_out = true;
	exec_kill(&p->exec);
}

static void begun(struct exec *x)
{
	struct probe *p = probe_of(x);

	if (p->timeout_ns > 0)
		loop_timer(x->all->loop, &p->deadline, p->timeout_ns);
}

static void ended(struct exec *x, int code, const char *error)
{
	struct probe *p = probe_of(x);
	struct control *control = x->all->control;
	autobuf text = {0}, event = {0};

	drain(p);
	exec_result_begin(x, code, error, &text);
	if (p->timed_out)
		kv_add_int(&text, "timed-out", 1);
	if (p->cut)
		buf_adds(&p->output, "...");
	kv_add(&text, "output", p->output.text ? p->output.text : "");
	exec_result_save(x, &text);

	kv_add(&event, "msg", "probed");
	kv_add(&event, "id", x->id);
	probe_free(x);
	control_tell(control, &event);
}

static const struct exec_kind probe_kind = {
	.count = count,
	.begun = begun,
	.ended = ended,
	.ends_in_silence = true,
	.free = probe_free,
};

static int make_dir(struct exec *x, struct err *err)
{
	autofree char *path = exec_path(x->id);
	int dir = x->all->dir;

	if (mkdirat(dir, LAYOUT_EXECS, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "make " LAYOUT_EXECS);
	if (mkdirat(dir, path, 0700) < 0)
		return err_sys(err, errno, "make %s", path);
	x->dir = open_dir_at(dir, path);
	return x->dir < 0 ? err_sys(err, -x->dir, "open %s", path) : 0;
}

static int run(struct probe *p, const char *process, struct err *err)
{
	struct stdio_ends ends = {-1, -1, -1};
	int r;

	if (stdio_make_pipe(&p->out.fd, &ends.out, true, err) < 0)
		return -1;
	ends.err = ends.out;
	r = exec_start(&p->exec, process, false, &ends, err);
	close_p(&ends.out);
	if (r < 0)
		return -1;
	r = loop_watch(p->exec.all->loop, &p->out, EPOLLIN);
	if (r < 0)
		log_error("watch the output of probe %.12s: %s", p->exec.id, strerror(-r));
	return 0;
}

int probe_start(struct execs *xs, const struct probe_order *order, struct err *err)
{
	struct probe *p;

	if (!order->id || !str_is_hex(order->id, 64) || str_empty(order->process))
		return err_set(err, ERR_INVALID, "id or process is missing");
	if (xs->n_probes >= PROBES_MAX)
		return err_set(err, ERR_CONFLICT, "%d are in progress already", PROBES_MAX);
	p = xnew(struct probe);
	exec_open(&p->exec, xs, &probe_kind, order->id);
	p->timeout_ns = order->timeout_ns;
	p->deadline = (struct timer){.fn = on_deadline, .arg = p};
	p->out = (struct watch){.fd = -1, .fn = on_output, .arg = p};
	if (make_dir(&p->exec, err) == 0 && run(p, order->process, err) == 0)
		return 0;
	probe_free(&p->exec);
	return -1;
}
