/* sd_notify(3): telling systemd, or the keeper, how we are. */
#pragma once

#include <stddef.h>

/* Connects to a socket as NOTIFY_SOCKET names it ("/path" or "@abstract"): the descriptor, whose
 * sends wait a second at most, or -errno. */
int notify_open(const char *name);
/* Sends lines ("READY=1") with descriptors: 0 or -errno. */
int notify_send(int fd, const char *text, const int *fds, size_t n_fds);
/* Tells lines to the socket of that name; NULL: nobody, which is fine. */
void notify_tell(const char *name, const char *text);
/* "RELOADING=1" with its time; READY=1 is to follow. */
void notify_reloading(const char *name);
