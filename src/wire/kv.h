/*
 * The text in which daemon and shim speak and in which shim.conf is written: one `key=value` a line,
 * UTF-8, values escaped so that they hold no newline (\n, \\). A key may come several times (lists). Readers
 * skip keys they do not know; the first line of a message is `msg=<name>`.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

void kv_add(struct buf *b, const char *key, const char *value);
void kv_add_int(struct buf *b, const char *key, int64_t value);

/* A parsed text: keys and values alternate (k, v, k, v, NULL). Zero-initialise. */
struct kv {
	char **items;
};
/* Parses `len` bytes; 0 or -EINVAL (a line without '=', a NUL, over 64 KiB). */
int kv_parse(const char *text, size_t len, struct kv *ret);
void kv_free(struct kv *kv);
#define autokv auto_(kv_free) struct kv
/* The first value of key, NULL where there is none. Borrowed. */
const char *kv_get(const struct kv *kv, const char *key);
int64_t kv_int(const struct kv *kv, const char *key, int64_t otherwise);
