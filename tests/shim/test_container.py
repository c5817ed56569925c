"""What surrounds the container: root file system, mounts, cgroup, processes."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import Shim, eventually, make_layer


def run_to_end(shim):
    shim.start()
    ended = shim.conn.event("ended")
    shim.wait_end()
    return ended


def is_running(command):
    return subprocess.run(["pgrep", "-f", f"^{command}$"], stdout=subprocess.DEVNULL).returncode == 0


def mounts():
    return Path("/proc/self/mountinfo").read_text()


def test_writes_go_to_upper(new_shim, place):
    shim = new_shim("/bin/sh", "-c", "echo mine > /etc/file")
    run_to_end(shim)
    assert (shim.data / "upper" / "etc" / "file").read_text() == "mine\n"
    assert not (place / "layers" / "busybox" / "etc" / "file").exists()


@pytest.mark.parametrize("n", [1, 2, 100, 128])
def test_many_layers(new_shim, place, n):
    for i in range(n - 1):
        d = place / "layers" / f"{i:016x}"
        d.mkdir(exist_ok=True)
        (d / f"f{i}").write_text(str(i))
    lower = [f"{i:016x}" for i in range(n - 1)] + ["busybox"]
    shim = new_shim("/bin/sh", "-c", "echo /f*", lower=lower)
    run_to_end(shim)
    names = shim.log_text().split()
    assert len(names) == max(n - 1, 1)


def test_too_many_layers_are_refused_with_words(new_shim):
    shim = new_shim(lower=["x" * 32 + str(i) for i in range(200)])
    assert shim.conn.ask("start", run=1)["msg"] == "ok"
    assert "too many layers" in shim.conn.event("failed")["text"]


def test_a_missing_layer_is_named(new_shim):
    shim = new_shim(lower=["nowhere"])
    shim.conn.ask("start", run=1)
    assert "overlay" in shim.conn.event("failed")["text"]


def test_no_layer_at_all(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo from upper > /x", lower=[], born=False)
    os.rmdir(shim.data / "upper")
    make_layer(shim.data / "upper")
    shim.be_born()
    assert run_to_end(shim)["code"] == "0"
    assert (shim.data / "upper" / "x").exists()


def test_the_host_sees_no_mount_even_with_shared_propagation(new_shim):
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    subprocess.run(["mount", "--make-private", Path(os.environ["HF_PLACE"])], check=True)
    try:
        before = mounts()
        shim = new_shim("/bin/sleep", "60")
        started = shim.start()
        assert mounts() == before
        os.kill(int(started["pid"]), signal.SIGKILL)
        shim.conn.event("ended")
        shim.wait_end()
        assert mounts() == before
    finally:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def test_odd_and_long_paths(new_shim, place):
    """A data root with what overlay's options take for their own, and longer than a socket's address."""
    odd = place / Path(new_shim().runtime).name / "a,b:c\\d e=f" / ("long" * 40)
    make_layer(odd / "layers" / "busybox")
    shim = Shim(odd, new_shim("/bin/true").runtime, "/bin/sh", "-c", "echo ok", tty=True)
    try:
        assert run_to_end(shim)["code"] == "0"
        assert shim.log_text() == "ok\r\n"
    finally:
        shim.remove()


def test_oom_is_told(new_shim):
    def small(spec):
        spec["linux"].setdefault("resources", {})["memory"] = {"limit": 8 << 20, "swap": 8 << 20}

    shim = new_shim("/bin/sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1", spec=small)
    shim.start()
    ended = shim.conn.event("ended")
    assert ended["oom"] == "1" and ended["code"] == "137", ended
    shim.wait_end()
    assert shim.records()[-1]["oom"] is True


def test_no_oom_without_one(new_shim):
    shim = new_shim("/bin/sleep", "60")
    started = shim.start()
    os.kill(int(started["pid"]), signal.SIGKILL)
    assert shim.conn.event("ended")["oom"] == "0"


def test_what_a_container_leaves_in_the_hosts_pid_namespace_is_killed(new_shim):
    def host_pid(spec):
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]

    sleep = f"sleep 4711.{os.getpid()}"  # of this worker
    shim = new_shim("/bin/sh", "-c", f"{sleep} & {sleep} & exit 2", spec=host_pid)
    assert run_to_end(shim)["code"] == "2"
    assert not is_running(sleep)
    assert not shim.cgroups()


def test_orphans_of_the_container_are_buried(new_shim):
    def host_pid(spec):
        spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "pid"]

    shim = new_shim("/bin/sh", "-c", "for i in $(seq 20); do (usleep 1000 &) ; done; sleep 60", spec=host_pid)
    started = shim.start()
    eventually(lambda: shim.children() == [int(started["pid"])], "orphans are reaped")
    os.kill(int(started["pid"]), signal.SIGKILL)
    assert shim.conn.event("ended")["code"] == "137"
    shim.wait_end()


def test_a_hanging_runtime_does_not_wedge_the_shim(new_shim, place):
    slow, gate = place / "slow-runtime", place / "slow-gate"
    slow.write_text(f"#!/bin/sh\ncase \"$*\" in *delete*) exit 0;; esac\nuntil test -e {gate}; do sleep 0.02; done\n")
    slow.chmod(0o755)
    gate.unlink(missing_ok=True)
    shim = new_shim("/bin/true", runtime=str(slow))
    assert shim.conn.ask("start", run=1)["msg"] == "ok"
    assert shim.conn.ask("hello")["state"] == "starting"
    gate.touch()
    assert "which process" in shim.conn.event("failed")["text"]


def test_a_runtime_that_is_missing(new_shim):
    shim = new_shim("/bin/true", runtime="/nowhere/runtime")
    shim.conn.ask("start", run=1)
    assert "/nowhere/runtime" in shim.conn.event("failed")["text"]


def test_a_runtime_that_never_ends_is_killed(new_shim, place):
    hang = place / "hang-runtime"
    sleep = f"sleep 4712.{os.getpid()}"
    hang.write_text(f"#!/bin/sh\ncase \"$*\" in *delete*) exit 0;; esac\n{sleep} &\nexec {sleep}\n")
    hang.chmod(0o755)
    shim = new_shim("/bin/true", runtime=str(hang), runtime_timeout_ms=300)
    assert shim.conn.ask("start", run=1)["msg"] == "ok"
    assert "did not answer" in shim.conn.event("failed")["text"]
    assert shim.conn.ask("hello")["state"] == "idle"
    # Nor does what it has started live on.
    eventually(lambda: not is_running(sleep), "all to be killed")


def test_rshared_volumes_work_both_ways(new_shim, place):
    volume = place / "volume"
    (volume / "in").mkdir(parents=True, exist_ok=True)
    (volume / "out").mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", volume, volume], check=True)
    subprocess.run(["mount", "--make-rshared", volume], check=True)

    def share(spec):
        spec["linux"]["rootfsPropagation"] = "rshared"
        spec["mounts"].append({"destination": "/v", "source": str(volume), "type": "bind", "options": ["rbind", "rshared"]})
        for kind in spec["process"]["capabilities"].values():
            kind.append("CAP_SYS_ADMIN")

    try:
        shim = new_shim("/bin/sh", "-c", "mount -t tmpfs none /v/out && touch /v/out/x;"
                        "while ! [ -e /v/in/y ]; do usleep 10000; done; echo seen; sleep 60", spec=share)
        started = shim.start()
        eventually(lambda: (volume / "out" / "x").exists(), "the container's mount is seen by the host")
        subprocess.run(["mount", "-t", "tmpfs", "none", volume / "in"], check=True)
        (volume / "in" / "y").touch()
        eventually(lambda: shim.log_text() == "seen\n", "the host's mount is seen by the container")
        os.kill(int(started["pid"]), signal.SIGKILL)
        shim.conn.event("ended")
        shim.wait_end()
    finally:
        subprocess.run(["umount", "-R", volume], check=True)


def test_any_user_may_open_its_streams_anew(new_shim):
    def nobody(spec):
        spec["process"]["user"] = {"uid": 65534, "gid": 65534}

    shim = new_shim("/bin/sh", "-c", "id -u > /dev/stdout; echo err > /dev/stderr", spec=nobody)
    assert run_to_end(shim)["code"] == "0"
    assert shim.log_text() == "65534\n" and shim.log_text("stderr") == "err\n"
