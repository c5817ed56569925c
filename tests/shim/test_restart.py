"""Restarts in place: by policy, with back-off, whoever listens."""

import os
import signal
from datetime import datetime


def ns(text):
    head, _, digits = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(head + "+00:00").timestamp()) * 10**9 + int(digits.ljust(9, "0"))


def test_on_failure_with_a_maximum(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo run; exit 3", restart="on-failure", restart_max=3)
    shim.start(run=5)
    events = shim.wait_end()
    names = [e["msg"] for e in events]
    assert names == ["ended", "restart", "started"] * 3 + ["ended", "gave-up"]
    assert [int(e["run"]) for e in events] == [5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 8]
    records = shim.records()
    assert [r["event"] for r in records] == ["started"] + names
    restarts = [r for r in records if r["event"] == "restart"]
    assert [r["count"] for r in restarts] == [1, 2, 3]
    delays = [ns(r["due"]) - ns(r["time"]) for r in restarts]
    assert delays == [100 * 10**6, 200 * 10**6, 400 * 10**6]
    for r in restarts:
        started = next(s for s in records if s["event"] == "started" and s["run"] == r["run"])
        assert ns(started["time"]) >= ns(r["due"])
    assert "maximum" in records[-1]["text"]
    assert shim.log_text() == "run\n" * 4
    assert not shim.cgroups() and not list(shim.root.iterdir())


def test_on_failure_ends_with_success(new_shim):
    shim = new_shim("/bin/sh", "-c", "[ -e /seen ] && exit 0; touch /seen; exit 1", restart="on-failure")
    shim.start()
    assert [e["msg"] for e in shim.wait_end()] == ["ended", "restart", "started", "ended", "gave-up"]


def test_a_wish_ends_every_policy(new_shim):
    shim = new_shim("/bin/sleep", "60", restart="always")
    started = shim.start()
    os.kill(int(started["pid"]), signal.SIGKILL)
    for name in ("ended", "restart"):
        shim.conn.event(name)
    started = shim.conn.event("started")
    assert shim.conn.ask("wish", wanted="stopped")["msg"] == "ok"
    os.kill(int(started["pid"]), signal.SIGKILL)
    assert [e["msg"] for e in shim.wait_end()] == ["ended", "gave-up"]
    assert shim.records()[-1]["text"] == "stopped by the user"


def test_a_wish_ends_a_restart_that_is_due(new_shim):
    # The back-off goes on from one that is long.
    shim = new_shim("/bin/false", restart="always", restart_count=4, restart_delay=10 * 10**9)
    shim.start()
    shim.conn.event("ended")
    restart = shim.conn.event("restart")
    hello = shim.conn.ask("hello")
    assert hello["state"] == "restarting" and hello["due"] == restart["due"] and hello["count"] == "5"
    assert shim.conn.ask("wish", wanted="stopped")["msg"] == "ok"
    gave_up, = shim.wait_end()
    assert gave_up["msg"] == "gave-up" and gave_up["run"] == "1"


def test_a_policy_may_change_meanwhile(new_shim):
    shim = new_shim("/bin/sleep", "60")
    started = shim.start()
    assert shim.conn.ask("policy", restart="nonsense")["msg"] == "error"
    assert shim.conn.ask("policy", restart="on-failure", max=1)["msg"] == "ok"
    os.kill(int(started["pid"]), signal.SIGKILL)
    shim.conn.event("ended")
    shim.conn.event("restart")
    started = shim.conn.event("started")
    shim.conn.ask("policy", restart="no")
    os.kill(int(started["pid"]), signal.SIGKILL)
    assert [e["msg"] for e in shim.wait_end()] == ["ended"]


def test_without_anyone_listening_it_is_the_same(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo run; exit 3", restart="on-failure", restart_max=3)
    shim.conn.send("start", run=1)
    shim.conn.close()
    shim.conn = None
    assert os.waitpid(shim.pid, 0)[1] == 0
    shim.pid = None
    assert [r["event"] for r in shim.records()] == \
        ["started"] + ["ended", "restart", "started"] * 3 + ["ended", "gave-up"]
    assert shim.log_text() == "run\n" * 4


def test_the_root_file_system_stays(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo x >> /count; cat /count; exit 1", restart="on-failure", restart_max=2)
    shim.start()
    shim.wait_end()
    assert shim.log_text() == "x\n" + "x\nx\n" + "x\nx\nx\n"


def test_reboot_is_told_from_a_kill(new_shim):
    def boot(spec):
        for kind in spec["process"]["capabilities"].values():
            kind.append("CAP_SYS_BOOT")

    shim = new_shim("/bin/sh", "-c", "[ -e /seen ] && exit 1; touch /seen; reboot -f", restart="on-reboot", spec=boot)
    shim.start()
    events = shim.wait_end()
    assert [e["msg"] for e in events] == ["ended", "restart", "started", "ended", "gave-up"]
    assert (events[0]["code"], events[0]["signal"]) == ("129", "1")


def test_a_restart_that_fails_is_a_failure_like_others(new_shim):
    shim = new_shim("/bin/sh", "-c", "busybox rm /bin/sh; exit 1", restart="on-failure", restart_max=2)
    shim.start()
    assert [e["msg"] for e in shim.wait_end()] == ["ended", "restart", "failed", "restart", "failed", "gave-up"]
