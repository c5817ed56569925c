"""POST /containers/{id}/update: the restart policy, and limits through restarts."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host
from kit.archives import busybox
from kit.inject import CONNECT, Strace, is_in
from kit.orphans import orphan
from kit.restarts import between_two_runs
from kit.slow import HeldRuntime
from test_update import MIB, SLEEP, memory, pids, update


def policy(name, most=0):
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": most}}


def wait_new_run(daemon, cid, old):
    """Its new first process."""
    host.wait_for(lambda: daemon.state(cid)["Running"] and daemon.state(cid)["Pid"] not in (0, old), "a new run")
    return daemon.container_pid(cid)


def end_alone(daemon, cid):
    """Init ends and nobody asked for it; returns its pid."""
    pid = daemon.container_pid(cid)
    host.kill(pid)
    host.wait_exit(pid)
    return pid


@pytest.mark.parametrize("away", [False, True], ids=["daemon there", "daemon away"])
def test_a_policy_reaches_the_living_shim_at_once(daemon, away):
    cid = daemon.run(SLEEP)
    update(daemon, cid, policy("always"))
    if away:
        daemon.kill9()
        pid = int((daemon.exec / "containers" / cid / "pid").read_text())
        host.kill(pid)
        runs = daemon.data / "containers" / cid / "runs.jsonl"
        host.wait_for(lambda: runs.read_text().count('"started"') == 2, "its shim to start it again")
        daemon.start()
    else:
        wait_new_run(daemon, cid, end_alone(daemon, cid))
    shown = daemon.inspect(cid)
    assert (shown["State"]["Status"], shown["RestartCount"]) == ("running", 1)
    assert shown["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}


def test_a_policy_taken_back_ends_the_restarts(daemon):
    cid = daemon.run(SLEEP, policy("always"))
    update(daemon, cid, policy("no"))
    end_alone(daemon, cid)
    daemon.wait_state(cid, "exited")
    daemon.restart()
    assert (daemon.state(cid)["Status"], daemon.inspect(cid)["RestartCount"]) == ("exited", 0)


def test_a_restart_that_is_due_is_dropped_with_its_policy(daemon):
    cid = between_two_runs(daemon, "echo run; exit 3", policy("always"))
    update(daemon, cid, policy("no"))
    daemon.wait_state(cid, "exited")
    runs = daemon.logs(cid)[0]
    daemon.restart()
    assert daemon.state(cid)["Status"] == "exited" and daemon.logs(cid)[0] == runs


def test_the_maximum_changes(daemon):
    cid = daemon.run(SLEEP, policy("on-failure", 5))
    update(daemon, cid, policy("on-failure", 1))
    end_alone(daemon, wait_id(daemon, cid, end_alone(daemon, cid)))
    daemon.wait_state(cid, "exited")
    assert daemon.inspect(cid)["RestartCount"] == 1


def wait_id(daemon, cid, old):
    wait_new_run(daemon, cid, old)
    return cid


def test_limits_hold_in_the_run_that_its_shim_starts(daemon):
    cid = daemon.run(SLEEP, {**policy("always"), "Memory": 64 * MIB, "PidsLimit": 20})
    update(daemon, cid, {"Memory": 32 * MIB, "PidsLimit": -1})
    wait_new_run(daemon, cid, end_alone(daemon, cid))
    assert memory(daemon, cid) == 32 * MIB and pids(daemon, cid) in ("max", str(4 << 20))


def test_limits_changed_between_two_runs(daemon):
    (daemon.root / "x").mkdir()
    cid = between_two_runs(daemon, "test -e /x/stay && exec sleep 1000; exit 3",
                           {**policy("always"), "PidsLimit": 20, "Binds": [f"{daemon.root}/x:/x"]})
    update(daemon, cid, {"PidsLimit": 30})
    (daemon.root / "x" / "stay").touch()
    daemon.wait_state(cid, "running")
    assert pids(daemon, cid) == "30"
    phase = daemon.exec / "containers" / cid / "phase.json"
    host.wait_for(lambda: "Updating" not in phase.read_text(), "the mark to go")


def test_limits_reach_the_run_that_its_shim_is_at_the_beginning_of(new_daemon, runtime):
    """Its runtime has read the bundle of before; the daemon hears of the run when it has looked for one."""
    with HeldRuntime(runtime, first=False, done=True) as held, ThreadPoolExecutor(1) as pool:
        daemon = new_daemon(*held.options()).start()
        daemon.load(busybox().docker_archive("busybox:latest"))
        cid = daemon.run("test -e /seen && exec sleep 1000; touch /seen; exit 3",
                         {**policy("always"), "PidsLimit": 20, "Runtime": "held"})
        host.wait_for(held.has_begun, "the second run to begin")
        with Strace(daemon.pid, {"connect": "delay_enter=3000000"}):
            answer = pool.submit(update, daemon, cid, {"PidsLimit": 30})
            host.wait_for(lambda: is_in(daemon.pid, CONNECT), "its shim to be told the policy")
            held.go()
            daemon.wait_state(cid, "running")
            answer.result()
        host.wait_for(lambda: pids(daemon, cid) == "30", "the new limit")
        phase = daemon.exec / "containers" / cid / "phase.json"
        host.wait_for(lambda: "Updating" not in phase.read_text(), "the mark to go")
        daemon.remove_all()  # as long as there is its runtime


def test_a_policy_that_was_cut_short_is_told_at_restore(daemon):
    cid = daemon.run(SLEEP)
    daemon.kill9()
    config = daemon.data / "containers" / cid / "config.json"
    config.write_text(config.read_text().replace('"RestartPolicy":{"Name":"no"', '"RestartPolicy":{"Name":"always"'))
    phase = daemon.exec / "containers" / cid / "phase.json"
    phase.write_text(phase.read_text().replace("{", '{"Updating":true,', 1))
    daemon.start()
    host.wait_for(lambda: "Updating" not in phase.read_text(), "the update to be over")
    wait_new_run(daemon, cid, end_alone(daemon, cid))


@pytest.mark.one_runtime
def test_policies_by_the_clients(docker, daemon):
    cid = docker.create_and_run("--name", "cli", cmd=SLEEP)
    assert docker("update", "--restart", "on-failure:3", "cli") == "cli"
    assert daemon.inspect(cid)["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert daemon.cli("update", "--restart", "unless-stopped", "cli").stdout == "cli\n"
    assert daemon.inspect(cid)["HostConfig"]["RestartPolicy"] == {"Name": "unless-stopped", "MaximumRetryCount": 0}


@pytest.mark.parametrize("away", [False, True], ids=["daemon there", "daemon away"])
def test_of_an_orphan(daemon, away):
    """Without its shim there is nobody to tell but the runtime; the daemon restarts by the new policy."""
    cid, pid = orphan(daemon, "echo ready; exec sleep 1000", away)
    update(daemon, cid, {**policy("always"), "PidsLimit": 30})
    assert pids(daemon, cid) == "30" and daemon.container_pid(cid) == pid
    wait_new_run(daemon, cid, end_alone(daemon, cid))
    assert pids(daemon, cid) == "30"
