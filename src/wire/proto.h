/*
 * The shim protocol, version 2: packets of kv text (wire/kv.h) over SOCK_SEQPACKET, with
 * descriptors by SCM_RIGHTS. The shim gets its first connection as an inherited socketpair, later
 * daemons connect to shim.sock. Any number of connections; each gets every event. A side that reads
 * a message it does not know answers msg=error, or ignores it if it is an event.
 *
 * daemon -> shim				answer
 *  msg=hello version=2				msg=hello version=2 id= run= state=idle|starting|running|
 *						  restarting|ended; running: pid= ticks=; restarting: run= (the next) due= count=;
 *						  ended: time= code= signal= oom=; exec=, the ids of probes in
 *						  progress. It knows nothing of paused
 *  msg=start run=N [anew=1] [+ its net namespace]  msg=ok, then event started or failed; failed leaves it
 *						  idle. anew: shim.conf was written again since its birth
 *  msg=wish wanted=running|stopped|gone	msg=ok; before any signal: no policy undoes a stop
 *  msg=policy restart=always max=0		msg=ok
 *  msg=forget run=N				msg=ok: records of runs <= N are in state.json now
 *  msg=probe id= timeout= process=		msg=ok, then event probed; only where a run is alive. id: 64
 *						  hexadecimal digits; timeout: ns; process: a file below the exec
 *						  directory. Older shims do not know it
 *  msg=attach stdin= stdout= stderr= stream= logs= framing= detach-keys= head= read=  + the client
 *						  msg=ok once it is the shim's
 *  msg=wait condition=not-running|next-exit|removed head= chunked= code= [error=]  + the client
 *						  msg=ok once it is the shim's; code, error: of the last run
 *  msg=exec id= process= name= error= tty= stdin= stdout= stderr= framing= detach-keys= head= read=
 *						  with a client or without; msg=ok, then event exec-started, at its end
 *						  exec-ended. The session's directory is there (shim/session.h)
 *  msg=follow stdout=1 stderr=1 timestamps= details= since= until= framing= head= read= offset=
 *	stdout-file= stdout-from= stderr-file= stderr-from=  + the client and a file
 *						  msg=ok once it is the shim's: the log from `offset` of
 *						  the file on (none: all of it), of each stream what lies
 *						  behind the place <stream>-from in the file with the inode
 *						  <stream>-file or a younger one; since, until: ns
 *  msg=resize h= w= [exec=]			msg=ok
 *  msg=quit [keep-clients=1] [code= error=]	msg=ok and end, where no run is alive; else msg=error. keep-clients:
 *						  msg=error as well where clients wait for a start; it ends
 *						  with the last of them. code, error: what to tell who waits
 * shim -> daemon (events)
 *  msg=started run= pid= ticks= time=		after the record is durable
 *  msg=failed run= time= text=
 *  msg=ended run= time= code= signal= oom=	after the record is durable; the shim then releases the
 *						  runtime's state and hangs up when it ends
 *  msg=restart run= due= count=			after ended (or a restart that failed): run `run` is due.
 *  msg=gave-up run= text=			or: there is a policy and it says no more. Both are durable with
 *						  the ended before it is told; without a policy neither comes
 *  msg=detached				a client has left by the keys for that; written nowhere
 *  msg=probed id=				once execs/<id>/result is there (shim/exec.h)
 *  msg=exec-started id=				the runtime has started it
 *  msg=exec-detached id=			its client has left by keys
 *  msg=exec-ended id= code= error=		once execs/<id>/result is there (shim/exec.h)
 * A shim that is idle ends by itself: ten seconds after its last client has gone or a hello was said, or
 * a minute after its birth or the start that failed, if neither comes.
 * A shim that cannot be born sends msg=error text= unasked, and hangs up.
 * Times are ns since the epoch.
 *
 * Version 1 had no clients: attach, wait, exec, follow and resize are new in version 2, and so are
 * start's anew= and quit's keep-clients=. Shims live as long as their containers, so a daemon meets
 * those of earlier versions: what they do not know they refuse, and it serves the client itself
 * where it can (wait, follow), or says so.
 *
 * A client is the descriptor of an HTTP connection whose request has been understood; it comes
 * first of the packet's. The shim owns it from its msg=ok on; at msg=error it is still the daemon's.
 * head: what to send before all else, the response's head; chunked=1: what follows goes in HTTP
 * chunks; read: base64 of bytes of the client's that were read already; framing: raw (also where it
 * is missing), multiplexed (docker's frames of eight bytes and text) or websocket.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/kv.h"

#define PROTO_VERSION	 2
#define PROTO_PACKET_MAX (64 * 1024)
#define PROTO_FDS_MAX	 4

/* Descriptors that a shim finds at birth. */
#define SHIM_FD_ALIVE 3 /* the pulse: `alive`, flock'ed by the daemon before the fork */
#define SHIM_FD_CONN  4 /* its first connection */
#define SHIM_FD_DATA  5 /* directory <data-root>/containers/<id> */
#define SHIM_FD_EXEC  6 /* directory <exec-root>/containers/<id>; also its working directory */

/* Sends one packet: 0 or -errno (-EAGAIN on a non-blocking socket that is full). */
int proto_send(int fd, const struct buf *msg, const int *fds, size_t n_fds);
/* Receives one packet: 1, 0 at the end of the connection, or -errno. Descriptors land in fds
 * (close-on-exec; room for PROTO_FDS_MAX), those that do not fit are closed. */
int proto_recv(int fd, struct kv *ret, int *fds, size_t *n_fds);

/* Binds or connects dir/name, whatever the length of dir's path (through /proc/self/fd). The fd or
 * -errno. */
int proto_listen_at(int dir, const char *name);
int proto_connect_at(int dir, const char *name);
