"""Connections come and go; the container and its records do not care."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import SANITIZED, eventually


def kill(started):
    os.kill(int(started["pid"]), signal.SIGKILL)


def test_a_new_daemon_learns_all(new_shim):
    shim = new_shim("/bin/sleep", "60")
    started = shim.start(run=4)
    shim.conn.close()
    shim.conn = shim.connect()
    hello = shim.conn.ask("hello", version=1)
    assert hello["id"] == shim.id and hello["state"] == "running" and hello["version"] == "2"
    assert (hello["run"], hello["pid"], hello["ticks"]) == ("4", started["pid"], started["ticks"])
    kill(started)
    assert shim.conn.event("ended")["code"] == "137"
    shim.wait_end()


def test_every_connection_gets_every_event(new_shim):
    shim = new_shim("/bin/sleep", "60")
    others = [shim.connect() for _ in range(5)]
    started = shim.start()
    kill(started)
    for conn in others:
        assert [m["msg"] for m in conn.end()] == ["started", "ended"]
    shim.wait_end()


def test_who_does_not_read_is_dropped(new_shim):
    shim = new_shim("/bin/sleep", "60")
    shim.start()
    lazy = shim.connect()
    lazy.sock.setblocking(False)
    with pytest.raises((BlockingIOError, BrokenPipeError, ConnectionResetError)):
        for _ in range(100000):
            lazy.send("hello")
            time.sleep(0)
    assert shim.conn.ask("hello")["state"] == "running"
    eventually(lambda: "does not read" in shim.shim_log() or shim.conn.ask("hello") and False)


def test_a_new_daemon_gets_in_however_many_hang_around(new_shim):
    shim = new_shim()
    idle = [shim.connect() for _ in range(30)]
    assert shim.connect().ask("hello")["state"] == "idle"
    assert len(idle) == 30


def test_hostile_packets(new_shim):
    shim = new_shim("/bin/sleep", "60")
    shim.start()
    for packet in [b"\0", b"no equals sign", b"msg", b"=\n", b"msg=hello\\x\n", b"a=" * 1000, b"x=y\n" * 10000,
                   b"msg=start\nrun=" + b"9" * 400, b"x" * 65537, b"msg=" + b"a" * 60000, random.randbytes(5000)]:
        conn = shim.connect()
        try:
            conn.sock.send(packet)
            conn.sock.settimeout(0.05)
            conn.sock.recv(1 << 17)
        except OSError:
            pass
        conn.close()
    assert shim.conn.ask("hello")["state"] == "running"
    # Descriptors that nobody asked for do not pile up.
    before = len(os.listdir(f"/proc/{shim.pid}/fd"))
    conn = shim.connect()
    for _ in range(50):
        socket.send_fds(conn.sock, [b"msg=hello\n"], [0, 1, 2])
        assert conn.recv()["msg"] == "hello"
    conn.close()
    eventually(lambda: len(os.listdir(f"/proc/{shim.pid}/fd")) <= before)


def test_unknown_messages_are_answered(new_shim):
    shim = new_shim()
    assert shim.conn.ask("dance")["msg"] == "error"
    assert shim.conn.ask("start")["msg"] == "error"  # which run?
    assert shim.conn.ask("hello", version=9, colour="red")["version"] == "2"


@pytest.mark.parametrize("delay_ms", [0, 1, 3, 6, 10, 15, 20, 30])
def test_the_daemon_dies_at_any_point_of_a_start(new_shim, delay_ms):
    shim = new_shim("/bin/sh", "-c", "seq 1 100; exit 3")
    shim.conn.send("start", run=1)
    time.sleep(delay_ms / 1000)
    shim.conn.close()
    shim.conn = None
    os.waitpid(shim.pid, 0)
    shim.pid = None
    assert [r["event"] for r in shim.records()] == ["started", "ended"]
    assert shim.records()[-1]["code"] == 3
    assert shim.log_text() == "".join(f"{i}\n" for i in range(1, 101))


def test_forget_and_the_bound_of_records(new_shim):
    shim = new_shim("/bin/sleep", "60", born=False)
    old = "".join(f'{{"v":1,"event":"ended","run":{i},"time":"2026-01-01T00:00:00Z","code":0,"signal":0,"oom":false}}\n'
                  for i in range(1, 1201))
    (shim.data / "runs.jsonl").write_text(old + '{"v":1,"event":"sta')
    shim.be_born()
    started = shim.start(run=1201)
    assert len(shim.records()) == 1000
    assert shim.records()[-1]["event"] == "started"
    assert shim.conn.ask("forget", run=1200)["msg"] == "ok"
    assert [r["event"] for r in shim.records()] == ["started"]
    kill(started)
    shim.conn.event("ended")
    shim.wait_end()
    assert [(r["event"], r["run"]) for r in shim.records()] == [("started", 1201), ("ended", 1201)]


def test_the_pulse_beats_while_the_shim_lives_only(new_shim):
    shim = new_shim("/bin/sleep", "60")
    started = shim.start()
    assert shim.pulse()
    os.kill(shim.pid, signal.SIGKILL)
    os.waitpid(shim.pid, 0)
    shim.pid = None
    assert not shim.pulse()  # the container, which lives on, does not keep it
    assert os.path.exists(f"/proc/{started['pid']}")


def test_an_end_that_cannot_be_recorded_is_recorded_later(new_shim):
    if not shutil.which("strace") or SANITIZED:
        pytest.skip("no strace here, or a leak checker that does not like it")
    shim = new_shim("/bin/sleep", "60")
    started = shim.start()
    strace = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO",
                               "-p", str(shim.pid)])
    eventually(lambda: "TracerPid:\t0" not in open(f"/proc/{shim.pid}/status").read())
    kill(started)
    # Those who ask learn the truth; the record follows.
    assert shim.conn.event("ended")["code"] == "137"
    assert [r["event"] for r in shim.records()] == ["started"]
    hello = shim.connect().ask("hello")
    assert (hello["state"], hello["code"], hello["signal"]) == ("ended", "137", "9")
    strace.terminate()
    strace.wait()
    shim.wait_end()
    assert [r["event"] for r in shim.records()] == ["started", "ended"]
