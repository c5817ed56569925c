"""GET /containers/x/attach/ws: the streams in websocket frames."""

import pytest

from kit.websocket import ACCEPT, BYTES, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, frame

ECHO = "while read line; do echo \"got $line\"; echo \"err $line\" >&2; done; echo end"
STREAMS = {"stream": True, "stdin": True, "stdout": True, "stderr": True}


@pytest.fixture
def listener(daemon):
    return daemon.run(ECHO, OpenStdin=True, StdinOnce=True)


def attach(daemon, cid, **kw):
    return WebSocket(daemon.sock, f"/containers/{cid}/attach/ws", **{**STREAMS, **kw})


def test_it_speaks_and_hears(daemon, listener):
    with attach(daemon, listener) as ws:
        assert ws.status == 101
        assert ws.headers["Sec-WebSocket-Accept"] == ACCEPT
        assert (ws.headers["Upgrade"], ws.headers["Connection"]) == ("websocket", "Upgrade")
        ws.say(b"one\n")
        assert sorted([ws.next(), ws.next()]) == [(BYTES, b"err one\n"), (BYTES, b"got one\n")]
        daemon.restart()
        ws.say(b"two\n", TEXT)
        ws.hear(b"err two\n")
        ws.send(frame(TEXT, b"thr", last=False) + frame(PING, b"there?") + frame(CONTINUATION, b"ee\n"))
        assert sorted(ws.next() for _ in range(3)) == [
            (BYTES, b"err three\n"), (BYTES, b"got three\n"), (PONG, b"there?")]
        ws.say(b"\x03\xe8", CLOSE)
        opcode, text = ws.next()
        if opcode == BYTES:
            assert text == b"end\n"
            opcode, text = ws.next()
        assert (opcode, text) == (CLOSE, b"\x03\xe8")
        assert ws.next() is None
    assert daemon.wait(listener) == 0


def test_the_end_of_the_run_closes_it(daemon, listener):
    with attach(daemon, listener, stdin=False) as ws, daemon.attach(listener) as writer:
        writer.half_close()
        assert [ws.next(), ws.next(), ws.next()] == [(BYTES, b"end\n"), (CLOSE, b"\x03\xe8"), None]


def test_large_messages(daemon):
    cid = daemon.run(["cat"], OpenStdin=True)
    with attach(daemon, cid) as ws:
        for size in (125, 126, 65535, 65536, 300_000):
            data = b"x" * (size - 1) + b"\n"
            ws.say(data)
            assert ws.hear(b"\n") == data


def test_a_terminal_and_detach_keys(daemon):
    cid = daemon.run("stty -echo; echo ready; while read x; do echo \"<$x>\"; done", OpenStdin=True, Tty=True)
    daemon.wait_log(cid, "ready")
    with attach(daemon, cid) as ws:
        ws.say(b"hello\n")
        assert ws.hear(b"\n") == b"<hello>\r\n"
        ws.say(b"\x10\x11")
        assert ws.next() == (CLOSE, b"\x03\xe8")
    assert daemon.state(cid)["Running"]


@pytest.mark.one_runtime
def test_what_is_no_websocket_is_closed_on(daemon, listener):
    with attach(daemon, listener, stdout=False, stderr=False) as ws:
        ws.send(b"GET / HTTP/1.1\r\n\r\n")
        assert ws.next() == (CLOSE, b"\x03\xea")
        assert ws.next() is None


@pytest.mark.one_runtime
def test_before_api_1_42_it_has_all_streams(daemon, listener):
    with attach(daemon, listener, stdin=False, stdout=False, stderr=False, version="/v1.41") as ws:
        ws.say(b"one\n")
        assert sorted([ws.next(), ws.next()]) == [(BYTES, b"err one\n"), (BYTES, b"got one\n")]


@pytest.mark.one_runtime
def test_bad_handshakes(daemon, listener):
    good = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for change in ({"Connection": "close"}, {"Upgrade": "tcp"}, {"Upgrade": "websockets"}, {"Sec-WebSocket-Key": "short"},
                   {"Sec-WebSocket-Key": "!" * 24}, {"Sec-WebSocket-Version": "8"}):
        answer = daemon.api.get(f"/containers/{listener}/attach/ws", headers={**good, **change}, **STREAMS)
        assert answer.status == 400 and "bad handshake" in answer.message, change
    assert answer.headers["Sec-WebSocket-Version"] == "13"
    assert daemon.api.get("/containers/nobody/attach/ws", headers=good).status == 404
