/*
 * The frames of RFC 6455, as a server reads and writes them. Reading takes what has come, however
 * it is cut, and undoes the mask in place; it keeps nothing but the head of the frame it is in.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_CONTROL_MAX 125
#define WEBSOCKET_HEAD_MAX    10 /* of what is written */

/* Zero-initialise. */
struct websocket {
	unsigned char head[14]; /* of the frame that is being read */
	size_t n_head;
	bool in_frame;
	uint64_t left; /* of its payload */
	unsigned mask_at;
	bool in_message; /* a data frame was not the last of its message */
	unsigned char control[WEBSOCKET_CONTROL_MAX];
	size_t n_control;
};

enum websocket_event {
	WEBSOCKET_MORE,	 /* all is taken, and more is needed */
	WEBSOCKET_DATA,	 /* text or bytes for the application */
	WEBSOCKET_PING,	 /* to be answered by a pong with the same text */
	WEBSOCKET_CLOSE, /* nothing will follow */
	WEBSOCKET_BROKEN /* this is no websocket; nothing more can be read */
};

/* Takes *ret_taken of the n bytes, at least one of them unless it says WEBSOCKET_BROKEN. The text
 * of a DATA or PING is in *ret_text, within data or in w until the next call. */
enum websocket_event websocket_read(struct websocket *w, char *data, size_t n, size_t *ret_taken,
				    const char **ret_text, size_t *ret_len);

enum websocket_opcode { WEBSOCKET_BYTES = 2, WEBSOCKET_END = 8, WEBSOCKET_PONG = 10 };
/* The head of a frame with n bytes; its length. */
size_t websocket_head(enum websocket_opcode opcode, uint64_t n, char ret[WEBSOCKET_HEAD_MAX]);
