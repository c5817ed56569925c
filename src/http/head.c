/* Finding and parsing request heads; see head.h. */
#include "http/head.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

enum head_state head_scan(struct head_scan *s, const char *data, size_t n, size_t *ret_len)
{
	while (s->pos < n) {
		const char *lf = memchr(data + s->pos, '\n', n - s->pos);
		size_t end, len;

		if (!lf) {
			s->pos = n;
			break;
		}
		end = lf - data;
		s->pos = end + 1;
		if (end == s->line || data[end - 1] != '\r')
			return HEAD_BAD;
		len = end - 1 - s->line;
		if (memchr(data + s->line, '\r', len))
			return HEAD_BAD;

		if (len == 0 && !s->fields) {
			s->start = s->pos;
			if (s->start > 8)
				return HEAD_BAD;
		} else if (!s->fields) {
			if (len > HEAD_LINE_MAX)
				return HEAD_LINE_TOO_LONG;
			s->fields = s->pos;
		} else if (len == 0) {
			*ret_len = s->pos;
			return HEAD_DONE;
		} else if (data[s->line] == ' ' || data[s->line] == '\t') {
			return HEAD_BAD;
		}
		if (s->fields && s->pos - s->fields > HEAD_FIELDS_MAX)
			return HEAD_TOO_LARGE;
		s->line = s->pos;
	}

	if (!s->fields && n - s->line > HEAD_LINE_MAX + 1)
		return HEAD_LINE_TOO_LONG;
	if (s->fields && n - s->fields > HEAD_FIELDS_MAX)
		return HEAD_TOO_LARGE;
	return HEAD_MORE;
}

bool url_decode(char *s, bool plus_is_space)
{
	char *out = s;

	for (; *s; s++) {
		if (*s == '%') {
			int hi = hex_digit(s[1]);
			int lo = hi < 0 ? -1 : hex_digit(s[2]);

			if (lo < 0 || (hi | lo) == 0)
				return false;
			*out++ = (char) (hi << 4 | lo);
			s += 2;
		} else {
			*out++ = *s == '+' && plus_is_space ? ' ' : *s;
		}
	}
	*out = '\0';
	return true;
}

/* What http_parser tells, gathered. */
struct gather {
	struct head *h;
	const char *url;
	size_t url_len;
	bool overflow;
	bool headers_done;
};

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct gather *g = p->data;

	g->url = at;
	g->url_len = n;
	return 0;
}

static int on_header_field(http_parser *p, const char *at, size_t n)
{
	struct gather *g = p->data;
	struct head *h = g->h;

	if (h->n_headers == HEAD_HEADERS_MAX) {
		g->overflow = true;
		return -1;
	}
	/* The colon behind the name has been read already, and so has the CR behind the value
	 * below. */
	h->text[at - h->text + n] = '\0';
	h->headers[h->n_headers++] = (struct pair){.name = at, .value = ""};
	return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t n)
{
	struct gather *g = p->data;
	struct head *h = g->h;

	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	if (n) { /* where it is empty, `at` is the next line */
		h->text[at - h->text + n] = '\0';
		h->headers[h->n_headers - 1].value = at;
	}
	return 0;
}

static int on_headers_complete(http_parser *p)
{
	struct gather *g = p->data;

	g->headers_done = true;
	http_parser_pause(p, 1);
	return 0;
}

static int on_message_complete(http_parser *p)
{
	struct gather *g = p->data;

	g->h->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

static unsigned count_headers(const struct head *h, const char *name, const char **ret_value)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_headers; i++) {
		if (strcasecmp(h->headers[i].name, name) == 0) {
			*ret_value = h->headers[i].value;
			n++;
		}
	}
	return n;
}

/* Debian builds http_parser in its lenient mode, which takes spaces in names for one. */
static bool is_token(const char *s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!*s)
		return false;
	for (; *s; s++) {
		if (!(*s >= '0' && *s <= '9') && !((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z') &&
		    !strchr(others, *s))
			return false;
	}
	return true;
}

static bool has_control(const char *s, bool tab_is_fine)
{
	for (; *s; s++) {
		if (((unsigned char) *s < 0x20 && !(tab_is_fine && *s == '\t')) || *s == 0x7f)
			return true;
	}
	return false;
}

/* What RFC 9112 asks of a request beyond its grammar. */
static int check_headers(struct head *h, const char **ret_why)
{
	const char *v = NULL;
	unsigned n = count_headers(h, "Host", &v);
	bool chunked = false;

	for (unsigned i = 0; i < h->n_headers; i++) {
		if (!is_token(h->headers[i].name) || has_control(h->headers[i].value, true)) {
			*ret_why = "invalid character in a header";
			return 400;
		}
	}
	if (n > 1 || (n == 0 && h->parser.http_minor >= 1)) {
		*ret_why = n ? "more than one Host header" : "missing required Host header";
		return 400;
	}
	n = count_headers(h, "Transfer-Encoding", &v);
	if (n) {
		chunked = n == 1 && strcasecmp(v, "chunked") == 0 && h->parser.http_minor >= 1;
		if (!chunked) {
			*ret_why = "unsupported transfer encoding";
			return 501;
		}
	}
	n = count_headers(h, "Content-Length", &v);
	if (n > 1 || (n && (chunked || !*v || strspn(v, "0123456789") != strlen(v)))) {
		*ret_why = "ambiguous length of the body";
		return 400;
	}
	if (count_headers(h, "Expect", &v)) {
		if (strcasecmp(v, "100-continue") != 0) {
			*ret_why = "unsupported expectation";
			return 417;
		}
		h->expect_continue = h->parser.http_minor >= 1;
	}
	return 0;
}

static int split_query(struct head *h, char *q)
{
	unsigned cap = 0;

	while (q && *q) {
		char *next = strchr(q, '&');
		char *value;

		if (next)
			*next++ = '\0';
		value = strchr(q, '=');
		if (value)
			*value++ = '\0';
		if (!url_decode(q, true) || (value && !url_decode(value, true)))
			return -1;
		if (*q) {
			if (h->n_query == cap) {
				cap = cap ? 2 * cap : 8;
				h->query = xreallocarray(h->query, cap, sizeof *h->query);
			}
			h->query[h->n_query++] =
				(struct pair){.name = q, .value = value ? value : ""};
		}
		q = next;
	}
	return 0;
}

/* The URL's path and query are in origin form ("/x?y") or behind "http://host". */
static int split_url(struct head *h, char *url)
{
	char *query;

	if (strncasecmp(url, "http://", 7) == 0) {
		char *path = url + 7 + strcspn(url + 7, "/?#");

		if (*path != '/')
			return -1;
		url = path;
	}
	if ((*url != '/' && strcmp(url, "*") != 0) || has_control(url, false))
		return -1;
	url[strcspn(url, "#")] = '\0';
	query = strchr(url, '?');
	if (query)
		*query++ = '\0';
	if (!url_decode(url, false))
		return -1;
	h->path = url;
	return split_query(h, query);
}

int head_parse(struct head *h, const char *data, size_t len, const char **ret_why)
{
	static const http_parser_settings settings = {
		.on_url = on_url,
		.on_header_field = on_header_field,
		.on_header_value = on_header_value,
		.on_headers_complete = on_headers_complete,
		.on_message_complete = on_message_complete,
	};
	struct gather g = {.h = h};
	size_t used;
	int r;

	memset(h, 0, sizeof *h);
	h->text = xmalloc(len + 1);
	memcpy(h->text, data, len);
	h->text[len] = '\0';
	h->len = len;
	http_parser_init(&h->parser, HTTP_REQUEST);
	h->parser.data = &g;

	/* Pausing at the end of the headers leaves the last LF unread; reading it tells whether
	 * there is no body. */
	used = http_parser_execute(&h->parser, &settings, h->text, len);
	if (g.headers_done) {
		http_parser_pause(&h->parser, 0);
		used += http_parser_execute(&h->parser, &settings, h->text + used, len - used);
	}
	if (g.overflow) {
		*ret_why = "too many headers";
		return 431;
	}
	if (!g.headers_done || used != len ||
	    (HTTP_PARSER_ERRNO(&h->parser) != HPE_OK &&
	     HTTP_PARSER_ERRNO(&h->parser) != HPE_PAUSED)) {
		*ret_why = http_errno_description(HTTP_PARSER_ERRNO(&h->parser));
		return 400;
	}
	if (h->parser.http_major != 1) {
		*ret_why = "unsupported protocol version";
		return 505;
	}
	h->parser.data = NULL;
	h->method = http_method_str((enum http_method) h->parser.method);
	h->upgrade = h->parser.upgrade;

	r = check_headers(h, ret_why);
	if (r)
		return r;
	/* The byte behind the URL is a space that nobody needs any more. */
	h->text[g.url - h->text + g.url_len] = '\0';
	if (split_url(h, h->text + (g.url - h->text)) < 0) {
		*ret_why = "invalid URL";
		return 400;
	}
	return 0;
}

void head_free(struct head *h)
{
	free(h->text);
	free(h->query);
	h->text = NULL;
	h->query = NULL;
}
