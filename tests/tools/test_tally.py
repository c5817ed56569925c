"""tools/tally.py: the sums are right, and what broke off is never a success."""

import json
import subprocess
import sys
from pathlib import Path

TALLY = Path(__file__).resolve().parents[2] / "tools" / "tally.py"


def tally(*files):
    done = subprocess.run([sys.executable, TALLY, *files], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def meson_log(tmp_path, *programs):
    path = tmp_path / "testlog.json"
    path.write_text("".join(json.dumps(p) + "\n" for p in programs))
    return path


def junit(tmp_path, cases):
    path = tmp_path / "x.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return path


TAP = {"name": "unit-a", "result": "OK", "stdout": "1..2\nok 1 - first\nok 2 - second\n"}
GOOD = '<testcase classname="t" name="a"/><testcase classname="t" name="b"/>'


def test_sums_over_all_files(tmp_path):
    status, lines = tally(meson_log(tmp_path, TAP, {"name": "layers", "result": "OK", "stdout": ""}),
                          junit(tmp_path, GOOD))
    assert (status, lines) == (0, ["5 passed, 0 failed"])


def test_tap_failure_is_named(tmp_path):
    log = meson_log(tmp_path, {**TAP, "result": "FAIL", "stdout": "ok 1 - first\nnot ok 2 - second\n"})
    assert tally(log) == (1, ["FAILED unit-a: second", "1 passed, 1 failed"])


def test_program_that_crashes_after_its_tests_is_a_failure(tmp_path):
    log = meson_log(tmp_path, {**TAP, "result": "FAIL"})
    assert tally(log) == (1, ["FAILED unit-a: fail", "2 passed, 1 failed"])


def test_failure_and_error_of_one_test_count_once(tmp_path):
    cases = ('<testcase classname="t" name="a"><failure/></testcase>'
             '<testcase classname="t" name="a"><error/></testcase>'
             '<testcase classname="t" name="b"/><testcase classname="t" name="c"><skipped/></testcase>')
    assert tally(junit(tmp_path, cases)) == (1, ["FAILED t::a", "1 skipped", "1 passed, 1 failed"])


def test_missing_broken_and_empty_files_are_failures(tmp_path):
    good = meson_log(tmp_path, TAP)
    broken = tmp_path / "broken.xml"
    broken.write_text("<testsuites><testca")
    for bad in (tmp_path / "none.xml", broken, junit(tmp_path, "")):
        status, lines = tally(good, bad)
        assert status == 1 and lines[-1] == "2 passed, 1 failed"


def test_nothing_at_all_is_no_success():
    assert tally() == (1, ["0 passed, 0 failed"])
