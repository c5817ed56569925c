"""testcontainers from npm: containers of somebody's tests, through deaths of the daemon."""

import os
import re
import signal
from pathlib import Path

import pytest

from kit.archives import busybox
from kit.host import wait_for
from kit.nethost import daemon, host  # noqa: F401
from kit.testcontainers import Failed, Testcontainers

pytestmark = pytest.mark.timeout(600)  # of many requests of node's, on a busy machine

SERVE = ["httpd", "-f", "-p", "80", "-h", "/etc"]
AT_THE_SIGN = ["sh", "-c", "echo begun; until test -e /sign; do sleep 0.05; done; echo open; sleep 1000"]
MORE = "touch /up; until test -e /other; do sleep 0.05; done; echo more > /proc/1/fd/1; exit 4"


@pytest.fixture
def node(daemon, host):
    made = Testcontainers(daemon, host)
    yield made
    made.close()


def test_starts_talks_to_and_stops_a_container(node, daemon):
    web = node("start", "web", cmd=SERVE, ports=[80], wait="port")
    assert node("get", "web", path="/hostname").strip() == web["id"][:12]
    daemon.restart()
    assert node("get", "web", path="/hostname").strip() == web["id"][:12]
    said = node("exec", "web", cmd=["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert said == {"stdout": "out\n", "stderr": "err\n", "exitCode": 3}
    node("restart", "web")
    daemon.restart()
    assert node("get", "web", path="/hostname").strip() == web["id"][:12]
    daemon.restart()
    node("stop", "web")
    assert daemon.list(all=True) == []


@pytest.mark.one_runtime
def test_containers_on_a_network_wait_for_each_other(node, daemon):
    node("network", "net")
    web = node("start", "web", cmd=SERVE, ports=[80], network="net", wait="http", argument="/hostname")
    daemon.restart()
    node("start", "healthy", cmd=["sleep", "1000"], network="net", wait="health",
         check="wget -qO- http://web/hostname")
    daemon.restart()
    said = node("exec", "healthy", cmd=["wget", "-qO-", "http://web/hostname"])
    assert said["stdout"].strip() == web["id"][:12]
    for name in ("healthy", "web", "net"):
        daemon.restart()
        node("stop", name)
    assert daemon.list(all=True) == []
    assert {n["Name"] for n in daemon.api.get("/networks", expect=200).json} == {"bridge", "host", "none"}


@pytest.mark.one_runtime
def test_what_is_waited_for_comes_though_the_daemon_dies_meanwhile(host, new_daemon):
    """A GET in progress is answered by the next daemon, where a keeper is; what is followed does not need one."""
    daemon = new_daemon("--keeper", "--debug")
    daemon.netns = host.path
    daemon.start().load(busybox().docker_archive("busybox:latest"))
    node = Testcontainers(daemon, host)
    try:
        start = node.begin("start", "slow", cmd=AT_THE_SIGN, wait="log", argument="open")
        asks = wait_for(lambda: re.search(r"GET /containers/(\w+)/logs", daemon.stderr()), "its look at the log")
        os.kill(daemon.kept_pid, signal.SIGKILL)
        inside = Path(f"/proc/{daemon.container_pid(asks[1])}/root")
        (inside / "sign").touch()
        assert node.end(start)["id"] == asks[1]

        node("follow", "slow")
        wait_for(lambda: "open" in node("followed", "slow"), "its log")
        session = node.begin("exec", "slow", cmd=["sh", "-c", MORE])
        wait_for((inside / "up").exists, "the session")
        os.kill(daemon.kept_pid, signal.SIGKILL)
        (inside / "other").touch()
        assert node.end(session)["exitCode"] == 4
        wait_for(lambda: "more" in node("followed", "slow"), "what came last")
        node("stop", "slow")
    finally:
        node.close()


@pytest.mark.one_runtime
def test_errors_are_the_daemons_words(node, daemon):
    with pytest.raises(Failed, match="executable file not found|no such file"):
        node("start", "none", cmd=["/no/such/program"], wait="log", argument="x")
    daemon.remove_all()
