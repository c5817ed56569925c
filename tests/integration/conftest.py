"""Fixtures: a daemon per test, under each runtime; clients; and the check that nothing is left."""

import re
import shutil

import pytest

from kit import dockercli, host
from kit.archives import busybox
from kit.daemon import Daemon, namespace_for

RUNTIMES = ["runc", "crun"]


def pytest_addoption(parser):
    parser.addoption("--runtime", action="append", choices=RUNTIMES, help="only this runtime")
    parser.addoption("--cgroup", choices=["v2"], help="daemons see cgroup v2 only")
    parser.addoption("--whole", action="store_true", help="sweeps try every point, not a part of them")


def pytest_configure(config):
    host.daemons_see_v2 = config.getoption("--cgroup") == "v2"
    config.addinivalue_line("markers", "one_runtime: says nothing about the runtime; run once")
    config.addinivalue_line("markers", "one_cli: says nothing about the client; run with Debian's only")
    missing = [r for r in chosen_runtimes(config) if not shutil.which(r)]
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}", returncode=2)


def chosen_runtimes(config):
    return config.getoption("--runtime") or RUNTIMES


def pytest_make_parametrize_id(config, val, argname):
    """Short names, the same in every worker: a set has no order of its own."""
    if callable(val):
        return val.__name__
    text = " ".join(sorted(val)) if isinstance(val, set) else str(val)
    return re.sub(r"[^\w .,:=+-]", "", text)[:50]


def pytest_generate_tests(metafunc):
    if "runtime" in metafunc.fixturenames:
        runtimes = chosen_runtimes(metafunc.config)
        if metafunc.definition.get_closest_marker("one_runtime"):
            runtimes = runtimes[:1]
        metafunc.parametrize("runtime", runtimes, scope="session")
    if "docker" in metafunc.fixturenames:
        clis = dockercli.found()
        if metafunc.definition.get_closest_marker("one_cli"):
            clis = dict(list(clis.items())[:1])
        metafunc.parametrize("docker_path", clis.values(), ids=clis.keys())


@pytest.fixture(scope="session")
def namespace(runtime, request):
    """The mount namespace that the daemons of this runtime live in; None: the host's own."""
    made = namespace_for(runtime, request.config.getoption("--cgroup"))
    yield made
    if made:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its daemons said."""
    report = (yield).get_result()
    if not report.failed:
        return
    item.failed = True
    for daemon in getattr(item, "daemons", []):
        report.sections.append((f"holdfastd in {daemon.root}",
                                getattr(daemon, "last_words", "") or daemon.stderr(tail=60)))


@pytest.fixture
def new_daemon(request, runtime, namespace):
    """Makes daemons, not started; each is closed and checked for leaks at the end."""
    made = request.node.daemons = []

    def make(*args, **kw):
        daemon = Daemon(kw.pop("runtime", runtime), namespace, args, **kw)
        made.append(daemon)
        return daemon

    yield make
    failed = getattr(request.node, "failed", False)
    faults = []
    for daemon in made:
        try:
            daemon.close(failed)
        except Exception as fault:  # every daemon is closed, whatever became of the others
            faults.append(fault)
    if faults:
        raise faults[0]


@pytest.fixture
def bare_daemon(new_daemon):
    """A running daemon without any image."""
    return new_daemon().start()


@pytest.fixture
def daemon(bare_daemon):
    """A running daemon that has the image busybox."""
    bare_daemon.load(busybox().docker_archive("busybox:latest"))
    return bare_daemon


@pytest.fixture
def whole(request):
    """Whether sweeps shall try every point; tools/check tries a part."""
    return request.config.getoption("--whole")


@pytest.fixture
def api(daemon):
    return daemon.api


@pytest.fixture
def docker(daemon, docker_path):
    """The stock docker CLI on this daemon: once with Debian's, once with the machine's if present."""
    return dockercli.DockerCli(docker_path, daemon)


@pytest.fixture
def client(daemon):
    """docker-py on this daemon."""
    made = daemon.docker_py()
    yield made
    made.close()
