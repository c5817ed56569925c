"""A daemon of straw: HTTP on a unix socket, answers as the test says, and remembers what was asked."""

import json
import os
import re
import socket
import socketserver
import struct
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

VERSION = re.compile(r"^/v\d+\.\d+")


class Request:
    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.versioned = bool(VERSION.match(parts.path))
        self.path = unquote(VERSION.sub("", parts.path))
        self.query = {k: v[0] if len(v) == 1 else v
                      for k, v in parse_qs(parts.query, keep_blank_values=True).items()}

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def filters(self):
        return {k: sorted(v) for k, v in json.loads(self.query["filters"]).items()}

    def __repr__(self):
        return f"{self.method} {self.target}"


class Stream:
    """What an answer's function writes to: chunked, each piece sent at once."""

    def __init__(self, handler, status=200, kind="application/json"):
        self.handler = handler
        handler.send_response_only(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()

    def write(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def json(self, value):
        self.write(json.dumps(value) + "\n")

    def frame(self, stream, text):
        text = text.encode() if isinstance(text, str) else text
        self.write(struct.pack(">BxxxI", stream, len(text)) + text)

    def end(self):
        self.handler.wfile.write(b"0\r\n\r\n")

    def break_off(self):
        """As a SIGKILL of the daemon looks from outside."""
        self.handler.connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "client"

    def log_message(self, *args):
        pass

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self):
        fake = self.server.fake
        self.close_connection = True
        request = Request(self.command, self.path, self.headers, self.read_body())
        with fake.lock:
            fake.requests.append(request)
        answer = fake.find(request)
        if callable(answer):
            answer = answer(request, self)
        if answer is not None:
            self.send(*answer if isinstance(answer, tuple) else (200, answer))

    def send(self, status, body=None):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_HEAD = answer


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


class Fake:
    """answers["GET /containers/json"] = value | (status, value) | function(request, handler) -> one of these,
    or None where the function has answered by a Stream. A list is used up one by one, its last for good."""

    def __init__(self, path):
        self.path = str(path)
        self.lock = threading.Lock()
        self.requests, self.answers = [], {}
        self.server = None
        self.start()

    @property
    def address(self):
        return f"unix://{self.path}"

    def start(self):
        self.server = Server(self.path, Handler)
        self.server.fake = self
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            os.unlink(self.path)

    def find(self, request):
        answer = self.answers.get(f"{request.method} {request.path}")
        if answer is None:
            return 404, {"message": f"nothing at {request.path}"}
        if isinstance(answer, list) and answer and callable(answer[0]):
            with self.lock:
                return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def asked(self, method, path):
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    @property
    def last(self):
        return self.requests[-1]
