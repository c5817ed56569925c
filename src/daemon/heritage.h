/*
 * What a daemon has from who was before it: listening sockets from systemd or the keeper
 * (sd_listen_fds(3)), slots of the shelf that were stored with them, and after a live upgrade all
 * that and the connections of the former image, written down in a memfd.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "http/http.h"

struct heritage {
	struct http_left left; /* listening sockets, connections */
	struct http_shelf *shelf;
	bool passed;	     /* at least one listening socket was not bound by ourselves */
	char *from;	     /* version that this image took over from; NULL: it did not */
	char *notify_socket; /* NULL: nobody wants to be told */
	bool can_store;	     /* who is told keeps descriptors, too */
	bool queued;	     /* who is told accepts, if we say so */
};

/* Takes it out of the environment, so that no child sees any of it. Before threads are started. */
int heritage_take(struct heritage *ret, struct err *err);
/* Before execve(2): writes *h down, lets its descriptors through, sets the environment. The
 * caller's threads have ended. */
int heritage_give(struct heritage *h, struct err *err);
/* The execve(2) has failed: *h is ours as before. */
void heritage_keep(struct heritage *h);
/* Where nothing is told about it any more: closes all and frees. */
void heritage_free(struct heritage *h);
/* Makes the shelf, where there is none and who is told keeps it. */
void heritage_make_shelf(struct heritage *h);

/* Is it a listening unix stream socket? */
bool fd_is_listening(int fd);
/* Has it the path of one of these "unix:///path"? */
bool socket_is_among(int fd, char *const *hosts);
/* Adds one of our own. */
void heritage_add_socket(struct heritage *h, int fd);
/* Is there a listening socket with this path? */
bool heritage_has_socket(const struct heritage *h, const char *path);

/* Pure: LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES (each may be NULL) of a process `pid`: how many
 * descriptors are for it, and their names (strv of as many, caller's). 0 where they are another's.
 */
int activation_parse(pid_t pid, const char *listen_pid, const char *listen_fds, const char *names,
		     char ***ret_names);

/* The written form, both pure: the descriptors are numbers in it. */
void heritage_write(const struct heritage *h, struct buf *out);
int heritage_parse(const char *text, size_t n, struct heritage *ret, struct err *err);
