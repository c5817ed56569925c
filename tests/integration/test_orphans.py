"""A shim that is killed takes nothing along: its container lives on as an orphan, obeys every verb, and how
it ended is told where the kernel knows it - never invented."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host
from kit.archives import busybox
from kit.doomed import Doomed
from kit.leaks import processes
from kit.orphans import end_with_shim, kill_each, make_orphan, orphan, shim_of
from kit.slow import HeldRuntime
from kit.waiting import shim, shims

SLEEP = ["sleep", "1000"]
LINUX = tuple(int(n) for n in os.uname().release.split(".")[:2])


@pytest.fixture(params=[False, True], ids=["daemon there", "daemon away"])
def away(request):
    return request.param


@pytest.mark.parametrize("how", ["exit 0", "exit 7", "SIGKILL", "SIGSEGV"])
def test_exit_code_of_an_orphan_is_the_kernels(daemon, away, how):
    before = time.time()
    one = Doomed(daemon, how)
    make_orphan(daemon, one.id, away)
    one.strike()
    cid, code = one.id, one.code
    daemon.wait_state(cid, "exited")
    state = daemon.state(cid)
    # Whose child it was when it ended: the daemon's that started its shim, or, after a restart, init's;
    # of init's the kernel tells since Linux 6.15.
    if away and LINUX < (6, 15):
        assert (state["ExitCode"], state["Error"]) == (255, "exit status lost")
    else:
        assert (state["ExitCode"], state["Error"]) == (code, "")
    [die] = daemon.past_events(before, container=[cid], event=["die"])
    assert die["Actor"]["Attributes"]["exitCode"] == str(state["ExitCode"])
    assert host.parse_time(state["FinishedAt"]) >= one.earliest - 0.05
    daemon.start_container(cid)
    assert daemon.state(cid)["Running"], "the next run has a shim again"
    assert daemon.state(cid)["Error"] == ""


def test_end_of_shim_and_container_with_nobody_there_is_lost_and_said_so(daemon):
    cid = daemon.run(SLEEP)
    end_with_shim(daemon, cid)
    daemon.start()
    state = daemon.state(cid)
    assert (state["Status"], state["ExitCode"], state["Error"]) == ("exited", 255, "exit status lost")


def test_shim_and_container_that_die_together_are_told_apart(daemon):
    """Killed in one moment, before anyone could look."""
    cid = daemon.run(SLEEP)
    pid = daemon.container_pid(cid)
    parent = shim_of(pid)
    os.kill(parent, signal.SIGSTOP)
    host.kill(pid)
    host.kill(parent)
    daemon.wait_state(cid, "exited")
    assert daemon.state(cid)["ExitCode"] == 137


@pytest.mark.parametrize("verb,code", [("stop?t=0", 137), ("stop?t=60", 4), ("kill", 137), ("kill?signal=TERM", 4)])
def test_orphan_is_ended_by_verbs(daemon, away, verb, code):
    cid, _ = orphan(daemon, "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done", away)
    daemon.api.post(f"/containers/{cid}/{verb}", expect=204, timeout=90)
    daemon.wait_state(cid, "exited")
    assert daemon.state(cid)["ExitCode"] == (code if not away or LINUX >= (6, 15) else 255)


def test_orphan_is_paused_and_goes_on(daemon, away):
    cid, pid = orphan(daemon, SLEEP, away)
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    assert daemon.state(cid)["Status"] == "paused"
    daemon.restart()
    assert daemon.state(cid)["Status"] == "paused"
    daemon.api.post(f"/containers/{cid}/unpause", expect=204)
    assert (daemon.state(cid)["Status"], daemon.container_pid(cid)) == ("running", pid)
    daemon.api.post(f"/containers/{cid}/restart", t=0, expect=204)
    assert daemon.container_pid(cid) != pid


def test_orphan_is_removed_by_force_only(daemon, away):
    cid, pid = orphan(daemon, SLEEP, away)
    assert daemon.api.delete(f"/containers/{cid}").status == 409
    daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
    assert not host.alive(pid)


def comes_to_rest_or_runs_on(daemon, cid):
    """What the start of a container came to whose shim was killed in the middle of it: Is it an orphan?"""
    def known():
        state = daemon.state(cid)
        if not state["Running"]:
            return not (daemon.exec / "containers" / cid).exists() and "at rest"
        return "its shim is gone" in state["Error"] and "an orphan"

    # Its runtime may fail without the shim's files, or bring it up; we must know of what comes of it.
    host.wait_for(lambda: not any(" run --detach " in c for c in processes(daemon, {cid}).values()), "the runtime to end")
    what = host.wait_for(known, "it to be known what came of the start")
    groups = [host.Path(group) / "cgroup.procs" for group in host.cgroups_named({cid})]
    assert (what == "an orphan") == any(procs.read_text() for procs in groups)
    return what == "an orphan"


def test_shim_that_dies_during_the_start_leaves_no_half_container(daemon):
    """The shim of a start in progress is killed: the verb says so, and nothing of it stays."""
    with ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            cid = daemon.create(SLEEP)
            answer = pool.submit(daemon.start_container, cid, expect=(204, 500), timeout=90)
            for pid in host.wait_for(lambda: shims(cid), "its shim"):
                host.kill(pid)
            answer.result()
            if comes_to_rest_or_runs_on(daemon, cid):
                daemon.api.post(f"/containers/{cid}/kill", expect=204)
                daemon.wait_state(cid, "exited")
            daemon.start_container(cid)
            assert daemon.state(cid)["Running"]


def test_shim_that_dies_while_its_runtime_works_loses_no_container(new_daemon, runtime):
    """The runtime goes on without it: what comes of the start is found, not undone under its feet."""
    with HeldRuntime(runtime) as held, ThreadPoolExecutor(1) as pool:
        daemon = new_daemon(*held.options()).start()
        daemon.load(busybox().docker_archive("busybox:latest"))
        cid = daemon.create(SLEEP, {"Runtime": "held"})
        answer = pool.submit(daemon.start_container, cid, expect=500, timeout=90)
        host.wait_for(held.has_begun, "the runtime to be at work")
        kill_each(shim(cid))
        assert "its shim ended during the start" in answer.result().message
        daemon.restart()
        held.go()
        if not comes_to_rest_or_runs_on(daemon, cid):
            daemon.start_container(cid)
        daemon.api.delete(f"/containers/{cid}", force=True, expect=204)


def test_foreign_process_of_the_same_pid_is_never_signalled(daemon):
    """phase.json names a living process that is not ours: same pid, another start time."""
    cid = daemon.run(SLEEP)
    file = daemon.exec / "containers" / cid / "phase.json"
    end_with_shim(daemon, cid)
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        phase = json.loads(file.read_text())
        phase["Pid"] = phase["ShimPid"] = stranger.pid
        file.write_text(json.dumps(phase))
        daemon.start()
        assert daemon.state(cid)["Status"] == "exited"
        daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
