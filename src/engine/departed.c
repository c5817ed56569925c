/*
 * The exit codes of containers that removed themselves (--rm), kept for five minutes in
 * <data-root>/departed.jsonl: who asks late, because the daemon was away when it ended, still gets
 * an answer. A line is appended before the container's directory goes. Nothing of it is in memory,
 * and no restore reads it: only a wait for a container that is not there does.
 *
 * Lines are not synced: who asks after a reboot of the host asks for nothing that could be waited
 * for.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/internal.h"

#define DEPARTED_FILE	 "departed.jsonl"
#define DEPARTED_KEPT_NS (5 * 60 * NSEC_PER_SEC)
#define DEPARTED_MAX	 (1 << 20) /* some 5,000 lines; then it is written anew with half of it */

static const struct field departed_fields[] = {
	FIELD(struct departed, "Time", FIELD_INT, time_ns),
	FIELD(struct departed, "Id", FIELD_STR, id),
	FIELD(struct departed, "Name", FIELD_STR, name),
	FIELD(struct departed, "ExitCode", FIELD_INT, exit_code),
	FIELD_F(struct departed, "Error", FIELD_STR, error, FIELD_OMIT),
	FIELD_END,
};

void departed_free(struct departed *d)
{
	fields_free(departed_fields, d);
}

/* Whole lines of ours are JSON; a torn one is none. */
static int parse(const char *line, size_t len, struct departed *ret)
{
	autojson json_t *json = json_loadb(line, len, 0, NULL);

	fields_init(departed_fields, ret);
	if (json_is_object(json) && fields_load(departed_fields, ret, json, NULL) == 0 &&
	    !str_empty(ret->id))
		return 0;
	departed_free(ret);
	return -1;
}

static bool too_old(const struct departed *d, int64_t now)
{
	return now - d->time_ns > DEPARTED_KEPT_NS;
}

/* What is still worth keeping of text, at most `max` bytes, the newest. */
static void keep_newest(char *text, size_t len, size_t max, int64_t now, struct buf *ret)
{
	const char *at = len > max ? text + len - max : text;

	while (*at) {
		size_t n = strcspn(at, "\n");
		struct departed d;

		if (n > 0 && parse(at, n, &d) == 0) {
			if (!too_old(&d, now)) {
				buf_add(ret, at, n);
				buf_addc(ret, '\n');
			}
			departed_free(&d);
		}
		at += n + (at[n] == '\n');
	}
}

static int shrink(int dir, int64_t now, struct err *err)
{
	autofree char *text = NULL;
	autobuf kept = {0};
	size_t len;
	int r = read_file_at(dir, DEPARTED_FILE, 2 * DEPARTED_MAX, &text, &len);

	/* One that has grown beyond all measure is nobody's work of ours, and no loss. */
	if (r == 0)
		keep_newest(text, len, DEPARTED_MAX / 2, now, &kept);
	else if (r != -EFBIG)
		return err_sys(err, -r, "read " DEPARTED_FILE);
	return save_file_at(dir, DEPARTED_FILE, kept.text ? kept.text : "", kept.len, SAVE_ATOMIC,
			    err);
}

/* A newline before as well as behind: what a full disk tore off before spoils no line but its own.
 */
static int append(int dir, const struct departed *d, struct err *err)
{
	autoclose int fd = openat(dir, DEPARTED_FILE,
				  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	autojson json_t *json = fields_save(departed_fields, d);
	autofree char *text = json_text(json);
	autofree char *line = xasprintf("\n%s\n", text);
	int r;

	if (fd < 0)
		return err_sys(err, errno, "open " DEPARTED_FILE);
	r = write_all(fd, line, strlen(line));
	return r < 0 ? err_sys(err, -r, "write " DEPARTED_FILE) : 0;
}

int departed_add(int data_root, const struct departed *d, struct err *err)
{
	struct stat st;

	if (fstatat(data_root, DEPARTED_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size > DEPARTED_MAX && shrink(data_root, d->time_ns, err) < 0)
		return -1;
	return append(data_root, d, err);
}

/* A search as container_lookup() does it: id, name with or without '/', unique prefix of the id. */
struct search {
	const char *ref, *name;
	int64_t now;
	struct departed found; /* no id: none */
	bool whole;	       /* it was found by id or name */
	bool ambiguous;
};

/* The newest of that id or name; by prefix only one that is alone with it. */
static void consider(struct search *s, struct departed *d)
{
	bool whole = str_eq(d->id, s->ref) || str_eq(d->name, s->name);

	if (too_old(d, s->now) || (!whole && (s->whole || !str_has_prefix(d->id, s->ref))))
		return;
	s->ambiguous |= !whole && s->found.id && !str_eq(s->found.id, d->id);
	s->whole = whole;
	departed_free(&s->found);
	s->found = *d;
	fields_init(departed_fields, d); /* it moved */
}

int departed_find(int data_root, const char *ref, int64_t now, struct departed *ret)
{
	struct search s = {.ref = ref, .name = ref[0] == '/' ? ref + 1 : ref, .now = now};
	autofree char *text = NULL;

	fields_init(departed_fields, &s.found);
	if (str_empty(s.name) ||
	    read_file_at(data_root, DEPARTED_FILE, 2 * DEPARTED_MAX, &text, NULL) < 0)
		return -ENOENT;
	for (char *at = text; *at;) {
		size_t n = strcspn(at, "\n");
		struct departed d;

		if (memmem(at, n, s.name, strlen(s.name)) && parse(at, n, &d) == 0) {
			consider(&s, &d);
			departed_free(&d);
		}
		at += n + (at[n] == '\n');
	}
	if (!s.found.id || (s.ambiguous && !s.whole)) {
		departed_free(&s.found);
		return -ENOENT;
	}
	*ret = s.found;
	return 0;
}

void remember_departure_locked(struct engine *e, const struct container *c)
{
	const struct departed d = {
		.time_ns = now_ns(),
		.id = (char *) c->id,
		.name = c->name,
		.exit_code = c->state.exit_code,
		.error = c->state.error,
	};
	autoclose int dir = open_dir_at(AT_FDCWD, e->o.data_root);
	struct err err = {0};

	hold(&e->departed_lock);
	if (dir < 0 || departed_add(dir, &d, &err) < 0)
		log_warn("container %.12s: who asks for its exit code later is told that there is "
			 "no such container: %s",
			 c->id, dir < 0 ? strerror(-dir) : err.text);
}
