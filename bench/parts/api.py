"""A small client of the Docker Engine API on a unix socket: keep-alive, no copies, no surprises.

http.client parses headers with the email package, which costs more than some of the calls that are
measured here; hence these hundred lines."""

import json
import socket


class ApiError(Exception):
    pass


class Api:
    def __init__(self, path, version="/v1.40", timeout=180):
        self.path, self.version, self.timeout = str(path), version, timeout
        self.sock, self.rest = None, b""

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock, self.rest = None, b""

    def _connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.rest = b""
        self.sock.connect(self.path)

    def _more(self):
        part = self.sock.recv(1 << 18)
        if not part:
            raise ConnectionResetError("closed by the daemon")
        return part

    def _read_head(self):
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        self.rest = data[end + 4:]
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split(" ", 2)[1]), headers

    def _read_exactly(self, n):
        parts, have = [self.rest], len(self.rest)
        while have < n:
            parts.append(self._more())
            have += len(parts[-1])
        data = b"".join(parts)
        self.rest = data[n:]
        return data[:n]

    def _read_line(self):
        while (end := self.rest.find(b"\r\n")) < 0:
            self.rest += self._more()
        line, self.rest = self.rest[:end], self.rest[end + 2:]
        return line

    def _read_chunks(self):
        parts = []
        while True:
            size = int(self._read_line().split(b";")[0], 16)
            if size == 0:
                while self._read_line():
                    pass
                return b"".join(parts)
            parts.append(self._read_exactly(size))
            self._read_line()

    def _read_to_end(self):
        parts = [self.rest]
        while part := self.sock.recv(1 << 18):
            parts.append(part)
        return b"".join(parts)

    def _read_body(self, status, headers):
        if status in (204, 304) or status < 200:
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks()
        if "content-length" in headers:
            return self._read_exactly(int(headers["content-length"]))
        body = self._read_to_end()
        self.close()
        return body

    def request(self, method, path, body=None, content="application/json"):
        """Status and body. A kept connection that the daemon has closed meanwhile is opened anew."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {self.version}{path} HTTP/1.1\r\nHost: bench\r\n"
        if body is not None:
            head += f"Content-Type: {content}\r\n"
        if body is not None or method == "POST":
            head += f"Content-Length: {len(data)}\r\n"
        message = head.encode() + b"\r\n" + data
        kept = self.sock is not None
        while True:
            try:
                if not self.sock:
                    self._connect()
                self.sock.sendall(message)
                status, headers = self._read_head()
                break
            except (BrokenPipeError, ConnectionResetError):
                self.close()
                if not kept:
                    raise
                kept = False
            except OSError:
                self.close()
                raise
        reply = self._read_body(status, headers)
        if self.sock and headers.get("connection", "").lower() == "close":
            self.close()
        return status, reply

    def call(self, method, path, body=None, ok=(200, 201, 204), **more):
        status, reply = self.request(method, path, body, **more)
        if status not in ok:
            raise ApiError(f"{method} {path}: {status} {reply[:300].decode(errors='replace').strip()}")
        return reply

    def json(self, method, path, body=None, **more):
        return json.loads(self.call(method, path, body, **more))
