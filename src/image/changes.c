/* Reads Dockerfile lines; see changes.h. */
#include "image/changes.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/proc.h"
#include "base/time.h"

/* A line on its way: the keyword, and what is behind it. */
struct change {
	struct config *config;
	const char *keyword;
	const char *rest;
};

static int bad(const struct change *c, struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID, "%s %s: %s", c->keyword, c->rest, why);
}

static const char *skip_space(const char *s)
{
	while (isspace((unsigned char) *s))
		s++;
	return s;
}

/* Words and values */

/* One word up to a space outside of quotes (or `until`, where that is not 0): quotes and
 * backslashes are undone. */
static int take_word(const char **s, char until, char **ret)
{
	autobuf b = {0};
	const char *p = *s;
	char quote = 0;

	for (; *p && (quote || (!isspace((unsigned char) *p) && *p != until)); p++) {
		if (*p == '\\' && p[1] && quote != '\'') {
			buf_addc(&b, *++p);
		} else if (quote ? *p == quote : (*p == '"' || *p == '\'')) {
			quote = quote ? 0 : *p;
		} else {
			buf_addc(&b, *p);
		}
	}
	if (quote)
		return -1;
	*s = p;
	*ret = buf_take(&b);
	return 0;
}

static int split_words(const char *s, char ***ret)
{
	autostrv char **words = NULL;
	char *word;

	for (s = skip_space(s); *s; s = skip_space(s)) {
		if (take_word(&s, 0, &word) < 0)
			return -1;
		strv_add_owned(&words, word);
	}
	*ret = take(words);
	return 0;
}

/* ["a","b"], or false where it is none. */
static bool read_json_words(const char *s, char ***ret)
{
	autojson json_t *j = *s == '[' ? json_loads(s, 0, NULL) : NULL;
	char **words = NULL;
	const json_t *v;
	size_t i;

	if (!json_is_array(j))
		return false;
	json_array_foreach (j, i, v)
		if (!json_is_string(v))
			return false;
	json_array_foreach (j, i, v)
		strv_add(&words, json_string_value(v));
	if (!words)
		words = xcalloc(1, sizeof *words);
	*ret = words;
	return true;
}

/* The exec form as it is, the shell form for the shell. */
static char **read_command(const struct change *c)
{
	char **words = NULL;

	if (read_json_words(c->rest, &words))
		return words;
	for (char **w = c->config->shell; w && *w; w++)
		strv_add(&words, *w);
	if (!words) {
		strv_add(&words, "/bin/sh");
		strv_add(&words, "-c");
	}
	strv_add(&words, c->rest);
	return words;
}

/* "k=v k2="v 2"", or the old "k v"; calls fn for each. */
static int each_pair(const struct change *c,
		     void (*fn)(struct config *config, const char *key, const char *value),
		     struct err *err)
{
	const char *s = c->rest;

	for (bool first = true; *s; s = skip_space(s), first = false) {
		autofree char *key = NULL;
		autofree char *value = NULL;

		if (take_word(&s, '=', &key) < 0)
			return bad(c, err, "unterminated quote");
		if (*s != '=' && first && *skip_space(s)) {
			fn(c->config, key, skip_space(s));
			return 0;
		}
		if (*s != '=' || !*key)
			return bad(c, err, "must be of the form: name=value");
		s++;
		if (take_word(&s, 0, &value) < 0)
			return bad(c, err, "unterminated quote");
		fn(c->config, key, value);
	}
	return 0;
}

static void strv_add_unique(char ***v, const char *s)
{
	if (!strv_contains(*v, s))
		strv_add(v, s);
}

/* The keywords */

static int change_cmd(const struct change *c, struct err *err)
{
	strv_free(c->config->cmd);
	c->config->cmd = read_command(c);
	return 0;
}

static int change_entrypoint(const struct change *c, struct err *err)
{
	strv_free(c->config->entrypoint);
	c->config->entrypoint = read_command(c);
	return 0;
}

static void set_env(struct config *config, const char *key, const char *value)
{
	autofree char *text = xasprintf("%s=%s", key, value);
	size_t n = strlen(key) + 1;

	for (char **e = config->env; e && *e; e++) {
		if (strncmp(*e, text, n) != 0)
			continue;
		free(*e);
		*e = take(text);
		return;
	}
	strv_add(&config->env, text);
}

static int change_env(const struct change *c, struct err *err)
{
	return each_pair(c, set_env, err);
}

static void set_label(struct config *config, const char *key, const char *value)
{
	strmap_set(&config->labels, key, value);
}

static int change_label(const struct change *c, struct err *err)
{
	return each_pair(c, set_label, err);
}

static bool port_is_valid(const char *s, size_t n)
{
	autofree char *text = xstrndup(s, n);
	uint64_t port;

	return parse_u64(text, &port) == 0 && port >= 1 && port <= 65535;
}

/* "80", "443/tcp", "8000-8010/udp": one entry a port, with protocol. */
static int expose(const struct change *c, const char *word, struct err *err)
{
	size_t n = strcspn(word, "/"), first = strcspn(word, "-/");
	const char *proto = word[n] ? word + n + 1 : "tcp";
	int from, to;

	if (!str_eq(proto, "tcp") && !str_eq(proto, "udp") && !str_eq(proto, "sctp"))
		return bad(c, err, "invalid protocol");
	if (!port_is_valid(word, first))
		return bad(c, err, "invalid containerPort");
	from = to = atoi(word);
	if (word[first] == '-') {
		if (!port_is_valid(word + first + 1, n - first - 1))
			return bad(c, err, "invalid containerPort");
		to = atoi(word + first + 1);
	}
	if (to < from)
		return bad(c, err, "invalid range of ports");
	for (; from <= to; from++) {
		autofree char *port = xasprintf("%d/%s", from, proto);

		strv_add_unique(&c->config->exposed_ports, port);
	}
	return 0;
}

static int change_expose(const struct change *c, struct err *err)
{
	autostrv char **words = NULL;

	if (split_words(c->rest, &words) < 0)
		return bad(c, err, "unterminated quote");
	for (char **w = words; w && *w; w++)
		if (expose(c, *w, err) < 0)
			return -1;
	return 0;
}

static int change_user(const struct change *c, struct err *err)
{
	free(c->config->user);
	c->config->user = xstrdup(c->rest);
	return 0;
}

static int change_volume(const struct change *c, struct err *err)
{
	autostrv char **words = NULL;

	if (!read_json_words(c->rest, &words) && split_words(c->rest, &words) < 0)
		return bad(c, err, "unterminated quote");
	for (char **w = words; w && *w; w++) {
		if (!**w)
			return bad(c, err, "a volume must not be empty");
		strv_add_unique(&c->config->volumes, *w);
	}
	return 0;
}

static int change_workdir(const struct change *c, struct err *err)
{
	char *dir;

	if (c->rest[0] == '/')
		dir = xstrdup(c->rest);
	else
		dir = xasprintf("%s/%s", str_eq(c->config->working_dir, "/") ? "" : c->config->working_dir ?: "",
				c->rest);
	free(c->config->working_dir);
	c->config->working_dir = dir;
	return 0;
}

static int change_onbuild(const struct change *c, struct err *err)
{
	if (strncasecmp(c->rest, "ONBUILD", 7) == 0 || strncasecmp(c->rest, "FROM", 4) == 0 ||
	    strncasecmp(c->rest, "MAINTAINER", 10) == 0)
		return bad(c, err, "isn't allowed as an ONBUILD trigger");
	strv_add(&c->config->on_build, c->rest);
	return 0;
}

static int change_stopsignal(const struct change *c, struct err *err)
{
	if (signal_parse(c->rest) < 0)
		return bad(c, err, "invalid signal");
	free(c->config->stop_signal);
	c->config->stop_signal = xstrdup(c->rest);
	return 0;
}

/* "--interval=30s" and its like. 0 where there is none more. */
static int take_health_option(const struct change *c, const char **s, struct healthcheck *h,
			      struct err *err)
{
	const struct {
		const char *name;
		int64_t *ns;
	} durations[] = {
		{"--interval=", &h->interval_ns},
		{"--timeout=", &h->timeout_ns},
		{"--start-period=", &h->start_period_ns},
		{"--start-interval=", &h->start_interval_ns},
	};
	autofree char *word = NULL;

	if (!str_has_prefix(*s, "--"))
		return 0;
	if (take_word(s, 0, &word) < 0)
		return bad(c, err, "unterminated quote");
	*s = skip_space(*s);
	if (str_has_prefix(word, "--retries="))
		return parse_i64(word + 10, &h->retries) == 0 && h->retries >= 0
			       ? 1
			       : bad(c, err, "--retries must be a number");
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++)
		if (str_has_prefix(word, durations[i].name))
			return duration_parse(word + strlen(durations[i].name), durations[i].ns) ==
					       0
				       ? 1
				       : bad(c, err, "not a duration");
	return bad(c, err, "unknown flag");
}

static int change_healthcheck(const struct change *c, struct err *err)
{
	struct healthcheck h = {0};
	const char *s = c->rest;
	int r;

	while ((r = take_health_option(c, &s, &h, err)) > 0)
		;
	if (r < 0)
		return -1;
	if (strcasecmp(s, "NONE") == 0) {
		strv_add(&h.test, "NONE");
	} else if (strncasecmp(s, "CMD", 3) == 0 && isspace((unsigned char) s[3])) {
		autostrv char **words = NULL;

		s = skip_space(s + 3);
		strv_add(&h.test, *s == '[' && read_json_words(s, &words) ? "CMD" : "CMD-SHELL");
		if (!words)
			strv_add(&h.test, s);
		for (char **w = words; w && *w; w++)
			strv_add(&h.test, *w);
	} else {
		return bad(c, err, "must be CMD or NONE");
	}
	strv_free(c->config->healthcheck.test);
	c->config->healthcheck = h;
	return 0;
}

static int apply(struct config *config, const char *line, struct err *err)
{
	static const struct {
		const char *keyword;
		int (*fn)(const struct change *c, struct err *err);
	} known[] = {
		{"CMD", change_cmd},
		{"ENTRYPOINT", change_entrypoint},
		{"ENV", change_env},
		{"EXPOSE", change_expose},
		{"HEALTHCHECK", change_healthcheck},
		{"LABEL", change_label},
		{"ONBUILD", change_onbuild},
		{"STOPSIGNAL", change_stopsignal},
		{"USER", change_user},
		{"VOLUME", change_volume},
		{"WORKDIR", change_workdir},
	};
	const char *start = skip_space(line);
	size_t n = strcspn(start, " \t\r\n");
	autofree char *rest = xstrdup(skip_space(start + n));
	size_t len = strlen(rest);

	while (len > 0 && isspace((unsigned char) rest[len - 1]))
		rest[--len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct change c = {config, known[i].keyword, rest};

		if (strlen(known[i].keyword) != n || strncasecmp(start, known[i].keyword, n) != 0)
			continue;
		return len > 0 ? known[i].fn(&c, err) : bad(&c, err, "needs an argument");
	}
	return err_set(err, ERR_INVALID, "%.*s is not a valid change command", (int) n, start);
}

int config_change(struct config *config, char *const *lines, struct err *err)
{
	for (; lines && *lines; lines++)
		if (*skip_space(*lines) && apply(config, *lines, err) < 0)
			return -1;
	return 0;
}
