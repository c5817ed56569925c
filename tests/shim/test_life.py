"""Starts and ends: what the shim records and tells, and that nothing is left."""

import os
import signal
import time

import pytest

from harness import eventually


def test_start_and_end_are_recorded_and_told(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert shim.conn.ask("hello", version=1)["state"] == "idle"
    started = shim.start(run=3)
    assert started["run"] == "3" and int(started["pid"]) > 0 and int(started["ticks"]) > 0
    ended = shim.conn.event("ended")
    assert (ended["code"], ended["signal"], ended["oom"], ended["run"]) == ("7", "0", "0", "3")
    assert shim.wait_end() == []

    records = shim.records()
    assert [r["event"] for r in records] == ["started", "ended"]
    assert records[0]["pid"] == int(started["pid"])
    assert records[1]["code"] == 7 and records[1]["oom"] is False and records[1]["run"] == 3
    assert shim.log_text() == "out\n" and shim.log_text("stderr") == "err\n"
    # Nothing is left of it.
    assert not shim.pulse()
    assert not shim.cgroups()
    assert not list(shim.root.iterdir())
    assert not (shim.exec / "shim.sock").exists()


@pytest.mark.parametrize("script, code, sig", [
    ("exit 0", 0, 0), ("exit 255", 255, 0),
    ("kill -9 $$; sleep 9", None, None),  # pid 1 is immune to itself: see below
])
def test_exit_codes(new_shim, script, code, sig):
    if code is None:
        script, code, sig = "sleep 60", 137, 9
    shim = new_shim("/bin/sh", "-c", script)
    started = shim.start()
    if sig:
        os.kill(int(started["pid"]), sig)
    ended = shim.conn.event("ended")
    assert (int(ended["code"]), int(ended["signal"])) == (code, sig)
    shim.wait_end()


@pytest.mark.parametrize("args", [["/bin/nope"], ["nope"], ["/etc"]])
def test_a_start_that_fails_says_why_and_can_be_tried_again(new_shim, args):
    shim = new_shim(*args)
    for run in (1, 2):
        assert shim.conn.ask("start", run=run)["msg"] == "ok"
        failed = shim.conn.event("failed")
        assert "exec" in failed["text"] and failed["run"] == str(run), failed
        assert shim.conn.ask("hello")["state"] == "idle"
        assert not list(shim.root.iterdir()) and not shim.cgroups()
    assert [r["event"] for r in shim.records()] == ["failed", "failed"]
    assert shim.log() == []
    shim.write_spec(["/bin/true"], False, None)
    shim.start(run=3)
    assert shim.conn.event("ended")["code"] == "0"
    shim.wait_end()


def test_fast_ends_are_seen(new_shim):
    for _ in range(10):
        shim = new_shim("/bin/true")
        shim.start()
        assert shim.conn.event("ended")["code"] == "0"
        shim.wait_end()


def test_quit_ends_the_idle_only(new_shim):
    shim = new_shim("/bin/sleep", "60")
    started = shim.start()
    assert shim.conn.ask("quit")["msg"] == "error"
    os.kill(int(started["pid"]), signal.SIGKILL)
    shim.conn.event("ended")
    shim.wait_end()

    shim = new_shim()
    assert shim.conn.ask("quit")["msg"] == "ok"
    shim.wait_end()


def test_sigterm_is_ignored(new_shim):
    shim = new_shim("/bin/sleep", "60")
    started = shim.start()
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(shim.pid, sig)
    assert shim.conn.ask("hello")["state"] == "running"
    eventually(lambda: "SIGTERM" in shim.shim_log())
    os.kill(int(started["pid"]), 9)
    shim.conn.event("ended")
    shim.wait_end()


def test_a_shim_that_cannot_be_born_says_why(new_shim):
    shim = new_shim(born=False)
    conf = shim.exec / "shim.conf"
    conf.write_text(conf.read_text().replace("restart=no", "restart=perhaps"))
    shim.be_born(answers=False)
    m = shim.conn.recv()
    assert m["msg"] == "error" and "restart" in m["text"]
    assert shim.conn.recv() is None
    assert os.waitstatus_to_exitcode(os.waitpid(shim.pid, 0)[1]) == 1
    shim.pid = None
    assert not shim.pulse()
