"""Clients that were handed over: what they get, what they may do, and what they cannot."""

import fcntl
import hashlib
import os
import resource
import socket
import struct
import sys
import termios
import threading
import time

import pytest

from harness import PATIENCE, SANITIZED, eager, eventually, memory_kib

HEAD = "HTTP/1.1 101 UPGRADED\r\n\r\n"
ALL = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}


def fill(sock, piece=4096):
    """Writes dots until the socket takes no more: how many."""
    n = 0
    sock.setblocking(False)
    try:
        while True:
            n += sock.send(b"." * piece)
    except BlockingIOError:
        return n


class Client:
    """The client's end of a connection whose other end the shim has got."""

    def __init__(self, shim, msg="attach", head=HEAD, read_head=True, conn=None, **pairs):
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(PATIENCE)
        self.rest = b""
        self.answer = (conn or shim.conn).ask(msg, [theirs.fileno()], head=head, **pairs)
        theirs.close()
        if self.answer["msg"] == "ok" and read_head:
            assert self.exactly(len(head)) == head.encode()

    def exactly(self, n):
        got = b""
        while len(got) < n:
            data = self.sock.recv(n - len(got))
            assert data, f"ended after {got[-100:]!r}"
            got += data
        return got

    def until(self, text):
        while text not in self.rest:
            data = self.sock.recv(1 << 16)
            assert data, f"ended before {text!r}: {self.rest[-100:]!r}"
            self.rest += data
        at = self.rest.index(text) + len(text)
        got, self.rest = self.rest[:at], self.rest[at:]
        return got

    def all(self):
        got = [self.rest]
        while data := self.sock.recv(1 << 16):
            got.append(data)
        return b"".join(got)

    def send(self, data):
        self.sock.sendall(data)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()


@pytest.fixture
def cat(new_shim):
    shim = new_shim("/bin/cat", open_stdin=1)
    shim.start()
    return shim


def demux(data):
    out = {1: b"", 2: b""}
    while data:
        which, size = struct.unpack(">BxxxL", data[:8])
        out[which] += data[8:8 + size]
        assert len(data) >= 8 + size, "torn frame"
        data = data[8 + size:]
    return out[1], out[2]


def test_output_in_frames_and_input(new_shim):
    shim = new_shim("/bin/sh", "-c", "read x; echo out $x; echo err $x >&2", open_stdin=1)
    shim.start()
    client = Client(shim, framing="multiplexed", **ALL)
    client.send(b"1\n")
    assert demux(client.all()) == (b"out 1\n", b"err 1\n")
    shim.conn.event("ended")
    shim.wait_end()


def test_what_was_read_already_comes_first(new_shim):
    shim = new_shim("/bin/cat", open_stdin=1, stdin_once=1)
    shim.start()
    client = Client(shim, read="Zmlyc3Qg", **ALL)  # "first "
    client.send(b"second")
    client.half_close()
    assert client.all() == b"first second"
    shim.wait_end()


def test_chunks(cat):
    client = Client(cat, chunked=1, **ALL)
    client.send(b"hello")
    assert client.until(b"hello\r\n") == b"5\r\nhello\r\n"
    os.kill(int(cat.records()[-1]["pid"]), 9)
    assert client.all() == b"0\r\n\r\n"
    cat.wait_end()


def test_only_what_was_asked_for(new_shim):
    shim = new_shim("/bin/sh", "-c", "read x; echo out; echo err >&2; read x", open_stdin=1)
    shim.start()
    silent = Client(shim, stdin=1, stream=1)
    errors = Client(shim, stderr=1, stream=1)
    deaf = Client(shim, stdout=1, stream=1)
    deaf.send(b"not wanted\n")
    silent.send(b"go\ngo\n")
    assert errors.all() == b"err\n"
    assert deaf.all() == b"out\n"
    assert silent.all() == b""
    shim.wait_end()


def test_everybody_hears_and_everybody_speaks(cat):
    clients = [Client(cat, **ALL) for _ in range(20)]
    for i, client in enumerate(clients):
        client.send(b"%d\n" % i)
        for other in clients:
            assert other.until(b"\n") == b"%d\n" % i
    for client in clients[1:]:
        client.close()
    clients[0].send(b"end\n")
    assert clients[0].until(b"end\n") == b"end\n"


def test_stdin_once_ends_with_the_first_who_leaves(new_shim):
    for leave in (Client.half_close, Client.close):
        shim = new_shim("/bin/sh", "-c", "cat; echo over", open_stdin=1, stdin_once=1)
        shim.start()
        reader = Client(shim, stdout=1, stream=1)
        writer = Client(shim, **ALL)
        writer.send(b"text ")
        leave(writer)
        assert reader.all() == b"text over\n"
        shim.wait_end()


def test_without_stdin_once_the_input_stays_open(cat):
    first = Client(cat, **ALL)
    first.send(b"first")
    assert first.until(b"first")
    first.half_close()
    assert first.all() == b""  # as docker has it: who has no more to say has nothing more to hear
    second = Client(cat, **ALL)
    second.send(b"second")
    assert second.until(b"second")


def test_a_terminal_and_the_keys_that_detach(new_shim):
    shim = new_shim("/bin/sh", "-c", "stty -echo raw; echo ready; cat", tty=1, open_stdin=1)
    shim.start()
    eventually(lambda: "ready" in shim.log_text(), "ready")  # which the clients do not hear
    stays = Client(shim, **ALL)
    client = Client(shim, **{"detach-keys": "1011"}, **ALL)
    client.send(b"a\x10b\x10\x10")  # the first of the keys alone is passed on, if late
    assert stays.until(b"a\x10b\x10")
    client.send(b"c")
    assert stays.until(b"\x10c")
    client.send(b"d\x10")
    assert client.until(b"d")
    client.send(b"\x11e")
    assert client.all() == b""
    stays.send(b"z")
    assert stays.until(b"z") == b"dz"


def test_a_terminals_size(new_shim):
    shim = new_shim("/bin/sh", "-c", "read x; stty size", tty=1, open_stdin=1)
    shim.start()
    assert shim.conn.ask("resize", h=50, w=132)["msg"] == "ok"
    for h, w in ((-1, 80), (24, 70000), ("x", 3)):
        assert shim.conn.ask("resize", h=h, w=w)["msg"] == "error"
    client = Client(shim, **ALL)
    client.send(b"\n")
    assert b"50 132\r\n" in client.all()
    shim.wait_end()


def test_no_terminal_has_no_size(cat):
    assert cat.conn.ask("resize", h=24, w=80)["msg"] == "error"


def test_what_makes_no_sense_is_refused_and_stays_the_daemons(cat):
    for pairs in ({"framing": "morse"}, {"read": "!"}, {"detach-keys": "zz"}, {"detach-keys": "1"},
                  {"detach-keys": "10" * 33}):
        client = Client(cat, **pairs)
        assert client.answer["msg"] == "error"
        assert client.all() == b"", "closed, for this test closed its copy, and nothing was sent"
    assert cat.conn.ask("attach", head=HEAD)["msg"] == "error", "no client came with it"


def test_attached_before_the_start(new_shim):
    shim = new_shim("/bin/cat", open_stdin=1, stdin_once=1)
    early = Client(shim, **ALL)
    early.send(b"early")
    early.half_close()
    shim.start()
    assert early.all() == b"early"
    shim.wait_end()


def test_input_that_nobody_reads_is_back_pressure(new_shim):
    shim = new_shim("/bin/sh", "-c", "sleep 1000", open_stdin=1)
    shim.start()
    client = Client(shim, **ALL)
    client.sock.setblocking(False)
    sent = 0
    # Until nothing is taken any more: pipe, pending buffer and socket are full.
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 0.3:
        try:
            sent += client.sock.send(b"x" * 65536)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    assert sent < 2 << 20
    other = Client(shim, stdout=1, stream=1)  # the shim still answers
    assert shim.conn.ask("hello", version=1)["state"] == "running"
    other.close()
    os.kill(int(shim.records()[-1]["pid"]), 9)
    shim.wait_end()


def test_one_that_does_not_read_is_cut_off_and_nothing_is_lost_for_others(new_shim):
    lines = 600_000
    shim = new_shim("/bin/sh", "-c", f"read x; seq 1 {lines}", open_stdin=1)
    shim.start()
    stuck = Client(shim, stdout=1, stream=1)
    reader = Client(shim, **ALL)
    want = "".join(f"{i}\n" for i in range(1, lines + 1)).encode()
    with eager():
        reader.send(b"\n")
        assert reader.all() == want
    assert shim.log_text().encode() == want
    shim.wait_end()
    assert "does not read is cut off" in shim.shim_log()
    got = stuck.all()
    assert want.startswith(got) and len(got) < len(want)


def test_one_that_reads_in_fits_is_served_to_the_end(new_shim):
    lines = 400_000
    shim = new_shim("/bin/sh", "-c", f"read x; seq 1 {lines}", open_stdin=1)
    client = Client(shim, **ALL)
    shim.start()
    want = "".join(f"{i}\n" for i in range(1, lines + 1)).encode()
    with eager():
        client.send(b"\n")
        got = client.exactly(1 << 20)  # a reader, by that
    time.sleep(2)  # the wait is what is tested
    assert got + client.all() == want
    shim.wait_end()
    assert "cut off" not in shim.shim_log()


def test_one_that_comes_late_to_read_has_all_that_was_said(new_shim):
    """The run is over, the shim as well: what was said is the kernel's to deliver."""
    shim = new_shim("/bin/sh", "-c", "seq 1 100000")
    client = Client(shim, stdout=1, stream=1)
    shim.start()
    shim.wait_end()
    assert client.all() == "".join(f"{i}\n" for i in range(1, 100001)).encode()


def test_one_whose_socket_is_full_at_the_end_has_the_little_that_is_queued(new_shim):
    """The kernel's share is what is in it already, and that."""
    shim = new_shim("/bin/sh", "-c", "echo bye")
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    before = fill(theirs)
    assert shim.conn.ask("attach", [theirs.fileno()], head=HEAD, **ALL)["msg"] == "ok"
    theirs.close()
    shim.start()
    shim.wait_end()
    got = b""
    while data := ours.recv(1 << 16):
        got += data
    assert got == b"." * before + HEAD.encode() + b"bye\n"


def test_unread_input_is_no_error_for_who_sent_it(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo done", open_stdin=1, stdin_once=1)
    client = Client(shim, **ALL)
    client.send(b"x" * 100000)
    shim.start()
    shim.wait_end()
    assert client.all() == b"done\n"  # and no ECONNRESET


def test_first_data_is_in_another_segment_than_the_head(cat):
    """docker-py reads the head with what came along, and forgets the latter."""
    client = Client(cat, read_head=False, read="aGVsbG8K", **ALL)  # "hello\n"
    eventually(lambda: "hello" in cat.log_text(), "cat to say it")
    assert client.sock.recv(4096) == HEAD.encode()
    assert client.until(b"hello\n") == b"hello\n"


def test_a_client_that_is_kept_from_reading_the_head_loses_nothing(cat):
    """As on a host that is busy: docker-py gets the processor late."""
    client = Client(cat, read_head=False, read="aGVsbG8K", **ALL)
    eventually(lambda: "hello" in cat.log_text(), "cat to say it")
    time.sleep(0.3)  # so late
    assert client.sock.recv(4096) == HEAD.encode()
    assert client.until(b"hello\n") == b"hello\n"


def test_one_that_never_reads_the_head_stops_nobody(cat):
    lazy = Client(cat, read_head=False, **ALL)
    client = Client(cat, **ALL)
    client.send(b"hello\n")
    assert client.until(b"hello\n")
    time.sleep(1)  # longer than it is waited for
    assert lazy.until(b"hello\n") == HEAD.encode() + b"hello\n"


def test_a_head_that_finds_no_room_comes_later(cat):
    """The socket is full of answers that the client has not read yet."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    before = fill(theirs)
    assert cat.conn.ask("attach", [theirs.fileno()], head=HEAD, **ALL)["msg"] == "ok"
    theirs.close()
    got = b""
    while len(got) < before + len(HEAD):
        got += ours.recv(1 << 16)
    assert got == b"." * before + HEAD.encode()


def test_clients_leave_descriptors_for_the_container(new_shim):
    shim = new_shim("/bin/sleep", "60", restart="always")
    pid = int(shim.start()["pid"])
    used = len(os.listdir(f"/proc/{shim.pid}/fd"))
    hard = resource.prlimit(shim.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(shim.pid, resource.RLIMIT_NOFILE, (used + 80, hard))
    clients = [Client(shim, stdout=1, stream=1) for _ in range(80)]
    taken = [one for one in clients if one.answer["msg"] == "ok"]
    assert 0 < len(taken) < 80 and "no descriptor left" in clients[-1].answer["text"]
    conns = [shim.connect() for _ in range(15)]
    assert [conn.ask("hello")["state"] for conn in conns] == ["running"] * 15
    os.kill(pid, 9)
    for name in ("ended", "restart", "started"):
        shim.conn.event(name)
    assert {one.all() for one in taken} == {b""}


def test_64_mib_each_way(new_shim):
    shim = new_shim("/bin/cat", open_stdin=1, stdin_once=1)
    shim.start()
    client = Client(shim, **ALL)
    sent = hashlib.sha256()

    def write():
        for _ in range(64):
            data = os.urandom(1 << 20)
            sent.update(data)
            client.send(data)
        client.half_close()

    writer = threading.Thread(target=write)
    writer.start()
    got = hashlib.sha256()
    with eager():
        while data := client.sock.recv(1 << 17):
            got.update(data)
    writer.join()
    assert got.digest() == sent.digest()
    shim.wait_end()


def test_a_restart_ends_the_streams(new_shim):
    shim = new_shim("/bin/sh", "-c", "read x; echo $x; exit 1", open_stdin=1, restart="always")
    shim.start()
    client = Client(shim, **ALL)
    client.send(b"first\n")
    assert client.all() == b"first\n"
    for name in ("ended", "restart", "started"):
        shim.conn.event(name)
    client = Client(shim, **ALL)
    shim.conn.ask("wish", wanted="stopped")
    client.send(b"second\n")
    assert client.all() == b"second\n"
    shim.wait_end()


def test_who_still_reads_the_log_of_a_run_does_not_feed_the_next(new_shim):
    script = "yes $(printf %0299d 0) | head -n 2000; echo ready; read x; echo got $x; exit 1"
    shim = new_shim("/bin/sh", "-c", script, open_stdin=1, restart="always")
    shim.start()
    eventually(lambda: shim.log_text().endswith("ready\n"), "the log")
    slow = Client(shim, logs=1, **ALL)
    Client(shim, stdin=1, stream=1).send(b"first\n")
    for name in ("ended", "restart", "started"):
        shim.conn.event(name)
    slow.send(b"slow\n")
    assert shim.conn.ask("hello")["state"] == "running"
    Client(shim, stdin=1, stream=1).send(b"second\n")
    eventually(lambda: shim.log_text().count("got ") == 2, "the second run")
    assert "got slow" not in shim.log_text()
    assert b"ready\ngot first\n" in slow.all()


def unread(client):
    """Bytes that are there for it."""
    size = bytearray(4)
    fcntl.ioctl(client, termios.FIONREAD, size)
    return int.from_bytes(size, sys.byteorder)


def test_who_does_not_read_the_logs_last_words_stops_nobody(new_shim):
    """However much of the log is queued for him when he comes to its end."""
    script = "i=0; while [ $i -lt 1150 ]; do printf '%0199d\\n' $i; i=$((i+1)); done; printf '%015000d' 1; read x; seq 1 400000"
    shim = new_shim("/bin/sh", "-c", script, open_stdin=1)
    shim.start()
    reader = Client(shim, **ALL)
    eventually(lambda: len(shim.log()) == 1150, "the log")
    piece, stuck = 4096, []
    pair = socket.socketpair()
    for n in range(fill(pair[0], piece) // piece - 1):
        ours, theirs = socket.socketpair()
        theirs.sendall(b"." * n * piece)
        assert shim.conn.ask("attach", [theirs.fileno()], head=HEAD, logs=1, stdout=1, stream=1)["msg"] == "ok"
        theirs.close()
        stuck.append(ours)
    eventually(lambda: all(unread(one) > n * piece + len(HEAD) for n, one in enumerate(stuck)), "the log's first words")
    with eager():
        reader.send(b"\n")
        assert reader.all().endswith(b"\n400000\n")
    for one in stuck:  # those who have not come to the log's end are waited for
        one.close()
    shim.wait_end()


def test_memory_comes_with_clients_and_goes_with_them(cat):
    before = memory_kib(cat.pid)
    clients = [Client(cat, **ALL) for _ in range(50)]
    clients[0].send(b"x" * 50000 + b"\n")
    for client in clients:
        client.until(b"\n")
    with_them = memory_kib(cat.pid)
    for client in clients:
        client.close()
    assert SANITIZED or with_them < before + 400, (before, with_them)
    eventually(lambda: SANITIZED or memory_kib(cat.pid) <= before + 24, f"{before} KiB again, not {with_them}")
