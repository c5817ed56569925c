/*
 * Strings: a growing buffer, NULL-terminated vectors of strings, and strict readers of numbers.
 * Nothing here is shared between threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* A growing buffer. Zero-initialise; `text` is always NUL-terminated once something was added. */
struct buf {
	char *text;
	size_t len;
	size_t cap;
};

void buf_add(struct buf *b, const void *data, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds s as the inside of a JSON string (RFC 8259): quotes, backslashes and controls escaped, bytes
 * that are not UTF-8 replaced by U+FFFD. The quotation marks are the caller's. */
void buf_add_json(struct buf *b, const char *s, size_t n);
/* The bytes that stand for themselves in a JSON string, whatever is beside them. */
extern const bool json_plain[256];
/* Length of the UTF-8 character at s, of which n bytes are there, at least one; 0 where it is none
 * (too long, a surrogate, cut short). *ret_cut (which may be NULL): so far it is one, and cut short. */
size_t utf8_len(const unsigned char *s, size_t n, bool *ret_cut);
/* Makes room for n more bytes and returns where they go; the caller adds to b->len what it used. */
char *buf_reserve(struct buf *b, size_t n);
/* Drops n bytes from the front. */
void buf_consume(struct buf *b, size_t n);
/* Hands the text over ("" if nothing was added) and empties the buffer. */
char *buf_take(struct buf *b);
void buf_free(struct buf *b);
#define autobuf auto_(buf_free) struct buf

/* NULL-terminated vectors of strings; a NULL vector is an empty one. */
size_t strv_len(char *const *v);
/* Appends a copy of s to *v, which may be NULL. */
void strv_add(char ***v, const char *s);
/* Appends s itself, which the vector then owns. */
void strv_add_owned(char ***v, char *s);
bool strv_contains(char *const *v, const char *s);
char **strv_copy(char *const *v);
/* Splits at every sep; empty parts are kept. */
char **strv_split(const char *s, char sep);
/* Joins with sep between. Caller frees. */
char *strv_join(char *const *v, const char *sep);
void strv_free(char **v);
DEFINE_AUTO(char **, strv_free);
#define autostrv auto_(strv_free_p)

bool str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool str_has_prefix(const char *s, const char *prefix);
bool str_has_suffix(const char *s, const char *suffix);
/* true for NULL and "" */
bool str_empty(const char *s);
/* Does it read as an address, IPv4 or IPv6? */
bool str_is_ip(const char *s);
/* The same for the same text, in every process; nothing for what an enemy may choose. */
uint64_t str_hash(const char *s);
/* Shell pattern match as in Go's path.Match, for filters: *, ?, [..]; * does not cross '/'. */
bool str_glob(const char *pattern, const char *s);

/* Whole-string number readers: 0, or -EINVAL / -ERANGE; the output is untouched on failure. */
int parse_i64(const char *s, int64_t *ret);
int parse_u64(const char *s, uint64_t *ret);
/* "512", "10k", "64m", "1g", "2.5GB", "1KiB" in bytes, base 1024, as docker's CLI reads sizes. */
int parse_size(const char *s, int64_t *ret);

/* Lower-case hexadecimal of n bytes; ret has room for 2n + 1. */
void hex_encode(const void *data, size_t n, char *ret);
/* What a hexadecimal digit of either case stands for, or -1. */
int hex_digit(char c);
/* true if s has exactly n lower-case hexadecimal digits and ends there. */
bool str_is_hex(const char *s, size_t n);
/* n random lower-case hexadecimal digits and NUL into ret (n + 1 bytes, n <= 64). */
void random_hex(char *ret, size_t n);
