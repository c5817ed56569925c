"""What the host itself knows of a container: processes, cgroups, namespaces, mounts."""

import fcntl
import os
import select
import signal
import subprocess
import termios
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
daemons_see_v2 = False  # pytest --cgroup v2: whatever is mounted here


# A machine with too much to do holds anybody up for seconds.
PATIENCE = 60


def wait_for(condition, what, timeout=PATIENCE):
    """For what has no event to wait on. Returns the condition's first true value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up after {timeout} s waiting for: {what}")
        time.sleep(0.01)


def parse_time(text):
    """RFC 3339 with nanoseconds, as Docker writes it, to seconds since the epoch."""
    text = text.strip()
    assert text.endswith("Z") or text[-6] in "+-", f"a time without its zone: {text}"
    text = text[:-1] + "+00:00" if text.endswith("Z") else text
    main, zone = text[:-6], text[-6:]
    whole, _, fraction = main.partition(".")
    stamp = datetime.fromisoformat(whole + zone).astimezone(timezone.utc).timestamp()
    return stamp + float("0." + (fraction or "0"))


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_exit(pid, timeout=PATIENCE):
    """Waits for the end of a process that is not our child; returns when we saw it."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return time.time()
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(timeout * 1000), f"process {pid} still runs after {timeout} s"
        return time.time()
    finally:
        os.close(fd)


def hasten(pid):
    """From now on it runs as soon as it can: what it says of times is not about who else is busy here."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:  # there are hosts that give nobody real time
        os.setpriority(os.PRIO_PROCESS, pid, -20)


def replace(path, text):
    """The new text at once: nobody finds it half written."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.rename(path)


def kill(pid, sig=signal.SIGKILL):
    """Kills one process of ours; returns the time just before."""
    before = time.time()
    os.kill(pid, sig)
    return before


def activity(pid):
    """What its threads have done so far; None while one of them runs or waits for the disk."""
    done = {}
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return done  # all of them have ended
    for task in tasks:
        try:
            if status_field(task, "State")[0] != "S":
                return None
            done[task] = (status_field(task, "voluntary_ctxt_switches"),
                          status_field(task, "nonvoluntary_ctxt_switches"))
        except OSError:
            pass  # it has ended
    return done


def wait_quiet(*pids):
    """Until none of these processes has anything in hand."""
    def quiet():
        before = [activity(pid) for pid in pids]
        return None not in before and before == [activity(pid) for pid in pids]

    wait_for(quiet, f"{pids} to be quiet")


def wait_drained(pid, reader):
    """Until what this process has written to its standard output has been read by `reader`, and dealt with."""
    def is_empty():
        with open(f"/proc/{pid}/fd/1", "rb", buffering=0, opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as out:
            return fcntl.ioctl(out, termios.FIONREAD, bytes(4)) == bytes(4)

    wait_for(is_empty, "its output to be read")
    wait_quiet(reader)


def wait_stopped(pid):
    """Until SIGSTOP has reached each of its threads."""
    def stopped():
        try:
            return all(status_field(task.name, "State")[0] == "T" for task in Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            return False  # one that has ended meanwhile

    wait_for(stopped, f"process {pid} to be stopped")


def sockets(pid):
    """How many it has open."""
    found = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(fd).startswith("socket:")
        except FileNotFoundError:
            pass
    return found


def namespace(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def status_field(pid, field):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1].strip()
    raise KeyError(field)


def is_held_back(pid, sig):
    """Does a thread of it block the signal? The one that waits for it by sigwait(3) does not just then."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if int(status_field(task.name, "SigBlk"), 16) & 1 << sig - 1:
                return True
        except OSError:
            pass  # it has ended
    return False


def memory_kib(pid, field):
    """A line of its memory as a whole: Pss, Pss_Anon, Private_Dirty…"""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def unified():
    """Where this host has cgroup v2."""
    return CGROUPS / "unified" if (CGROUPS / "unified").is_mount() else CGROUPS


def cgroup_dir(pid, controller):
    """The directory of a process in the hierarchy that really limits this controller."""
    found = None
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(",") and not daemons_see_v2:
            return CGROUPS / controller / path.lstrip("/")
        if names == "":
            found = path
    assert found is not None, f"no cgroup of {pid} for {controller}"
    return (unified() if daemons_see_v2 else CGROUPS) / found.lstrip("/")


def has_cgroup_v1(controller):
    return not daemons_see_v2 and (CGROUPS / controller / "cgroup.procs").exists()


def cgroup_value(pid, controller, v1, v2):
    """The value of a limit, read from the file that this host's cgroup version has for it."""
    return (cgroup_dir(pid, controller) / (v1 if has_cgroup_v1(controller) else v2)).read_text().strip()


def freeze(pid):
    """Freezes the cgroup of a process without asking any runtime."""
    v1 = has_cgroup_v1("freezer")
    (cgroup_dir(pid, "freezer") / ("freezer.state" if v1 else "cgroup.freeze")).write_text("FROZEN" if v1 else "1")


def cgroups_named(ids):
    """All cgroup directories, of any hierarchy, whose name contains one of these container ids."""
    if not ids:
        return []
    found = []
    for parent, names, _ in os.walk(CGROUPS):
        found += [os.path.join(parent, n) for n in names if any(i in n for i in ids)]
    return found


def new_cgroup_parent():
    """A name for HostConfig.CgroupParent that nobody else uses; remove_cgroup_parent() it."""
    return f"/holdfast-test-{uuid.uuid4().hex[:8]}"


def remove_cgroup_parent(name):
    """Takes it away in all hierarchies, once the containers below it have gone."""
    for path in cgroups_named({name[1:]}):
        wait_for(lambda: not [p for p in Path(path).iterdir() if p.is_dir()], f"{path} to be empty")
        Path(path).rmdir()


class MountNamespace:
    """A mount namespace of a daemon's own; by default one without the hybrid cgroup2 mount, which
    crun 1.8 refuses to live with.

    One for the life of a daemon's data root, as on a real host: the daemon comes and goes in it.
    """

    # In the place of what is unmounted crun makes directories: they are to go with the namespace.
    WITHOUT_HYBRID = ("mount --make-rprivate /sys/fs/cgroup && umount /sys/fs/cgroup/unified && "
                      "mount -t tmpfs holdfast-test /sys/fs/cgroup/unified")

    # As on a host that has cgroup v2 only. Where the kernel's controllers are all with v1, as on a hybrid
    # host, there are no limits, but freezing, killing and telling of an end are v2's own.
    CGROUP_V2 = ("mount --make-rprivate /sys/fs/cgroup && umount -R -l /sys/fs/cgroup && "
                 "mount -t cgroup2 holdfast-test /sys/fs/cgroup")

    def __init__(self, script=WITHOUT_HYBRID, inside=None):
        enter = ["nsenter", f"--mount=/proc/{inside.pid}/ns/mnt", "--"] if inside else []
        # Propagation unchanged elsewhere, so that volumes propagate as they do on the host.
        self.holder = subprocess.Popen(
            [*enter, "unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
             f"{script} && echo ready && exec sleep infinity"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "ready\n", "cannot make a mount namespace"

    @property
    def pid(self):
        return self.holder.pid

    def close(self):
        self.holder.kill()
        self.holder.wait()

    @staticmethod
    def needed_for(runtime):
        return "crun" in runtime and (CGROUPS / "unified").is_mount() and has_cgroup_v1("memory")
