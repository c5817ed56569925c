/* Websocket frames: the examples of RFC 6455, section 5.7, and what a server must refuse. */
#include "test.h"

#include "base/str.h"
#include "shim/websocket.h"

/* Reads all, `step` bytes at a time; data is "text|", events are "ping(text)", "close", "broken".
 */
static char *read_all(const char *bytes, size_t n, size_t step)
{
	struct websocket w = {0};
	autobuf said = {0};
	autofree char *data = xmemdup(bytes, n + 1);

	for (size_t at = 0; at < n;) {
		size_t here = step < n - at ? step : n - at, taken, len;
		const char *text;

		switch (websocket_read(&w, data + at, here, &taken, &text, &len)) {
		case WEBSOCKET_DATA:
			buf_add(&said, text, len);
			break;
		case WEBSOCKET_PING:
			buf_addf(&said, "<ping %.*s>", (int) len, text);
			break;
		case WEBSOCKET_CLOSE:
			buf_adds(&said, "<close>");
			break;
		case WEBSOCKET_BROKEN:
			buf_adds(&said, "<broken>");
			return buf_take(&said);
		case WEBSOCKET_MORE:
			assert_int_equal(taken, here);
			break;
		}
		at += taken;
	}
	return buf_take(&said);
}

static void expect(const char *bytes, size_t n, const char *want)
{
	for (size_t step = 1; step <= n; step++) {
		autofree char *said = read_all(bytes, n, step);

		assert_string_equal(said, want);
	}
}
#define EXPECT(bytes, want) expect(bytes, sizeof bytes - 1, want)

#define MASK  "\x37\xfa\x21\x3d"
#define HELLO "\x7f\x9f\x4d\x51\x58" /* masked */

TEST(the_examples_of_the_rfc)
{
	EXPECT("\x81\x85" MASK HELLO, "Hello");
	EXPECT("\x01\x83" MASK "\x7f\x9f\x4d"
	       "\x80\x82\0\0\0\0lo",
	       "Hello");
	EXPECT("\x89\x85" MASK HELLO, "<ping Hello>");
	EXPECT("\x8a\x85" MASK HELLO, "");
}

TEST(control_frames_come_between)
{
	EXPECT("\x02\x82\0\0\0\0ab\x89\x80\0\0\0\0\x00\x81\0\0\0\0c\x80\x80\0\0\0\0\x88\x80\0\0\0"
	       "\0",
	       "ab<ping >c<close>");
}

TEST(long_frames)
{
	for (size_t n = 125; n < 70000; n += n == 127 ? 65408 : n == 65537 ? 10000 : 1) {
		autobuf frame = {0}, want = {0};

		buf_addc(&frame, '\x82');
		if (n < 126) {
			buf_addc(&frame, (char) (0x80 | n));
		} else if (n < 65536) {
			const char head[] = {(char) 0xfe, (char) (n >> 8), (char) n};

			buf_add(&frame, head, sizeof head);
		} else {
			const char head[] = {(char) 0xff,     0,       0, 0, 0, 0, (char) (n >> 16),
					     (char) (n >> 8), (char) n};

			buf_add(&frame, head, sizeof head);
		}
		buf_add(&frame, "\0\0\0\0", 4);
		for (size_t i = 0; i < n; i++)
			buf_addc(&want, 'x');
		buf_add(&frame, want.text, n);
		for (size_t step = 1; step < 100000; step = step * 7 + 1) {
			autofree char *said = read_all(frame.text, frame.len, step);

			assert_string_equal(said, want.text);
		}
	}
}

TEST(what_is_no_frame_is_refused)
{
	EXPECT("\x81\x05Hello", "<broken>");			  /* no mask */
	EXPECT("\xc1\x85" MASK HELLO, "<broken>");		  /* an extension */
	EXPECT("\x83\x85" MASK HELLO, "<broken>");		  /* no such opcode */
	EXPECT("\x80\x85" MASK HELLO, "<broken>");		  /* goes on with nothing */
	EXPECT("\x01\x81" MASK "\x7f\x81\x81" MASK, "H<broken>"); /* not over yet */
	EXPECT("\x09\x85" MASK HELLO, "<broken>");		  /* a ping in parts */
	EXPECT("\x89\xfe\x00\x7e" MASK, "<broken>");		  /* a long one */
	EXPECT("\x82\xff\x80\0\0\0\0\0\0\0" MASK, "<broken>");	  /* negative */
}

TEST(heads_are_as_short_as_can_be)
{
	char head[WEBSOCKET_HEAD_MAX];

	assert_int_equal(websocket_head(WEBSOCKET_BYTES, 5, head), 2);
	assert_memory_equal(head, "\x82\x05", 2);
	assert_int_equal(websocket_head(WEBSOCKET_BYTES, 256, head), 4);
	assert_memory_equal(head, "\x82\x7e\x01\x00", 4);
	assert_int_equal(websocket_head(WEBSOCKET_BYTES, 65536, head), 10);
	assert_memory_equal(head, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
	assert_int_equal(websocket_head(WEBSOCKET_END, 2, head), 2);
	assert_memory_equal(head, "\x88\x02", 2);
}
