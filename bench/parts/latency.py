"""Rows 1 and 2: create + start, alone and eight at a time; start, exit and removal."""

import threading
import time

from .engines import IDLE, TRUE
from .rounds import interleave, say


def _prepare(c, command, n=1):
    if hasattr(c, "prepare"):
        c.prepare(command, n)


def sequential(results, contenders, count):
    say(f"create + start, one after the other, {count.sequential} times")
    sessions = {c.key: c.session() for c in contenders}

    def sample(c):
        _prepare(c, IDLE)
        begun = time.perf_counter()
        cid = c.create_start(sessions[c.key])
        took = time.perf_counter() - begun
        c.remove(sessions[c.key], cid)
        return took * 1e3

    interleave(results, "start", contenders, count.sequential, 2, sample, pause=count.pause)


def cycles(results, contenders, count):
    say(f"create, start, exit, remove, {count.cycles} times")
    sessions = {c.key: c.session() for c in contenders}

    def sample(c):
        _prepare(c, TRUE)
        begun = time.perf_counter()
        c.cycle(sessions[c.key])
        return (time.perf_counter() - begun) * 1e3

    interleave(results, "cycle", contenders, count.cycles, 2, sample, pause=count.pause)


def in_threads(n, work):
    """work(i) in n threads that begin together; the seconds until the last has ended."""
    gate, errors = threading.Barrier(n + 1), []
    ready = threading.Barrier(n + 1)

    def run(i):
        try:
            ready.wait()
            gate.wait()
            work(i)
        except Exception as e:  # noqa: told to the caller
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    ready.wait()
    begun = time.perf_counter()
    gate.wait()
    for t in threads:
        t.join()
    took = time.perf_counter() - begun
    if errors:
        raise errors[0]
    return took


def parallel(results, contenders, count, width=8):
    say(f"create + start, {width} at a time, {count.parallel_rounds} rounds of {width * count.parallel_each}")
    sessions = {c.key: [c.session() for _ in range(width)] for c in contenders}

    def sample(c):
        started = []

        def work(i):
            for _ in range(count.parallel_each):
                started.append((i, c.create_start(sessions[c.key][i])))

        try:
            _prepare(c, IDLE, width * count.parallel_each)
            took = in_threads(width, work)
        finally:
            for i, cid in started:
                c.remove(sessions[c.key][i], cid)
        return width * count.parallel_each / took

    interleave(results, "parallel", contenders, count.parallel_rounds, 0, sample, pause=count.pause)

