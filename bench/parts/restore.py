"""Row 3: from exec of the daemon, after a kill -9, until it lists all its containers.

For running containers the contender grows from size to size; stopped ones are made by create, or
where the format is known by copying the directory of one that has ended. Cold: the host's caches are dropped
between the kill and the start. Afterwards the running
ones must still be running: a fast answer that lost some is no answer."""

import os
import time
from pathlib import Path

from .engines import CannotRun, IDLE, TRUE
from .latency import in_threads
from .rounds import interleave, say


def _until_listed(engine, n, begun, seconds=180):
    end = time.monotonic() + seconds
    counted = "no answer"
    while True:
        api = engine.session()
        try:
            counted = engine.count(api)
            took = time.perf_counter() - begun
        except (OSError, ValueError):
            took = None
        finally:
            if api:
                api.close()
        if took is not None and counted == n:
            return took
        engine.check_alive()
        if time.monotonic() > end:
            raise CannotRun(f"lists {counted} of {n} containers after {seconds} s")
        time.sleep(0.001)


def _restart(engine, row, n, running, cold=False):
    engine.kill9()
    if cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    begun = engine.spawn()
    sample = {row: _until_listed(engine, n, begun) * 1e3}
    if hasattr(engine, "restore_report"):
        report = engine.restore_report(engine.session())
        if report:
            sample[row + " load"], sample[row + " handle"] = report["Load"], report["Handle"]
    else:
        engine.wait_ready()
    alive = engine.count_running(engine.session())
    if alive != running:
        raise CannotRun(f"{alive} of {running} running after the restart")
    return sample


def _rate_fits(engine, have, want, budget, took, made):
    """Would growing to this size be done in time?"""
    if made and (want - have) * took / made > budget:
        raise CannotRun(f"{want} would take {(want - have) * took / made:.0f} s to make; the limit is {budget} s")


def _grow(engine, ids, want, budget, make, width=4):
    """make(session) until there are `want` of them."""
    missing = want - len(ids)
    if missing <= 0:
        return
    probe = min(8, missing)
    sessions = [engine.session() for _ in range(width)]

    def share(n):
        def work(i):
            for _ in range(n // width + (i < n % width)):
                ids.append(make(sessions[i]))
        return in_threads(width, work)

    took = share(probe)
    _rate_fits(engine, len(ids), want, budget, took, probe)
    share(want - len(ids))


def _remove_all(engine, ids, width=4):
    sessions = [engine.session() for _ in range(width)]

    def work(i):
        while ids:
            try:
                cid = ids.pop()
            except IndexError:
                return
            engine.remove(sessions[i], cid)

    in_threads(width, work)


def of_running(results, engines, ids, row, n, count, make):
    """Grows each to n by make(engine, session), and measures; those that were measured."""
    alive = []
    for e in engines:
        try:
            _grow(e, ids[e.key], n, count.budget, lambda api, e=e: make(e, api))
            alive.append(e)
        except Exception as error:  # noqa: told in the table
            results.failed(row, e.key, error)
    interleave(results, row, alive, count.restores, 1, lambda e: _restart(e, row, n, n))
    return [e for e in alive if (row, e.key) not in results.reasons]


def remove_running(results, engines, ids):
    for e in engines:
        say(f"  removing those of {e.name}")
        try:
            e.wait_ready()
            _remove_all(e, ids[e.key])
        except Exception as error:  # noqa: told in the table
            results.failed("restore, removal", e.key, error)


def running(results, engines, count):
    ids = {e.key: [] for e in engines}
    alive = engines
    for n in count.running:
        say(f"restore of {n} running containers")
        alive = of_running(results, alive, ids, f"restore running {n}", n, count,
                           lambda e, api: e.create_start(api, IDLE))
    remove_running(results, engines, ids)


def _exited(engine, api):
    cid = engine.create_start(api, TRUE)
    engine.wait(api, cid)
    return cid


def stopped(results, engines, count):
    ids = {e.key: [] for e in engines}
    copied = {e.key: 0 for e in engines}
    alive = list(engines)
    for n in count.stopped:
        row = f"restore stopped {n}"
        say(f"restore of {n} stopped containers")
        for e in list(alive):
            try:
                if e.copies_stopped:
                    api = e.session()
                    if not ids[e.key]:
                        ids[e.key].append(_exited(e, api))
                        time.sleep(0.5)
                    e.kill9()
                    e.copy_stopped(ids[e.key][0], n - 1 - copied[e.key])
                    copied[e.key] = n - 1
                    e.spawn()
                else:
                    _grow(e, ids[e.key], n, count.budget, lambda api, e=e: e.create(api, TRUE))
            except Exception as error:  # noqa: told in the table
                results.failed(row, e.key, error)
                alive.remove(e)
        interleave(results, row, alive, count.restores, 1, lambda e: _restart(e, row, n, 0))
        alive = [e for e in alive if (row, e.key) not in results.reasons]
        cold = f"restore stopped {n} cold"
        interleave(results, cold, alive, count.cold_restores, 0, lambda e: _restart(e, cold, n, 0, cold=True))
    # What is full of copies goes as a whole.
    for e in engines:
        e.discard()
