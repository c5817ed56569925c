/* docker's filters; see filters.h. */
#include "base/filters.h"

#include <regex.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* A pattern is a client's: what makes glibc's regular expressions slow or huge is taken as text. */
#define REGEX_MAX 256

/* Walks the values of key. */
#define values_foreach(f, key, v)                                 \
	for (char **it_ = (f)->pairs.kv; it_ && it_[0]; it_ += 2) \
		if (str_eq(it_[0], key) && ((v) = it_[1], 1))

void filters_free(struct filters *f)
{
	strv_free(f->pairs.kv);
	f->pairs.kv = NULL;
}
DEFINE_AUTO(struct filters *, filters_free);

void filters_add(struct filters *f, const char *key, const char *value)
{
	strv_add(&f->pairs.kv, key);
	strv_add(&f->pairs.kv, value);
}

static bool is_allowed(const char *key, const char *const *allowed)
{
	for (; *allowed; allowed++)
		if (str_eq(key, *allowed))
			return true;
	return false;
}

/* The values of one key: {"v":true, ...} or ["v", ...]. */
static int read_values(const char *key, const json_t *values, struct filters *into, struct err *err)
{
	const char *name;
	json_t *v;
	size_t i;

	switch (json_typeof(values)) {
	case JSON_OBJECT:
		json_object_foreach ((json_t *) values, name, v)
			filters_add(into, key, name);
		return 0;
	case JSON_ARRAY:
		json_array_foreach (values, i, v) {
			if (!json_is_string(v))
				return err_set(
					err, ERR_INVALID,
					"invalid filter '%.100s': its values must be strings", key);
			filters_add(into, key, json_string_value(v));
		}
		return 0;
	case JSON_NULL:
		return 0;
	case JSON_STRING:
	case JSON_INTEGER:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
		break;
	}
	return err_set(err, ERR_INVALID, "invalid filter '%.100s': must be an object or an array",
		       key);
}

int filters_parse(const char *json, const char *const *allowed, struct filters *ret,
		  struct err *err)
{
	auto_(filters_free_p) struct filters *found = &(struct filters){};
	autojson json_t *tree = NULL;
	json_error_t why;
	const char *key;
	json_t *values;

	if (!str_empty(json)) {
		tree = json_loads(json, 0, &why);
		if (!tree)
			return err_set(err, ERR_INVALID, "invalid filters: %s", why.text);
		if (!json_is_object(tree))
			return err_set(err, ERR_INVALID, "invalid filters: must be a JSON object");
	}

	json_object_foreach (tree, key, values) {
		if (!is_allowed(key, allowed))
			return err_set(err, ERR_INVALID, "invalid filter '%.100s'", key);
		if (read_values(key, values, found, err) < 0)
			return -1;
	}

	ret->pairs.kv = take(found->pairs.kv);
	return 0;
}

size_t filters_count(const struct filters *f, const char *key)
{
	const char *k, *v;
	size_t n = 0;

	strmap_foreach (&f->pairs, k, v)
		n += str_eq(k, key) && v;
	return n;
}

const char *filters_get(const struct filters *f, const char *key)
{
	const char *v;

	values_foreach (f, key, v)
		return v;
	return NULL;
}

bool filters_has(const struct filters *f, const char *key)
{
	return filters_get(f, key);
}

bool filters_match(const struct filters *f, const char *key, const char *value)
{
	bool wanted = false;
	const char *v;

	values_foreach (f, key, v) {
		if (str_eq(v, value))
			return true;
		wanted = true;
	}
	return !wanted;
}

bool filters_match_prefix(const struct filters *f, const char *key, const char *value)
{
	bool wanted = false;
	const char *v;

	values_foreach (f, key, v) {
		if (value && str_has_prefix(value, v))
			return true;
		wanted = true;
	}
	return !wanted;
}

static bool pattern_matches(const char *pattern, const char *value)
{
	regex_t regex;
	bool found;

	/* Most are plain names. Repeat counts can make glibc's automaton huge, back-references
	 * slow. */
	if (!strpbrk(pattern, "\\^$.[]|()*+?") || strpbrk(pattern, "{}") ||
	    strlen(pattern) > REGEX_MAX || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return strstr(value, pattern);

	found = regexec(&regex, value, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

bool filters_match_regex(const struct filters *f, const char *key, const char *value)
{
	bool wanted = false;
	const char *v;

	values_foreach (f, key, v) {
		if (value && pattern_matches(v, value))
			return true;
		wanted = true;
	}
	return !wanted;
}

/* "name" or "name=value" */
static bool label_is_among(const char *want, const struct strmap *labels)
{
	size_t len = strcspn(want, "=");
	autofree char *name = xstrndup(want, len);
	const char *value = strmap_get(labels, name);

	return value && (!want[len] || str_eq(want + len + 1, value));
}

bool filters_match_labels(const struct filters *f, const char *key, const struct strmap *labels)
{
	const char *v;

	values_foreach (f, key, v) {
		if (!label_is_among(v, labels))
			return false;
	}
	return true;
}

bool filters_match_prune_labels(const struct filters *f, const struct strmap *labels)
{
	return filters_match_labels(f, "label", labels) &&
	       !(filters_has(f, "label!") && filters_match_labels(f, "label!", labels));
}

int filters_bool(const struct filters *f, const char *key, bool otherwise, bool *ret,
		 struct err *err)
{
	bool yes = false, no = false;
	const char *v;

	values_foreach (f, key, v) {
		bool is_yes = str_eq(v, "1") || str_eq(v, "true");
		bool is_no = str_eq(v, "0") || str_eq(v, "false");

		yes = yes || is_yes;
		no = no || is_no;
		if ((!is_yes && !is_no) || (yes && no))
			return err_set(err, ERR_INVALID, "invalid filter '%s=[%.100s]'", key, v);
	}
	*ret = yes || (!no && otherwise);
	return 0;
}
