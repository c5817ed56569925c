"""Containers whose shims are of an earlier state of this project (tools/old-shim), under the daemon of today: all that
their shims can do is done, the rest is served by the daemon or refused in clear words, and nothing hangs."""

import subprocess

import pytest

from kit import host
from kit.archives import busybox
from kit.daemon import BUILD, ROOT
from kit.follow import Counter, Follower

OLD = ROOT / "build" / "old-shim"

# The first of them may have to build it.
pytestmark = pytest.mark.timeout(660)


@pytest.fixture(scope="session")
def old_shim():
    subprocess.run([ROOT / "tools" / "old-shim"], check=True, timeout=600)
    return OLD / "holdfast-shim"


@pytest.fixture
def cgroup_parent():
    """Of the test's own: a daemon of that time leaves /holdfast behind."""
    name = host.new_cgroup_parent()
    yield name
    host.remove_cgroup_parent(name)


@pytest.fixture(params=["its own daemon", "today's daemon"])
def old(request, cgroup_parent, new_daemon, old_shim):
    """A daemon that starts containers in old shims, until upgrade()."""
    daemon = new_daemon("--shim", old_shim)
    if request.param == "its own daemon":
        if not (OLD / "holdfastd").exists():
            pytest.skip("this clone has not the commit of the old shim")
        daemon.binary = OLD / "holdfastd"
    daemon.host_config = {"CgroupParent": cgroup_parent}
    daemon.start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    return daemon


def upgrade(daemon):
    daemon.kill9()
    daemon.binary, daemon.args = BUILD / "holdfastd", []
    daemon.start()


def same_run(daemon, cid, before):
    state = daemon.state(cid)
    assert [state[k] for k in ("Status", "Pid", "StartedAt")] == [before[k] for k in ("Status", "Pid", "StartedAt")]


def test_it_runs_on_and_its_end_is_known(old):
    counter = Counter(old)
    counter.tell(10)
    before = old.state(counter.id)
    upgrade(old)
    same_run(old, counter.id, before)
    counter.tell(10)
    counter.end()
    assert old.wait(counter.id) == 0
    assert old.logs(counter.id) == tuple(text.decode() for text in counter.all())
    old.wait_state(counter.id, "exited")
    old.start_container(counter.id)  # in a shim of today
    with open(counter.path, "w") as go:
        go.write("5\n")
    assert old.wait(counter.id) == 0


def test_it_is_followed_and_waited_for_by_the_daemon(old):
    counter = Counter(old)
    counter.tell(10)
    upgrade(old)
    follower = Follower(old, counter.id)
    follower.wait_for(b"9\n")
    with old.api.stream("POST", f"/containers/{counter.id}/wait", condition="next-exit") as wait:
        counter.tell(10)
        counter.end()
        assert wait.json()["StatusCode"] == 0
    assert follower.result() == counter.all()


def test_what_it_cannot_do_is_refused_at_once(old):
    cid = old.run("sleep 1000", OpenStdin=True, Tty=True)
    upgrade(old)
    with old.attach(cid) as a:
        assert a.status in (409, 501)
        assert b"its shim is of an earlier version" in a.until(b"}")
    answer = old.api.post(f"/containers/{cid}/resize", h=10, w=20)
    assert answer.status in (409, 501) and "its shim is of an earlier version" in answer.message
    answer = old.api.post(f"/containers/{cid}/exec", {"Cmd": ["true"]})
    if answer.status == 201:
        answer = old.api.post(f"/exec/{answer.json['Id']}/start", {"Detach": True})
    assert answer.status in (409, 501) and "its shim is of an earlier version" in answer.message
    assert old.state(cid)["Running"]


@pytest.mark.parametrize("verb,code", [("stop", 143), ("kill", 137), ("restart", 143)])
def test_verbs_on_it(old, verb, code):
    cid = old.run("trap 'exit 143' TERM; echo up; while :; do sleep 0.1; done")
    old.wait_log(cid, "up")
    upgrade(old)
    pid = old.container_pid(cid)
    assert old.api.post(f"/containers/{cid}/{verb}", t=60, timeout=90).status == 204
    if verb == "restart":
        assert old.container_pid(cid) != pid and old.state(cid)["Running"]
        with old.attach(cid) as a:  # a shim of today
            assert a.status == 101
        return
    assert old.wait(cid) == code
    assert old.state(cid)["ExitCode"] == code


def test_pause_update_and_forced_removal(old):
    cid = old.run("sleep 1000")
    upgrade(old)
    old.api.post(f"/containers/{cid}/pause", expect=204)
    assert old.state(cid)["Status"] == "paused"
    old.api.post(f"/containers/{cid}/unpause", expect=204)
    old.api.post(f"/containers/{cid}/update", {"RestartPolicy": {"Name": "always"}}, expect=200)
    old.api.delete(f"/containers/{cid}", force=True, expect=204)
    assert old.api.get(f"/containers/{cid}/json").status == 404


def test_its_restart_policy_goes_on(old):
    cid = old.run("echo run; sleep 0.2; exit 3", {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}})
    upgrade(old)
    assert old.wait(cid) == 3
    old.wait_state(cid, "exited")
    assert old.inspect(cid)["RestartCount"] == 4
    assert old.logs(cid)[0] == "run\n" * 5


def test_its_health_is_checked_on(old):
    second = 10**9
    cid = old.run("sleep 1000", Healthcheck={"Test": ["CMD-SHELL", "[ -e /well ]"], "Interval": second // 5,
                                             "Timeout": 10 * second, "Retries": 1})
    upgrade(old)
    host.wait_for(lambda: old.state(cid)["Health"]["Status"] == "unhealthy", "it to be unhealthy")
    assert old.state(cid)["Health"]["Log"][-1]["ExitCode"] == 1


def test_auto_removal(old):
    cid = old.run("sleep 1000", {"AutoRemove": True})
    upgrade(old)
    with old.api.stream("POST", f"/containers/{cid}/wait", condition="removed") as wait:
        old.api.post(f"/containers/{cid}/kill", signal="KILL", expect=204)
        assert wait.json()["StatusCode"] == 137
    assert old.api.get(f"/containers/{cid}/json").status == 404
