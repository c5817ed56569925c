/* Heads of requests: where they end, and what they say. */
#include "http/head.h"

#include "test.h"

static enum head_state scan(const char *text, size_t *ret_len)
{
	struct head_scan s = {0};

	return head_scan(&s, text, strlen(text), ret_len);
}

/* Status of head_parse() of a whole head. */
static int parse(struct head *h, const char *text)
{
	const char *why = NULL;
	size_t len = 0;

	assert_int_equal(scan(text, &len), HEAD_DONE);
	return head_parse(h, text, len, &why);
}

static int status_of(const char *text)
{
	struct head h;
	int status = parse(&h, text);

	head_free(&h);
	return status;
}

TEST(a_head_is_found_at_every_split)
{
	static const char text[] = "\r\nGET /x HTTP/1.1\r\nHost: d\r\n\r\nBODY";
	const size_t whole = strlen(text) - 4;

	for (size_t cut = 0; cut <= strlen(text); cut++) {
		struct head_scan s = {0};
		size_t len = 0;
		enum head_state st = head_scan(&s, text, cut, &len);

		if (cut < whole) {
			assert_int_equal(st, HEAD_MORE);
			st = head_scan(&s, text, strlen(text), &len);
		}
		assert_int_equal(st, HEAD_DONE);
		assert_int_equal(len, whole);
		assert_int_equal(s.start, 2);
	}
}

TEST(lines_end_in_crlf_and_cr_stands_nowhere_else)
{
	size_t len;

	assert_int_equal(scan("GET / HTTP/1.1\nHost: d\n\n", &len), HEAD_BAD);
	assert_int_equal(scan("GET / HTTP/1.1\r\nHost: d\rX: y\r\n\r\n", &len), HEAD_BAD);
	assert_int_equal(scan("GET / HTTP/1.1\r\nHost: d\r\n folded\r\n\r\n", &len), HEAD_BAD);
	assert_int_equal(scan("\n", &len), HEAD_BAD);
	assert_int_equal(scan("\r\n\r\n\r\n\r\n\r\n", &len), HEAD_BAD);
}

TEST(long_heads_are_refused_by_what_is_long)
{
	autobuf b = {0};
	size_t len;

	buf_adds(&b, "GET /");
	while (b.len < 60000)
		buf_addc(&b, 'x');
	buf_adds(&b, " HTTP/1.1\r\nHost: d\r\n\r\n");
	assert_int_equal(scan(b.text, &len), HEAD_DONE);
	assert_int_equal(status_of(b.text), 0);

	b.len = 5;
	while (b.len < HEAD_LINE_MAX + 10)
		buf_addc(&b, 'x');
	buf_addc(&b, '\0');
	assert_int_equal(scan(b.text, &len), HEAD_LINE_TOO_LONG);
	b.len--;
	buf_adds(&b, " HTTP/1.1\r\nHost: d\r\n\r\n");
	assert_int_equal(scan(b.text, &len), HEAD_LINE_TOO_LONG);

	b.len = 0;
	buf_adds(&b, "GET / HTTP/1.1\r\nHost: d\r\nX: ");
	while (b.len < HEAD_FIELDS_MAX + 100)
		buf_addc(&b, 'x');
	assert_int_equal(scan(b.text, &len), HEAD_TOO_LARGE);

	b.len = 0;
	buf_adds(&b, "GET / HTTP/1.1\r\nHost: d\r\n");
	for (int i = 0; i < HEAD_HEADERS_MAX; i++)
		buf_addf(&b, "X-%d: y\r\n", i);
	buf_adds(&b, "\r\n");
	assert_int_equal(status_of(b.text), 431);
}

TEST(a_head_is_taken_apart)
{
	struct head h;

	assert_int_equal(
		parse(&h,
		      "POST /v1.24/images/a%2Fb:c/json?x=1&y=a+b%26&x=2&flag&=z HTTP/1.1\r\n"
		      "Host: docker\r\nEmpty:\r\nSpaced:   a b \t\r\nContent-Length: 3\r\n\r\n"),
		0);
	assert_string_equal(h.method, "POST");
	assert_string_equal(h.path, "/v1.24/images/a/b:c/json");
	assert_int_equal(h.n_headers, 4);
	assert_string_equal(h.headers[1].name, "Empty");
	assert_string_equal(h.headers[1].value, "");
	assert_string_equal(h.headers[2].name, "Spaced");
	assert_string_equal(h.headers[2].value, "a b");
	assert_int_equal(h.n_query, 4);
	assert_string_equal(h.query[1].value, "a b&");
	assert_string_equal(h.query[2].value, "2");
	assert_string_equal(h.query[3].name, "flag");
	assert_string_equal(h.query[3].value, "");
	assert_false(h.complete);
	assert_int_equal(h.parser.content_length, 3);
	head_free(&h);

	assert_int_equal(parse(&h, "GET http://docker/_ping?a=b HTTP/1.1\r\nHost: d\r\n\r\n"), 0);
	assert_string_equal(h.path, "/_ping");
	assert_true(h.complete);
	head_free(&h);

	assert_int_equal(parse(&h, "POST /c/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
				   "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n"),
			 0);
	assert_true(h.upgrade);
	assert_true(h.complete);
	head_free(&h);
}

TEST(what_two_readers_could_read_differently_is_refused)
{
#define P "POST / HTTP/1.1\r\nHost: d\r\n"
	assert_int_equal(status_of(P "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
			 400);
	assert_int_equal(status_of(P "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
			 400);
	assert_int_equal(status_of(P "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Content-Length: +1\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Content-Length: 1, 1\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Content-Length: 0x10\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Content-Length:\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Content-Length: 99999999999999999999999\r\n\r\n"), 400);
	assert_int_not_equal(status_of(P "Transfer-Encoding: gzip, chunked\r\n\r\n"), 0);
	assert_int_not_equal(status_of(P "Transfer-Encoding: identity\r\n\r\n"), 0);
	assert_int_not_equal(status_of(P "Transfer-Encoding: xchunked\r\n\r\n"), 0);
	assert_int_not_equal(
		status_of(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), 0);
	assert_int_not_equal(status_of(P "Transfer-Encoding : chunked\r\n\r\n"), 0);
	assert_int_equal(status_of(P "X\x01: y\r\n\r\n"), 400);
	assert_int_equal(status_of(P "X: \x01y\r\n\r\n"), 400);
	assert_int_equal(status_of("GET /\x01 HTTP/1.1\r\nHost: d\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Host: e\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Transfer-Encoding: chunked\r\n\r\n"), 0);
	assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
	assert_int_equal(status_of("GET / HTTP/2.0\r\nHost: d\r\n\r\n"), 505);
	assert_int_equal(status_of("BREW / HTTP/1.1\r\nHost: d\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1 \r\nHost: d\r\n\r\n"), 400);
	assert_int_equal(status_of("CONNECT a:1 HTTP/1.1\r\nHost: d\r\n\r\n"), 400);
	assert_int_equal(status_of(P "Expect: a-pony\r\n\r\n"), 417);
}

TEST(escapes_are_decoded_or_refused)
{
	char a[] = "a%2fb%2B+c", b[] = "a+b", bad[] = "x%2", bad2[] = "x%zz", nul[] = "x%00y";

	assert_true(url_decode(a, false));
	assert_string_equal(a, "a/b++c");
	assert_true(url_decode(b, true));
	assert_string_equal(b, "a b");
	assert_false(url_decode(bad, true));
	assert_false(url_decode(bad2, true));
	assert_false(url_decode(nul, true));
	assert_int_equal(status_of("GET /%00 HTTP/1.1\r\nHost: d\r\n\r\n"), 400);
	assert_int_equal(status_of("GET /?a=%x HTTP/1.1\r\nHost: d\r\n\r\n"), 400);
}
