"""Repeating and interleaving: what disturbs the machine disturbs all contenders alike."""

import random
import statistics
import sys
import time
import traceback

from .engines import CannotRun

shuffle = random.Random(2).shuffle


def say(text):
    print(text, file=sys.stderr, flush=True)


class Results:
    """Samples by row and contender; where a contender failed, why."""

    def __init__(self):
        self.rows = {}      # row key -> {contender key -> [samples]}
        self.reasons = {}   # (row key or "", contender key) -> text

    def add(self, row, contender, value):
        self.rows.setdefault(row, {}).setdefault(contender, []).append(value)

    def median(self, row, contender):
        samples = self.rows.get(row, {}).get(contender)
        return statistics.median(samples) if samples else None

    def failed(self, row, contender, error):
        text = f"{type(error).__name__}: {error}" if not isinstance(error, CannotRun) else str(error)
        self.reasons[row, contender] = text
        say(f"  {contender}: {row}: {text}")
        if not isinstance(error, (CannotRun, OSError)) and type(error).__name__ != "ApiError":
            traceback.print_exception(error, file=sys.stderr)


def interleave(results, row, contenders, repeats, warm_up, sample, pause=0.02):
    """sample(contender) -> value or {row: value}. Each round asks everyone, in an order of its own."""
    alive = list(contenders)
    for n in range(-warm_up, repeats):
        shuffle(alive)
        for c in list(alive):
            try:
                value = sample(c)
            except Exception as e:  # noqa: a contender that fails is out of this measure, no more
                results.failed(row, c.key, e)
                alive.remove(c)
                continue
            if n >= 0:
                for name, one in (value if isinstance(value, dict) else {row: value}).items():
                    results.add(name, c.key, one)
            time.sleep(pause)


class OneEach:
    """A container of each contender, started when it is first asked for; removed at the end."""

    def __init__(self, contenders, start):
        self.contenders, self.start = contenders, start
        self.sessions, self.ids = {c.key: c.session() for c in contenders}, {}

    def __call__(self, c):
        """(session, container)"""
        if c.key not in self.ids:
            self.ids[c.key] = self.start(c, self.sessions[c.key])
        return self.sessions[c.key], self.ids[c.key]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in self.contenders:
            if c.key in self.ids:
                c.remove(self.sessions[c.key], self.ids[c.key])
