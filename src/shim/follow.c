/* See follow.h. */
#include "shim/follow.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

/* Enough to keep a reader busy while others are served. */
#define QUEUE_MAX (128 * 1024)

struct follow {
	struct follows *all;
	struct follow *next;
	struct client *client;
	struct logread log;
	struct follow_order order;
	struct timer until;
	bool ended; /* by its time: nothing that comes is wanted any more */
	void (*done)(void *arg);
	void *arg;
};

/* Memory is there while somebody reads, and given back when all have what there is. */
static void give_memory_back(struct follows *fs)
{
	buf_free(&fs->text);
	buf_free(&fs->line);
	free(take(fs->room));
}

/* Lines */

static void schedule(struct follows *fs)
{
	if (fs->first && fs->due.due_ns == 0)
		loop_timer(fs->loop, &fs->due, 0);
}

static void send_entry(struct follow *f, const struct log_entry *e)
{
	struct buf *line = &f->all->line;
	char time[RFC3339_MAX];

	if (!f->order.timestamps && !f->order.details) {
		client_send(f->client, e->stream, e->text, e->len);
		return;
	}
	line->len = 0;
	if (f->order.timestamps) {
		buf_adds(line, rfc3339_format(e->time_ns, time));
		buf_addc(line, ' ');
	}
	if (f->order.details) /* attributes of the log driver: there are none */
		buf_addc(line, ' ');
	buf_add(line, e->text, e->len);
	client_send(f->client, e->stream, line->text, line->len);
}

static void take_line(struct follow *f, const char *line, size_t n)
{
	struct log_entry e;

	if (log_line_parse(line, n, &f->all->text, &e) < 0)
		return; /* damaged */
	if (f->order.until_ns && e.time_ns > f->order.until_ns)
		f->ended = true;
	else if (f->order.want[e.stream] && e.time_ns >= f->order.since_ns &&
		 logread_is_behind_start(&f->log, e.stream, f->log.offset))
		send_entry(f, &e);
}

static bool may_go_on(const struct follow *f)
{
	return !f->ended && !client_is_full(f->client);
}

/* What comes behind the end is another run's, of another shim. */
static bool is_at_end(const struct follow *f)
{
	const struct follows *fs = f->all;

	return fs->over && fs->end.ino && fs->end.ino == f->log.ino &&
	       f->log.offset >= fs->end.offset;
}

/* Copies what is there, as far as the client takes it, and at most one piece of it: false where
 * there is nothing now. */
static bool copy_piece(struct follow *f)
{
	const char *at, *end;
	ssize_t n;

	if (is_at_end(f))
		return false;
	if (!f->all->room)
		f->all->room = xmalloc(LOGREAD_ROOM);
	at = f->all->room;
	n = logread_lines(&f->log, f->all->room);
	if (n < 0) {
		log_error("read the log for a follower: %s", strerror((int) -n));
		f->ended = true;
	}
	if (n <= 0)
		return false;

	client_cork(f->client);
	for (end = at + n; at < end && may_go_on(f) && !is_at_end(f);) {
		const char *newline = memchr(at, '\n', (size_t) (end - at));

		take_line(f, at, (size_t) (newline - at));
		f->log.offset += newline + 1 - at;
		at = newline + 1;
	}
	client_uncork(f->client);
	return true;
}

/* The end of one */

void follow_drop(struct follow *f)
{
	struct follows *fs = f->all;

	for (struct follow **p = &fs->first; *p; p = &(*p)->next)
		if (*p == f) {
			*p = f->next;
			break;
		}
	loop_timer_cancel(fs->loop, &f->until);
	logread_close(&f->log);
	free(f);
	if (!fs->first) {
		loop_timer_cancel(fs->loop, &fs->due);
		give_memory_back(fs);
	}
}

static void finish(struct follow *f)
{
	void (*done)(void *arg) = f->done;
	void *arg = f->arg;

	follow_drop(f);
	done(arg);
}

static bool is_late(const struct follow *f)
{
	return f->order.until_ns && now_ns() >= f->order.until_ns;
}

/* Serving all */

/* Serves one; true where there is more for it now. */
static bool serve(struct follow *f)
{
	if (!may_go_on(f) && !f->ended)
		return false; /* on_room or on_gone will come */
	if (!f->ended && copy_piece(f) && !f->ended)
		return may_go_on(f);
	if (f->ended || f->all->over || f->order.past_only || is_late(f))
		finish(f);
	return false;
}

static void on_due(void *arg)
{
	struct follows *fs = arg;
	bool more = false;

	for (struct follow *f = fs->first, *next; f; f = next) {
		next = f->next;
		more |= serve(f);
	}
	if (more)
		schedule(fs);
	else
		give_memory_back(fs);
}

static void on_growth(void *arg)
{
	schedule(arg);
}

/* What stands in a file that may soon be gone: those who keep up lose nothing. */
static void on_rotation(void *arg)
{
	struct follows *fs = arg;

	for (struct follow *f = fs->first; f; f = f->next)
		while (may_go_on(f) && copy_piece(f))
			;
}

/* Its length may have grown beyond their places before they look. */
static void on_emptied(void *arg)
{
	struct follows *fs = arg;
	struct stat st;

	if (fstat(fs->log->fd, &st) < 0)
		return;
	for (struct follow *f = fs->first; f; f = f->next)
		if (f->log.ino == st.st_ino)
			logread_begin_anew(&f->log);
}

static const struct logfile_reader log_reader = {
	.grown = on_growth,
	.rotating = on_rotation,
	.emptied = on_emptied,
};

void follows_set_over(struct follows *fs, bool over)
{
	struct stat st;

	fs->over = over;
	fs->end = (struct log_place){0};
	if (over && fs->log && fs->log->fd >= 0 && fstat(fs->log->fd, &st) == 0)
		fs->end = (struct log_place){.ino = st.st_ino, .offset = st.st_size};
	schedule(fs);
}

void follows_init(struct follows *fs, struct loop *loop, struct clients *clients,
		  struct logfile *log, int dir)
{
	*fs = (struct follows){
		.loop = loop,
		.clients = clients,
		.log = log,
		.dir = dir,
		.over = true,
		.due = {.fn = on_due, .arg = fs},
	};
	if (log)
		logfile_tell(log, &log_reader, fs);
}

/* The beginning of one */

static void on_until(void *arg)
{
	struct follow *f = arg;

	/* The wall clock may have been set back meanwhile. */
	if (is_late(f))
		schedule(f->all);
	else
		loop_timer(f->all->loop, &f->until, f->order.until_ns - now_ns());
}

struct follow *follow_begin(struct follows *fs, const struct follow_order *order,
			    struct logread log, struct client *client, void (*done)(void *arg),
			    void *arg)
{
	struct follow *f = xnew(struct follow);

	*f = (struct follow){
		.all = fs,
		.next = fs->first,
		.client = client,
		.log = log,
		.order = *order,
		.until = {.fn = on_until, .arg = f},
		.done = done,
		.arg = arg,
	};
	fs->first = f;
	client_allow_slow(client, QUEUE_MAX);
	if (order->until_ns)
		loop_timer(fs->loop, &f->until, order->until_ns - now_ns());
	schedule(fs);
	return f;
}

void follow_room(struct follow *f)
{
	schedule(f->all);
}

void follows_send_rest(const struct follows *fs, struct client *c, const bool want[LOG_STDERR + 1])
{
	static const enum log_source sources[] = {
		[LOG_STDOUT] = LOG_FROM_STDOUT, [LOG_STDERR] = LOG_FROM_STDERR};

	for (enum log_stream s = LOG_STDOUT; s <= LOG_STDERR; s++) {
		const struct buf *rest = &fs->log->rest[sources[s]];

		if (want[s] && rest->len > 0)
			client_send(c, s, rest->text, rest->len);
	}
}

/* msg=follow */

/* A client that follows and does nothing else. */
struct tail {
	struct client *client;
	struct follow *follow; /* NULL: it has got all */
};

static void on_room(void *arg)
{
	struct tail *t = arg;

	if (t->follow)
		follow_room(t->follow);
}

static void on_gone(void *arg)
{
	struct tail *t = arg;

	if (t->follow)
		follow_drop(t->follow);
	free(t);
}

static void on_done(void *arg)
{
	struct tail *t = arg;

	t->follow = NULL;
	client_finish(t->client);
}

static const struct client_owner owner = {.on_room = on_room, .on_gone = on_gone};

static struct log_place place_of(const struct kv *kv, const char *file, const char *from)
{
	return (struct log_place){
		.ino = (uint64_t) kv_int(kv, file, 0),
		.offset = kv_int(kv, from, 0),
	};
}

static int open_log(struct follows *fs, const struct message *m, struct logread *ret,
		    struct err *err)
{
	int fd = m->n_fds > 1 ? take_fd(m->fds[1]) : -1;
	int r = logread_open(ret, fs->dir, fd, kv_int(m->kv, "offset", 0));

	if (r < 0) {
		logread_close(ret);
		return err_set(err, ERR_INVALID, "no place in a log: %s", strerror(-r));
	}
	ret->start[LOG_STDOUT] = place_of(m->kv, "stdout-file", "stdout-from");
	ret->start[LOG_STDERR] = place_of(m->kv, "stderr-file", "stderr-from");
	return 0;
}

int follows_take(struct follows *fs, const struct message *m, struct err *err)
{
	const struct follow_order order = {
		.want = {[LOG_STDOUT] = kv_int(m->kv, "stdout", 0) != 0,
			 [LOG_STDERR] = kv_int(m->kv, "stderr", 0) != 0},
		.timestamps = kv_int(m->kv, "timestamps", 0) != 0,
		.details = kv_int(m->kv, "details", 0) != 0,
		.since_ns = kv_int(m->kv, "since", 0),
		.until_ns = kv_int(m->kv, "until", 0),
	};
	struct logread log;
	struct tail *t;

	if (!fs->log)
		return err_set(err, ERR_INVALID, "no log is kept");
	if (open_log(fs, m, &log, err) < 0)
		return -1;
	t = xnew(struct tail);
	if (client_take(fs->clients, m, &owner, t, &t->client, err) < 0) {
		logread_close(&log);
		free(t);
		return -1;
	}
	t->follow = follow_begin(fs, &order, log, t->client, on_done, t);
	client_begin(t->client);
	return 0;
}
