"""Idle shims: who waits for, or attaches to, a container that is not started waits in its shim."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host
from kit.inject import CONNECT, Strace, is_in
from kit.orphans import shim_of
from kit.waiting import begin, code, shim, shims, wait_no_shim


def exec_dir(daemon, cid):
    return daemon.exec / "containers" / cid


def status(daemon, cid):
    return daemon.state(cid)["Status"]


@pytest.fixture
def created(daemon):
    return daemon.create("exit 5")


def test_none_without_a_client(daemon, created):
    assert shims(created) == [] and not exec_dir(daemon, created).exists()


def test_one_for_all_clients_and_the_start_takes_it(daemon, created):
    waiting = [begin(daemon, created) for _ in range(3)]
    idle = shim(created)
    assert status(daemon, created) == "created"
    assert not (exec_dir(daemon, created) / "phase.json").exists()
    daemon.start_container(created)
    assert [code(one) for one in waiting] == [5, 5, 5]
    wait_no_shim(created)
    host.wait_for(lambda: not host.alive(idle), "its end")


def test_the_start_runs_in_it(daemon):
    cid = daemon.create("sleep 1000")
    waiting, idle = begin(daemon, cid), shim(cid)
    daemon.start_container(cid)
    assert shim(cid) == idle
    assert shim_of(daemon.container_pid(cid)) == idle
    daemon.api.post(f"/containers/{cid}/kill", expect=204)
    assert code(waiting) == 137


def test_it_outlives_the_daemon_and_is_found_again(daemon, created):
    waiting, idle = begin(daemon, created), shim(created)
    for _ in range(3):
        daemon.restart()
        assert shim(created) == idle and status(daemon, created) == "created"
    daemon.kill9()
    assert shim(created) == idle
    daemon.start()
    daemon.start_container(created)
    assert code(waiting) == 5
    assert daemon.state(created)["ExitCode"] == 5


def test_a_container_that_has_run_before(daemon):
    cid = daemon.create("test -e /again && exit 8; touch /again; exit 7")
    daemon.start_container(cid)
    assert daemon.wait(cid) == 7
    daemon.wait_state(cid, "exited")
    waiting, idle = begin(daemon, cid), shim(cid)
    assert status(daemon, cid) == "exited"
    daemon.restart()
    assert status(daemon, cid) == "exited" and shim(cid) == idle
    daemon.start_container(cid)
    assert code(waiting) == 8


def test_it_goes_with_its_last_client(daemon, created):
    one, other = begin(daemon, created), begin(daemon, created)
    one.close()
    idle = shim(created)
    other.close()
    host.wait_exit(idle)
    host.wait_for(lambda: not exec_dir(daemon, created).exists(), "the exec directory to go")
    assert status(daemon, created) == "created"
    daemon.start_container(created)
    assert daemon.wait(created) == 5


def test_without_a_client_a_new_daemon_leaves_it_no_longer(daemon, created):
    begin(daemon, created).close()
    idle = shim(created)
    daemon.restart()
    host.wait_exit(idle)
    host.wait_for(lambda: not exec_dir(daemon, created).exists(), "the exec directory to go")


def test_it_is_killed(daemon, created):
    waiting = begin(daemon, created)
    host.kill(shim(created))
    assert code(waiting) is None, "no code is invented"
    host.wait_for(lambda: not exec_dir(daemon, created).exists(), "the exec directory to go")
    with begin(daemon, created) as again:
        daemon.start_container(created)
        assert again.json()["StatusCode"] == 5


@pytest.mark.one_runtime
def test_it_ends_as_a_client_comes(daemon):
    """The client finds it, and is about to be handed over: it gets another one."""
    cid = daemon.create("read line; echo got $line", OpenStdin=True)
    waiting, found = begin(daemon, cid), shim(cid)
    with Strace(daemon.pid, {"connect": "delay_enter=1000000"}), ThreadPoolExecutor() as pool:
        attached = pool.submit(daemon.attach, cid)
        host.wait_for(lambda: is_in(daemon.pid, CONNECT), "the hand-over")
        host.kill(found)
        assert code(waiting) is None
        with attached.result() as client:
            assert client.status == 101
            assert shim(cid) != found
            daemon.start_container(cid)
            client.send(b"it\n")
            assert client.frame() == (1, b"got it\n")


def test_it_is_killed_while_the_daemon_is_away(daemon, created):
    waiting = begin(daemon, created)
    daemon.kill9()
    host.kill(shim(created))
    assert code(waiting) is None
    daemon.start()
    host.wait_for(lambda: not exec_dir(daemon, created).exists(), "the exec directory to go")
    daemon.start_container(created)
    assert daemon.wait(created) == 5


@pytest.mark.parametrize("restart", [False, True])
def test_a_start_that_fails_leaves_the_clients(daemon, restart):
    cid = daemon.create(["/nope"])
    waiting, idle = begin(daemon, cid), shim(cid)
    assert daemon.start_container(cid, expect=400).status == 400
    assert status(daemon, cid) == "created" and shim(cid) == idle
    assert not (exec_dir(daemon, cid) / "phase.json").exists()
    assert not (exec_dir(daemon, cid) / "bundle").exists()
    if restart:
        daemon.restart()
        assert status(daemon, cid) == "created" and shim(cid) == idle
    assert daemon.start_container(cid, expect=400).status == 400
    assert shim(cid) == idle
    waiting.close()
    host.wait_exit(idle)
    host.wait_for(lambda: not exec_dir(daemon, cid).exists(), "the exec directory to go")


def test_a_start_that_fails_and_removes_itself(daemon):
    cid = daemon.create(["/nope"], host={"AutoRemove": True})
    waiting = [begin(daemon, cid, condition) for condition in ("next-exit", "removed")]
    assert daemon.start_container(cid, expect=400).status == 400
    assert [code(one) for one in waiting] == [127, 127]
    assert daemon.api.get(f"/containers/{cid}/json").status == 404
    wait_no_shim(cid)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("restart", [False, True])
def test_removal_answers_all_who_wait(daemon, created, force, restart):
    waiting = [begin(daemon, created, condition) for condition in ("next-exit", "removed", "removed")]
    if restart:
        daemon.restart()
    daemon.api.delete(f"/containers/{created}", force=force, expect=204)
    assert [code(one) for one in waiting] == [0, 0, 0]
    wait_no_shim(created)
    assert not exec_dir(daemon, created).exists()


def test_prune(daemon, created):
    waiting = begin(daemon, created)
    assert daemon.api.post("/containers/prune", expect=200).json["ContainersDeleted"] == [created]
    assert code(waiting) == 0


def test_rename(daemon, created):
    waiting = begin(daemon, created)
    daemon.api.post(f"/containers/{created}/rename", name="other", expect=204)
    daemon.restart()
    daemon.start_container("other")
    assert code(waiting) == 5


def test_update_before_the_start(daemon, created):
    """The shim was born with the policy of before."""
    waiting = begin(daemon, created)
    daemon.api.post(f"/containers/{created}/update",
                    {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}, expect=200)
    daemon.start_container(created)
    assert code(waiting) == 5
    host.wait_for(lambda: status(daemon, created) == "exited", "the policy to give up")
    assert daemon.inspect(created)["RestartCount"] == 2


def test_stop_and_kill_find_nothing_that_runs(daemon, created):
    with begin(daemon, created):
        assert daemon.stop_container(created).status == 304
        assert daemon.api.post(f"/containers/{created}/kill").status == 409


def test_it_is_listed_as_created(daemon, created):
    with begin(daemon, created):
        one, = daemon.list(all=True)
        assert one["State"] == "created"
        daemon.restart()
        one, = daemon.list(all=True)
        assert one["State"] == "created"


@pytest.mark.one_runtime
@pytest.mark.parametrize("restart", [False, True])
def test_its_pulse_cannot_be_read(daemon, created, restart):
    """Who answers lives: neither the start nor a restore makes its directory anew under its clients."""
    waiting, idle = begin(daemon, created), shim(created)
    alive = exec_dir(daemon, created) / "alive"
    alive.rename(alive.with_name("hidden"))
    alive.symlink_to("hidden")
    if restart:
        daemon.restart()
        assert status(daemon, created) == "created" and shim(created) == idle
    daemon.start_container(created)
    assert code(waiting) == 5
    host.wait_for(lambda: not host.alive(idle), "its end")
    host.wait_for(lambda: not exec_dir(daemon, created).exists(), "the exec directory to go")


def test_a_clean_end_of_the_daemon_leaves_it(daemon, created):
    waiting, idle = begin(daemon, created), shim(created)
    assert daemon.stop() == 0
    assert shim(created) == idle and os.path.exists(exec_dir(daemon, created) / "shim.sock")
    daemon.start()
    daemon.start_container(created)
    assert code(waiting) == 5
