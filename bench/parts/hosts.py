"""Hosts of the bench's own: two network namespaces and a cable between them. In the one a daemon
runs, the other is its neighbour."""

import ctypes
import os
import subprocess
from contextlib import contextmanager

ADDRESS, NEIGHBOUR = "10.250.0.1", "10.250.0.2"
CLONE_NEWNET = 0x40000000


def _ip(*args):
    subprocess.run(["ip", *args], check=True)


def _setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def inside(namespace):
    """This thread is in it meanwhile; sockets that it makes there stay there."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        _setns(there)
        yield
    finally:
        _setns(back)
        os.close(there)
        os.close(back)


def within(namespace):
    """What to put before a command, so that it runs in there."""
    return ["/usr/bin/nsenter", f"--net=/run/netns/{namespace}"] if namespace else []


class Host:
    def __init__(self, name):
        self.name, self.far = f"host-{name}", f"far-{name}"
        for namespace in (self.name, self.far):
            _ip("netns", "add", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", self.name, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.far)
        for namespace, address in ((self.name, ADDRESS), (self.far, NEIGHBOUR)):
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", "cable")
            _ip("-n", namespace, "link", "set", "cable", "up")

    def remove(self):
        for namespace in (self.name, self.far):
            _ip("netns", "del", namespace)
