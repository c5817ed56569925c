/*
 * Fuzz target: heads of HTTP requests. The first byte says where the input is cut in two, so that
 * the scanner meets every split. By hand:
 *
 *	clang -g -O1 -std=gnu17 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -Isrc -o
 * /tmp/fuzz-head \ tests/fuzz/http_head.c src/http/head.c src/base/{mem,str}.c -lhttp_parser &&
 * /tmp/fuzz-head -max_len=4096
 */
#include "http/head.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct head_scan split = {0}, whole = {0};
	size_t len_split = 0, len_whole = 0, cut;
	enum head_state a, b;
	const char *why = NULL;
	autofree char *text = NULL;
	struct head h;

	if (n < 2)
		return 0;
	cut = data[0] % n;
	text = xmemdup(data + 1, --n);
	a = head_scan(&split, text, cut < n ? cut : n, &len_split);
	if (a == HEAD_MORE)
		a = head_scan(&split, text, n, &len_split);
	b = head_scan(&whole, text, n, &len_whole);
	/* However it comes, it is the same head. */
	if (a != b || len_split != len_whole)
		abort();
	if (b != HEAD_DONE)
		return 0;
	if (head_parse(&h, text + whole.start, len_whole - whole.start, &why) == 0 &&
	    (!h.path || !h.method))
		abort();
	head_free(&h);
	return 0;
}
