"""Row 5: ten thousand containers on one host, a thousand of them running, and what an idle engine does.

For holdfast alone: its peers take minutes to hours to make so many, and rows 3 and 4 show them at the
sizes they reach. Wake-ups are context switches that were not the scheduler's own doing, of all threads of
the daemon and of all shims, over some idle seconds. Forks are all tasks made in our pid namespace while
the daemon restores, less its threads; at each start it looks once at its runtimes and at the image tool."""

import os
import time
from pathlib import Path

from . import restore
from .engines import IDLE
from .memory import _pids_named, _rollup
from .rounds import say

IDLE_SECONDS = 10


def _wakeups(pids):
    """By thread: those of the restore's workers end meanwhile."""
    found = {}
    for pid in pids:
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            try:
                lines = status.read_text().splitlines()
            except OSError:
                continue
            [found[status]] = [int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches")]
    return found


def _tasks_made():
    """Processes and threads of this pid namespace so far: their ids are given in order."""
    return int(Path("/proc/sys/kernel/ns_last_pid").read_text())


def _tasks(engine):
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in engine.daemon_pids())


def scale(results, engine, count):
    running, stopped = count.scale
    if not engine.data.exists():  # another row has emptied it
        engine.start()
        engine.load_image()
    api = engine.session()
    say(f"{running} running and {stopped} stopped containers of {engine.name}")
    ids = []
    restore._grow(engine, ids, running, count.budget * 10, lambda api: engine.create_start(api, IDLE))
    ended = restore._exited(engine, api)
    time.sleep(0.5)
    engine.kill9()
    engine.copy_stopped(ended, stopped - 1)
    engine.spawn()
    restore._until_listed(engine, running + stopped, time.perf_counter())
    for _ in range(count.restores):
        before = _tasks_made()
        for row, value in restore._restart(engine, "scale restore", running + stopped, running).items():
            results.add(row, engine.key, value)
        results.add("scale forks", engine.key, _tasks_made() - before - _tasks(engine))
    time.sleep(count.settle + 3)
    pids = [*engine.daemon_pids(), *_pids_named(engine.shim_name)]
    before = _wakeups(pids)
    time.sleep(IDLE_SECONDS)
    after = _wakeups(pids)
    results.add("scale wakeups", engine.key, sum(after[one] - before[one] for one in after if one in before))
    pss, rss = zip(*(_rollup(pid) for pid in engine.daemon_pids()))
    results.add("scale PSS", engine.key, sum(pss) / 1024)
    results.add("scale RSS", engine.key, sum(rss) / 1024)
    restore._remove_all(engine, ids)
    engine.discard()
