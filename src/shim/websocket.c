/* See websocket.h. */
#include "shim/websocket.h"

#include <string.h>
#include <sys/types.h>

enum { CONTINUATION = 0, TEXT = 1, BYTES = 2, END = 8, PING = 9, PONG = 10 };

static unsigned opcode(const struct websocket *w)
{
	return w->head[0] & 0x0f;
}

static bool is_last(const struct websocket *w)
{
	return w->head[0] & 0x80;
}

static bool is_control(const struct websocket *w)
{
	return opcode(w) >= END;
}

/* How long the head is, as far as that is known yet. */
static size_t head_size(const struct websocket *w)
{
	unsigned len = w->head[1] & 0x7f;

	if (w->n_head < 2)
		return 2;
	return 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + 4;
}

static uint64_t payload_size(const struct websocket *w)
{
	unsigned len = w->head[1] & 0x7f;
	size_t bytes = len == 126 ? 2 : len == 127 ? 8 : 0;
	uint64_t n = 0;

	if (bytes == 0)
		return len;
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | w->head[2 + i];
	return n;
}

/* Is the whole head that of a frame that may come here? */
static bool head_is_good(const struct websocket *w)
{
	bool masked = w->head[1] & 0x80;

	/* No extension was agreed on, and a client masks. */
	if ((w->head[0] & 0x70) || !masked || payload_size(w) >> 63)
		return false;
	switch (opcode(w)) {
	case CONTINUATION:
		return w->in_message;
	case TEXT:
	case BYTES:
		return !w->in_message;
	case END:
	case PING:
	case PONG:
		return is_last(w) && payload_size(w) <= WEBSOCKET_CONTROL_MAX;
	default:
		return false;
	}
}

/* Takes of the head what is there: how much; < 0 where it is none. */
static ssize_t read_head(struct websocket *w, const char *data, size_t n)
{
	size_t taken = 0;

	while (taken < n && w->n_head < head_size(w))
		w->head[w->n_head++] = (unsigned char) data[taken++];
	if (w->n_head < head_size(w))
		return (ssize_t) taken;
	if (!head_is_good(w))
		return -1;
	w->in_frame = true;
	w->left = payload_size(w);
	w->mask_at = 0;
	w->n_control = 0;
	if (!is_control(w))
		w->in_message = !is_last(w);
	return (ssize_t) taken;
}

static void unmask(struct websocket *w, char *data, size_t n)
{
	const unsigned char *mask = w->head + w->n_head - 4;

	for (size_t i = 0; i < n; i++)
		data[i] = (char) (data[i] ^ mask[w->mask_at++ & 3]);
	w->mask_at &= 3;
}

/* The frame has been read whole. */
static enum websocket_event end_frame(struct websocket *w)
{
	w->in_frame = false;
	w->n_head = 0;
	switch (opcode(w)) {
	case PING:
		return WEBSOCKET_PING;
	case END:
		return WEBSOCKET_CLOSE;
	default:
		return WEBSOCKET_MORE;
	}
}

enum websocket_event websocket_read(struct websocket *w, char *data, size_t n, size_t *ret_taken,
				    const char **ret_text, size_t *ret_len)
{
	size_t taken = 0, here;
	bool data_frame;

	*ret_taken = n;
	*ret_len = 0;
	while (taken < n || (w->in_frame && w->left == 0)) {
		enum websocket_event event;

		if (!w->in_frame) {
			ssize_t r = read_head(w, data + taken, n - taken);

			if (r < 0)
				return WEBSOCKET_BROKEN;
			taken += (size_t) r;
			continue;
		}
		here = w->left < n - taken ? (size_t) w->left : n - taken;
		data_frame = !is_control(w);
		unmask(w, data + taken, here);
		if (!data_frame)
			memcpy(w->control + w->n_control, data + taken, here);
		w->n_control += data_frame ? 0 : here;
		*ret_text = data_frame ? data + taken : (const char *) w->control;
		*ret_len = data_frame ? here : w->n_control;
		taken += here;
		w->left -= here;
		event = w->left == 0 ? end_frame(w) : WEBSOCKET_MORE;
		*ret_taken = taken;
		if (data_frame && here > 0)
			return WEBSOCKET_DATA;
		if (event != WEBSOCKET_MORE)
			return event;
	}
	*ret_taken = n;
	*ret_len = 0;
	return WEBSOCKET_MORE;
}

size_t websocket_head(enum websocket_opcode opcode, uint64_t n, char ret[WEBSOCKET_HEAD_MAX])
{
	size_t bytes = n < 126 ? 0 : n <= 0xffff ? 2 : 8;

	ret[0] = (char) (0x80 | opcode);
	ret[1] = (char) (bytes == 0 ? n : bytes == 2 ? 126 : 127);
	for (size_t i = 0; i < bytes; i++)
		ret[2 + i] = (char) (n >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}
