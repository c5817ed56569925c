"""The daemon dies while a runtime pauses or unpauses for it: the runtime goes on, and the next daemon waits for it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from kit.archives import busybox
from kit.host import cgroup_value, has_cgroup_v1, wait_for

pytestmark = pytest.mark.one_runtime

SLOW = """#!/bin/sh
case " $* " in *" {verb} "*) touch {place}/begun; until test -e {place}/go; do sleep 0.02; done;; esac
exec runc "$@"
"""


@pytest.mark.parametrize("verb,to_runtime,was,becomes", [
    ("pause", "pause", "running", "paused"), ("unpause", "resume", "paused", "running")])
def test_what_becomes_of_it_is_shown(new_daemon, tmp_path, verb, to_runtime, was, becomes):
    runtime = tmp_path / "slow"
    runtime.write_text(SLOW.format(verb=to_runtime, place=tmp_path))
    runtime.chmod(0o755)
    daemon = new_daemon("--add-runtime", f"slow={runtime}").start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    cid = daemon.run("sleep 1000", {"Runtime": "slow"})
    if was == "paused":
        daemon.api.post(f"/containers/{cid}/pause", expect=204)
    with ThreadPoolExecutor(1) as pool:
        dying = pool.submit(daemon.api.post, f"/containers/{cid}/{verb}")
        wait_for((tmp_path / "begun").exists, "the runtime")
        daemon.kill9()
        with pytest.raises(OSError):
            dying.result()
    daemon.start()
    # Nobody knows yet: who restored it without a look would be through by now.
    with pytest.raises(TimeoutError):
        daemon.api.get("/holdfast/restore", version="", timeout=1)
    (tmp_path / "go").touch()
    daemon.api.get("/holdfast/restore", version="", expect=200)
    assert daemon.state(cid)["Status"] == becomes
    v1 = has_cgroup_v1("freezer")
    frozen = cgroup_value(daemon.container_pid(cid), "freezer", "freezer.state", "cgroup.freeze")
    assert frozen == {"running": "THAWED" if v1 else "0", "paused": "FROZEN" if v1 else "1"}[becomes]
    # And it can be taken back.
    daemon.api.post(f"/containers/{cid}/{'unpause' if becomes == 'paused' else 'pause'}", expect=204)
