"""One table: a row for each figure, a column for each contender, ratios to holdfast."""

ROWS = [
    # title, row key, digits, unit; "{}" in a key is filled with each size that was measured
    ("create + start, ms", "start", 1),
    ("create + start, 8 at a time, per second (more is better)", "parallel", 1),
    ("create, start, exit, remove of `true`, ms", "cycle", 1),
    ("restore, {} running, ms", "restore running {}", 1),
    ("  its own report: load, ms", "restore running {} load", 1),
    ("  its own report: handle, ms", "restore running {} handle", 1),
    ("restore, {} stopped, ms", "restore stopped {}", 1),
    ("  its own report: load, ms", "restore stopped {} load", 1),
    ("  its own report: handle, ms", "restore stopped {} handle", 1),
    ("restore, {} stopped, cold cache, ms", "restore stopped {} cold", 1),
    ("daemon idle, PSS MB", "daemon PSS idle", 2),
    ("daemon idle, RSS MB", "daemon RSS idle", 2),
    ("daemon with {} containers, PSS MB", "daemon PSS with containers", 2),
    ("daemon with {} containers, RSS MB", "daemon RSS with containers", 2),
    ("shim per container, PSS KiB", "shim PSS", 0),
    ("shim per container, RSS KiB", "shim RSS", 0),
    ("kernel per container, KiB", "kernel per container", 0),
    ("all memory per container (MemAvailable), KiB", "all per container", 0),
    ("log of `yes`, 2-byte lines, MB/s (more is better)", "log short lines", 1),
    ("log of 80-byte lines, MB/s (more is better)", "log 80-byte lines", 1),
    ("attach, ms", "attach", 2),
    ("into a container by attach, MB/s (more is better)", "attach stdin", 0),
    ("out of a container by attach, MB/s (more is better)", "attach stdout", 0),
    ("memory per attached client, PSS KiB", "attach memory", 1),
    ("exec of `true`, by the API or the runtime, ms", "exec", 1),
    ("exec of `true`, by the docker CLI, ms", "exec by CLI", 1),
    ("into a container by exec, MB/s (more is better)", "exec stdin", 0),
    ("out of a container by exec, MB/s (more is better)", "exec stdout", 0),
    ("create + start without network, ms", "net start none", 1),
    ("create + start on the default network, ms", "net start", 1),
    ("create + start there with a published port, ms", "net start port", 1),
    ("into a container through a published port, Gbit/s (more is better)", "net in", 1),
    ("out of a container through a published port, Gbit/s (more is better)", "net out", 1),
    ("into a container from the host's 127.0.0.1, Gbit/s (more is better)", "net in local", 1),
    ("echo through a published port, us", "net echo", 0),
    ("echo through a published port, each with its connection, us", "net echo new", 0),
    ("echo from the host's 127.0.0.1, us", "net echo local", 0),
    ("echo from the host's 127.0.0.1, each with its connection, us", "net echo new local", 0),
    ("restore, {} containers without network, ms", "networked none", 1),
    ("  its own report: load, ms", "networked none load", 1),
    ("  its own report: handle, ms", "networked none handle", 1),
    ("restore, {} containers on a network, a port each, ms", "networked", 1),
    ("  its own report: load, ms", "networked load", 1),
    ("  its own report: handle with the networks' repair, ms", "networked handle", 1),
    ("restore, {} containers, ms", "scale restore", 1),
    ("  its own report: load, ms", "scale restore load", 1),
    ("  its own report: handle, ms", "scale restore handle", 1),
    ("  tasks that came and went meanwhile (15 load the files)", "scale forks", 0),
    ("daemon with {} containers, PSS MB", "scale PSS", 2),
    ("daemon with {} containers, RSS MB", "scale RSS", 2),
    ("wake-ups in 10 idle s, daemon and its shims", "scale wakeups", 0),
]


def _number(value, digits):
    return f"{value:,.{digits}f}"


def _cell(results, row, digits, key, base):
    value = results.median(row, key)
    if value is None:
        return "-"
    text = _number(value, digits)
    if key != base and (ours := results.median(row, base)):
        text += f" ({value / ours:.2f}x)"
    return text


def _expand(count):
    sizes = None
    group = []

    def flush():
        for n in sizes or ():
            for title, key, digits in group:
                yield title.format(f"{n:,}"), key.format(n), digits
        group.clear()

    for title, key, digits in ROWS:
        wanted = count.running if "running" in key else count.stopped if "stopped" in key else None
        if wanted is None or wanted is not sizes:
            yield from flush()
            sizes = wanted
        if wanted is None:
            scaled = "{} running + {} stopped".format(*(f"{n:,}" for n in count.scale))
            n = scaled if key.startswith("scale") else count.networked if key.startswith("networked") else count.memory
            yield title.format(n), key, digits
        else:
            group.append((title, key, digits))
    yield from flush()


def table(results, columns, count):
    """columns: (key, name), the first is what the others are compared with."""
    base = columns[0][0]
    lines = [["", *(name for _, name in columns)]]
    for title, row, digits in _expand(count):
        if row in results.rows:
            lines.append([title, *(_cell(results, row, digits, key, base) for key, _ in columns)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    out = []
    for n, line in enumerate(lines):
        cells = [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:]))]
        out.append("| " + " | ".join(cells) + " |")
        if n == 0:
            out.append("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(out)


def aims(results):
    """What issues 2, 3 and 5 set out for; by the medians of this run."""
    def row(text, value, good):
        return None if value is None else f"{'reached' if good(value) else 'MISSED '}  {text.format(value)}"

    def ratio(row_key, a, b):
        x, y = results.median(row_key, a), results.median(row_key, b)
        return x / y if x is not None and y else None

    found = []
    for runtime in ("crun", "runc"):
        if results.runtime == runtime:
            found.append(row(f"start within 1.25x of bare `{runtime} run` with the same bundle: {{:.2f}}x",
                             ratio("start", "holdfast", f"{runtime}-same"), lambda v: v <= 1.25))
            found.append(row(f"start within 1.25x of bare `{runtime} run` with its own bundle: {{:.2f}}x",
                             ratio("start", "holdfast", f"{runtime}-own"), lambda v: v <= 1.25))
    alone, published = (results.median(key, "holdfast") for key in ("net start none", "net start port"))
    if alone and published:
        found.append(row("start with a published port within 10 ms of one without network: {:.1f} ms more",
                         published - alone, lambda v: v <= 10))
    found.append(row("daemon under 5 MB, idle (PSS): {:.2f} MB",
                     results.median("daemon PSS idle", "holdfast"), lambda v: v < 5))
    found.append(row("daemon under 5 MB, with containers (PSS): {:.2f} MB",
                     results.median("daemon PSS with containers", "holdfast"), lambda v: v < 5))
    found.append(row("shim under 64 KiB (PSS): {:.0f} KiB", results.median("shim PSS", "holdfast"), lambda v: v < 64))
    for key, text in (("log short lines", "2-byte lines"), ("log 80-byte lines", "80-byte lines")):
        best = max((results.median(key, peer) or 0 for peer in ("dockerd", "podman")), default=0)
        ours = results.median(key, "holdfast")
        if best and ours:
            found.append(row(f"log throughput above every peer, {text}: {{:.2f}}x the best", ours / best, lambda v: v > 1))
    for text, key, most in (("1,000 running + 9,000 stopped restored within 400 ms: {:.0f} ms", "scale restore", 400),
                            ("no fork per container at restore: {:.0f} tasks came and went in all", "scale forks", 30),
                            ("daemon with 10,000 containers under 40 MB (RSS): {:.1f} MB", "scale RSS", 40),
                            ("200 running restored within 40 ms: {:.1f} ms", "restore running 200", 40),
                            ("10,000 stopped restored with a cold cache within 1.2 s: {:.0f} ms",
                             "restore stopped 10000 cold", 1200),
                            ("no wake-ups while idle: {:.0f}", "scale wakeups", 0)):
        found.append(row(text, results.median(key, "holdfast"), lambda v, most=most: v <= most))
    return [line for line in found if line]
