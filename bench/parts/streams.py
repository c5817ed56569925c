"""Connections that a request has turned into the streams of a process: attach and exec."""

import socket
import time

MB = 1_000_000
SAY_ALL = ["sh", "-c", "cat > /dev/null; echo all"]  # for Streams.rate_in


class Streams:
    def __init__(self, c, target, body=b""):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(180)
        self.sock.connect(str(c.socket))
        kind = "Content-Type: application/json\r\n" if body else ""
        self.sock.sendall(f"POST {c.api_version}{target} HTTP/1.1\r\nHost: bench\r\n{kind}"
                          "Connection: Upgrade\r\nUpgrade: tcp\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.sock.recv(4096)
            if not part:
                raise ConnectionResetError("closed before the head")
            head += part
        if head.split(b" ", 2)[1] not in (b"101", b"200"):
            raise OSError(f"{target}: {head[:300].decode(errors='replace')}")
        self.rest = head.split(b"\r\n\r\n", 1)[1]

    def read_to_end(self):
        """How many bytes came, frames and all."""
        room, total = bytearray(1 << 18), len(self.rest)
        while n := self.sock.recv_into(room):
            total += n
        return total

    def rate_in(self, n):
        """MB/s of n bytes sent, until the process has said that it has read all."""
        piece = bytes(1 << 16)
        begun = time.perf_counter()
        for _ in range(n // len(piece)):
            self.sock.sendall(piece)
        self.sock.shutdown(socket.SHUT_WR)
        if self.read_to_end() == 0:
            raise OSError("the process did not say that it has read all")
        return n / MB / (time.perf_counter() - begun)

    def rate_out(self, n):
        """MB/s of n bytes that come."""
        begun = time.perf_counter()
        if self.read_to_end() < n:
            raise OSError("not all has come")
        return n / MB / (time.perf_counter() - begun)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
