/*
 * A terminal on its way from the runtime to us: a socket that the runtime is told to send the
 * master to.
 *
 *	console_listen() ─ the runtime runs, the loop serves the socket ─ console_take() once it has ended
 */
#pragma once

#include <sys/ioctl.h>

#include "base/err.h"
#include "shim/loop.h"

#define CONSOLE_SOCK "console.sock"

struct console {
	struct loop *loop;
	int dir;	     /* where the socket lies; borrowed */
	struct watch sock;   /* that socket, then the runtime's connection */
	int master;	     /* -1: not here yet, or taken */
	struct winsize size; /* that it gets when it comes; 0: as it is */
	int slave; /* held so that the terminal never hangs up while somebody may open it */
};

void console_init(struct console *c, struct loop *loop, int dir);
int console_listen(struct console *c, struct err *err);
/* The master, the caller's and non-blocking; -1 where the runtime has sent none. */
int console_take(struct console *c);
/* Lets go of all but the master that was taken. */
void console_close(struct console *c);
