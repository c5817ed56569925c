/*
 * The keeper: for hosts without systemd what systemd's socket unit is elsewhere. It holds the
 * listening sockets, starts the daemon with them, starts it again when it dies, and keeps what the
 * daemon asks it to keep. It speaks systemd's protocols (sd_listen_fds(3), sd_notify(3) with
 * FDSTORE), so the daemon does not know which of the two it is.
 *
 * It accepts connections and passes them on unread, to a daemon that asks for it; one that accepts by
 * itself loses a connection with which it is killed in that moment. While the daemon is away clients
 * wait in the sockets' backlog. No threads, no JSON; it is linked as the shim is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KEPT_MAX  256
#define KEPT_NAME 32

/* A descriptor and what it is called. The listening sockets come first. */
struct kept {
	int fd;
	char name[KEPT_NAME];
};

struct keeper {
	char *const *argv; /* the daemon's */
	struct kept kept[KEPT_MAX];
	unsigned n_kept, n_listen;
	int queue;    /* accepted connections go in here; the daemon has the other end */
	bool accepts; /* the daemon reads there */
	int waiting;  /* a connection for which there was no room in the queue; -1: none */
	int notify_fd;
	char notify_name[32]; /* "@..." */
	bool ending;

	pid_t pid; /* of the daemon; 0: there is none now */
	int pidfd; /* of one that another keeper has started; -1: it is a child of ours */
	bool ready;
	int64_t started_ns; /* CLOCK_MONOTONIC */
	int64_t start_at_ns;
	int64_t delay_ns;
};

/* kept.c ---- */

/* Takes fd (owned) under a name; closes it where there is no room. */
void kept_add(struct keeper *k, int fd, const char *name);
/* Opens the socket that the daemon tells things on: 0 or -errno. */
int notify_open(struct keeper *k);
/* Takes up what has come there. */
void notify_receive(struct keeper *k);

/* accept.c ---- */

#define QUEUE_NAME "queue"
#define FULL_MS	   10 /* until what found no room is tried again */

/* Makes the queue: 0 or -errno. */
int queue_open(struct keeper *k);
/* Is anything to be accepted now? */
bool queue_has_room(const struct keeper *k);
/* Passes on what waits. True where there is room for more. */
bool queue_push(struct keeper *k);
/* Accepts from a socket that may have something, until there is no more, or no room. */
void accept_from(struct keeper *k, int listen_fd);

/* restart.c ---- */

/* How long to wait before the next start: a daemon that has served for a while is started again
 * after DELAY_MIN, one that keeps dying less and less often, but always. Pure. */
int64_t keeper_delay(int64_t last_delay_ns, bool was_ready, int64_t lived_ns);

/* daemon.c ---- */

/* Starts the daemon; a failure counts as its death. */
void daemon_start(struct keeper *k);
/* Passes a signal on to it, where there is one. */
void daemon_signal(const struct keeper *k, int sig);
/* It has ended, with status in wait(2)'s form (-1: not known): says so, and sets when it is started
 * again. */
void daemon_ended(struct keeper *k, int status);
