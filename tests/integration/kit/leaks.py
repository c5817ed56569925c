"""Nothing may be left on the host: what to look for, and how to clear it after a failure."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from . import host


def container_ids(daemon):
    """Every id this daemon ever spoke of: our own list, its log and its directories."""
    ids = set(daemon.ids)
    if daemon.stderr_path.exists():
        ids |= set(re.findall(r"\b[0-9a-f]{64}\b", daemon.stderr_path.read_text(errors="replace")))
    for parent in (daemon.data / "containers", daemon.exec / "containers"):
        if parent.is_dir():
            ids |= {p.name for p in parent.iterdir() if re.fullmatch(r"[0-9a-f]{64}", p.name)}
    return ids


def _read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def processes(daemon, ids):
    """Processes of this daemon: they carry its mark, its root or one of its ids."""
    mark, root = daemon.mark.encode(), str(daemon.root).encode() + b"/"
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid() or not host.alive(pid):
            continue
        cmdline = _read(f"/proc/{pid}/cmdline")
        cgroup = _read(f"/proc/{pid}/cgroup").decode()
        if (root in cmdline or mark in _read(f"/proc/{pid}/environ")
                or any(i in cgroup for i in ids)):
            # A client that a test runs carries the root too (DOCKER_HOST), and is no leak of ours
            # unless it outlives the test; by then its parent has waited for it.
            found[int(pid)] = cmdline.replace(b"\0", b" ").decode(errors="replace")[:200]
    return found


def mounts(daemon):
    """Mounts below our root, seen from here and from the daemon's own mount namespace."""
    found = []
    for pid in ["self"] + ([str(daemon.namespace.pid)] if daemon.namespace else []):
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            point = line.split()[4].encode().decode("unicode_escape")
            if point.startswith(str(daemon.root) + "/"):
                found.append(point)
    return found


def instance(daemon):
    """What tells its things on the host from another engine's: 32 bit FNV-1a of the exec root."""
    value = 2166136261
    for byte in os.fsencode(daemon.exec):
        value = (value ^ byte) * 16777619 & 0xffffffff
    return f"{value:08x}"


def cgroup_parents(daemon):
    """The cgroup its containers' are in: a daemon that goes takes it along once it is empty."""
    name = f"holdfast-{instance(daemon)}"
    return {str(p.resolve()) for p in (host.CGROUPS / name, *host.CGROUPS.glob(f"*/{name}")) if p.exists()}


def directories(daemon):
    found = []
    for parent in (daemon.data / "containers", daemon.exec / "containers"):
        if parent.is_dir():
            found += [str(p) for p in parent.iterdir()]
    return found + [str(p) for p in unfinished_volumes(daemon)]


def unfinished_volumes(daemon):
    """What creates and removals must not leave: names with a dot in front, and anonymous volumes,
    which go with their containers."""
    parent = daemon.data / "volumes"
    return [p for p in (parent.iterdir() if parent.is_dir() else ())
            if p.name.startswith(".") or re.fullmatch(r"[0-9a-f]{64}", p.name)]


def find(daemon):
    """What is left, as a list of sentences; empty when the host is clean."""
    ids = container_ids(daemon)
    left = [f"process {pid}: {cmd}" for pid, cmd in processes(daemon, ids).items()]
    left += [f"mount {m}" for m in mounts(daemon)]
    left += [f"cgroup {c}" for c in host.cgroups_named(ids)]
    if not daemon.running:
        left += [f"cgroup {c}" for c in cgroup_parents(daemon)]
    left += [f"directory {d}" for d in directories(daemon)]
    return left


def check(daemon, timeout=host.PATIENCE):
    """A shim may need a moment after its container's removal; what stays is a leak."""
    left = []

    def clean():
        left[:] = find(daemon)
        return not left

    try:
        host.wait_for(clean, "a clean host", timeout)
    except AssertionError:
        raise AssertionError("left on the host:\n  " + "\n  ".join(left)) from None


def thaw(ids):
    """A frozen process of cgroup v1 does not even die of SIGKILL."""
    for path in host.cgroups_named(ids):
        for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            file = Path(path, name)
            if file.exists():
                file.write_text(value)


def end_processes(daemon, ids):
    """And nothing else. Shims first, so that they write down nothing of it."""
    found = processes(daemon, ids)
    for pid in sorted(found, key=lambda pid: "holdfast-shim" not in found[pid]):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    host.wait_for(lambda: not processes(daemon, ids), "killed processes to end")


def remove_cgroups(ids):
    for path in sorted(host.cgroups_named(ids), key=len, reverse=True):
        subprocess.run(["find", path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"],
                       stderr=subprocess.DEVNULL)


def sweep(daemon):
    """Clears what a failed test left, so that the next test and the machine do not suffer for it."""
    ids = container_ids(daemon)
    thaw(ids)
    end_processes(daemon, ids)
    for point in reversed(mounts(daemon)):
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
        if daemon.namespace:
            subprocess.run(["nsenter", f"--mount=/proc/{daemon.namespace.pid}/ns/mnt",
                            "umount", "-l", point], stderr=subprocess.DEVNULL)
    remove_cgroups(ids)
    for path in cgroup_parents(daemon):
        os.rmdir(path)
    shutil.rmtree(daemon.root, ignore_errors=True)
