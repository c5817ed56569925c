"""Followers: the log from a place on, to who can read and to who does not."""

import os
import signal
import time

import pytest

from harness import SANITIZED, eventually, memory_kib

OK = {"msg": "ok"}


def read_all(sock):
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    sock.close()
    return data


def lines(first, end):
    return b"".join(b"%d\n" % n for n in range(first, end))


def numbered(new_shim, count, after="", fds=(), **config):
    """A shim with a container that has printed 0 to count - 1 and goes on when it is told to."""
    shim = new_shim("/bin/sh", "-c", f"trap 'go=1' TERM; i=0; while [ $i -lt {count} ]; do echo $i; i=$((i+1)); done; "
                    f"until [ $go ]; do sleep 0.05; done; {after}", **config)
    shim.init = int(shim.start(fds=fds)["pid"])
    last = b'{"log":"%d\\n"' % (count - 1)
    eventually(lambda: last in (shim.data / "json.log").read_bytes()[-200:])
    return shim


def go(shim):
    os.kill(shim.init, signal.SIGTERM)


def line_offset(shim, n):
    data = (shim.data / "json.log").read_bytes().splitlines(keepends=True)
    return sum(map(len, data[:n]))


def test_all_of_it_and_what_comes_and_the_end(new_shim):
    shim = numbered(new_shim, 10, "echo last; printf rest")
    answer, client = shim.conn.hand_over("follow", stdout=1, stderr=1, head="HEAD\r\n\r\n")
    assert answer == OK
    assert client.recv(8) == b"HEAD\r\n\r\n"
    go(shim)
    assert read_all(client) == lines(0, 10) + b"last\nrest"
    shim.conn.event("ended")
    shim.wait_end()


def test_from_a_place_on(new_shim):
    shim = numbered(new_shim, 10)
    log = open(shim.data / "json.log", "rb")
    ino = os.fstat(log.fileno()).st_ino
    _, some = shim.conn.hand_over("follow", log, stdout=1, offset=line_offset(shim, 4))
    _, later = shim.conn.hand_over("follow", log, stdout=1, offset=line_offset(shim, 4),
                                   stdout_file=ino, stdout_from=line_offset(shim, 7))
    _, none = shim.conn.hand_over("follow", log, stderr=1, offset=0)
    log.close()
    go(shim)
    assert read_all(some) == lines(4, 10)
    assert read_all(later) == lines(7, 10)
    assert read_all(none) == b""


def test_frames_chunks_and_times(new_shim):
    shim = numbered(new_shim, 1)
    _, client = shim.conn.hand_over("follow", stdout=1, framing="multiplexed", chunked=1, timestamps=1, details=1)
    go(shim)
    data = read_all(client)
    stamp = shim.log()[0]["time"][:-1]
    text = f"{stamp}{'0' * (29 - len(stamp))}Z  0\n".encode()
    frame = b"\1\0\0\0" + len(text).to_bytes(4, "big") + text
    assert data == b"%x\r\n" % len(frame) + frame + b"\r\n0\r\n\r\n"


def test_since_and_until(new_shim):
    shim = numbered(new_shim, 3)
    _, future = shim.conn.hand_over("follow", stdout=1, since=time.time_ns() + 10**12)
    _, past = shim.conn.hand_over("follow", stdout=1, until=time.time_ns())
    _, soon = shim.conn.hand_over("follow", stdout=1, until=time.time_ns() + 10**8)
    assert read_all(past) == lines(0, 3)
    assert read_all(soon) == lines(0, 3)
    go(shim)
    assert read_all(future) == b""


def test_bad_messages_leave_the_client_with_who_sent_it(new_shim):
    shim = numbered(new_shim, 1)
    with open(shim.data / "json.log", "rb") as log, open("/dev/null", "rb") as null:
        for files, pairs in [((log,), {"offset": -1}), ((null,), {}), ((log,), {"framing": "odd"}), ((), {"read": "?"})]:
            answer, client = shim.conn.hand_over("follow", *files, stdout=1, **pairs)
            assert answer["msg"] == "error" and answer["text"], pairs
            client.close()
    assert shim.conn.ask("follow", stdout=1)["msg"] == "error"
    assert shim.conn.ask("hello")["state"] == "running"


def test_no_log_is_no_follower(new_shim):
    shim = new_shim("/bin/sleep", "60", log_file=0)
    shim.start()
    answer, _ = shim.conn.hand_over("follow", stdout=1)
    assert answer["msg"] == "error" and "no log" in answer["text"]


def test_a_start_that_fails_ends_them(new_shim):
    shim = new_shim("/no/such/program")
    answer, client = shim.conn.hand_over("follow", stdout=1)
    assert answer == OK
    assert read_all(client) == b""  # nothing runs, so there is nothing to wait for
    assert shim.conn.ask("start", run=1) == OK
    answer, client = shim.conn.hand_over("follow", stdout=1)
    shim.conn.event("failed")
    assert answer == OK and read_all(client) == b""
    assert shim.conn.ask("quit") == OK
    shim.wait_end()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what is freed: CI runs tests/shim on the release build")
def test_memory_goes_when_followers_do(new_shim):
    shim = numbered(new_shim, 20000)

    def own():
        return memory_kib(shim.pid, "Pss_Anon")

    eventually(lambda: own() <= 64, "memory given back by the log")
    before = own()
    fds = len(os.listdir(f"/proc/{shim.pid}/fd"))
    clients = [shim.conn.hand_over("follow", stdout=1)[1] for _ in range(20)]
    for one in clients:
        got = b""
        while not got.endswith(b"19999\n"):
            got += one.recv(1 << 16)
        assert got == lines(0, 20000)
    eventually(lambda: own() <= before + 20 * 4, "little memory for followers that are served")
    for one in clients:
        one.close()
    eventually(lambda: len(os.listdir(f"/proc/{shim.pid}/fd")) == fds, "nothing left open")
    eventually(lambda: own() <= before + 16, "memory given back by followers")


def test_many_who_bring_clients_at_once_drop_nobody_who_waits(new_shim):
    """As a daemon's threads do it, each over a connection of its own that it is slow to close."""
    with open("/proc/self/ns/net") as netns:
        shim = numbered(new_shim, 3, "echo end", fds=[netns.fileno()])  # no client, though it is brought
    brought = []
    for _ in range(60):
        conn = shim.connect()
        answer, client = conn.hand_over("follow", stdout=1)
        assert answer == OK
        brought.append((conn, client))
    go(shim)
    shim.conn.event("ended")  # the first connection is there still
    for conn, client in brought:
        assert read_all(client) == lines(0, 3) + b"end\n"
        conn.close()
    shim.wait_end()
