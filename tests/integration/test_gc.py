"""A container that cannot be killed - frozen from outside, as a process in uninterruptible sleep would
be - is nobody else's trouble, and its wish is done when it can be."""

import re
import subprocess
import threading
import time

import pytest

from kit import host


class Ice:
    """A cgroup above containers, frozen by somebody else: what a runtime does below it thaws nothing."""

    def __init__(self):
        self.parent = host.new_cgroup_parent()
        if not host.has_cgroup_v1("freezer"):
            pytest.skip("cgroup v2 lets SIGKILL through to what is frozen, so nothing here hinders a kill")
        self.file = host.CGROUPS / "freezer" / self.parent[1:] / "freezer.state"

    def freeze(self):
        self.file.write_text("FROZEN")

    def thaw(self):
        if self.file.exists():
            self.file.write_text("THAWED")


@pytest.fixture
def ice(request, daemon):
    made = Ice()
    yield made
    made.thaw()
    daemon.remove_all() if daemon.running else None
    host.remove_cgroup_parent(made.parent)


def in_thread(results, key, call):
    def work():
        begun = time.monotonic()
        results[key] = (call(), time.monotonic() - begun)
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_frozen_container_blocks_no_other_and_is_removed_when_it_thaws(daemon, ice):
    api = daemon.api
    frozen = [daemon.run(["sleep", "1000"], {"CgroupParent": ice.parent}) for _ in range(3)]
    pids = [daemon.container_pid(cid) for cid in frozen]
    ice.freeze()
    results = {}
    threads = [
        in_thread(results, "stop", lambda: api.post(f"/containers/{frozen[0]}/stop", t=0, timeout=60)),
        in_thread(results, "remove", lambda: api.delete(f"/containers/{frozen[1]}", force=True, timeout=60)),
        in_thread(results, "kill", lambda: api.post(f"/containers/{frozen[2]}/kill", timeout=60)),
    ]
    # Others are not kept waiting by it.
    done_meanwhile = 0
    for _ in range(3):
        cid = daemon.run("exit 4")
        assert daemon.wait(cid) == 4
        api.delete(f"/containers/{cid}", expect=204)
        done_meanwhile += all(thread.is_alive() for thread in threads)
    assert done_meanwhile, "they wait for seconds, in which this machine can do more than nothing"
    for thread in threads:
        thread.join()
    for verb, (answer, _) in results.items():
        assert answer.status == 409, (verb, answer)
        assert "SIGKILL" in answer.message or "did not end" in answer.message, answer
    assert api.post(f"/containers/{frozen[1]}/start").status in (304, 409)
    assert api.post(f"/containers/{frozen[0]}/pause").status == 409

    other = daemon.run(["sleep", "1000"])
    daemon.restart()
    begun = time.monotonic()
    assert daemon.state(other)["Running"]
    daemon.stop_container(other, t=0, expect=204)
    assert all(host.alive(pid) for pid in pids)
    assert daemon.state(frozen[1])["Status"] == "removing"
    assert time.monotonic() - begun < 8, "it waited for the frozen ones"

    ice.thaw()
    for cid in (frozen[0], frozen[2]):
        daemon.wait_state(cid, "exited")
        assert daemon.state(cid)["ExitCode"] == 137
    host.wait_for(lambda: api.get(f"/containers/{frozen[1]}/json").status == 404, "the removal that was wished for")


def test_removal_that_gave_up_is_made_without_a_restart(daemon, ice):
    cid = daemon.run(["sleep", "1000"], {"CgroupParent": ice.parent})
    ice.freeze()
    assert daemon.api.delete(f"/containers/{cid}", force=True, timeout=60).status == 409
    ice.thaw()
    host.wait_for(lambda: daemon.api.get(f"/containers/{cid}/json").status == 404, "its removal")


def tries(daemon, cid):
    """How often its clean-up has failed."""
    said = re.search(r"tried (\d+) times", daemon.state(cid)["Error"])
    return int(said[1]) if said else 1


@pytest.mark.one_runtime  # crun's own delete ends whoever sits there
def test_release_that_fails_is_shown_and_tried_again(daemon):
    """Something of the user's sits in the container's cgroup: it cannot be removed, and nothing of it is killed."""
    cid = daemon.run(["sleep", "1000"])
    inside = host.Path(host.cgroups_named({cid})[0], "sub")
    inside.mkdir()
    sitter = subprocess.Popen(["sleep", "1000"])
    (inside / "cgroup.procs").write_text(str(sitter.pid))
    try:
        daemon.api.post(f"/containers/{cid}/kill", expect=204)
        host.wait_for(lambda: "clean-up pending" in daemon.state(cid)["Error"], "the failure to be shown")
        state = daemon.state(cid)
        assert (state["Status"], state["ExitCode"]) == ("exited", 137)
        answer = daemon.api.post(f"/containers/{cid}/start")
        assert answer.status == 409 and "cgroup" in answer.message, answer
        tried = tries(daemon, cid)
        host.wait_for(lambda: tries(daemon, cid) > tried, "another try by itself")
        daemon.restart()
        assert "clean-up pending" in daemon.state(cid)["Error"], "it is on disk"
        assert sitter.poll() is None, "nobody of ours: never killed"
    finally:
        sitter.kill()
        sitter.wait()
    daemon.start_container(cid)
    assert daemon.state(cid)["Running"], "a verb does not wait for the next try"
