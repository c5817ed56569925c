"""Exec sessions: what users run beside init, with a client that outlives the daemon or without one."""

import json
import os
import secrets
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import PATIENCE, SANITIZED, eventually, memory_kib
from test_exec import Probe


class Session:
    """An exec session as the daemon makes one, started with a client or without."""

    def __init__(self, shim, *args, client=False, tty=False, stdin=False, id=None, make=True, **pairs):
        self.shim, self.id = shim, id or shim.id[:32] + secrets.token_hex(16)
        self.dir = shim.exec / "execs" / self.id
        if make:
            self.dir.mkdir(parents=True)
        process = json.loads((shim.bundle / "config.json").read_text())["process"]
        process["args"], process["terminal"] = list(args), tty
        if make:
            (self.dir / "process.json").write_text(json.dumps(process))
        pairs = {"id": self.id, "process": f"execs/{self.id}/process.json", "name": args[0], "tty": int(tty),
                 "stdin": int(stdin), "stdout": 1, "stderr": 1, **pairs}
        self.sock, theirs = socket.socketpair() if client else (None, None)
        if client:
            self.sock.settimeout(PATIENCE)
            pairs |= {"head": "HEAD\n", "framing": "raw" if tty else "multiplexed"}
        self.answer = shim.conn.ask("exec", [theirs.fileno()] if client else (), **pairs)
        if client:
            theirs.close()

    result = Probe.result

    def started(self):
        assert self.answer["msg"] == "ok", self.answer
        event = self.shim.conn.event("exec-started")
        assert event["id"] == self.id
        return self

    def end(self):
        """Told, and by then on disk."""
        event = self.shim.conn.event("exec-ended")
        assert event["id"] == self.id
        result = self.result
        assert result["code"] == event["code"] and result.get("error") == event.get("error")
        return result

    def all(self):
        """What the client got, without the head."""
        got = b""
        while data := self.sock.recv(1 << 16):
            got += data
        assert got.startswith(b"HEAD\n")
        return got[5:]


@pytest.fixture
def shim(new_shim):
    shim = new_shim("/bin/sleep", "60")
    shim.start()
    return shim


def frame(stream, data):
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_a_session_without_a_client(shim):
    before = time.time_ns()
    one = Session(shim, "/bin/sh", "-c", "echo lost; x=$(readlink /proc/$$/fd/1); echo $x > /fd; exit 3").started()
    result = one.end()
    assert result["code"] == "3" and "error" not in result and int(result["pid"]) > 0
    assert before <= int(result["start"]) <= int(result["end"]) <= time.time_ns()
    assert sorted(p.name for p in one.dir.iterdir()) == ["begun", "result"]
    assert Path(f"/proc/{shim.conn.ask('hello')['pid']}/root/fd").read_text() == "/dev/null\n"


def test_a_session_with_a_client(shim):
    one = Session(shim, "/bin/sh", "-c", "read x; echo got $x; exit 4", client=True, stdin=True).started()
    one.sock.sendall(b"hello\n")
    assert one.all() == frame(1, b"got hello\n")
    assert one.end()["code"] == "4"
    shim.wait_tidy()


def test_a_session_in_a_terminal(shim):
    one = Session(shim, "/bin/sh", "-c", "tty; echo err >&2", client=True, tty=True).started()
    assert one.all() == b"/dev/pts/0\r\nerr\r\n"
    assert one.end()["code"] == "0"
    assert not (one.dir / "console.sock").exists()


def test_a_session_begins_once(shim):
    one = Session(shim, "/bin/true").started()
    one.end()
    again = Session(shim, "/bin/true", id=one.id, make=False)
    assert again.answer["msg"] == "error" and "already run" in again.answer["text"]
    refused = Session(shim, "/bin/true", id=one.id, make=False, client=True)
    assert refused.answer["msg"] == "error"


def test_a_session_that_cannot_be_run(shim):
    one = Session(shim, "nonsense", client=True)
    text = one.all()[8:].decode()
    result = one.end()
    assert result["code"] == "127"
    assert text == result["error"] + "\r\n"
    assert result["error"] == ('OCI runtime exec failed: exec failed: unable to start container process: exec: '
                               '"nonsense": executable file not found in $PATH: unknown')
    one = Session(shim, "x", client=True, error="nobody is there")
    assert one.all()[8:] == b"nobody is there\r\n"
    assert one.end() | {"start": 0, "end": 0} == {"start": 0, "end": 0, "code": "126", "error": "nobody is there",
                                                  "pid": "0"}


@pytest.mark.parametrize("pairs", [{"id": "x"}, {"id": "a" * 64}, {"process": ""}])
def test_a_session_that_makes_no_sense(shim, pairs):
    pairs = {"id": shim.id[:32] + "0" * 32, "process": "p", **pairs}
    assert shim.conn.ask("exec", **pairs)["msg"] == "error"
    assert shim.conn.ask("resize", exec=pairs["id"], h=1, w=1)["msg"] == "error"


def test_a_session_without_its_directory(shim):
    answer = shim.conn.ask("exec", id=shim.id[:32] + "0" * 32, process="p")
    assert answer["msg"] == "error"


@pytest.mark.parametrize("how", ["in its own pid namespace", "in the host's"])
def test_the_end_of_the_run_ends_sessions(new_shim, how):
    def share(spec):
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]

    shim = new_shim("/bin/sleep", "60", spec=share if "host" in how else None)
    started = shim.start()
    one = Session(shim, "/bin/sh", "-c", "echo up; sleep 60", client=True).started()
    assert one.sock.recv(5) == b"HEAD\n" and one.sock.recv(11, socket.MSG_WAITALL) == frame(1, b"up\n")
    os.kill(int(started["pid"]), signal.SIGKILL)
    assert one.end()["code"] == "137"
    assert one.sock.recv(1) == b""
    assert [e["msg"] for e in shim.wait_end()] == ["ended"]
    assert one.result["code"] == "137" and not shim.cgroups()


def test_the_end_of_the_run_while_a_session_is_being_started(new_shim):
    for delay in (0, 0.002, 0.005, 0.01, 0.02, 0.04):
        shim = new_shim("/bin/sleep", "60")
        started = shim.start()
        one = Session(shim, "/bin/sleep", "55", client=True)
        time.sleep(delay)
        os.kill(int(started["pid"]), signal.SIGKILL)
        text = one.all()
        events = [e["msg"] for e in shim.wait_end()]
        assert [e for e in events if e != "exec-started"] == ["exec-ended", "ended"], delay
        # It has run and was killed, or it has not run, and says so.
        if "error" in one.result:
            assert one.result["code"] in ("126", "127") and text, delay
        else:
            assert one.result["code"] == "137" and not text, delay
        assert not shim.cgroups(), delay


def test_results_of_sessions_stay_for_the_daemon(new_shim):
    shim = new_shim("/bin/sleep", "60", restart="always")
    started = shim.start()
    done = Session(shim, "/bin/sh", "-c", "exit 5").started()
    done.end()
    os.kill(int(started["pid"]), signal.SIGKILL)
    for name in ("ended", "restart", "started"):
        shim.conn.event(name)
    assert done.result["code"] == "5"
    assert Session(shim, "/bin/true").started().end()["code"] == "0"


def test_sessions_leave_nothing_in_the_shim(shim):
    def some():
        for tty in (False, True):
            one = Session(shim, "/bin/sh", "-c", "yes | head -c 200000; exit 1", client=True, tty=tty, stdin=True)
            one.started().all()
            assert one.end()["code"] == "1"
            shutil.rmtree(one.dir)

    idle = shim.descriptors()
    some()
    shim.wait_tidy(idle)
    held = memory_kib(shim.pid)
    for _ in range(5):
        some()
    shim.wait_tidy(idle)
    eventually(lambda: SANITIZED or memory_kib(shim.pid) <= held + 8, "it not to grow")
