"""HTTP over a unix socket, raw enough to see what the daemon really sends."""

import http.client
import json
import os
import socket
import struct
from urllib.parse import quote, urlencode

# Every blocking read ends by itself: a test that hangs is a test that says nothing.
TIMEOUT = 60
# HOLDFAST_API=/v1.41 lets the same tests be tried on Debian's dockerd, to see that they ask for the real thing.
API = os.environ.get("HOLDFAST_API", "/v1.44")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=TIMEOUT):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = connect(self.path, self.timeout)


def connect(path, timeout=TIMEOUT):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(str(path))
    return sock


class ApiError(AssertionError):
    """An answer that the caller did not ask for; shows the daemon's own words."""


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    @property
    def message(self):
        """The daemon's words in an error answer. Their shape is part of the API: always checked."""
        assert self.headers.get("Content-Type", "").startswith("application/json"), self.headers
        answer = self.json
        assert set(answer) == {"message"} and answer["message"], answer
        return answer["message"]

    def json_lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def encode_query(query):
    pairs = []
    for key, value in (query or {}).items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, bool):
                one = "1" if one else "0"
            elif isinstance(one, dict):
                one = json.dumps(one)
            pairs.append((key, one))
    return urlencode(pairs)


class Api:
    def __init__(self, path):
        self.path = str(path)

    def _send(self, method, path, query, body, headers, version, timeout):
        conn = UnixConnection(self.path, timeout)
        target = version + path + ("?" + encode_query(query) if query else "")
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            conn.request(method, target, body=body, headers=headers,
                         encode_chunked=headers.get("Transfer-Encoding") == "chunked")
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent: the answer says why
        return conn, conn.getresponse()

    def request(self, method, path, body=None, *, headers=None, version=API, timeout=TIMEOUT,
                expect=None, **query):
        """expect: the status (or statuses) that the caller relies on."""
        conn, answer = self._send(method, path, query, body, headers, version, timeout)
        try:
            response = Response(answer.status, answer.headers, answer.read())
        finally:
            conn.close()
        if expect is not None:
            wanted = (expect,) if isinstance(expect, int) else expect
            if response.status not in wanted:
                raise ApiError(f"{method} {path} {query or ''}: wanted {expect}, got {response}")
        return response

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def delete(self, path, **kw):
        return self.request("DELETE", path, **kw)

    def stream(self, method, path, body=None, *, headers=None, version=API, timeout=TIMEOUT, **query):
        """The answer as it comes; returns once its head is there."""
        return Stream(*self._send(method, path, query, body, headers, version, timeout))


class Stream:
    def __init__(self, conn, answer):
        self.conn, self.answer = conn, answer
        self.status, self.headers = answer.status, answer.headers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.answer.close()
        self.conn.close()

    def set_timeout(self, seconds):
        # http.client lets go of conn.sock when the answer has no length; the file keeps the socket.
        (self.conn.sock or self.answer.fp.raw._sock).settimeout(seconds)

    def json(self):
        """The next JSON line; None at the end."""
        line = self.answer.readline()
        return json.loads(line) if line else None

    def read(self, size=None):
        return self.answer.read() if size is None else self.answer.read(size)

    def frame(self):
        """The next (stream, bytes) of a multiplexed log; None at the end."""
        head = self.answer.read(8)
        if len(head) < 8:
            return None
        which, size = struct.unpack(">BxxxL", head)
        return which, self.answer.read(size)


def demux(data):
    """A multiplexed stream, split: (stdout, stderr)."""
    out, at = {1: [], 2: []}, 0
    while at < len(data):
        assert len(data) >= at + 8, f"torn frame head {data[at:]!r}"
        which, size = struct.unpack_from(">BxxxL", data, at)
        assert which in out, f"frame of stream {which}: {data[at:at + 40]!r}"
        assert len(data) >= at + 8 + size, "torn frame"
        out[which].append(data[at + 8:at + 8 + size])
        at += 8 + size
    return b"".join(out[1]), b"".join(out[2])


def path_of(name):
    return quote(name, safe="/:@")
