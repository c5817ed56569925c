"""Clients of wait, and the shims they wait in."""

from pathlib import Path

from . import host

CONDITIONS = ("not-running", "next-exit", "removed")


def shims(cid):
    """Pids of this container's shims: of the one that serves it, and of those that linger."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[0].endswith(b"holdfast-shim") and words[2] == cid.encode():
            found.append(int(entry.name))
    return found


def shim(cid):
    """The only one; of a former one there may be something left for a moment."""
    return host.wait_for(lambda: len(found := shims(cid)) == 1 and found, f"one shim of {cid[:12]}")[0]


def wait_no_shim(cid, timeout=host.PATIENCE):
    host.wait_for(lambda: not shims(cid), f"the shims of {cid[:12]} to end", timeout)


def begin(daemon, ref, condition="next-exit"):
    """A client whose head has come: it is waited for from here on."""
    stream = daemon.api.stream("POST", f"/containers/{ref}/wait", condition=condition)
    assert stream.status == 200
    return stream


def code(stream):
    """What it is told; None where the connection just ends."""
    with stream:
        stream.set_timeout(60)
        said = stream.json()
    return said and said["StatusCode"]
