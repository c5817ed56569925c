"""Row 5: MB/s of output that a container can get rid of into its log.

`yes | head -c N` runs until it is done, and its container has been waited for. N is found for each
contender, so that a run takes a few seconds. Before it counts, a small run must be found whole in
the log. The floor writes to a plain file: what yes and head can do at all."""

import os
import time

from .engines import CannotRun, DockerApi
from .floor import Floor
from .rounds import interleave, say

LINES = {"log short lines": "yes", "log 80-byte lines": "yes " + "x" * 79}
MB = 1_000_000


def _command(line, n):
    return ["sh", "-c", f"{line} | head -c {n}"]


def _write(c, session, line, n, keep=False):
    """Seconds from start to the end of the wait; with keep, also what the log holds."""
    if isinstance(c, Floor):
        path = c.s.work / "data" / f"{c.key}.out"
        begun = time.perf_counter()
        c.write(_command(line, n), path)
        took = time.perf_counter() - begun
        size = os.path.getsize(path)
        os.unlink(path)
        return took, size
    cid = c.create(session, _command(line, n), c.log_config)
    try:
        begun = time.perf_counter()
        session.call("POST", f"/containers/{cid}/start")
        status = c.wait(session, cid)
        took = time.perf_counter() - begun
        if status != 0:
            raise CannotRun(f"the writer ended with {status}")
        return took, c.output_bytes(session, cid) if keep else None
    finally:
        c.remove(session, cid)


def _find_size(c, session, line, count):
    """How much it writes in the seconds that a run shall take."""
    n = MB
    took, kept = _write(c, session, line, n, keep=True)
    if kept != n:
        raise CannotRun(f"of {n} bytes written the log holds {kept}")
    while took < 0.6 and n < count.log_max:
        n = min(n * 4, count.log_max)
        took, _ = _write(c, session, line, n)
    return max(MB, min(count.log_max, int(n / took * count.log_seconds)))


def throughput(results, contenders, count):
    for row, line in LINES.items():
        say(f"{row}: `{line[:12]}{'…' if len(line) > 12 else ''} | head -c N`")
        sizes, sessions, ready = {}, {}, []
        for c in contenders:
            if not isinstance(c, (DockerApi, Floor)):
                continue
            try:
                sessions[c.key] = c.session()
                sizes[c.key] = _find_size(c, sessions[c.key], line, count)
                ready.append(c)
                say(f"  {c.name}: N is {sizes[c.key] / MB:.0f} MB")
            except Exception as error:  # noqa: told in the table
                results.failed(row, c.key, error)
        interleave(results, row, ready, count.log_rounds, 0,
                   lambda c: sizes[c.key] / MB / _write(c, sessions[c.key], line, sizes[c.key])[0])
