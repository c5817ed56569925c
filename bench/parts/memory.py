"""Row 4: what an engine itself takes, idle and with a hundred containers; and what each costs.

Own memory is PSS and RSS from smaps_rollup. The kernel's share is what SUnreclaim, KernelStack,
PageTables and Percpu have grown by; bare containers cost the kernel as well, so the floor is measured
the same way. MemAvailable says it all in one figure, with all the noise of the machine."""

import os
import time
from pathlib import Path

from .engines import IDLE
from .rounds import say

KERNEL = ("SUnreclaim", "KernelStack", "PageTables", "Percpu")


def _rollup(pid):
    """(PSS, RSS) in KiB; None for what has gone."""
    found = {}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            found[name] = int(value.split()[0])
    except (OSError, ValueError):
        return None
    return found.get("Pss", 0), found.get("Rss", 0)


def _pids_named(comm):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                name = Path(f"/proc/{entry}/comm").read_text().strip()
            except OSError:
                continue
            if name == comm[:15]:
                yield int(entry)


def _sum(pids):
    pairs = [pair for pair in map(_rollup, pids) if pair]
    return sum(p for p, _ in pairs), sum(r for _, r in pairs), len(pairs)


def _meminfo():
    out = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, value = line.split(":")
        out[name] = int(value.split()[0])
    return out


def _settled_meminfo(seconds):
    """Frees by RCU and by workers take a moment."""
    time.sleep(seconds)
    return _meminfo()


def _daemon(results, row, c):
    pss, rss, _ = _sum(c.daemon_pids())
    results.add(f"daemon PSS {row}", c.key, pss / 1024)
    results.add(f"daemon RSS {row}", c.key, rss / 1024)


def _measure(results, c, n, settle):
    has_daemon = hasattr(c, "daemon_pids")
    others = set(_pids_named(c.shim_name)) if has_daemon else set()
    if has_daemon:
        # A daemon that has just been started, with its image, and one container behind it.
        c.kill9()
        c.spawn()
        c.wait_ready()
        session = c.session()
        c.remove(session, c.create_start(session))
        time.sleep(settle)
        _daemon(results, "idle", c)
    else:
        session = c.session()
    before = _settled_meminfo(settle)
    ids = []
    try:
        for _ in range(n):
            ids.append(c.create_start(session) if not has_daemon else c.create_start(session, IDLE))
        after = _settled_meminfo(settle)
        if has_daemon:
            _daemon(results, "with containers", c)
            pss, rss, found = _sum(set(_pids_named(c.shim_name)) - others)
            if found < n:
                results.reasons["shim PSS", c.key] = f"{found} processes named {c.shim_name} for {n} containers"
            results.add("shim PSS", c.key, pss / n)
            results.add("shim RSS", c.key, rss / n)
        kernel = sum(after[name] - before[name] for name in KERNEL)
        results.add("kernel per container", c.key, kernel / n)
        results.add("all per container", c.key, (before["MemAvailable"] - after["MemAvailable"]) / n)
    finally:
        for cid in ids:
            c.remove(session, cid)


def memory(results, contenders, count):
    say(f"memory, idle and with {count.memory} containers, {count.memory_rounds} times")
    for _ in range(count.memory_rounds):
        for c in contenders:
            try:
                _measure(results, c, count.memory, count.settle)
            except Exception as error:  # noqa: told in the table
                results.failed("memory", c.key, error)
