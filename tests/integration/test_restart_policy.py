"""Restart policies: the shim restarts in place whether the daemon lives or not; after a reboot of the
host, or a shim's death, the daemon starts by policy."""

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host
from kit.archives import busybox
from kit.inject import MKDIRAT, Strace, is_in
from kit.orphans import end_with_shim, kill_each, make_orphan, shim_of
from kit.restarts import between_two_runs, held_there
from kit.slow import HeldRuntime
from kit.waiting import shim

CRASH = "echo run; exit 3"
ALWAYS = {"RestartPolicy": {"Name": "always"}}
UNLESS_STOPPED = {"RestartPolicy": {"Name": "unless-stopped"}}
SLEEP = ["sleep", "1000"]


def on_failure(n):
    return {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": n}}


def runs(daemon, cid, since):
    """The container's life as events tell it: (action, exit code, time)."""
    told = daemon.past_events(since, container=[cid], event=["start", "die"])
    return [(e["Action"], e["Actor"]["Attributes"].get("exitCode"), e["timeNano"]) for e in told]


def wait_ended(daemon, cid):
    daemon.wait_state(cid, "exited")
    return daemon.inspect(cid)


@pytest.mark.parametrize("away", [False, True], ids=["daemon there", "daemon away"])
def test_on_failure_restarts_as_often_as_it_may(daemon, away):
    """The same runs, count, log and events, whether the daemon is there or not."""
    before = time.time()
    cid = daemon.run(CRASH, on_failure(3))
    if away:
        log = daemon.data / "containers" / cid / "json.log"
        daemon.kill9()
        host.wait_for(lambda: log.read_text().count("run") == 4, "four runs")
        host.wait_for(lambda: not (daemon.exec / "containers" / cid / "shim.sock").exists(), "the shim to end")
        daemon.start()
    shown = wait_ended(daemon, cid)
    assert (shown["RestartCount"], shown["State"]["ExitCode"]) == (3, 3)
    assert daemon.logs(cid)[0] == "run\n" * 4
    told = runs(daemon, cid, before)
    assert [(a, code) for a, code, _ in told] == [("start", None), ("die", "3")] * 4
    times = [t for _, _, t in told]
    assert times == sorted(times)
    ends, starts = times[1:-1:2], times[2::2]
    for pause, end, start in zip((0.1, 0.2, 0.4), ends, starts):
        assert (start - end) / 1e9 >= pause, "the back-off doubles"


def test_on_failure_is_content_with_success(daemon):
    cid = daemon.run("test -e /seen && exit 0; touch /seen; exit 1", on_failure(0))
    shown = wait_ended(daemon, cid)
    assert (shown["RestartCount"], shown["State"]["ExitCode"]) == (1, 0)


def test_always_restarts_after_success_and_stop_ends_it(daemon):
    cid = daemon.run("echo run; sleep 0.05", ALWAYS)
    host.wait_for(lambda: daemon.inspect(cid)["RestartCount"] >= 2, "two restarts")
    daemon.stop_container(cid, t=0, expect=204)
    shown = wait_ended(daemon, cid)
    daemon.restart()
    assert daemon.inspect(cid) == shown, "stopped by hand it stays stopped"


def test_between_two_runs_it_is_restarting(daemon, api):
    cid = between_two_runs(daemon, "exit 3", ALWAYS)
    with held_there(cid):
        state = daemon.state(cid)
        assert (state["Restarting"], state["Running"], state["ExitCode"], state["Pid"]) == (True, True, 3, 0)
        [listed] = daemon.list(filters={"status": ["restarting"]})
        assert listed["Status"].startswith("Restarting (3)")
        assert api.post(f"/containers/{cid}/start").status == 304
        assert api.post(f"/containers/{cid}/pause").status == 409
        assert api.delete(f"/containers/{cid}").status == 409
        daemon.restart()
        assert daemon.state(cid)["Status"] == "restarting"


@pytest.mark.parametrize("verb", ["stop", "kill", "remove"])
def test_a_pending_restart_is_ended_by_a_verb(daemon, api, verb):
    cid = between_two_runs(daemon, "exit 3", ALWAYS)
    if verb == "remove":
        api.delete(f"/containers/{cid}", force=True, expect=204)
        assert api.get(f"/containers/{cid}/json").status == 404
        return
    api.post(f"/containers/{cid}/{verb}", expect=204)
    shown = wait_ended(daemon, cid)
    assert shown["State"]["ExitCode"] == 3
    daemon.restart()
    assert daemon.inspect(cid) == shown


@pytest.mark.parametrize("verb", ["stop", "kill", "remove"])
def test_a_verb_that_meets_the_beginning_of_the_next_run_ends_it(new_daemon, runtime, verb):
    """The shim is at it when it hears that the container is not wanted any more."""
    with HeldRuntime(runtime, first=False) as held:
        daemon = new_daemon(*held.options()).start()
        daemon.load(busybox().docker_archive("busybox:latest"))
        cid = daemon.run("test -e /seen && exec sleep 1000; touch /seen; exit 3", {**ALWAYS, "Runtime": "held"})
        host.wait_for(held.has_begun, "the second run to begin")
        state = daemon.data / "containers" / cid / "state.json"
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit({"stop": lambda: daemon.stop_container(cid, t=0, timeout=90),
                                  "kill": lambda: daemon.api.post(f"/containers/{cid}/kill", timeout=90),
                                  "remove": lambda: daemon.api.delete(f"/containers/{cid}", force=True, timeout=90)}[verb])
            host.wait_for(lambda: answer.done() or json.loads(state.read_text())["Wanted"] in (2, 3), "the wish")
            held.go()
            assert answer.result().status == 204, answer.result()
        if verb == "remove":
            assert daemon.api.get(f"/containers/{cid}/json").status == 404
        else:
            shown = daemon.inspect(cid)
            assert (shown["State"]["Status"], shown["State"]["ExitCode"]) == ("exited", 137)
            daemon.restart()
            assert daemon.inspect(cid) == shown


def test_a_start_by_hand_begins_the_count_anew(daemon):
    cid = daemon.run(CRASH, on_failure(1))
    wait_ended(daemon, cid)
    daemon.start_container(cid)
    host.wait_for(lambda: daemon.logs(cid)[0] == "run\n" * 4, "two times two runs")
    assert wait_ended(daemon, cid)["RestartCount"] == 1


def test_count_and_back_off_survive_the_daemon(daemon):
    """Deaths of the daemon neither reset nor add anything."""
    cid = daemon.run(CRASH, on_failure(5))
    for _ in range(8):
        daemon.restart()
    shown = wait_ended(daemon, cid)
    assert shown["RestartCount"] == 5
    assert daemon.logs(cid)[0] == "run\n" * 6


def test_a_kill_by_hand_is_no_reason_to_restart(daemon, api):
    cid = daemon.run(SLEEP, ALWAYS)
    api.post(f"/containers/{cid}/kill", expect=204)
    assert wait_ended(daemon, cid)["State"]["ExitCode"] == 137
    daemon.restart()
    assert daemon.state(cid)["Status"] == "exited"


def test_on_reboot_restarts_after_the_containers_own_reboot_only(daemon, api):
    host_config = {"RestartPolicy": {"Name": "on-reboot"}, "CapAdd": ["SYS_BOOT"], "Privileged": True}
    # busybox' reboot -f is the system call itself.
    cid = daemon.run("echo run; test -e /seen && exit 0; touch /seen; reboot -f; sleep 5", host_config)
    shown = wait_ended(daemon, cid)
    assert daemon.logs(cid)[0] == "run\nrun\n"
    assert (shown["RestartCount"], shown["State"]["ExitCode"]) == (1, 0)


# --- a shim's death

@pytest.mark.parametrize("away", [False, True], ids=["daemon there", "daemon away"])
def test_without_its_shim_the_daemon_restarts_it(daemon, away):
    cid = daemon.run("echo run; exec sleep 1000", ALWAYS)
    daemon.wait_log(cid, "run")
    pid = daemon.container_pid(cid)
    parent = shim_of(pid)
    if away:
        daemon.kill9()
    kill_each(parent, pid)
    if away:
        daemon.start()
    host.wait_for(lambda: daemon.logs(cid)[0] == "run\nrun\n", "the second run")
    daemon.wait_state(cid, "running")
    shown = daemon.inspect(cid)
    assert shown["RestartCount"] == 1 and shown["State"]["Pid"] not in (0, pid)


def test_a_kill_that_meets_a_start_by_policy_keeps_it_from_running(daemon):
    """The daemon is at it, but has not said so yet: to the kill the container is one that waits for its restart."""
    before = time.time()
    cid = daemon.run(SLEEP, ALWAYS)
    pid = daemon.container_pid(cid)
    parent = shim_of(pid)
    with Strace(daemon.pid, {"mkdirat": "delay_enter=3000000"}):
        kill_each(parent, pid)
        host.wait_for(lambda: is_in(daemon.pid, MKDIRAT), "its exec directory to be made anew")
        assert daemon.state(cid)["Status"] == "restarting"
        daemon.api.post(f"/containers/{cid}/kill", expect=204)
    shown = wait_ended(daemon, cid)
    assert shown["State"]["ExitCode"] == 137
    daemon.wait_quiet()
    assert [a for a, _, _ in runs(daemon, cid, before)] == ["start", "die"]
    assert daemon.inspect(cid) == shown


def test_a_restart_that_the_shim_owed_is_made_when_due(daemon):
    """The shim dies between two runs, and the daemon too: what was due is on disk."""
    cid = between_two_runs(daemon, CRASH, ALWAYS)
    daemon.kill9()
    said = daemon.data / "containers" / cid / "json.log"
    kill_each(shim(cid))
    lines = said.read_text().count("run")
    daemon.start()
    host.wait_for(lambda: said.read_text().count("run") > lines, "the run that was due")
    assert daemon.inspect(cid)["RestartCount"] >= 4


# --- a user's restart, cut short

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def cut_short(daemon, cid):
    """The daemon dies in the stop of a restart, which waits for a container that will not end."""
    state = daemon.data / "containers" / cid / "state.json"
    daemon.wait_log(cid, "ready")
    with contextlib.suppress(TimeoutError):
        daemon.api.post(f"/containers/{cid}/restart", t=60, timeout=0.1)
    host.wait_for(lambda: json.loads(state.read_text())["Wanted"] == 4, "the restart to be meant")


@pytest.mark.parametrize("policy", ["no", "always", "unless-stopped", "on-failure", "on-reboot"])
@pytest.mark.parametrize("rebooted", [False, True], ids=["shim dead", "host rebooted"])
def test_a_restart_that_was_cut_short_is_finished_whatever_the_policy(daemon, policy, rebooted):
    """By whom nobody else would: the daemon is dead, and the shim too, or the host went down."""
    before = time.time()
    cid = daemon.run(STUBBORN, {"RestartPolicy": {"Name": policy}})
    cut_short(daemon, cid)
    if rebooted:
        daemon.reboot_host()
    else:
        end_with_shim(daemon, cid)
    daemon.start()
    host.wait_for(lambda: daemon.logs(cid)[0] == "ready\nready\n", "the second run")
    daemon.wait_state(cid, "running")
    assert daemon.inspect(cid)["RestartCount"] == 0, "no policy's start"
    host.wait_for(lambda: daemon.past_events(before, container=[cid], event=["restart"]), "the restart to be told")
    shown = daemon.inspect(cid)
    daemon.restart()
    assert daemon.inspect(cid) == shown, "it is finished once"
    assert [a for a, _, _ in runs(daemon, cid, before)] == ["start", "die", "start"]


def test_a_restart_that_was_cut_short_does_not_let_it_remove_itself(daemon):
    cid = daemon.run(STUBBORN, {"AutoRemove": True})
    cut_short(daemon, cid)
    daemon.reboot_host()
    daemon.start()
    host.wait_for(lambda: daemon.logs(cid)[0] == "ready\nready\n", "the second run")


def test_who_shares_a_namespace_waits_for_its_owners_restart(daemon):
    """The owner has no policy, but a user's restart of it was cut short by the reboot."""
    owner = daemon.run(STUBBORN)
    member = daemon.run(SLEEP, {**ALWAYS, "NetworkMode": f"container:{owner}"})
    cut_short(daemon, owner)
    daemon.reboot_host()
    daemon.start()
    for cid in (owner, member):
        daemon.wait_state(cid, "running")
        assert daemon.inspect(cid)["RestartCount"] == 0, "no start failed"
    assert host.namespace(daemon.container_pid(member), "net") == host.namespace(daemon.container_pid(owner), "net")


# --- a reboot of the host

def test_after_a_reboot_policies_decide(daemon, api):
    """Every policy, running, ended, stopped by hand or never started when the host went down."""
    def stopped(policy, name):
        cid = daemon.run(SLEEP, {"RestartPolicy": {"Name": policy}}, name)
        api.post(f"/containers/{cid}/stop", t=0, expect=204)
        return cid

    back = {
        daemon.run(SLEEP, ALWAYS, "always"),
        daemon.run(SLEEP, UNLESS_STOPPED, "unless-stopped"),
        daemon.run(SLEEP, on_failure(0), "on-failure"),
        stopped("always", "always-stopped"),
    }
    down = {
        daemon.run(SLEEP, None, "no"): ("exited", 255),
        daemon.run(SLEEP, {"RestartPolicy": {"Name": "on-reboot"}}, "on-reboot"): ("exited", 255),
        stopped("unless-stopped", "unless-stopped-stopped"): ("exited", 137),
        stopped("on-failure", "on-failure-stopped"): ("exited", 137),
        daemon.create(SLEEP, ALWAYS, "never-started"): ("created", 0),
    }
    finished = daemon.run("exit 0", on_failure(0), "finished")
    daemon.wait(finished)
    down[finished] = ("exited", 0)
    before = time.time()
    daemon.reboot_host()
    daemon.start()
    for cid in back:
        daemon.wait_state(cid, "running")
        assert daemon.inspect(cid)["RestartCount"] == 0
    for cid, (status, code) in down.items():
        state = daemon.state(cid)
        assert (state["Status"], state["ExitCode"]) == (status, code), daemon.inspect(cid)["Name"]
    lost = [c for c, want in down.items() if want[1] == 255]
    for cid in lost:
        assert "host rebooted" in daemon.state(cid)["Error"]
    assert not daemon.past_events(before, event=["kill"]), "nothing is signalled"

    shown = {cid: daemon.inspect(cid) for cid in [*back, *down]}
    daemon.restart()
    assert {cid: daemon.inspect(cid) for cid in shown} == shown, "a restart of the daemon is a non-event"


def test_killed_while_it_starts_by_policy_it_starts_once(daemon):
    ids = [daemon.run("echo run; exec sleep 1000", ALWAYS) for _ in range(6)]
    daemon.reboot_host()
    for _ in range(4):
        daemon.spawn()
        daemon.wait_ready()
        daemon.kill9()
    daemon.start()
    for cid in ids:
        daemon.wait_state(cid, "running")
        host.wait_for(lambda: daemon.logs(cid)[0] == "run\nrun\n", "one more run")
        assert daemon.inspect(cid)["RestartCount"] == 0


def test_who_shares_a_namespace_starts_after_its_owner(daemon):
    """Ten members, made so that they come first in every order, and their owner, which starts slowly."""
    owner = daemon.run(SLEEP, ALWAYS, "owner")
    members = [daemon.run(SLEEP, {**ALWAYS, "NetworkMode": f"container:{owner}"}) for _ in range(5)]
    members += [daemon.run(SLEEP, {**ALWAYS, "PidMode": f"container:{owner}"}) for _ in range(5)]
    before = time.time()
    daemon.reboot_host()
    daemon.start()
    for cid in [owner, *members]:
        daemon.wait_state(cid, "running")
        assert daemon.inspect(cid)["RestartCount"] == 0, "no start failed"
    pid = daemon.container_pid(owner)
    for cid in members[:5]:
        assert host.namespace(daemon.container_pid(cid), "net") == host.namespace(pid, "net")
    for cid in members[5:]:
        assert host.namespace(daemon.container_pid(cid), "pid") == host.namespace(pid, "pid")
    starts = [e["Actor"]["ID"] for e in daemon.past_events(before, event=["start"])]
    assert starts[0] == owner


def test_a_start_by_policy_that_fails_is_tried_again(daemon):
    there = daemon.root / "there"
    there.mkdir()
    cid = daemon.run(SLEEP, {**ALWAYS, "Mounts": [{"Type": "bind", "Source": str(there), "Target": "/there"}]})
    daemon.reboot_host()
    there.rmdir()
    daemon.start()
    def has_failed():
        shown = daemon.inspect(cid)  # once: in between it tries again
        return (shown["RestartCount"] >= 2 and shown["State"]["Status"] == "restarting"
                and str(there) in shown["State"]["Error"])

    host.wait_for(has_failed, "two failures, and their reason")
    there.mkdir()
    daemon.wait_state(cid, "running")


@pytest.mark.parametrize("kind,field", [("net", "NetworkMode"), ("pid", "PidMode"), ("ipc", "IpcMode")])
def test_restarted_in_place_it_joins_the_namespace_that_is_its_owners_now(daemon, kind, field):
    """The owner has restarted meanwhile: its old process is gone, its pid may be anybody's. No daemon is there."""
    owner = daemon.run(SLEEP, {**ALWAYS, "IpcMode": "shareable"})
    member = daemon.run(SLEEP, {**ALWAYS, field: f"container:{owner}"})
    old = {cid: daemon.container_pid(cid) for cid in (owner, member)}
    daemon.kill9()
    pid_file = {cid: daemon.exec / "containers" / cid / "pid" for cid in old}

    def restarted(cid):
        try:
            return int(pid_file[cid].read_text()) not in (0, old[cid])
        except (OSError, ValueError):
            return False

    def end(cid):
        if host.alive(old[cid]):  # the member of a pid namespace goes with its owner
            host.kill(old[cid])

    end(owner)
    host.wait_for(lambda: restarted(owner), "the owner's next run")
    end(member)
    host.wait_for(lambda: restarted(member), "the member's next run")
    daemon.start()
    for cid in (owner, member):
        daemon.wait_state(cid, "running")
    assert host.namespace(daemon.container_pid(member), kind) == host.namespace(daemon.container_pid(owner), kind)


def test_owner_without_a_shim_is_joined_too(daemon):
    owner = daemon.run(SLEEP)
    pid = make_orphan(daemon, owner)
    member = daemon.run(SLEEP, {"NetworkMode": f"container:{owner}"})
    assert host.namespace(daemon.container_pid(member), "net") == host.namespace(pid, "net")
