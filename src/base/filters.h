/*
 * docker's `filters` argument: key -> wanted values, as the list and prune endpoints and `events` take it.
 * A key that is absent matches everything; several values of one key are alternatives, except for
 * labels, which must all match.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

struct filters {
	struct strmap pairs; /* key, value, key, value, ...; keys may repeat */
};

/* Reads both JSON shapes, {"k":{"v":true}} and {"k":["v"]}; NULL and "" are no filters. A key that is not
 * in `allowed` (NULL-terminated) is ERR_INVALID "invalid filter 'x'". */
int filters_parse(const char *json, const char *const *allowed, struct filters *ret, struct err *err);
void filters_free(struct filters *f);
void filters_add(struct filters *f, const char *key, const char *value);
bool filters_has(const struct filters *f, const char *key);
size_t filters_count(const struct filters *f, const char *key);
/* The first value of key, or NULL. */
const char *filters_get(const struct filters *f, const char *key);
/* key is absent, or one of its values equals value. */
bool filters_match(const struct filters *f, const char *key, const char *value);
/* ... or is a prefix of value; ... or is found in it as regular expression (POSIX extended), else as text. */
bool filters_match_prefix(const struct filters *f, const char *key, const char *value);
bool filters_match_regex(const struct filters *f, const char *key, const char *value);
/* Every value of key ("name" or "name=value") is among the labels. */
bool filters_match_labels(const struct filters *f, const char *key, const struct strmap *labels);
/* Both label filters of prune: all of "label" are among the labels, and not all of "label!". */
bool filters_match_prune_labels(const struct filters *f, const struct strmap *labels);
/* A boolean filter: `otherwise` where absent; ERR_INVALID where its value is not 0/1/true/false. */
int filters_bool(const struct filters *f, const char *key, bool otherwise, bool *ret, struct err *err);
