"""A websocket client of a few lines, which says what a server sends, frame by frame."""

import os
import struct

from .hijack import Hijacked

# RFC 6455, section 1.3
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
CONTINUATION, TEXT, BYTES, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, data=b"", last=True):
    mask = os.urandom(4)
    size = (bytes([0x80 | len(data)]) if len(data) < 126 else
            b"\xfe" + struct.pack(">H", len(data)) if len(data) < 65536 else
            b"\xff" + struct.pack(">Q", len(data)))
    masked = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
    return bytes([(0x80 if last else 0) | opcode]) + size + mask + masked


class WebSocket(Hijacked):
    def __init__(self, path, target, key=KEY, **kw):
        super().__init__(path, target, method="GET", upgrade=False, headers=[
            "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}", "Origin: http://example.com"], **kw)

    def say(self, data, opcode=BYTES):
        self.send(frame(opcode, data))

    def next(self):
        """The next (opcode, bytes); None at the end."""
        head = self.exactly(2)
        if not head:
            return None
        assert head[0] & 0x80 and not head[1] & 0x80, f"a frame in parts, or masked: {head!r}"
        size = head[1]
        if size == 126:
            size = struct.unpack(">H", self.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.exactly(8))[0]
        return head[0] & 0x0f, self.exactly(size)

    def hear(self, text):
        got = b""
        while text not in got:
            opcode, data = self.next()
            assert opcode == BYTES, (opcode, data)
            got += data
        return got
