"""On a host whose mounts are shared (systemd's default) no mount of a container reaches the host."""

import subprocess
from pathlib import Path

import pytest

from kit.archives import busybox
from kit.daemon import Daemon

pytestmark = pytest.mark.one_runtime


class SharedHost:
    """A mount namespace in which the test's root lies on a shared mount, as / does under systemd."""

    def __init__(self, root):
        script = f"mount --bind {root} {root} && mount --make-shared {root} && echo ready && exec sleep 600"
        self.process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.pid = self.process.pid

    def mountinfo(self):
        return Path(f"/proc/{self.pid}/mountinfo").read_text()

    def mounts(self):
        """By their numbers. Those that are nothing of ours may go at any time, with their directories."""
        return {line.split()[0]: line for line in self.mountinfo().splitlines()}

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def shared(request, runtime):
    daemon = Daemon(runtime)
    daemon.namespace = host = SharedHost(daemon.root)
    try:
        daemon.start()
        daemon.load(busybox().docker_archive("busybox:latest"))
        yield daemon
    finally:
        try:
            daemon.close(getattr(request.node, "failed", False))
        finally:
            host.close()


def test_the_host_sees_no_mount_of_a_container(shared):
    before = shared.namespace.mounts()
    cid = shared.run("sleep 1000")
    assert " - overlay " in Path(f"/proc/{shared.container_pid(cid)}/mountinfo").read_text()
    assert shared.namespace.mounts().keys() <= before.keys()


def test_a_daemon_that_comes_back_makes_no_second_mount(shared):
    def own_mounts():
        return shared.namespace.mountinfo().count(f"{shared.exec} ")

    shared.run("sleep 1000")
    before = own_mounts()
    shared.restart()
    assert own_mounts() == before
    mounts = shared.namespace.mounts()
    shared.run("sleep 1000")
    assert shared.namespace.mounts().keys() <= mounts.keys()
