"""Crash sweeps: options, a daemon's surroundings, and the count of kill points at the end."""

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from kit.daemon import namespace_for  # noqa: E402

RUNTIMES = ["runc", "crun"]


def pytest_addoption(parser):
    group = parser.getgroup("crash")
    group.addoption("--runtime", action="append", choices=RUNTIMES, help="only this runtime")
    group.addoption("--every", type=int, default=10, metavar="N",
                    help="try each N-th kill point, and the first of each kind of call (1: all)")
    group.addoption("--at", type=int, metavar="N", help="try this kill point only")
    group.addoption("--seconds", type=int, default=20, help="how long the daemon dies under load")


def pytest_configure(config):
    runtimes = config.getoption("--runtime") or RUNTIMES
    missing = [r for r in runtimes if not shutil.which(r)]
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}", returncode=2)


def pytest_generate_tests(metafunc):
    if "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", metafunc.config.getoption("--runtime") or RUNTIMES,
                             scope="session")


@pytest.fixture(scope="session")
def namespace(runtime):
    made = namespace_for(runtime)
    yield made
    if made:
        made.close()


def pytest_runtest_logreport(report):
    """In the process that prints, wherever the tests run."""
    if report.when == "teardown":
        points.update(dict(report.user_properties))


points = Counter()


def pytest_terminal_summary(terminalreporter):
    if points:
        each = ", ".join(f"{name} {n}" for name, n in sorted(points.items()))
        terminalreporter.write_line(f"{sum(points.values())} kill points tried: {each}")
