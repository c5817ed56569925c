/* A descriptor as a message of one byte, by SCM_RIGHTS (unix(7)); the messages of shims are wire/proto.h's. */
#pragma once

#include <stdbool.h>

/* Sends fd without waiting; it stays the caller's. False, errno: EAGAIN where there is no room. */
bool fd_send(int to, int fd);
/* Receives one without waiting, close-on-exec: the caller's. flags: MSG_PEEK leaves it there as well.
 * Or -1: errno, EAGAIN where there is none now, EPIPE where there will not be any more, EPROTO where
 * the message had none, EMFILE where there is no room for it here. */
int fd_receive(int from, int flags);
