"""attach with logs=1: first what the log has, then what comes, and nothing twice or not at all."""

import os

import pytest

from kit import host
from kit.follow import Counter, numbers


def attach(daemon, cid, **query):
    return daemon.attach(cid, **{"stdin": False, "logs": True, **query})


def test_the_past_goes_over_into_the_present(daemon):
    counter = Counter(daemon)
    counter.tell(5000)
    with attach(daemon, counter.id) as a:
        counter.tell(5000)  # meanwhile
        got = a.hear(b"9999\n")
        daemon.kill9()
        counter.tell(1000)
        counter.end()
        out, err = a.all_frames()
        assert (got + out, err) == counter.all()
    daemon.start()


def test_the_unfinished_line_is_there_once(daemon):
    path = daemon.root / "go"
    os.mkfifo(path)
    cid = daemon.run("echo whole; printf 'begun '; printf 'err ' >&2; read x </go; echo ended; "
                     "echo ended >&2; printf last", {"Binds": [f"{path}:/go"]})
    daemon.wait_log(cid, "whole")
    with open(path, "w") as go:  # it reads, so all before is written
        with attach(daemon, cid) as a, attach(daemon, cid, stderr=False) as only:
            heard = a.hear(b"err ")
            if b"begun " not in heard:
                a.hear(b"begun ")
            only.hear(b"begun ")
            go.write("\n")
            go.flush()
            out, err = a.all_frames()
            assert (out, err) == (b"ended\nlast", b"ended\n")
            assert only.all_frames() == (b"ended\nlast", b"")


def test_the_past_alone(daemon):
    counter = Counter(daemon)
    counter.tell(100)
    daemon.wait_log(counter.id, "99\n")
    with attach(daemon, counter.id, stream=False) as a:
        assert a.all_frames() == (numbers(0, 100), b"")
    counter.end()
    daemon.wait(counter.id)


def test_who_does_not_read_the_past_does_not_hold_up_the_present(daemon):
    # More than sockets and queues hold.
    counter = Counter(daemon, "yes 0123456789 | head -c 4m; read x </go; echo end >&2")
    log = daemon.data / "containers" / counter.id / "json.log"
    seen = 0
    with open(log, "rb") as file:
        def all_lines():
            nonlocal seen
            while piece := file.read(1 << 20):
                seen += piece.count(b"\n")
            return seen == (4 << 20) // 11  # the last one is unfinished, and so not in it yet

        host.wait_for(all_lines, "the flood", 60)
    with attach(daemon, counter.id) as slow:
        counter.tell(1)
        assert daemon.wait(counter.id) == 0
        out, err = slow.all_frames()
        assert (len(out), err) == (4 << 20, b"end\n")


def test_a_terminals_log(daemon):
    cid = daemon.run("echo one; read x; echo two", OpenStdin=True, Tty=True)
    daemon.wait_log(cid, "one")
    with attach(daemon, cid, stdin=True) as a:
        assert a.until(b"one\r\n") == b"one\r\n"
        a.send(b"go\n")
        assert a.all() == b"go\r\ntwo\r\n"


@pytest.mark.one_runtime
def test_no_log_to_read(daemon):
    cid = daemon.run("read x", {"LogConfig": {"Type": "none", "Config": {}}}, OpenStdin=True)
    with daemon.attach(cid, logs=True) as a:
        assert a.status == 501
        assert b"does not support reading" in a.until(b"}")
