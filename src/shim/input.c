/* See input.h. */
#include "shim/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define PENDING_MAX (64 * 1024)
#define PIPE_SIZE   (256 * 1024)

static size_t pending(const struct input *in)
{
	return in->pending.len - in->at;
}

static void unwatch(struct input *in)
{
	if (in->watched)
		loop_unwatch(in->loop, &in->watch);
	in->watched = false;
}

static void close_fd(struct input *in)
{
	unwatch(in);
	close_p(&in->watch.fd);
	in->watch.fd = -1;
	buf_free(&in->pending);
	in->at = 0;
}

/* How much of it was taken; the process's end being closed takes all. */
static size_t write_some(struct input *in, const char *data, size_t n)
{
	size_t done = 0;

	while (done < n && in->watch.fd >= 0) {
		ssize_t r = write(in->watch.fd, data + done, n - done);

		if (r >= 0)
			done += (size_t) r;
		else if (errno == EAGAIN)
			return done;
		else if (errno != EINTR)
			close_fd(in); /* nobody will read it any more */
	}
	return n;
}

static void flush(struct input *in)
{
	size_t done = write_some(in, in->pending.text + in->at, pending(in));

	if (in->watch.fd < 0)
		return;
	in->at += done;
	if (pending(in) > 0) {
		if (in->at >= PENDING_MAX / 2) {
			buf_consume(&in->pending, in->at);
			in->at = 0;
		}
		return;
	}
	buf_free(&in->pending);
	in->at = 0;
	unwatch(in);
	if (in->ending)
		close_fd(in);
}

static void on_writable(void *arg, uint32_t events)
{
	struct input *in = arg;
	bool had_room = input_has_room(in);

	(void) events;
	flush(in);
	if (!had_room && input_has_room(in))
		in->on_room(in->arg);
}

void input_init(struct input *in, struct loop *loop, void (*on_room)(void *arg), void *arg)
{
	*in = (struct input){.loop = loop, .on_room = on_room, .arg = arg};
	in->watch = (struct watch){.fd = -1, .fn = on_writable, .arg = in};
}

void input_open(struct input *in, int fd)
{
	in->watch.fd = fd;
	in->open = true;
	in->ending = in->enlarged = false;
	in->on_room(in->arg);
}

bool input_has_room(const struct input *in)
{
	return in->open && (in->watch.fd < 0 || pending(in) < PENDING_MAX);
}

void input_write(struct input *in, const char *data, size_t n)
{
	size_t done = 0;
	int r;

	if (in->watch.fd < 0 || in->ending)
		return;
	if (pending(in) == 0)
		done = write_some(in, data, n);
	if (done == n || in->watch.fd < 0)
		return;
	buf_add(&in->pending, data + done, n - done);
	if (in->watched)
		return;
	/* Somebody sends much: with more room each turn of ours moves more. No terminal has that. */
	if (!in->enlarged)
		(void) fcntl(in->watch.fd, F_SETPIPE_SZ, PIPE_SIZE);
	in->enlarged = true;
	r = loop_watch(in->loop, &in->watch, EPOLLOUT);
	if (r < 0)
		log_error("watch the standard input: %s", strerror(-r));
	in->watched = r == 0;
}

void input_end(struct input *in)
{
	in->ending = true;
	if (pending(in) == 0)
		close_fd(in);
}

void input_close(struct input *in)
{
	close_fd(in);
	in->open = false;
}
