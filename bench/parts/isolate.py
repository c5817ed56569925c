"""A place where anything may be started and nothing can be left.

The run works in mount, pid and network namespaces of its own, with a /run of its own. When their
first process ends, for whatever reason, the kernel ends every process in them; mounts and interfaces
go with the last. What remains to be removed by hand is a directory and the cgroups of one name.
Propagation is private, as on a host without systemd; and on a host with a hybrid cgroup layout the
unified hierarchy is unmounted inside, for crun takes it for the only one."""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PREFIX = "holdfast-bench."


def _cgroup_roots():
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [p for p in CGROUPS.iterdir() if p.is_dir() and not p.is_symlink()]


def _remove_cgroups(tag):
    """What is left of them after a while."""
    left = []
    for root in _cgroup_roots():
        for path, _, _ in os.walk(root / tag, topdown=False):
            for _ in range(100):
                try:
                    os.rmdir(path)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)
            else:
                left.append(path)
    return left


class WorkPlace:
    """The run's own directory, and the cgroups that bear its name."""

    def __init__(self, base):
        base.mkdir(parents=True, exist_ok=True)
        self._sweep_earlier(base)
        self.path = base / f"{PREFIX}{os.getpid()}"
        self.path.mkdir(mode=0o700)
        self.lock = self._take(self.path)
        self.tag = self.path.name

    @staticmethod
    def _take(path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        return fd

    def _sweep_earlier(self, base):
        """A run that was itself killed with -9 could not remove these."""
        for path in base.glob(PREFIX + "*"):
            if (fd := self._take(path)) is not None:
                _remove_cgroups(path.name)
                shutil.rmtree(path, ignore_errors=True)
                os.close(fd)

    def remove(self):
        left = _remove_cgroups(self.tag)
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            left.append(str(self.path))
        return left


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def run_inside(args):
    """Runs this program again with args, in namespaces of its own. Returns its exit status.
    However this process ends, the other goes with it. A Ctrl-C reaches both, and the other then
    still tells what it has measured."""
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc",
               "--propagation", "private", sys.executable, *args]
    child = subprocess.Popen(command, preexec_fn=_die_with_parent)
    try:
        try:
            return child.wait()
        except KeyboardInterrupt:
            return child.wait(30)
    finally:
        child.kill()
        child.wait()


def become_init():
    """The first process of a pid namespace inherits every orphan: daemons' shims among them.
    It reaps, and nothing else; the measuring is done in a child. Returns in the child only."""
    child = os.fork()
    if child == 0:
        return
    while True:
        try:
            pid, status = os.wait()
        except KeyboardInterrupt:
            continue
        except ChildProcessError:
            os._exit(1)
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _mount(*args):
    subprocess.run(["mount", *args], check=True)


def furnish(work, peers):
    """Private /run, /dev/shm, and writable private views of /etc and /var/lib: engines with paths
    that no option moves keep them there."""
    if os.path.ismount(CGROUPS / "unified"):
        subprocess.run(["umount", str(CGROUPS / "unified")], check=True)
        # crun makes directories there all the same, which would stay on the host below the mount.
        _mount("-t", "tmpfs", "tmpfs", str(CGROUPS / "unified"))
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")
    for name in ("etc", "var/lib"):
        upper, scratch = f"/run/over/{name}/upper", f"/run/over/{name}/work"
        os.makedirs(upper)
        os.makedirs(scratch)
        _mount("-t", "overlay", "-o", f"lowerdir=/{name},upperdir={upper},workdir={scratch}", "overlay", f"/{name}")
    containers = Path("/etc/containers")
    shutil.rmtree(containers, ignore_errors=True)
    if (peers / "etc/containers").is_dir():
        shutil.copytree(peers / "etc/containers", containers)
    else:
        containers.mkdir()
    (containers / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n')
    (containers / "registries.conf").write_text("")
    (work / "data").mkdir()
    Path("/run/bench").mkdir()
