"""Probes: processes beside init, whose end is on disk before it is told."""

import json
import os
import secrets
import signal
import time
from pathlib import Path

import pytest

from harness import eventually, kv_unescape

SECOND = 10**9


class Probe:
    def __init__(self, shim, *args, timeout=20 * SECOND):
        self.shim, self.id = shim, secrets.token_hex(32)
        process = json.loads((shim.bundle / "config.json").read_text())["process"]
        process |= {"args": list(args), "terminal": False}
        (shim.bundle / f"{self.id}.json").write_text(json.dumps(process))
        self.answer = shim.conn.ask("probe", id=self.id, timeout=timeout, process=f"bundle/{self.id}.json")

    @property
    def dir(self):
        return self.shim.exec / "execs" / self.id

    @property
    def result(self):
        """As the daemon reads it; None: there is none."""
        path = self.dir / "result"
        if not path.exists():
            return None
        lines = path.read_bytes().decode(errors="replace").splitlines()
        return {k: kv_unescape(v) for k, v in (line.split("=", 1) for line in lines)}

    def end(self):
        """Told, and by then on disk."""
        assert self.answer["msg"] == "ok", self.answer
        event = self.shim.conn.event("probed")
        assert event["id"] == self.id
        return self.result


@pytest.fixture
def shim(new_shim):
    shim = new_shim("/bin/sleep", "60")
    shim.start()
    return shim


def test_a_probe_tells_code_output_and_times(shim):
    before = time.time_ns()
    result = Probe(shim, "/bin/sh", "-c", "echo out; echo err >&2; exit 3").end()
    assert result["code"] == "3" and "timed-out" not in result and "error" not in result
    assert result["output"] == "out\nerr\n"
    assert before <= int(result["start"]) <= int(result["end"]) <= time.time_ns()
    eventually(lambda: len(shim.children()) == 1, "only init is left")


def test_its_output_does_not_go_to_the_log(shim):
    assert Probe(shim, "/bin/echo", "secret").end()["output"] == "secret\n"
    assert not shim.log()


def test_of_much_output_the_beginning_is_kept(shim):
    result = Probe(shim, "/bin/sh", "-c", "yes 0123456789abcde | head -c 3000000").end()
    assert result["code"] == "0"
    assert result["output"] == "0123456789abcde\n" * 256 + "..."


def test_output_is_any_bytes(shim):
    result = Probe(shim, "/bin/sh", "-c", r"printf 'a\000b\\\n=\377'").end()
    assert result["output"] == "ab\\\n=\ufffd"


def test_a_signal_is_its_code(shim):
    assert Probe(shim, "/bin/sh", "-c", "kill -9 $$").end()["code"] == "137"


def test_what_cannot_be_run_says_so(shim):
    result = Probe(shim, "/bin/nonsense").end()
    assert result["code"] == "-1" and "nonsense" in result["error"], result
    assert shim.conn.ask("hello")["state"] == "running"


def test_its_time_is_up(shim):
    probe = Probe(shim, "/bin/sh", "-c", "echo begun; sleep 507.311; true", timeout=3 * SECOND)
    result = probe.end()
    assert result["timed-out"] == "1" and result["output"] == "begun\n"
    # Neither it nor what it has started is left.
    procs = lambda: [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x00507.311" in read(p)]
    eventually(lambda: not procs(), "its child is gone")


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_new_daemon_learns_of_one_in_progress(shim):
    probe = Probe(shim, "/bin/sh", "-c", "while [ ! -e /go ]; do usleep 10000; done; echo went")
    shim.conn.close()
    shim.conn = shim.connect()
    assert shim.conn.ask("hello")["exec"] == probe.id
    Path(f"/proc/{shim.conn.ask('hello')['pid']}/root/go").touch()
    assert probe.end()["output"] == "went\n"
    assert "exec" not in shim.conn.ask("hello")


def test_nobody_listens(shim):
    probe = Probe(shim, "/bin/sh", "-c", "usleep 100000; exit 7")
    shim.conn.close()
    shim.conn = None
    assert eventually(lambda: probe.result, "the result")["code"] == "7"
    shim.conn = shim.connect()
    assert "exec" not in shim.conn.ask("hello")


def test_many_at_once_have_an_end(shim):
    probes = [Probe(shim, "/bin/sh", "-c", "while [ ! -e /go ]; do usleep 10000; done") for _ in range(20)]
    answers = [p.answer["msg"] for p in probes]
    assert answers == ["ok"] * 16 + ["error"] * 4 and "16" in probes[-1].answer["text"]
    Path(f"/proc/{shim.conn.ask('hello')['pid']}/root/go").touch()
    ended = {shim.conn.event("probed")["id"] for _ in range(16)}
    assert ended == {p.id for p in probes[:16]}
    shim.wait_tidy()


@pytest.mark.parametrize("pairs", [
    {}, {"id": "x"}, {"id": "../" * 21 + "a", "process": "bundle/health.json"}, {"id": "a" * 64},
])
def test_nonsense_is_refused(shim, pairs):
    assert shim.conn.ask("probe", **pairs)["msg"] == "error"
    assert not list((shim.exec / "execs").glob("*"))


def test_only_a_container_that_runs_is_probed(new_shim):
    shim = new_shim("/bin/sleep", "60")
    answer = Probe(shim, "/bin/true").answer
    assert answer["msg"] == "error" and "idle" in answer["text"]


@pytest.mark.parametrize("how", ["in its own pid namespace", "in the host's"])
def test_the_end_of_the_run_leaves_no_result(new_shim, how):
    def share(spec):
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]

    shim = new_shim("/bin/sleep", "60", spec=share if "host" in how else None)
    started = shim.start()
    probe = Probe(shim, "/bin/sleep", "55")
    eventually(lambda: len(shim.children()) == 2 and (probe.dir / "pid").exists(), "the probe runs")
    os.kill(int(started["pid"]), signal.SIGKILL)
    assert [e["msg"] for e in shim.wait_end()] == ["ended"]
    assert probe.result is None and not shim.cgroups()


def test_the_end_of_the_run_while_a_probe_is_being_started(new_shim):
    for delay in (0, 0.002, 0.005, 0.01, 0.02, 0.04):
        shim = new_shim("/bin/sleep", "60")
        started = shim.start()
        probe = Probe(shim, "/bin/sleep", "55")
        time.sleep(delay)
        os.kill(int(started["pid"]), signal.SIGKILL)
        assert [e["msg"] for e in shim.wait_end()] == ["ended"], delay
        assert probe.result is None and not shim.cgroups(), delay


def test_a_restart_in_place_begins_without_the_old_ones(new_shim):
    shim = new_shim("/bin/sleep", "60", restart="always")
    started = shim.start()
    done = Probe(shim, "/bin/true")
    done.end()
    Probe(shim, "/bin/sleep", "55")
    os.kill(int(started["pid"]), signal.SIGKILL)
    for name in ("ended", "restart"):
        shim.conn.event(name)
    started = shim.conn.event("started")
    assert not list((shim.exec / "execs").glob("*"))
    assert Probe(shim, "/bin/true").end()["code"] == "0"
    assert shim.conn.ask("wish", wanted="stopped")["msg"] == "ok"
    os.kill(int(started["pid"]), signal.SIGKILL)
    shim.wait_end()


def test_probes_leave_nothing_in_the_shim(shim):
    before = shim.descriptors()
    for _ in range(10):
        Probe(shim, "/bin/true").end()
    shim.wait_tidy(before)
