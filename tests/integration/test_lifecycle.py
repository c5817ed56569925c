"""start, stop, restart, kill, pause, unpause, rename, remove: good input and bad, under both runtimes."""

import signal
import time

import pytest

from kit import host
from kit.inject import Strace

UNKNOWN = "f00dfeed" * 8


# --- start

def test_start_runs_the_command(daemon):
    cid = daemon.run("echo out; echo err >&2; exit 3")
    assert daemon.wait(cid) == 3
    assert daemon.logs(cid) == ("out\n", "err\n")


def test_running_container_has_a_true_pid_and_times(daemon):
    before = time.time()
    state = daemon.state(daemon.run("sleep 1000"))
    assert state["Status"] == "running" and state["Running"]
    assert host.alive(state["Pid"])
    assert before - 0.01 <= host.parse_time(state["StartedAt"]) <= time.time() + 0.01


def test_start_of_a_running_container_is_304(daemon):
    cid = daemon.run("sleep 1000")
    assert daemon.start_container(cid, expect=304).body == b""


def test_ended_container_starts_again_on_the_same_files(daemon):
    cid = daemon.create("echo run >>/runs; cat /runs; exit 4")
    for _ in range(3):
        daemon.start_container(cid)
        assert daemon.wait(cid) == 4
    assert daemon.logs(cid)[0] == "run\n" * (1 + 2 + 3)
    assert daemon.inspect(cid)["RestartCount"] == 0


def test_start_tolerates_a_body_and_detach_keys(daemon, api):
    cid = daemon.create("true")
    api.post(f"/containers/{cid}/start", {}, detachKeys="ctrl-p", expect=204)


@pytest.mark.parametrize("command,code", [("/no/such/program", 127), ("no-such-program", 127),
                                          ("/etc/passwd", 126), ("/etc", 126)])
def test_command_that_cannot_run_is_a_400_and_a_shells_exit_code(daemon, api, command, code):
    cid = daemon.create([command])
    answer = api.post(f"/containers/{cid}/start")
    assert answer.status == 400, answer
    assert command in answer.message
    state = daemon.state(cid)
    assert (state["Status"], state["ExitCode"]) == ("created", code) or \
        (state["Status"], state["ExitCode"]) == ("exited", code)
    assert command in state["Error"]


def test_failed_start_leaves_a_container_that_can_be_removed(daemon, api):
    cid = daemon.create(["/no/such/program"])
    assert api.post(f"/containers/{cid}/start").status == 400
    api.delete(f"/containers/{cid}", expect=204)


# --- stop

def test_stop_sends_sigterm_and_records_the_exit_code(daemon, api):
    cid = daemon.run(["probe", "trap", "9"])
    daemon.wait_log(cid, "ready")
    assert api.post(f"/containers/{cid}/stop", expect=204).body == b""
    state = daemon.state(cid)
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 9, 0)
    assert host.parse_time(state["FinishedAt"]) >= host.parse_time(state["StartedAt"])


def test_stop_kills_after_its_time(daemon, api):
    cid = daemon.run("trap '' TERM; echo ready; while :; do sleep 1; done")
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/stop", t=1, expect=204)
    assert daemon.state(cid)["ExitCode"] == 137


def test_stop_with_time_zero_kills_at_once(daemon, api):
    cid = daemon.run("trap '' TERM; echo ready; while :; do sleep 1; done")
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/stop", t=0, expect=204)
    assert daemon.state(cid)["ExitCode"] == 137


def test_stop_uses_the_containers_stop_signal(daemon, api):
    cid = daemon.run("trap 'exit 21' USR1; echo ready; while :; do sleep 0.1; done", StopSignal="SIGUSR1")
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/stop", expect=204)
    assert daemon.state(cid)["ExitCode"] == 21


def test_stop_signal_of_the_request_wins(daemon, api):
    cid = daemon.run("trap 'exit 22' USR2; echo ready; while :; do sleep 0.1; done", StopSignal="SIGUSR1")
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/stop", signal="SIGUSR2", expect=204)
    assert daemon.state(cid)["ExitCode"] == 22


def test_stop_uses_the_containers_stop_timeout(daemon, api):
    cid = daemon.run("trap '' TERM; echo ready; while :; do sleep 1; done", StopTimeout=1)
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/stop", timeout=9, expect=204)  # docker's own default would be 10 s
    assert daemon.state(cid)["ExitCode"] == 137


def test_stop_of_what_does_not_run_is_304(daemon, api):
    cid = daemon.create("true")
    api.post(f"/containers/{cid}/stop", expect=304)
    daemon.start_container(cid)
    daemon.wait(cid)
    api.post(f"/containers/{cid}/stop", expect=304)


def test_stop_with_a_bad_time_is_400(daemon, api):
    cid = daemon.run("sleep 1000")
    assert api.post(f"/containers/{cid}/stop", t="soon").status == 400
    assert daemon.state(cid)["Running"]


def test_stop_ends_a_paused_container(daemon, api):
    cid = daemon.run(["probe", "trap", "0"])
    api.post(f"/containers/{cid}/pause", expect=204)
    api.post(f"/containers/{cid}/stop", t=1, expect=204)
    assert daemon.state(cid)["Status"] == "exited"


# --- restart

def test_restart_gives_a_new_process(daemon, api):
    cid = daemon.run("sleep 1000")
    old = daemon.state(cid)
    api.post(f"/containers/{cid}/restart", t=0, expect=204)
    new = daemon.state(cid)
    assert new["Running"] and new["Pid"] != old["Pid"]
    assert host.parse_time(new["StartedAt"]) > host.parse_time(old["StartedAt"])
    assert not host.alive(old["Pid"])


def test_restart_starts_what_does_not_run(daemon, api):
    cid = daemon.create("sleep 1000")
    api.post(f"/containers/{cid}/restart", expect=204)
    assert daemon.state(cid)["Running"]


# --- kill

def test_kill_is_sigkill(daemon, api):
    cid = daemon.run("sleep 1000")
    api.post(f"/containers/{cid}/kill", expect=204)
    assert daemon.wait(cid) == 137
    assert daemon.state(cid)["OOMKilled"] is False


@pytest.mark.parametrize("name", ["SIGUSR1", "USR1", "usr1", "10"])
def test_kill_takes_a_signal_by_any_of_its_names(daemon, api, name):
    cid = daemon.run(["probe", "trap", "0"])
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/kill", signal=name, expect=204)
    daemon.wait_log(cid, f"signal {int(signal.SIGUSR1)}\n")
    assert daemon.state(cid)["Running"]


def test_kill_sends_realtime_signals(daemon, api):
    cid = daemon.run(["probe", "trap", "0"])
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/kill", signal="SIGRTMIN+3", expect=204)
    daemon.wait_log(cid, "signal 37\n")


@pytest.mark.parametrize("name", ["SIGNONSENSE", "0", "999", "-1"])
def test_kill_with_a_bad_signal_is_400(daemon, api, name):
    cid = daemon.run("sleep 1000")
    answer = api.post(f"/containers/{cid}/kill", signal=name)
    assert answer.status == 400
    assert "nvalid signal" in answer.message
    assert daemon.state(cid)["Running"]


def test_kill_of_what_does_not_run_is_409(daemon, api):
    answer = api.post(f"/containers/{daemon.create('true')}/kill")
    assert answer.status == 409
    assert "is not running" in answer.message


def test_kill_ends_a_paused_container(daemon, api):
    cid = daemon.run("sleep 1000")
    api.post(f"/containers/{cid}/pause", expect=204)
    api.post(f"/containers/{cid}/kill", expect=204)
    assert daemon.wait(cid) == 137


# --- pause

def cpu_ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def frozen(pid):
    if host.has_cgroup_v1("freezer"):
        return host.cgroup_value(pid, "freezer", "freezer.state", "") == "FROZEN"
    return "frozen 1" in host.cgroup_value(pid, "freezer", "", "cgroup.events")


def test_pause_freezes_and_unpause_thaws(daemon, api):
    cid = daemon.run("sleep 1000")
    pid = daemon.container_pid(cid)
    api.post(f"/containers/{cid}/pause", expect=204)
    state = daemon.state(cid)
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert frozen(pid)
    api.post(f"/containers/{cid}/unpause", expect=204)
    assert daemon.state(cid)["Status"] == "running"
    assert not frozen(pid)


def test_pause_of_what_is_busy_is_done_when_it_is_answered(daemon, api):
    """crun does not wait for cgroup v1's freezer, and runc gives up before all have had a turn to stop."""
    cid = daemon.run("i=0; while [ $i -lt 30 ]; do while :; do :; done & i=$((i+1)); done; echo busy; wait")
    daemon.wait_log(cid, "busy")
    pid = daemon.container_pid(cid)
    for _ in range(3):
        api.post(f"/containers/{cid}/pause", expect=204)
        assert frozen(pid)
        api.post(f"/containers/{cid}/unpause", expect=204)


def test_paused_container_cannot_be_paused_or_started(daemon, api):
    cid = daemon.run("sleep 1000")
    api.post(f"/containers/{cid}/pause", expect=204)
    assert api.post(f"/containers/{cid}/pause").status in (409, 500)  # docker's own answer is 409
    assert api.post(f"/containers/{cid}/start").status in (304, 409)
    assert daemon.state(cid)["Paused"]


def test_pause_of_what_does_not_run_is_409(daemon, api):
    answer = api.post(f"/containers/{daemon.create('true')}/pause")
    assert answer.status == 409
    assert "is not running" in answer.message


def test_unpause_of_what_is_not_paused_is_refused(daemon, api):
    cid = daemon.run("sleep 1000")
    answer = api.post(f"/containers/{cid}/unpause")
    assert answer.status in (409, 500)  # 500 in docker, by oversight
    assert "is not paused" in answer.message


# --- rename

def test_rename(daemon, api):
    cid = daemon.run("sleep 1000", name="before")
    api.post("/containers/before/rename", name="after", expect=204)
    assert daemon.inspect("after")["Id"] == cid
    assert daemon.inspect("after")["Name"] == "/after"
    assert api.get("/containers/before/json").status == 404
    daemon.create("true", name="before")


def test_rename_survives_the_daemon(daemon, api):
    cid = daemon.create("true", name="before")
    api.post("/containers/before/rename", name="after", expect=204)
    daemon.restart()
    assert daemon.inspect("after")["Id"] == cid


@pytest.mark.parametrize("name,status", [("", 400), ("a/b", 400), ("taken", 409), ("same", 400)])
def test_bad_rename_changes_nothing(daemon, api, name, status):
    daemon.create("true", name="taken")
    cid = daemon.create("true", name="same")
    answer = api.post(f"/containers/{cid}/rename", name=name)
    assert answer.status in (status, 400) if name == "a/b" else answer.status == status, answer
    assert daemon.inspect(cid)["Name"] == "/same"


# --- remove

def test_remove_forgets_everything(daemon, api):
    cid = daemon.create("true", name="gone")
    assert api.delete(f"/containers/{cid}", expect=204).body == b""
    assert api.get(f"/containers/{cid}/json").status == 404
    assert daemon.list(all=True) == []
    assert not (daemon.data / "containers" / cid).exists()


def test_running_container_is_removed_only_by_force(daemon, api):
    cid = daemon.run("sleep 1000")
    pid = daemon.container_pid(cid)
    answer = api.delete(f"/containers/{cid}")
    assert answer.status == 409
    assert "running" in answer.message
    assert host.alive(pid)
    api.delete(f"/containers/{cid}", force=True, expect=204)
    assert not host.alive(pid)


def test_paused_container_is_removed_only_by_force(daemon, api):
    cid = daemon.run("sleep 1000")
    api.post(f"/containers/{cid}/pause", expect=204)
    assert api.delete(f"/containers/{cid}").status == 409
    api.delete(f"/containers/{cid}", force=True, expect=204)


def test_force_removal_takes_children_along(daemon, api):
    cid = daemon.run("sleep 1000 & sleep 1000 & echo ready; wait")
    daemon.wait_log(cid, "ready")
    pids = (host.cgroup_dir(daemon.container_pid(cid), "pids") / "cgroup.procs").read_text().split()
    assert len(pids) == 3
    api.delete(f"/containers/{cid}", force=True, expect=204)
    assert not any(host.alive(p) for p in pids)


@pytest.mark.one_runtime
@pytest.mark.parametrize("ms", [200, 300, 400])
def test_removal_by_force_meets_the_one_that_its_own_signal_brought_about(daemon, ms):
    """It finds the container on its way out, and neither removes it nor tells of it again."""
    cid, before = daemon.run("sleep 1000"), time.time()
    with Strace(daemon.pid, {"pidfd_send_signal": f"delay_exit={ms}000", "renameat": "delay_enter=100000"}):
        daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
    assert len(daemon.past_events(before, event=["destroy"], container=[cid])) == 1


@pytest.mark.one_runtime
def test_start_of_a_container_that_removes_itself_meanwhile(daemon, api):
    """The start finds it ended, and waits for its rest, which never comes."""
    cid = daemon.run("sleep 1000", host={"AutoRemove": True})
    with Strace(daemon.pid, {"rmdir": "delay_enter=1000000", "renameat": "delay_enter=300000"}):
        api.post(f"/containers/{cid}/kill", expect=204)
        assert api.post(f"/containers/{cid}/start").status in (404, 409)
    host.wait_for(lambda: api.get(f"/containers/{cid}/json").status == 404, "its removal")
    assert "our own mistake" not in daemon.stderr()


@pytest.mark.one_runtime
def test_rename_of_a_container_that_removes_itself_meanwhile(daemon, api):
    """No name is left in the index that leads to a container that is no more."""
    cid = daemon.run("sleep 1000", host={"AutoRemove": True})
    with Strace(daemon.pid, {"renameat": "delay_enter=600000", "fsync": "delay_exit=400000"}):
        api.post(f"/containers/{cid}/kill", expect=204)
        host.wait_for(lambda: "-> removing" in daemon.stderr(), "its removal to begin")
        api.post(f"/containers/{cid}/rename", name="another", expect=404)
    assert api.get("/containers/another/json").status == 404
    assert daemon.inspect(daemon.create(name="another"))["Name"] == "/another"


def test_auto_removed_container_is_gone_after_its_end(daemon, api):
    with daemon.events(filters={"event": ["destroy"]}) as events:
        cid = daemon.run("true", host={"AutoRemove": True})
        assert events.json()["id"] == cid
    assert api.get(f"/containers/{cid}/json").status == 404


def test_container_ends_by_itself_with_children_left(daemon):
    """The children of an init that ends die with it; nothing keeps the container's log open."""
    cid = daemon.run("sleep 1000 & echo done")
    assert daemon.wait(cid) == 0
    assert daemon.logs(cid)[0] == "done\n"


# --- all of them, for containers that are not there

@pytest.mark.one_runtime
@pytest.mark.parametrize("method,path", [
    ("GET", "json"), ("GET", "logs?stdout=1"), ("POST", "start"), ("POST", "stop"),
    ("POST", "restart"), ("POST", "kill"), ("POST", "pause"), ("POST", "unpause"),
    ("POST", "rename?name=other"), ("POST", "wait"), ("DELETE", "")])
@pytest.mark.parametrize("name", [UNKNOWN, "nobody", "a b", "%00", "..%2f..", "x" * 5000],
                         ids=["id", "name", "space", "nul", "dots", "long"])
def test_unknown_container_is_404(daemon, method, path, name):
    answer = daemon.api.request(method, f"/containers/{name.replace(' ', '%20')}/{path}".rstrip("/"))
    assert answer.status in ((404,) if name in (UNKNOWN, "nobody") else (301, 400, 404, 405)), answer
    if answer.status == 404 and name in (UNKNOWN, "nobody"):
        assert answer.message.endswith(f"No such container: {name}")


@pytest.mark.one_runtime
def test_ambiguous_short_id_is_refused(daemon, api):
    """Seventeen ids share a first digit."""
    ids = [daemon.create("true") for _ in range(17)]
    first = next(i[0] for i in ids if sum(j[0] == i[0] for j in ids) > 1)
    assert api.get(f"/containers/{first}/json").status in (400, 404)


def test_many_verbs_at_once_on_one_container_end_in_a_sound_state(daemon, api):
    from concurrent.futures import ThreadPoolExecutor
    cid = daemon.run("sleep 1000")
    verbs = ["stop?t=0", "start", "restart?t=0", "kill", "pause", "unpause"] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda v: api.post(f"/containers/{cid}/{v}").status, verbs))
    assert set(answers) <= {204, 304, 409, 500}, answers
    state = daemon.state(cid)
    assert state["Running"] == (state["Pid"] > 0 and host.alive(state["Pid"]))
    api.delete(f"/containers/{cid}", force=True, expect=204)


def test_removes_what_was_frozen_behind_its_back(daemon):
    """A pause whose daemon died half-way: on cgroup v1 a frozen process takes no SIGKILL."""
    cid = daemon.run("sleep 1000")
    pid = daemon.container_pid(cid)
    host.freeze(pid)
    daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
    assert not host.alive(pid)
