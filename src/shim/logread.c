/* See logread.h. */
#include "shim/logread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "wire/layout.h"

static void begin_file(struct logread *r, int fd, uint64_t ino)
{
	close_p(&r->fd);
	r->fd = fd;
	r->ino = ino;
	r->offset = 0;
	r->skipping = false;
}

/* Everything from here on is behind the start. */
static void pass_start(struct logread *r, enum log_stream stream)
{
	r->start[stream] = (struct log_place){0};
}

/* Opens the i-th file, 0 being the newest; -1 where there is none. */
static int open_nth(const struct logread *r, unsigned i, struct stat *st)
{
	char name[sizeof LAYOUT_LOG + 12];
	int fd;

	snprintf(name, sizeof name, i > 0 ? LAYOUT_LOG ".%u" : LAYOUT_LOG, i);
	fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
		(void) close(fd);
		return -1;
	}
	return fd;
}

/* Goes on to the file that is next younger than ours, or else, to the oldest: false where ours is
 * the newest, or none is there. */
static bool next_file(struct logread *r)
{
	autoclose int younger = -1;
	uint64_t younger_ino = 0;
	unsigned missing = 0;
	bool met = false;

	/* Somebody may have taken one name away, but with two the row has come to its end. */
	for (unsigned i = 0; !met && missing < 2; i++) {
		struct stat st;
		int fd = open_nth(r, i, &st);

		if (fd < 0) {
			missing++;
			continue;
		}
		missing = 0;
		met = r->fd >= 0 && st.st_ino == r->ino;
		if (met) {
			(void) close(fd);
		} else {
			close_p(&younger);
			younger = fd;
			younger_ino = st.st_ino;
		}
	}
	if (younger < 0)
		return false;
	for (enum log_stream s = LOG_STDOUT; s <= LOG_STDERR; s++)
		if (!met || r->start[s].ino == r->ino)
			pass_start(r, s);
	begin_file(r, take_fd(younger), younger_ino);
	return true;
}

void logread_begin_anew(struct logread *r)
{
	for (enum log_stream s = LOG_STDOUT; s <= LOG_STDERR; s++)
		if (r->start[s].ino == r->ino)
			pass_start(r, s);
	r->offset = 0;
	r->skipping = false;
}

/* By somebody else: what was not read is lost. */
static bool is_emptied(struct logread *r)
{
	struct stat st;

	if (r->fd < 0 || fstat(r->fd, &st) < 0 || st.st_size >= r->offset)
		return false;
	logread_begin_anew(r);
	return true;
}

int logread_open(struct logread *r, int dir, int fd, int64_t offset)
{
	struct stat st;

	*r = (struct logread){.dir = dir, .fd = fd, .offset = offset};
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || offset < 0)
		return -EINVAL;
	r->ino = st.st_ino;
	return 0;
}

/* Reads at the offset: the length of the whole lines that are there; 0 where there is none;
 * -EAGAIN after a piece of one that is too long. */
static ssize_t read_lines(struct logread *r, char *room)
{
	const char *newline;
	ssize_t n;

	do
		n = pread(r->fd, room, LOGREAD_ROOM, r->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (r->skipping) {
		newline = memchr(room, '\n', (size_t) n);
		r->offset += newline ? newline + 1 - room : n;
		r->skipping = !newline;
		return n > 0 ? -EAGAIN : 0;
	}
	newline = memrchr(room, '\n', (size_t) n);
	if (newline)
		return newline + 1 - room;
	if (n < LOGREAD_ROOM)
		return 0;
	r->offset += n;
	r->skipping = true;
	return -EAGAIN;
}

ssize_t logread_lines(struct logread *r, char *room)
{
	for (;;) {
		ssize_t n = r->fd >= 0 ? read_lines(r, room) : 0;

		if (n == -EAGAIN)
			continue;
		if (n != 0)
			return n;
		if (!is_emptied(r) && !next_file(r))
			return 0;
	}
}

bool logread_is_behind_start(const struct logread *r, enum log_stream stream, int64_t offset)
{
	const struct log_place *start = &r->start[stream];

	return start->ino == 0 || (start->ino == r->ino && offset >= start->offset);
}

void logread_close(struct logread *r)
{
	close_p(&r->fd);
	r->fd = -1;
}
