/* Lines of key=value; see kv.h. */
#include "wire/kv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define KV_TEXT_MAX (64 * 1024)

void kv_add(struct buf *b, const char *key, const char *value)
{
	buf_adds(b, key);
	buf_addc(b, '=');
	for (;;) {
		size_t plain = strcspn(value, "\n\\");

		buf_add(b, value, plain);
		value += plain;
		if (!*value)
			break;
		buf_adds(b, *value == '\n' ? "\\n" : "\\\\");
		value++;
	}
	buf_addc(b, '\n');
}

void kv_add_int(struct buf *b, const char *key, int64_t value)
{
	buf_addf(b, "%s=%" PRId64 "\n", key, value);
}

/* Takes the backslashes away: a value or NULL where an escape is none of ours. */
static char *unescape(const char *text, size_t len)
{
	autofree char *value = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\\') {
			if (++i == len || (text[i] != 'n' && text[i] != '\\'))
				return NULL;
			c = text[i] == 'n' ? '\n' : '\\';
		}
		value[n++] = c;
	}
	value[n] = '\0';
	return take(value);
}

static size_t count_lines(const char *text, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

int kv_parse(const char *text, size_t len, struct kv *ret)
{
	autokv kv = {0};
	size_t n = 0;

	if (len > KV_TEXT_MAX || memchr(text, '\0', len))
		return -EINVAL;

	kv.items = xcalloc(2 * count_lines(text, len) + 1, sizeof *kv.items);
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end ? (size_t) (end - text) : len;
		const char *equals = memchr(text, '=', line);
		size_t key;

		if (!equals)
			return -EINVAL;
		key = (size_t) (equals - text);
		kv.items[n++] = xstrndup(text, key);
		kv.items[n] = unescape(equals + 1, line - key - 1);
		if (!kv.items[n++])
			return -EINVAL;
		text += line + (end ? 1 : 0);
		len -= line + (end ? 1 : 0);
	}
	*ret = kv;
	kv.items = NULL;
	return 0;
}

void kv_free(struct kv *kv)
{
	strv_free(kv->items);
	kv->items = NULL;
}

const char *kv_get(const struct kv *kv, const char *key)
{
	for (char **i = kv->items; i && *i; i += 2)
		if (strcmp(i[0], key) == 0)
			return i[1];
	return NULL;
}

int64_t kv_int(const struct kv *kv, const char *key, int64_t otherwise)
{
	const char *value = kv_get(kv, key);
	int64_t n;

	return value && parse_i64(value, &n) == 0 ? n : otherwise;
}
