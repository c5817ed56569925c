#!/usr/bin/env python3
"""Adds up what the test runs say, and prints "N passed, N failed" as the last line.

    tools/tally.py RESULT...

RESULT is a testlog.json of `meson test` (its programs speak TAP: each of their tests counts) or a
JUnit file of pytest. A file that is missing or says nothing is a failure: a run that broke off is
no success. Exits 1 if anything failed or nothing passed.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def of_meson(path):
    """Yields (name, outcome) for each test of each program."""
    for line in path.read_text().splitlines():
        program = json.loads(line)
        name, result = program["name"], program["result"]
        points = re.findall(r"^(not ok|ok) \d+ -? ?(.*?)(# SKIP.*)?$", program.get("stdout", ""), re.M)
        for verdict, test, skip in points:
            yield f"{name}: {test}", "skipped" if skip else "passed" if verdict == "ok" else "failed"
        good = result in ("OK", "EXPECTEDFAIL", "SKIP")
        if not points:
            yield name, "skipped" if result == "SKIP" else "passed" if good else "failed"
        elif not good and not any(verdict == "not ok" for verdict, _, _ in points):
            yield f"{name}: {result.lower()}", "failed"  # it crashed, or a sanitizer spoke at its end


def of_pytest(path):
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = ("failed" if kinds & {"failure", "error"} else
                   "skipped" if "skipped" in kinds else "passed")
        yield f"{case.get('classname')}::{case.get('name')}", outcome


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for argument in sys.argv[1:]:
        path, results = Path(argument), {}
        try:
            for name, outcome in (of_meson if path.suffix == ".json" else of_pytest)(path):
                # A test that failed and then again at its tear-down is one failure.
                results[name] = outcome if results.get(name) != "failed" else "failed"
        except (OSError, ValueError, KeyError, ElementTree.ParseError) as fault:
            print(f"tally: {path}: {fault}")
            results = {}
        if not results:
            results = {f"{path}: says nothing": "failed"}
        for name, outcome in results.items():
            counts[outcome] += 1
            if outcome == "failed":
                print(f"FAILED {name}")
    if counts["skipped"]:
        print(f"{counts['skipped']} skipped")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(1 if counts["failed"] or not counts["passed"] else 0)


if __name__ == "__main__":
    main()
