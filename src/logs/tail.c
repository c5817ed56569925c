/*
 * The last N lines of a log, found from its end. A line is what the container ended by a newline:
 * an entry whose text has none is a part of the line that a later entry of the same stream ends.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "logs/files.h"
#include "wire/logline.h"

/* When the lines are counted, the beginning of one may still be hidden behind entries of the other
 * stream. It is looked for so far, and then taken as found. */
#define PARTS_WITHIN (512 << 10)

/* walking backwards ----------------------------------------------------------------------- */

/* What is known of one file: `data` holds the bytes from offset `at` on, of which those before
 * `high` are still to be handed out; they end with a newline. */
struct backwards {
	const struct log_file *file;
	struct buf data;
	int64_t at;
	size_t high;
};

/* Puts the block before what is there in front of it; data beyond `high` is dropped. */
static int read_block_before(struct backwards *b)
{
	size_t want = b->at < LOG_BLOCK ? (size_t) b->at : LOG_BLOCK;
	size_t got = 0;

	b->data.len = b->high;
	(void) buf_reserve(&b->data, want);
	memmove(b->data.text + want, b->data.text, b->high);
	while (got < want) {
		ssize_t n = pread(b->file->fd, b->data.text + got, want - got,
				  b->at - (int64_t) want + (int64_t) got);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0) /* cut short meanwhile */
			return -ESTALE;
		got += n > 0 ? (size_t) n : 0;
	}
	b->at -= (int64_t) want;
	b->high += want;
	b->data.len = b->high;
	return 0;
}

/* Begins behind the last newline of the file: what follows is torn, or not yet whole. */
static int begin_backwards(struct backwards *b, const struct log_file *file)
{
	struct stat st;
	int r;

	b->file = file;
	b->high = b->data.len = 0;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	b->at = st.st_size < file->end ? st.st_size : file->end;
	while (b->at > 0) {
		const char *newline;

		b->high = 0;
		r = read_block_before(b);
		if (r < 0)
			return r;
		newline = memrchr(b->data.text, '\n', b->high);
		if (newline) {
			b->high = (size_t) (newline - b->data.text) + 1;
			return 0;
		}
	}
	b->high = 0;
	return 0;
}

/* The line before: 1 with *ret_line and *ret_offset, 0 at the beginning of the file, or -errno. */
static int previous_line(struct backwards *b, const char **ret_line, size_t *ret_len,
			 int64_t *ret_offset)
{
	for (;;) {
		const char *newline = b->high > 1 ? memrchr(b->data.text, '\n', b->high - 1) : NULL;
		size_t start = newline ? (size_t) (newline - b->data.text) + 1 : 0;
		int r;

		if (b->high > 0 && (newline || b->at == 0)) {
			*ret_line = b->data.text + start;
			*ret_len = b->high - 1 - start;
			*ret_offset = b->at + (int64_t) start;
			b->high = start;
			return 1;
		}
		if (b->at == 0)
			return 0;
		if (b->high > LOG_LINE_MAX) {
			/* Damaged: for its beginning, any end of it will do. */
			b->data.text[0] = '\n';
			b->high = 1;
		}
		r = read_block_before(b);
		if (r < 0)
			return r;
	}
}

/* counting -------------------------------------------------------------------------------- */

struct tail {
	const struct logs_query *query;
	struct log_place *start;
	int64_t counted;
	bool seen[LOG_STDERR + 1]; /* an entry of this stream */
	bool open[LOG_STDERR + 1]; /* the first line counted of this stream may begin earlier */
	int64_t beyond;		   /* bytes read since all lines were counted */
};

/* Takes one entry, from the last to the first. False: there is no need to go on. */
static bool tail_take(struct tail *t, const struct log_entry *e, struct log_place at)
{
	const struct logs_query *q = t->query;
	bool ends_line = (e->len > 0 && e->text[e->len - 1] == '\n') || !t->seen[e->stream];

	if (e->time_ns < q->since_ns)
		return false;
	if ((q->until_ns && e->time_ns > q->until_ns) ||
	    !(e->stream == LOG_STDOUT ? q->want_stdout : q->want_stderr))
		return true;

	t->seen[e->stream] = true;
	if (ends_line) {
		t->open[e->stream] = t->counted < q->tail;
		t->counted += t->open[e->stream];
	}
	if (t->open[e->stream])
		t->start[e->stream] = at;
	return true;
}

static bool tail_is_complete(const struct tail *t)
{
	return t->counted >= t->query->tail &&
	       ((!t->open[LOG_STDOUT] && !t->open[LOG_STDERR]) || t->beyond > PARTS_WITHIN);
}

/* 1: go on with the file before; 0: complete; or -errno. */
static int tail_walk(struct tail *t, struct backwards *b, size_t file, struct buf *text)
{
	const char *line;
	size_t len;
	struct log_place at = {.file = file};
	int r;

	while (!tail_is_complete(t)) {
		struct log_entry e;

		r = previous_line(b, &line, &len, &at.offset);
		if (r <= 0)
			return r < 0 ? r : 1;
		if (t->counted >= t->query->tail)
			t->beyond += (int64_t) len;
		if (log_line_parse(line, len, text, &e) == 0 && !tail_take(t, &e, at))
			return 0;
	}
	return 0;
}

int log_tail_find(const struct log_file *files, size_t n, const struct logs_query *query,
		  struct log_place ret[LOG_STDERR + 1], struct err *err)
{
	auto_(buf_free) struct buf text = {};
	struct backwards b = {};
	struct tail t = {.query = query, .start = ret};
	int r = 1;

	for (size_t i = n; i-- > 0 && r == 1;) {
		r = begin_backwards(&b, &files[i]);
		if (r < 0)
			break;
		if (i == n - 1) /* what comes from now on belongs to it in any case */
			for (int s = 0; s <= LOG_STDERR; s++)
				ret[s] = (struct log_place){i, b.at + (int64_t) b.high};
		r = tail_walk(&t, &b, i, &text);
	}
	buf_free(&b.data);
	if (r == -ESTALE) /* emptied under our eyes: what was found is all there is */
		return 0;
	return r < 0 ? err_sys(err, -r, "read the log") : 0;
}
