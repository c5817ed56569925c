/*
 * The journal of events: one JSON line each in <data-root>/events.jsonl; when that has grown to
 * JOURNAL_MAX, it becomes events.jsonl.1 and a new one begins. A torn line is no line. A disk that
 * fails loses journal lines, not events. Not thread-safe: the events' lock guards it; a
 * journal_view is its holder's alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "events/events.h"

extern const struct field event_fields[]; /* of struct event, as in the journal */

#define JOURNAL_MAX	 (4 << 20)
#define JOURNAL_LINE_MAX (64 << 10) /* an event with longer attributes is not kept */

struct journal {
	int dir; /* -1: nothing is kept */
	int fd;	 /* -1: could not be opened; tried again with the next event */
	int64_t size;
	int64_t max; /* JOURNAL_MAX, but in tests */
	bool torn;   /* the file does not end with a newline */
	bool warned; /* one warning per spell of failures */
};

int journal_open(struct journal *j, const char *data_root, struct err *err);
void journal_close(struct journal *j);
/* The line of an event, newline included; NULL where it is too long. Caller frees. */
char *journal_line(const struct event *ev, size_t *ret_len);
void journal_append(struct journal *j, const char *line, size_t len);

/* What the journal holds at one instant, older file first. It stays readable whatever is appended,
 * and when the files are rotated away. */
struct journal_view {
	int fd[2]; /* -1: none */
	int64_t size[2];
};
void journal_look(const struct journal *j, struct journal_view *ret);
void journal_view_close(struct journal_view *v);

/* Where a line lies in a view. */
struct journal_place {
	int64_t time_ns;
	uint32_t file, len;
	int64_t offset;
};
/* The places of all events with since <= time (and <= until, if that is not 0) that the filters let
 * through, in the order of time, each once. Array of *ret_n, caller frees. */
void journal_search(const struct journal_view *v, int64_t since_ns, int64_t until_ns,
		    const struct filters *filters, struct journal_place **ret, size_t *ret_n);
/* 0, or -1 where it can no longer be read. */
int journal_read(const struct journal_view *v, const struct journal_place *p, struct event *ret);

/* Parses one line without its newline: 0 or -1. */
int journal_parse(const char *line, size_t len, struct event *ret);
