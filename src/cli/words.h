/* Numbers, times and names in docker's words. Strings that are returned are the caller's. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Characters (code points) of UTF-8 text. */
size_t text_width(const char *s);
/* At most max characters, the last of which is then "…". */
char *text_ellipsis(const char *s, size_t max);
/* s with what would upset a terminal (control characters) as \n, \t, \x1b. */
char *text_quoted(const char *s);
/* The same between quotation marks, with those of s and backslashes escaped, as Go's %q. */
char *text_in_quotes(const char *s);

/* "4.26MB": decimal units, three digits. */
char *size_words(int64_t bytes);
/* "23.43GiB": binary units, four digits. */
char *size_words_binary(int64_t bytes);
/* "3 minutes ago" */
char *ago_words(int64_t then_ns, int64_t now);
/* "2026-11-24 03:45:34 +0000 UTC" in local time. */
char *time_words(int64_t ns);
/* "2026-11-24T03:45:34.123456789Z", in local time. */
char *time_stamp(int64_t ns);
/* "sha256:" cut off, twelve digits unless whole. */
char *short_id(const char *id, int whole);
/* "k=v,k=v" of an object of strings, sorted by key. */
char *pairs_words(const json_t *object, const char *between);
