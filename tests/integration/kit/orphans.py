"""Shims that are killed, and the containers that live on without them."""

from . import host


def shim_of(pid):
    """The parent of a container's first process. crun detaches in two steps: for a moment after its
    start is told that may be a process of crun's yet."""
    def parent():
        found = int(host.status_field(pid, "PPid"))
        try:
            return found if host.status_field(found, "Name") == "holdfast-shim" else None
        except OSError:  # it has ended
            return None

    return host.wait_for(parent, "its shim to be its parent")


def kill_each(*pids):
    """Kills them, one after the other."""
    for pid in pids:
        host.kill(pid)
        host.wait_exit(pid)


def make_orphan(daemon, cid, away=False):
    """Kills its shim, with the daemon there or away meanwhile. Returns its pid."""
    pid = daemon.container_pid(cid)
    shim = shim_of(pid)
    if away:
        daemon.kill9()
    kill_each(shim)
    if away:
        daemon.start()
    assert host.alive(pid), "it died with its shim"
    host.wait_for(lambda: "shim" in daemon.state(cid)["Error"], "the loss to be reported")
    assert daemon.container_pid(cid) == pid
    return pid


def orphan(daemon, command, away=False):
    """An orphan that runs this; what is not a bare sleep says when it is ready."""
    cid = daemon.run(command)
    if command[0] != "sleep":
        daemon.wait_log(cid, "ready")
    return cid, make_orphan(daemon, cid, away)


def end_with_shim(daemon, cid):
    """The container and its shim, killed while the daemon is away, the shim first: nobody records
    the end. Returns the pid that it had."""
    pid = daemon.container_pid(cid)
    shim = shim_of(pid)
    daemon.kill9()
    kill_each(shim, pid)
    return pid
