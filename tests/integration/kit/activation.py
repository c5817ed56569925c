"""What systemd does for a service: passes it sockets, listens to what it says, keeps descriptors for it."""

import array
import os
import select
import socket
import subprocess
import sys

# LISTEN_PID must be the daemon's own pid: set by the process that becomes it.
BECOME = """
import os, sys
os.environ['LISTEN_PID'] = os.environ.pop('PRETEND_PID', None) or str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""


class Activator:
    """One service's socket unit and notification socket."""

    def __init__(self, daemon, abstract=False):
        self.daemon = daemon
        self.sockets, self.stored = [], []
        self.said = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"{daemon.root}/notify"
        self.notify.bind("\0" + name if abstract else name)
        self.notify_name = "@" + name if abstract else name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.notify.close()
        for sock in self.sockets:
            sock.close()
        for fd, _ in self.stored:
            os.close(fd)

    def listen(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        sock.listen(64)
        self.sockets.append(sock)
        return sock

    def start(self, *options, fds=None, env=None):
        """Starts the daemon as systemd would."""
        passed = [(s.fileno(), "holdfast.socket") for s in self.sockets] + self.stored if fds is None else fds
        high = [os.dup2(fd, 500 + i, inheritable=False) for i, (fd, _) in enumerate(passed)]

        def place():
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)

        daemon = self.daemon
        command = daemon.command()
        if "-H" in options:
            at = command.index("-H")
            del command[at:at + 2]
        with open(daemon.stderr_path, "ab") as stderr:
            daemon.process = subprocess.Popen(
                [sys.executable, "-c", BECOME, *command, *options], stdin=subprocess.DEVNULL, stdout=stderr,
                stderr=stderr, start_new_session=True, preexec_fn=place, close_fds=False,
                env={**daemon.environment(), "LISTEN_FDS": str(len(passed)),
                     "LISTEN_FDNAMES": ":".join(name for _, name in passed),
                     "NOTIFY_SOCKET": self.notify_name, **(env or {})})
        for fd in high:
            os.close(fd)

    def hear(self, what, timeout=60):
        """Until it has said this line; stores what it gives to be stored."""
        poll = select.poll()
        poll.register(self.notify, select.POLLIN)
        while what not in self.said:
            assert poll.poll(timeout * 1000), f"it has not said {what!r}, but {self.said}"
            space = socket.CMSG_SPACE(16 * 4)
            data, control, _, _ = self.notify.recvmsg(4096, space)
            lines = data.decode().split("\n")
            self.said += lines
            fds = array.array("i")
            for _, kind, value in control:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(value)
            name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
            self.stored += [(fd, name) for fd in fds]
