/*
 * Fuzz target: websocket frames. However the bytes are cut, the same is read; text never exceeds
 * what came; what is broken is broken at the same place.
 */
#include "fuzz.h"

#include "shim/websocket.h"

/* Reads all in pieces whose sizes come from `cuts`. Text and events, one after the other. */
static void read_all(const unsigned char *bytes, size_t n, const unsigned char *cuts, size_t n_cuts,
		     struct buf *ret)
{
	struct websocket w = {0};
	autofree char *data = xmalloc(n + 1);
	size_t at = 0;

	memcpy(data, bytes, n);
	for (size_t i = 0; at < n; i++) {
		size_t here = n_cuts ? 1 + cuts[i % n_cuts] : n, taken = 0, len = 0;
		const char *text = NULL;
		enum websocket_event event;

		if (here > n - at)
			here = n - at;
		event = websocket_read(&w, data + at, here, &taken, &text, &len);
		must(event == WEBSOCKET_BROKEN || (taken > 0 && taken <= here));
		must(event != WEBSOCKET_DATA || (len > 0 && len <= taken));
		must(event != WEBSOCKET_PING || len <= WEBSOCKET_CONTROL_MAX);
		must(w.n_head <= sizeof w.head && w.n_control <= sizeof w.control);
		if (event == WEBSOCKET_DATA || event == WEBSOCKET_PING)
			buf_add(ret, text, len);
		if (event != WEBSOCKET_DATA && event != WEBSOCKET_MORE)
			buf_addf(ret, "<%d>", event);
		if (event == WEBSOCKET_BROKEN)
			break;
		at += taken;
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	autobuf whole = {0}, cut = {0};
	size_t n_cuts = n > 0 ? data[0] % 8 : 0;

	if (n <= n_cuts)
		return 0;
	read_all(data + n_cuts, n - n_cuts, NULL, 0, &whole);
	read_all(data + n_cuts, n - n_cuts, data, n_cuts, &cut);
	must(whole.len == cut.len && (whole.len == 0 || !memcmp(whole.text, cut.text, cut.len)));
	return 0;
}
