/* Command lines; see options.h. */
#include "cli/options.h"

#include <string.h>

#include "base/time.h"

static const struct option *find_letter(const struct option *table, char letter)
{
	for (const struct option *o = table; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static const struct option *find_name(const struct option *table, const char *name, size_t len)
{
	for (const struct option *o = table; o && o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static bool is_flag(const struct option *o)
{
	return o->type == OPTION_FLAG || o->type == OPTION_MAYBE;
}

static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (str_eq(s, yes[i]) || str_eq(s, no[i])) {
			*ret = str_eq(s, yes[i]);
			return 0;
		}
	}
	return -1;
}

/* "1.5" -> 1500000000; nine digits behind the point at most. */
static int parse_decimal(const char *s, int64_t *ret)
{
	const char *point = strchr(s, '.');
	autofree char *whole = point ? xstrndup(s, (size_t) (point - s)) : xstrdup(s);
	char digits[10] = "000000000";
	int64_t units = 0, fraction = 0;

	if (point) {
		size_t n = strlen(point + 1);

		if (n == 0 || n > 9 || strspn(point + 1, "0123456789") != n)
			return -1;
		memcpy(digits, point + 1, n);
		(void) parse_i64(digits, &fraction);
	}
	if (*whole &&
	    (strspn(whole, "0123456789") != strlen(whole) || parse_i64(whole, &units) < 0))
		return -1;
	if ((!*whole && !point) || units > INT64_MAX / NSEC_PER_SEC - 1)
		return -1;
	*ret = units * NSEC_PER_SEC + fraction;
	return 0;
}

static int set(const struct option *o, void *obj, const char *value, struct err *err)
{
	void *at = (char *) obj + o->offset;
	const char *wanted = NULL;
	bool yes;

	switch (o->type) {
	case OPTION_FLAG:
	case OPTION_MAYBE:
		if (parse_bool(value, &yes) < 0)
			wanted = "true or false";
		else if (o->type == OPTION_FLAG)
			*(bool *) at = yes;
		else
			*(int *) at = yes;
		break;
	case OPTION_STR:
		*(const char **) at = value;
		break;
	case OPTION_LIST:
		strv_add(at, value);
		break;
	case OPTION_INT:
		if (parse_i64(value, at) < 0)
			wanted = "a whole number";
		break;
	case OPTION_SIZE:
		if (str_eq(value, "-1"))
			*(int64_t *) at = -1;
		else if (parse_size(value, at) < 0)
			wanted = "a size such as 512m or 2g";
		break;
	case OPTION_DURATION:
		if (duration_parse(value, at) < 0)
			wanted = "a duration such as 30s or 1m30s";
		break;
	case OPTION_DECIMAL:
		if (parse_decimal(value, at) < 0)
			wanted = "a number such as 1.5";
		break;
	}
	if (!wanted)
		return 0;
	if (o->letter)
		return err_set(err, ERR_INVALID,
			       "invalid argument \"%s\" for \"-%c, --%s\" flag: not %s", value,
			       o->letter, o->name, wanted);
	return err_set(err, ERR_INVALID, "invalid argument \"%s\" for \"--%s\" flag: not %s", value,
		       o->name, wanted);
}

/* --name, --name=value, --name value. *i is advanced past a value of its own. */
static int take_long(const struct option *table, void *obj, char **argv, int *i, struct err *err)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t) (equals - name) : strlen(name);
	const struct option *o = find_name(table, name, len);

	if (!o)
		return err_set(err, ERR_INVALID, "unknown flag: --%.*s", (int) len, name);
	if (equals)
		return set(o, obj, equals + 1, err);
	if (is_flag(o))
		return set(o, obj, "true", err);
	if (!argv[*i + 1])
		return err_set(err, ERR_INVALID, "flag needs an argument: --%s", o->name);
	return set(o, obj, argv[++*i], err);
}

/* A bundle of letters: flags, the last of which may take a value. 1 where it is -h for help. */
static int take_letters(const struct option *table, void *obj, char **argv, int *i, struct err *err)
{
	const char *word = argv[*i];

	for (const char *p = word + 1; *p; p++) {
		const struct option *o = find_letter(table, *p);

		if (!o && *p == 'h')
			return 1;
		if (!o)
			return err_set(err, ERR_INVALID, "unknown shorthand flag: '%c' in %s", *p,
				       word);
		if (is_flag(o)) {
			if (p[1] == '=')
				return set(o, obj, p + 2, err);
			if (set(o, obj, "true", err) < 0)
				return -1;
			continue;
		}
		if (p[1])
			return set(o, obj, p[1] == '=' ? p + 2 : p + 1, err);
		if (!argv[*i + 1])
			return err_set(err, ERR_INVALID, "flag needs an argument: '%c' in %s", *p,
				       word);
		return set(o, obj, argv[++*i], err);
	}
	return 0;
}

int options_parse(const struct option *table, bool options_first, void *obj, int argc, char **argv,
		  int *ret_n, struct err *err)
{
	bool options = true;
	int n = 0;

	for (int i = 1; i < argc; i++) {
		char *word = argv[i];
		int r;

		if (!options || word[0] != '-' || !word[1]) {
			argv[n++] = word;
			if (options_first)
				options = false;
			continue;
		}
		if (str_eq(word, "--")) {
			options = false;
			continue;
		}
		if (str_eq(word, "--help"))
			return 1;
		r = word[1] == '-' ? take_long(table, obj, argv, &i, err)
				   : take_letters(table, obj, argv, &i, err);
		if (r != 0)
			return r;
	}
	argv[n] = NULL;
	*ret_n = n;
	return 0;
}

/* Adds text in the column from `left` to `width`, broken at spaces. */
static void add_wrapped(struct buf *b, const char *text, unsigned left, unsigned width)
{
	unsigned room = width > left + 20 ? width - left : 20;

	for (;;) {
		size_t n = strlen(text);

		if (n > room) {
			n = room;
			while (n > 0 && text[n] != ' ')
				n--;
			if (n == 0)
				n = strcspn(text, " ");
		}
		buf_add(b, text, n);
		buf_addc(b, '\n');
		text += n;
		while (*text == ' ')
			text++;
		if (!*text)
			return;
		buf_addf(b, "%*s", (int) left, "");
	}
}

static size_t label_width(const struct option *o)
{
	return 2 + 4 + 2 + strlen(o->name) + (o->value ? 1 + strlen(o->value) : 0) + 3;
}

void options_help(struct buf *b, const struct option *table, unsigned width)
{
	size_t left = 0;

	for (const struct option *o = table; o && o->name; o++)
		if (o->help && label_width(o) > left)
			left = label_width(o);
	if (!left)
		return;

	buf_adds(b, "\nOptions:\n");
	for (const struct option *o = table; o->name; o++) {
		if (!o->help)
			continue;

		size_t start = b->len;

		if (o->letter)
			buf_addf(b, "  -%c, --%s", o->letter, o->name);
		else
			buf_addf(b, "      --%s", o->name);
		if (o->value)
			buf_addf(b, " %s", o->value);
		buf_addf(b, "%*s", (int) (left - (b->len - start)), "");
		add_wrapped(b, o->help, (unsigned) left, width);
	}
}
