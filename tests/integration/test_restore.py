"""The main job: the daemon is killed, things happen, it returns, and every container is right."""

import os
import shutil
import time

import pytest

from kit import host, leaks
from kit.doomed import Doomed
from kit.orphans import make_orphan, shim_of

SLEEP = ["sleep", "1000"]


def test_fifty_containers_through_a_kill_of_the_daemon(daemon):
    """Of every kind; some end while it is away. All are found as they are."""
    before = time.time()
    running = [daemon.run(SLEEP, name=f"running{n}", Labels={"n": str(n)}) for n in range(20)]
    created = [daemon.create(SLEEP, name=f"created{n}") for n in range(5)]
    ended = [daemon.run(f"echo said {n}; exit {n}", name=f"ended{n}") for n in range(10)]
    paused = [daemon.run(SLEEP, name=f"paused{n}") for n in range(5)]
    doomed = [Doomed(daemon, f"exit {n + 20}", name=f"doomed{n}") for n in range(10)]
    for cid in ended:
        daemon.wait(cid)
    for cid in paused:
        daemon.api.post(f"/containers/{cid}/pause", expect=204)
    untouched = {cid: daemon.inspect(cid) for cid in running + created + ended + paused}
    order = [c["Id"] for c in daemon.list(all=True)]

    daemon.kill9()
    for one in doomed:
        one.strike()
    for one in doomed:
        one.wait_recorded()
    daemon.start()

    assert [c["Id"] for c in daemon.list(all=True)] == order
    for cid, shown in untouched.items():
        assert daemon.inspect(cid) == shown
        assert shown["State"]["Pid"] == 0 or host.alive(shown["State"]["Pid"])
    for one in doomed:
        state = daemon.state(one.id)
        assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", one.code, 0)
        one.assert_true_time(host.parse_time(state["FinishedAt"]), "FinishedAt")
    for n, cid in enumerate(ended):
        assert daemon.logs(cid)[0] == f"said {n}\n"
    deaths = [e for e in daemon.past_events(before, event=["die"]) if e["id"] in {d.id for d in doomed}]
    assert len(deaths) == len(doomed), "each death is told once"


@pytest.mark.parametrize("how", ["exit 0", "exit 7", "SIGKILL", "SIGSEGV"])
@pytest.mark.parametrize("down", [True, False], ids=["daemon down", "daemon up"])
def test_exit_code_and_time_are_true(daemon, how, down):
    """Late is not special: the same record, whether the daemon was there or not."""
    before = time.time()
    one = Doomed(daemon, how)
    if down:
        daemon.kill9()
    one.strike()
    if down:
        daemon.start()
    assert daemon.wait(one.id) == one.code
    state = daemon.state(one.id)
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", one.code, False)
    one.assert_true_time(host.parse_time(state["FinishedAt"]), "FinishedAt")

    host.wait_for(lambda: daemon.past_events(before, event=["die"]), "the die event")
    [die] = daemon.past_events(before, event=["die"])
    assert die["Actor"]["Attributes"]["exitCode"] == str(one.code)
    one.assert_true_time(die["timeNano"] / 1e9, "the die event's time")


def test_record_of_an_exit_survives_many_restarts(daemon):
    one = Doomed(daemon, "exit 7")
    daemon.kill9()
    one.strike()
    one.wait_recorded()
    daemon.start()
    shown = daemon.inspect(one.id)
    assert shown["State"]["ExitCode"] == 7
    for _ in range(3):
        daemon.restart()
        assert daemon.inspect(one.id) == shown


def test_counter_through_three_deaths_loses_no_line_and_never_stalls(daemon):
    cid = daemon.run(["probe", "counter"])
    log = daemon.data / "containers" / cid / "json.log"

    def grows(lines, when):
        enough = log.stat().st_size + lines * 60  # an entry has more than 60 bytes
        host.wait_for(lambda: log.stat().st_size > enough, f"the log to grow {when}")

    for death in range(3):
        daemon.kill9()
        grows(300, f"while the daemon is dead ({death + 1})")
        daemon.start()
        grows(300, f"after restart {death + 1}")
    daemon.api.post(f"/containers/{cid}/stop", expect=204)
    assert daemon.state(cid)["ExitCode"] == 0

    out, err = daemon.logs(cid, timestamps=True)
    assert err == ""
    lines = [line.split(" ", 1) for line in out.splitlines()]
    *numbers, last = [text for _, text in lines]
    assert numbers == [str(n) for n in range(len(numbers))]
    assert last.startswith("longest write ")
    assert int(last.split()[2]) < 1_000_000, last
    times = [host.parse_time(stamp) for stamp, _ in lines]
    assert max(b - a for a, b in zip(times, times[1:])) < 1, "the log stood still"


def test_output_while_the_daemon_is_away_is_in_the_log(daemon):
    (daemon.root / "x").mkdir()
    cid = daemon.run("echo before; while ! test -e /x/go; do sleep 0.01; done; echo meanwhile; echo err >&2",
                     {"Binds": [f"{daemon.root}/x:/x"]})
    daemon.wait_log(cid, "before")
    pid = daemon.container_pid(cid)
    daemon.kill9()
    (daemon.root / "x/go").touch()
    host.wait_exit(pid)
    daemon.start()
    assert daemon.wait(cid) == 0
    assert daemon.logs(cid) == ("before\nmeanwhile\n", "err\n")


def test_paused_stays_paused_and_unpauses(daemon):
    cid = daemon.run(["probe", "counter"])
    daemon.wait_log(cid, "1\n")
    pid = daemon.container_pid(cid)
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    host.wait_drained(pid, shim_of(pid))
    said = daemon.logs(cid)[0]
    daemon.restart()
    state = daemon.state(cid)
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert daemon.logs(cid)[0] == said
    daemon.api.post(f"/containers/{cid}/unpause", expect=204)
    assert daemon.state(cid)["Status"] == "running"
    host.wait_for(lambda: len(daemon.logs(cid)[0]) > len(said), "the counter to go on")


def test_sigterm_leaves_the_containers_running(daemon):
    cid = daemon.run(SLEEP)
    shown = daemon.inspect(cid)
    assert daemon.stop() == 0
    assert host.alive(shown["State"]["Pid"])
    daemon.start()
    assert daemon.inspect(cid) == shown


@pytest.mark.parametrize("verb,status", [
    ("stop?t=0", "exited"), ("kill", "exited"), ("restart?t=0", "running"), ("pause", "paused"),
    ("rename?name=renamed", "running")])
def test_restored_container_obeys(daemon, verb, status):
    cid = daemon.run(SLEEP)
    daemon.restart()
    daemon.api.post(f"/containers/{cid}/{verb}", expect=204)
    daemon.wait_state(cid, status)


def test_restored_container_is_waited_for_and_removed(daemon):
    cid = daemon.run(SLEEP)
    pid = daemon.container_pid(cid)
    daemon.restart()
    with daemon.api.stream("POST", f"/containers/{cid}/wait") as waiting:
        host.kill(pid)
        assert waiting.json()["StatusCode"] == 137
    daemon.api.delete(f"/containers/{cid}", expect=204)


def test_ended_and_created_containers_start_after_a_restart(daemon):
    ended = daemon.run("echo run; exit 4")
    daemon.wait(ended)
    created = daemon.create("echo first; exit 5")
    daemon.restart()
    daemon.start_container(ended)
    daemon.start_container(created)
    assert (daemon.wait(ended), daemon.wait(created)) == (4, 5)
    assert daemon.logs(ended)[0] == "run\nrun\n"
    assert daemon.logs(created)[0] == "first\n"


def test_files_of_the_container_are_kept(daemon):
    cid = daemon.create("cat /kept 2>/dev/null; echo data >>/kept")
    daemon.start_container(cid)
    daemon.wait(cid)
    daemon.restart()
    daemon.start_container(cid)
    daemon.wait(cid)
    assert daemon.logs(cid)[0] == "data\n"


def test_many_deaths_in_a_row(daemon):
    cid = daemon.run(SLEEP)
    shown = daemon.inspect(cid)
    for _ in range(10):
        daemon.restart()
    assert daemon.inspect(cid) == shown


def test_daemon_killed_during_its_restore_restores_the_next_time(daemon):
    ids = [daemon.run(SLEEP) for _ in range(10)]
    shown = [daemon.inspect(cid) for cid in ids]
    for _ in range(5):
        daemon.kill9()
        daemon.spawn()  # killed again before it has said that it is ready
    daemon.kill9()
    daemon.start()
    assert [daemon.inspect(cid) for cid in ids] == shown


# --- auto-removed containers

def test_auto_removed_container_lives_on(daemon):
    cid = daemon.run(SLEEP, {"AutoRemove": True})
    shown = daemon.inspect(cid)
    daemon.restart()
    assert daemon.inspect(cid) == shown


def test_auto_removed_container_that_ended_meanwhile_is_removed(daemon):
    before = time.time()
    one = Doomed(daemon, "exit 7", AutoRemove=True)
    daemon.kill9()
    one.strike()
    daemon.start()
    host.wait_for(lambda: daemon.api.get(f"/containers/{one.id}/json").status == 404, "its removal")
    # It is told when nobody finds the container any more.
    host.wait_for(lambda: daemon.past_events(before, container=[one.id], event=["destroy"]), "the destroy event")
    told = [e for e in daemon.past_events(before, container=[one.id]) if e["Action"] in ("die", "destroy")]
    assert [e["Action"] for e in told] == ["die", "destroy"]
    assert told[0]["Actor"]["Attributes"]["exitCode"] == "7"
    one.assert_true_time(told[0]["timeNano"] / 1e9, "the die event's time")


# --- shims that are gone

def test_container_whose_shim_is_gone_keeps_running_and_can_be_removed(daemon):
    cid = daemon.run(SLEEP)
    pid = make_orphan(daemon, cid, away=True)
    state = daemon.state(cid)
    assert (state["Status"], state["Pid"]) == ("running", pid)
    host.kill(pid)
    daemon.wait_state(cid, "exited")


def test_reboot_of_the_host(daemon):
    """What a reboot leaves: the data root; no process, no cgroup, an empty exec root."""
    running, created = daemon.run(SLEEP), daemon.create(SLEEP)
    ended = daemon.run("exit 3")
    daemon.wait(ended)
    shown = daemon.inspect(ended)
    daemon.kill9()
    leaks.end_processes(daemon, {running})
    shutil.rmtree(daemon.exec)
    for path in sorted(host.cgroups_named({running}), key=len, reverse=True):
        os.rmdir(path)
    daemon.start()
    daemon.wait_state(running, "exited")
    assert daemon.state(running)["ExitCode"] == 255
    assert daemon.state(created)["Status"] == "created"
    assert daemon.inspect(ended) == shown
    daemon.start_container(running)
    assert daemon.state(running)["Running"]
