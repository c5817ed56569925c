/* The journal of events; see journal.h. */
#include "events/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define JOURNAL	    "events.jsonl"
#define JOURNAL_OLD "events.jsonl.1"
#define READ_BLOCK  (64 << 10)

#define TIME_PREFIX "{\"time\":"

/* writing --------------------------------------------------------------------------------- */

/* Opens the file to append to, and sees whether a crash left half a line at its end. */
static int open_current(struct journal *j)
{
	autoclose int fd =
		openat(j->dir, JOURNAL, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	char last = '\n';

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		return -EIO;

	j->size = st.st_size;
	j->torn = last != '\n';
	j->fd = take_fd(fd);
	return 0;
}

static void warn_once(struct journal *j, int r)
{
	if (!j->warned)
		log_warn("events: " JOURNAL " cannot be written, events are told but not kept: %s",
			 strerror(-r));
	j->warned = true;
}

int journal_open(struct journal *j, const char *data_root, struct err *err)
{
	int r;

	*j = (struct journal){.dir = -1, .fd = -1, .max = JOURNAL_MAX};
	if (!data_root)
		return 0;
	j->dir = open_dir_at(AT_FDCWD, data_root);
	if (j->dir < 0)
		return err_sys(err, -j->dir, "open %s", data_root);
	/* No reason not to serve containers; it is tried again with each event. */
	r = open_current(j);
	if (r < 0)
		warn_once(j, r);
	return 0;
}

void journal_close(struct journal *j)
{
	close_p(&j->dir);
	close_p(&j->fd);
	j->dir = j->fd = -1;
}

static int rotate(struct journal *j)
{
	close_p(&j->fd);
	j->fd = -1;
	if (renameat(j->dir, JOURNAL, j->dir, JOURNAL_OLD) < 0 && errno != ENOENT)
		return -errno;
	return open_current(j);
}

/* One write(2), so that only the last line can ever be torn. */
static int append(struct journal *j, const char *line, size_t len)
{
	ssize_t n;
	int r = 0;

	if (j->fd < 0)
		r = open_current(j);
	else if (j->size + (int64_t) len > j->max && j->size > 0)
		r = rotate(j);
	if (r < 0)
		return r;

	if (j->torn) {
		if (write(j->fd, "\n", 1) != 1)
			return errno ? -errno : -EIO;
		j->torn = false;
		j->size++;
	}
	n = write(j->fd, line, len);
	if (n < 0)
		return -errno;
	j->size += n;
	j->torn = n > 0 && line[n - 1] != '\n';
	return (size_t) n == len ? 0 : -ENOSPC;
}

void journal_append(struct journal *j, const char *line, size_t len)
{
	int r;

	if (j->dir < 0)
		return;
	r = append(j, line, len);
	if (r < 0)
		warn_once(j, r);
	else
		j->warned = false;
}

char *journal_line(const struct event *ev, size_t *ret_len)
{
	autojson json_t *tree = fields_save(event_fields, ev);
	autofree char *text = json_text(tree);
	autobuf line = {};

	if (!text || strlen(text) >= JOURNAL_LINE_MAX)
		return NULL;
	buf_adds(&line, text);
	buf_addc(&line, '\n');
	*ret_len = line.len;
	return buf_take(&line);
}

/* reading --------------------------------------------------------------------------------- */

void journal_look(const struct journal *j, struct journal_view *ret)
{
	static const char *const names[] = {JOURNAL_OLD, JOURNAL};
	struct stat st;

	for (int i = 0; i < 2; i++) {
		ret->fd[i] = j->dir < 0 ? -1 : openat(j->dir, names[i], O_RDONLY | O_CLOEXEC);
		ret->size[i] = ret->fd[i] >= 0 && fstat(ret->fd[i], &st) == 0 ? st.st_size : 0;
	}
}

void journal_view_close(struct journal_view *v)
{
	for (int i = 0; i < 2; i++) {
		close_p(&v->fd[i]);
		v->fd[i] = -1;
	}
}

int journal_parse(const char *line, size_t len, struct event *ret)
{
	autojson json_t *tree = json_loadb(line, len, 0, NULL);
	auto_(event_free) struct event ev = {};

	if (!json_is_object(tree) || fields_load(event_fields, &ev, tree, NULL) < 0 ||
	    str_empty(ev.type) || str_empty(ev.action) || ev.time_ns <= 0)
		return -1;
	if (!ev.id)
		ev.id = xstrdup("");
	*ret = ev;
	ev = (struct event){};
	return 0;
}

int journal_read(const struct journal_view *v, const struct journal_place *p, struct event *ret)
{
	autofree char *line = xmalloc(p->len);

	if (pread(v->fd[p->file], line, p->len, p->offset) != (ssize_t) p->len)
		return -1;
	return journal_parse(line, p->len, ret);
}

struct search {
	int64_t since_ns, until_ns;
	const struct filters *filters;
	struct journal_place *found;
	size_t n, cap;
};

static bool time_fits(const struct search *s, int64_t time_ns)
{
	return time_ns >= s->since_ns && (!s->until_ns || time_ns <= s->until_ns);
}

/* The time of a line as we write it; 0 where it begins otherwise. */
static int64_t time_at_first_sight(const char *line, size_t len)
{
	const size_t prefix = sizeof TIME_PREFIX - 1;
	int64_t t = 0;

	if (len < prefix || memcmp(line, TIME_PREFIX, prefix) != 0)
		return 0;
	for (size_t i = prefix; i < len && i < prefix + 19; i++) {
		if (line[i] < '0' || line[i] > '9')
			return t;
		if (__builtin_mul_overflow(t, 10, &t) ||
		    __builtin_add_overflow(t, line[i] - '0', &t))
			return 0;
	}
	return t;
}

static void search_line(struct search *s, struct journal_place place, const char *line)
{
	auto_(event_free) struct event ev = {};
	int64_t t = time_at_first_sight(line, place.len);

	if (t && !time_fits(s, t))
		return;
	if (journal_parse(line, place.len, &ev) < 0 || !time_fits(s, ev.time_ns) ||
	    !event_match(s->filters, &ev))
		return;

	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->found = xreallocarray(s->found, s->cap, sizeof *s->found);
	}
	place.time_ns = ev.time_ns;
	s->found[s->n++] = place;
}

/* Looks at each whole line of one file, up to the size it had; the rest is news, not history. */
static void search_file(struct search *s, const struct journal_view *v, uint32_t file)
{
	int64_t line_at = 0, read_to = 0;
	autobuf b = {};

	while (read_to < v->size[file]) {
		int64_t left = v->size[file] - read_to;
		size_t want = left < READ_BLOCK ? (size_t) left : READ_BLOCK;
		ssize_t n = pread(v->fd[file], buf_reserve(&b, want), want, read_to);
		size_t done = 0;
		char *end;

		if (n <= 0)
			return;
		b.len += (size_t) n;
		read_to += n;
		while ((end = memchr(b.text + done, '\n', b.len - done))) {
			size_t len = (size_t) (end - (b.text + done));
			struct journal_place place = {
				.file = file,
				.len = (uint32_t) len,
				.offset = line_at,
			};

			if (len > 0 && len < JOURNAL_LINE_MAX)
				search_line(s, place, b.text + done);
			done += len + 1;
			line_at += (int64_t) len + 1;
		}
		buf_consume(&b, done);
	}
}

/* qsort() is not stable; the place in the journal decides between equal times. */
static int by_time(const void *pa, const void *pb)
{
	const struct journal_place *a = pa, *b = pb;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool same_line(const struct journal_view *v, const struct journal_place *a,
		      const struct journal_place *b)
{
	autofree char *x = NULL;
	autofree char *y = NULL;

	if (a->len != b->len)
		return false;
	x = xmalloc(a->len);
	y = xmalloc(b->len);
	return pread(v->fd[a->file], x, a->len, a->offset) == (ssize_t) a->len &&
	       pread(v->fd[b->file], y, b->len, b->offset) == (ssize_t) b->len &&
	       memcmp(x, y, a->len) == 0;
}

static bool is_in(const struct strmap *all, const struct strmap *m)
{
	const char *key, *value;

	strmap_foreach (m, key, value)
		if (strcmp(key, "name") != 0 && !str_eq(strmap_get(all, key), value))
			return false;
	return true;
}

/* A container's name is the one that it had at the telling: a rename may have come between. */
static bool same_event(const struct journal_view *v, const struct journal_place *a,
		       const struct journal_place *b)
{
	struct event x, y;
	bool same;

	if (same_line(v, a, b))
		return true;
	if (journal_read(v, a, &x) < 0)
		return false;
	if (journal_read(v, b, &y) < 0) {
		event_free(&x);
		return false;
	}
	same = str_eq(x.type, "container") && str_eq(x.type, y.type) &&
	       str_eq(x.action, y.action) && str_eq(x.id, y.id) &&
	       is_in(&x.attributes, &y.attributes) && is_in(&y.attributes, &x.attributes);
	event_free(&x);
	event_free(&y);
	return same;
}

/* What a daemon published and died before it noted that, the next one publishes again, with the
 * same time: that happened once. The places are in order of time. */
static size_t drop_doubles(const struct journal_view *v, struct journal_place *p, size_t n)
{
	size_t kept = 0, begin = 0; /* of those with the time of the last kept */

	for (size_t i = 0; i < n; i++) {
		bool twice = false;

		if (kept && p[begin].time_ns != p[i].time_ns)
			begin = kept;
		for (size_t k = begin; k < kept && !twice; k++)
			twice = same_event(v, &p[k], &p[i]);
		if (!twice)
			p[kept++] = p[i];
	}
	return kept;
}

void journal_search(const struct journal_view *v, int64_t since_ns, int64_t until_ns,
		    const struct filters *filters, struct journal_place **ret, size_t *ret_n)
{
	struct search s = {.since_ns = since_ns, .until_ns = until_ns, .filters = filters};

	for (uint32_t file = 0; file < 2; file++)
		if (v->fd[file] >= 0)
			search_file(&s, v, file);
	if (s.n)
		qsort(s.found, s.n, sizeof *s.found, by_time);
	*ret = s.found;
	*ret_n = drop_doubles(v, s.found, s.n);
}
