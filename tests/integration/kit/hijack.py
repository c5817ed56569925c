"""Connections that a request turns into streams: attach and exec, as raw as they come."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import termios

from .api import API, TIMEOUT, connect, demux, encode_query
from .host import wait_for


class Hijacked:
    """The connection after its head. `early`: bytes sent together with the request."""

    def __init__(self, path, target, body=b"", upgrade=True, early=b"", version=API, timeout=TIMEOUT, headers=(),
                 method="POST", **query):
        self.sock = connect(path, timeout)
        lines = [f"{method} {version}{target}?{encode_query(query)} HTTP/1.1", "Host: d", *headers]
        if upgrade:
            lines += ["Connection: Upgrade", "Upgrade: tcp"]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body + early)
        self.rest = b""
        head = self.until(b"\r\n\r\n").decode()
        self.status = int(head.split()[1])
        self.headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def recv(self, size=1 << 16):
        if self.rest:
            data, self.rest = self.rest[:size], self.rest[size:]
            return data
        return self.sock.recv(size)

    def until(self, text):
        """All up to and with this text."""
        got = b""
        while text not in got:
            data = self.recv()
            assert data, f"ended before {text!r}: {got[-200:]!r}"
            got += data
        at = got.index(text) + len(text)
        self.rest = got[at:] + self.rest
        return got[:at]

    def exactly(self, size):
        got = b""
        while len(got) < size:
            data = self.recv(size - len(got))
            if not data:
                break
            got += data
        return got

    def frame(self):
        """The next (stream, bytes); None at the end."""
        head = self.exactly(8)
        if len(head) < 8:
            assert not head, f"torn frame {head!r}"
            return None
        which, size = struct.unpack(">BxxxL", head)
        data = self.exactly(size)
        assert len(data) == size, "torn frame"
        return which, data

    def hear(self, text):
        """Frames until stdout and stderr together have said this: all that came."""
        got = b""
        while text not in got:
            frame = self.frame()
            assert frame, f"ended before {text!r}: {got[-200:]!r}"
            got += frame[1]
        return got

    def all(self):
        """Until the other side closes."""
        got = [self.rest]
        self.rest = b""
        while data := self.sock.recv(1 << 16):
            got.append(data)
        return b"".join(got)

    def all_frames(self):
        """(stdout, stderr) until the other side closes."""
        return demux(self.all())


class Terminal:
    """A docker CLI (or another program) on a terminal of its own."""

    def __init__(self, command, env, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(command[0], command, env)
            finally:
                os._exit(127)
        self.text = b""
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize_until(self, rows, columns, seen):
        """docker hears of changes from some moment after it has told the first size, and nothing tells of
        that moment: it is told again until the new one is seen."""
        self.resize(rows, columns)

        def is_seen():
            os.kill(self.pid, signal.SIGWINCH)
            return seen()

        wait_for(is_seen, f"docker to tell of {rows} x {columns}")

    def send(self, data):
        os.write(self.fd, data)

    def read(self, timeout=TIMEOUT):
        """More of its text; False at its end."""
        if not select.select([self.fd], [], [], timeout)[0]:
            raise AssertionError(f"nothing more for {timeout} s after {self.text[-300:]!r}")
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:  # EIO: the last one that had it open is gone
            data = b""
        self.text += data
        return bool(data)

    def hear(self, text):
        """Until it has shown this, from what was not yet heard on; what came with it."""
        while text not in self.text:
            assert self.read(), f"ended before {text!r}: {self.text[-300:]!r}"
        at = self.text.index(text) + len(text)
        heard, self.text = self.text[:at], self.text[at:]
        return heard

    def end(self):
        """Its exit code, once it has ended; the rest of its text is in .text."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
