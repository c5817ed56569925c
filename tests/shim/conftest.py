"""Drives holdfast-shim alone: what the daemon would do, done by hand.

The shim is $HOLDFAST_SHIM, else build/holdfast-shim. Needs root, busybox-static and the runtimes.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import CGROUP, Shim, make_layer

CLONE_NEWNS = 0x20000
MS_PRIVATE = 1 << 18
MS_REC = 1 << 14
libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="session", autouse=True)
def own_mounts():
    """A mount namespace of our own, without the hybrid cgroup2 mount, which confuses crun.

    crun then makes plain directories and files in its place: into a tmpfs that goes with the namespace.
    """
    assert libc.unshare(CLONE_NEWNS) == 0, "needs root"
    assert libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
    if Path("/sys/fs/cgroup/unified").exists():
        assert libc.mount(b"tmpfs", b"/sys/fs/cgroup/unified", b"tmpfs", 0, None) == 0


@pytest.fixture(scope="session")
def place(own_mounts):
    """A directory of the whole session, with a layer that has busybox in it."""
    top = Path(tempfile.mkdtemp(prefix="hf-shim-"))
    top.chmod(0o755)
    subprocess.run(["mount", "--bind", top, top], check=True)
    subprocess.run(["mount", "--make-private", top], check=True)
    os.environ["HF_PLACE"] = str(top)
    make_layer(top / "layers" / "busybox")
    yield top
    subprocess.run(["umount", "-l", top], check=True)
    for parent in Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"):
        if not str(parent).startswith("/sys/fs/cgroup/unified"):
            parent.rmdir()  # fails where a test left a cgroup
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(params=["crun", "runc"])
def runtime(request):
    path = shutil.which(request.param)
    if not path:
        pytest.skip(f"no {request.param} here")
    return path


@pytest.fixture
def new_shim(place, runtime):
    """Makes shims; all of them are gone at the end, or the test fails."""
    made = []

    def make(*args, **options):
        made.append(Shim(place, options.pop("runtime", runtime), *args, **options))
        return made[-1]

    yield make
    for shim in made:
        shim.remove()
