"""docs/restore.md says what the code does: its table is judge.c's."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What the page calls a phase where that is not the code's own name.
PHASES = {"OVER": "over, clean-up pending"}


def table_of_code():
    code = (ROOT / "src/engine/judge.c").read_text()
    words = dict(re.findall(r'\[VERDICT_(\w+)\] = "([^"]+)"', code))
    rows = re.findall(r"ROW\((\w+(?:,\s*\w+)+)\)", code.replace("ROW(phase", ""))
    return {PHASES.get(phase, phase.lower()): [words[v] for v in verdicts]
            for phase, *verdicts in (re.split(r",\s*", row) for row in rows)}


def table_of_page():
    page = (ROOT / "docs/restore.md").read_text().split("## The table")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    assert rows[0] == ["written \\ seen", "unknown", "absent", "alive", "alive, shim gone", "ended, with record"]
    return {row[0]: row[1:] for row in rows[2:]}


def test_table_is_the_judges():
    code = table_of_code()
    assert len(code) == 10 and all(len(row) == 5 for row in code.values()), "judge.c is not read right"
    assert table_of_page() == code


def test_files_that_the_page_names_are_there():
    page = (ROOT / "docs/restore.md").read_text()
    for path in re.findall(r"`((?:src|tests|engine|shim)/[\w/.*]+\.(?:c|h|py))`", page):
        where = ROOT if path.startswith(("src/", "tests/")) else ROOT / "src"
        assert list(where.glob(path)), path
