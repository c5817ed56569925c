/* The values and functions of templates; see template_ast.h. */
#include <ctype.h>
#include <string.h>

#include "cli/template.h"
#include "cli/template_ast.h"

/* printing as Go does ------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void print_map(struct buf *out, const json_t *v)
{
	size_t n = json_object_size(v), i = 0;
	autofree const char **keys = xcalloc(n + 1, sizeof *keys);
	const char *key;
	json_t *member;

	json_object_foreach ((json_t *) v, key, member)
		keys[i++] = key;
	qsort(keys, n, sizeof *keys, by_text);
	buf_adds(out, "map[");
	for (i = 0; i < n; i++) {
		buf_addf(out, "%s%s:", i ? " " : "", keys[i]);
		template_print(out, json_object_get(v, keys[i]));
	}
	buf_addc(out, ']');
}

void template_print(struct buf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_NULL:
		buf_adds(out, "<nil>");
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_adds(out, json_is_true(v) ? "true" : "false");
		break;
	case JSON_INTEGER:
		buf_addf(out, "%lld", (long long) json_integer_value(v));
		break;
	case JSON_REAL:
		buf_addf(out, "%g", json_real_value(v));
		break;
	case JSON_STRING:
		buf_add(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_ARRAY:
		buf_addc(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				buf_addc(out, ' ');
			template_print(out, json_array_get(v, i));
		}
		buf_addc(out, ']');
		break;
	case JSON_OBJECT:
		print_map(out, v);
		break;
	}
}

static char *value_text(const json_t *v)
{
	autobuf b = {0};

	template_print(&b, v);
	return buf_take(&b);
}

bool template_truth(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_TRUE:
		return true;
	case JSON_INTEGER:
		return json_integer_value(v) != 0;
	case JSON_REAL:
		return json_real_value(v) < 0 || json_real_value(v) > 0;
	case JSON_STRING:
		return json_string_length(v) > 0;
	case JSON_ARRAY:
		return json_array_size(v) > 0;
	case JSON_OBJECT:
		return json_object_size(v) > 0;
	}
	return false;
}

/* functions ---------------------------------------------------------------------------------- */

/* A string value; bytes that JSON cannot hold cannot come out of JSON. */
static json_t *string_of(const char *s, size_t n)
{
	return json_stringn_nocheck(s, n);
}

static json_t *call_json(json_t **v, size_t n, struct err *err)
{
	autofree char *text = json_dumps(v[0], JSON_COMPACT | JSON_ENCODE_ANY);

	return json_string_nocheck(text ? text : "null");
}

static json_t *change_case(const json_t *v, int (*fn)(int), bool words)
{
	autofree char *s = value_text(v);

	for (char *p = s; *p; p++)
		if (!words || p == s || p[-1] == ' ')
			*p = (char) fn((unsigned char) *p);
	return string_of(s, strlen(s));
}

static json_t *call_lower(json_t **v, size_t n, struct err *err)
{
	return change_case(v[0], tolower, false);
}

static json_t *call_upper(json_t **v, size_t n, struct err *err)
{
	return change_case(v[0], toupper, false);
}

static json_t *call_title(json_t **v, size_t n, struct err *err)
{
	return change_case(v[0], toupper, true);
}

static json_t *call_trim(json_t **v, size_t n, struct err *err)
{
	autofree char *s = value_text(v[0]);
	char *p = s + strspn(s, " \t\r\n");
	size_t len = strlen(p);

	while (len && isspace((unsigned char) p[len - 1]))
		len--;
	return string_of(p, len);
}

static json_t *call_join(json_t **v, size_t n, struct err *err)
{
	autobuf b = {0};

	for (size_t i = 0; i < json_array_size(v[0]); i++) {
		if (i)
			template_print(&b, v[1]);
		template_print(&b, json_array_get(v[0], i));
	}
	return string_of(b.text ? b.text : "", b.len);
}

static json_t *call_split(json_t **v, size_t n, struct err *err)
{
	autofree char *s = value_text(v[0]), *sep = value_text(v[1]);
	json_t *parts = json_array();
	char *p = s, *end;

	while (*sep && (end = strstr(p, sep))) {
		json_array_append_new(parts, string_of(p, (size_t) (end - p)));
		p = end + strlen(sep);
	}
	json_array_append_new(parts, string_of(p, strlen(p)));
	return parts;
}

static json_t *call_truncate(json_t **v, size_t n, struct err *err)
{
	autofree char *s = value_text(v[0]);
	json_int_t max = json_integer_value(v[1]);
	size_t len = strlen(s);

	return string_of(s, max >= 0 && (size_t) max < len ? (size_t) max : len);
}

/* pad text before after */
static json_t *call_pad(json_t **v, size_t n, struct err *err)
{
	autobuf b = {0};
	json_int_t before = json_integer_value(v[1]), after = json_integer_value(v[2]);

	if (before < 0 || before > 4096 || after < 0 || after > 4096 ||
	    json_string_length(v[0]) == 0)
		return json_incref(v[0]);
	buf_addf(&b, "%*s", (int) before, "");
	template_print(&b, v[0]);
	buf_addf(&b, "%*s", (int) after, "");
	return string_of(b.text, b.len);
}

static json_t *call_print(json_t **v, size_t n, struct err *err)
{
	autobuf b = {0};

	for (size_t i = 0; i < n; i++) {
		if (i && !json_is_string(v[i]) && !json_is_string(v[i - 1]))
			buf_addc(&b, ' ');
		template_print(&b, v[i]);
	}
	return string_of(b.text ? b.text : "", b.len);
}

static json_t *call_println(json_t **v, size_t n, struct err *err)
{
	autobuf b = {0};

	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&b, ' ');
		template_print(&b, v[i]);
	}
	buf_addc(&b, '\n');
	return string_of(b.text, b.len);
}

static json_t *call_printf(json_t **v, size_t n, struct err *err)
{
	autofree char *format = value_text(v[0]);
	autobuf b = {0};
	size_t next = 1;

	for (const char *p = format; *p; p++) {
		if (*p != '%') {
			buf_addc(&b, *p);
			continue;
		}

		const char *from = p + 1;
		size_t flags = strspn(from, "-0123456789.");

		p = from + flags;
		if (*p == '%') {
			buf_addc(&b, '%');
			continue;
		}
		if (!*p || !strchr("sdvq", *p) || next >= n || flags > 8) {
			(void) err_set(err, ERR_INVALID, "printf: cannot format \"%s\"", format);
			return NULL;
		}

		autofree char *text = value_text(v[next++]);
		autofree char *how = xasprintf("%%%.*ss", (int) flags, from);

		if (*p == 'q') {
			buf_addc(&b, '"');
			buf_add_json(&b, text, strlen(text));
			buf_addc(&b, '"');
		} else {
			buf_addf(&b, how, text);
		}
	}
	return string_of(b.text ? b.text : "", b.len);
}

static json_t *call_len(json_t **v, size_t n, struct err *err)
{
	switch (json_typeof(v[0])) {
	case JSON_STRING:
		return json_integer((json_int_t) json_string_length(v[0]));
	case JSON_ARRAY:
		return json_integer((json_int_t) json_array_size(v[0]));
	case JSON_OBJECT:
		return json_integer((json_int_t) json_object_size(v[0]));
	case JSON_NULL:
		return json_integer(0);
	case JSON_INTEGER:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
		break;
	}
	(void) err_set(err, ERR_INVALID, "len of a value that has no length");
	return NULL;
}

static json_t *call_index(json_t **v, size_t n, struct err *err)
{
	json_t *at = v[0];

	for (size_t i = 1; i < n; i++) {
		if (json_is_array(at) && json_is_integer(v[i])) {
			json_int_t index = json_integer_value(v[i]);

			at = index < 0 ? NULL : json_array_get(at, (size_t) index);
			if (!at) {
				(void) err_set(err, ERR_INVALID, "index out of range: %lld",
					       (long long) index);
				return NULL;
			}
		} else if (json_is_object(at) && json_is_string(v[i])) {
			at = json_object_get(at, json_string_value(v[i]));
			if (!at)
				return json_string("");
		} else if (json_is_null(at)) {
			return json_string("");
		} else {
			(void) err_set(err, ERR_INVALID,
				       "index of a value that cannot be indexed so");
			return NULL;
		}
	}
	return json_incref(at);
}

static int compare(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b)) {
		double x = json_number_value(a), y = json_number_value(b);

		return x < y ? -1 : x > y;
	}

	autofree char *x = value_text(a), *y = value_text(b);

	return strcmp(x, y);
}

static json_t *call_eq(json_t **v, size_t n, struct err *err)
{
	for (size_t i = 1; i < n; i++)
		if (compare(v[0], v[i]) == 0)
			return json_true();
	return json_false();
}

static json_t *call_ne(json_t **v, size_t n, struct err *err)
{
	return json_boolean(compare(v[0], v[1]) != 0);
}

static json_t *call_lt(json_t **v, size_t n, struct err *err)
{
	return json_boolean(compare(v[0], v[1]) < 0);
}

static json_t *call_le(json_t **v, size_t n, struct err *err)
{
	return json_boolean(compare(v[0], v[1]) <= 0);
}

static json_t *call_gt(json_t **v, size_t n, struct err *err)
{
	return json_boolean(compare(v[0], v[1]) > 0);
}

static json_t *call_ge(json_t **v, size_t n, struct err *err)
{
	return json_boolean(compare(v[0], v[1]) >= 0);
}

static json_t *call_and(json_t **v, size_t n, struct err *err)
{
	size_t i = 0;

	while (i + 1 < n && template_truth(v[i]))
		i++;
	return json_incref(v[i]);
}

static json_t *call_or(json_t **v, size_t n, struct err *err)
{
	size_t i = 0;

	while (i + 1 < n && !template_truth(v[i]))
		i++;
	return json_incref(v[i]);
}

static json_t *call_not(json_t **v, size_t n, struct err *err)
{
	return json_boolean(!template_truth(v[0]));
}

/* clang-format off */
static const struct function {
	const char *name;
	json_t *(*fn)(json_t **v, size_t n, struct err *err);
	size_t min, max;
} functions[] = {
	{"and",      call_and,      1, TEMPLATE_ARGS_MAX},
	{"eq",       call_eq,       2, TEMPLATE_ARGS_MAX},
	{"ge",       call_ge,       2, 2},
	{"gt",       call_gt,       2, 2},
	{"index",    call_index,    1, TEMPLATE_ARGS_MAX},
	{"join",     call_join,     2, 2},
	{"json",     call_json,     1, 1},
	{"le",       call_le,       2, 2},
	{"len",      call_len,      1, 1},
	{"lower",    call_lower,    1, 1},
	{"lt",       call_lt,       2, 2},
	{"ne",       call_ne,       2, 2},
	{"not",      call_not,      1, 1},
	{"or",       call_or,       1, TEMPLATE_ARGS_MAX},
	{"pad",      call_pad,      3, 3},
	{"print",    call_print,    1, TEMPLATE_ARGS_MAX},
	{"printf",   call_printf,   1, TEMPLATE_ARGS_MAX},
	{"println",  call_println,  0, TEMPLATE_ARGS_MAX},
	{"split",    call_split,    2, 2},
	{"title",    call_title,    1, 1},
	{"trim",     call_trim,     1, 1},
	{"truncate", call_truncate, 2, 2},
	{"upper",    call_upper,    1, 1},
};
/* clang-format on */

json_t *template_call(const char *name, json_t **args, size_t n, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		const struct function *f = &functions[i];

		if (!str_eq(f->name, name))
			continue;
		if (n < f->min || n > f->max) {
			(void) err_set(err, ERR_INVALID, "wrong number of arguments for %s",
				       f->name);
			return NULL;
		}
		return f->fn(args, n, err);
	}
	(void) err_set(err, ERR_INVALID, "function \"%s\" not defined", name);
	return NULL;
}
