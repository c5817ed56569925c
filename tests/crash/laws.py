"""What must hold after every death, whatever the verb: see the laws in ARCHITECTURE.md."""

import fcntl
import json
import os
from collections import Counter
from datetime import datetime, timezone

from kit import host, leaks


def read_json(path):
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None


WANTED = {0: "created", 1: "running", 2: "stopped", 3: "gone", 4: "restart"}


def wanted(daemon, cid):
    """What users want of it, as the disk says; None: it is off the disk."""
    place = daemon.data / "containers" / cid
    if not (place / "config.json").exists():
        return None
    return WANTED[(read_json(place / "state.json") or {}).get("Wanted", 0)]


def removes_itself(daemon, cid):
    config = read_json(daemon.data / "containers" / cid / "config.json") or {}
    return config.get("HostConfig", {}).get("AutoRemove", False)


def records(daemon, cid):
    """The shim's record of runs: the truth about what ran and how it ended."""
    path = daemon.data / "containers" / cid / "runs.jsonl"
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.split("\n")[:-1]]  # a torn line is none


def nanoseconds(text):
    """A record's time, exactly."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp()
    return int(seconds) * 10 ** 9 + int(fraction.ljust(9, "0")[:9] or 0)


def has_idle_shim(daemon, cid):
    """A living shim that waits with its clients for a start."""
    place = daemon.exec / "containers" / cid
    try:
        with open(place / "alive") as pulse:
            fcntl.flock(pulse, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return not (place / "phase.json").exists()
    except FileNotFoundError:
        return False


def unsteady(daemon, own):
    """Why the engine is not at rest yet; empty: it is."""
    there = {one["Id"]: one["State"] for one in daemon.list(all=True)}
    execs = {p.name for p in (daemon.exec / "containers").iterdir()}
    why = [f"exec directory {e[:12]} of no container" for e in execs - set(there)]
    for cid, status in there.items():
        wish = wanted(daemon, cid)
        phase = read_json(daemon.exec / "containers" / cid / "phase.json") or {}
        if cid in own and (phase.get("Phase") in ("starting", "stopping")
                           or phase.get("Verb") in ("stop", "restart", "kill")):
            why.append(f"{cid[:12]} has a verb in hand: {phase}")
        if status not in ("created", "running", "paused", "exited"):
            why.append(f"{cid[:12]} is {status}")
        elif (status in ("running", "paused")) != (cid in execs) and not has_idle_shim(daemon, cid):
            why.append(f"{cid[:12]} is {status}, its exec directory "
                       f"{'is there' if cid in execs else 'is not'}")
        elif cid in own and status == "exited" and removes_itself(daemon, cid):
            why.append(f"{cid[:12]} removes itself and is exited")
        elif cid in own and wish == "gone":
            why.append(f"{cid[:12]} is wanted gone and {status}")
        elif cid in own and wish == "restart":
            why.append(f"{cid[:12]} is to be restarted and {status}")
        elif cid in own and wish == "stopped" and status != "exited":
            why.append(f"{cid[:12]} is wanted stopped and {status}")
    return why


def wait_steady(daemon, own, timeout=60):
    why = []
    daemon.api.get("/holdfast/restore", version="", expect=200)  # answers once it has looked at each

    def steady():
        why[:] = unsteady(daemon, own)
        return not why

    try:
        host.wait_for(steady, "the engine to come to rest", timeout)
    except AssertionError:
        raise AssertionError("does not come to rest: " + "; ".join(why)) from None


def check_names(daemon):
    names = [name for one in daemon.list(all=True) for name in one["Names"]]
    assert len(names) == len(set(names)), f"a name twice: {names}"
    for one in daemon.list(all=True):
        assert daemon.inspect(one["Names"][0].lstrip("/"))["Id"] == one["Id"]


def check_events(daemon, cid, since):
    """Each run's start and end is told once, at its own time, and none that was not; so is its removal."""
    events = daemon.past_events(since, container=[cid])
    told = Counter((e["Action"], e["timeNano"]) for e in events if e["Action"] in ("start", "die"))
    assert not [e for e, n in told.items() if n > 1], f"told twice: {told}"
    removed = wanted(daemon, cid) is None
    destroys = [e for e in events if e["Action"] == "destroy"]
    assert len(destroys) == removed, f"destroy told {len(destroys)} times, it is {'removed' if removed else 'there'}"
    if removed:
        assert destroys[0] == events[-1] and destroys[0]["Actor"]["Attributes"]["name"], events
        return
    rs = records(daemon, cid)
    started, ended = ([nanoseconds(r["time"]) for r in rs if r["event"] == event]
                      for event in ("started", "ended"))
    starts, dies = (sorted(t for a, t in told if a == action) for action in ("start", "die"))
    assert starts == started, f"start told {starts}, recorded {started}"
    # A run whose shim died has no record of its end: told all the same, at the time it was found.
    unended = {r["run"] for r in rs if r["event"] == "started"} - {r["run"] for r in rs if r["event"] == "ended"}
    if daemon.state(cid)["Status"] in ("running", "paused"):
        unended -= {max(unended, default=0)}
    lost = len(dies) - len(ended)
    assert set(ended) <= set(dies), f"die told {dies}, recorded {rs}"
    # One that died in its birth has perhaps not recorded the start.
    assert lost == len(unended) or (not started and lost == 1), f"die told {dies}, recorded {rs}"


def check_exit(daemon, cid, possible):
    """The exit code that is shown is the recorded one; without a record the kernel's, or lost and said so."""
    state = daemon.state(cid)
    if state["Status"] != "exited":
        return
    rs = [r for r in records(daemon, cid) if r["event"] in ("started", "ended")]
    assert rs, f"never ran: {state}"
    if rs[-1]["event"] == "ended":
        assert state["ExitCode"] == rs[-1]["code"], f"{state}, recorded {rs[-1]}"
    elif state["ExitCode"] == 255:
        assert state["Error"] in ("exit status lost", "host rebooted"), state
    else:
        assert state["ExitCode"] in possible, state


def temporary_files(daemon):
    found = []
    for top in (daemon.data / "containers", daemon.data / "image", daemon.exec):
        for where, folders, files in os.walk(top):  # which takes no offence at what goes meanwhile
            found += [f"{where}/{name}" for name in folders + files if name[0] == "." and (
                name.endswith(".new") or name.startswith(".gone-"))]
    found += [str(p) for p in (daemon.data / "volumes").glob(".*")]
    return found + [str(p) for p in (daemon.data / "image" / "staging").glob("*")]


def check_no_temporary_files(daemon):
    """The image store sweeps beside the first requests: it gets a moment."""
    left = []

    def tidy():
        left[:] = temporary_files(daemon)
        return not left

    try:
        host.wait_for(tidy, "no temporary files", 60)
    except AssertionError:
        raise AssertionError(f"temporary files: {left}") from None


def at_rest(container):
    """Without what goes on changing: probes come and go."""
    container["State"].pop("Health", None)
    return container


def snapshot(daemon):
    """All that the engine knows, for a comparison."""
    return {
        "containers": {one["Id"]: at_rest(daemon.inspect(one["Id"])) for one in daemon.list(all=True)},
        "volumes": daemon.api.get("/volumes", expect=200).json["Volumes"],
        "images": sorted((i["Id"], i["RepoTags"]) for i in daemon.api.get("/images/json", expect=200).json),
        "names": sorted(name for one in daemon.list(all=True) for name in one["Names"]),
    }


def check_same(before, after):
    for kind in before:
        assert before[kind] == after[kind], f"a second restore changes {difference(before[kind], after[kind])}"


def difference(a, b):
    if not isinstance(a, dict) or not isinstance(b, dict):
        return f"{a} to {b}"
    return "; ".join(f"{k}: {difference(a.get(k), b.get(k))}"
                     for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k))


def check_nothing_left(daemon, ids, known):
    """Of these removed containers. known: processes that have a reason to be there."""
    left = []

    def clean():
        left[:] = [f"process {pid}: {cmd}" for pid, cmd in leaks.processes(daemon, ids).items()
                   if pid not in known]
        left.extend(f"mount {m}" for m in leaks.mounts(daemon) if any(i in m for i in ids))
        left.extend(f"cgroup {c}" for c in host.cgroups_named(ids))
        left.extend(f"directory {d}" for d in leaks.directories(daemon) if any(i in d for i in ids))
        return not left

    try:
        host.wait_for(clean, "nothing to be left", 60)
    except AssertionError:
        raise AssertionError("left behind: " + "; ".join(left)) from None
