"""Fixtures and helpers of tests on networks: a daemon on a host of the test's own, which has a neighbour.
A test file imports `host` and `daemon` by name."""

import pytest

from . import netns
from .archives import busybox
from .host import wait_for

SERVE = ["httpd", "-f", "-p", "80", "-h", "/etc"]


@pytest.fixture
def host(request):
    """The daemon's host, with a neighbour; nothing may be left on it."""
    here, there = netns.Host(), netns.Host()
    netns.join(here, there)
    here.neighbour = there
    try:
        yield here
        left = netns.leftovers(here)
    finally:
        for one in (here, there):
            one.close()
    assert getattr(request.node, "failed", False) or not left, left


@pytest.fixture
def daemon(host, new_daemon):
    made = new_daemon()
    made.netns = host.path
    made.start()
    made.load(busybox().docker_archive("busybox:latest"))
    return made


def get(host, where, port=80, timeout=netns.PATIENCE):
    """Which container answers there: the beginning of its id. It is up()."""
    return host.run("curl", "-sS", "-m", str(timeout), f"http://{where}:{port}/hostname").strip()


def answers(host, port=8080, where="127.0.0.1"):
    """The same, or None."""
    try:
        return get(host, where, port, 3)
    except Exception:
        return None


def refused(host, where, port=80):
    with pytest.raises(Exception, match="non-zero exit"):
        get(host, where, port, 3)
    return True


LISTENS = "0A"


def up(daemon, name, port=80):
    """Once it listens: a container that runs has only begun to."""
    pid = daemon.container_pid(name)

    def listens():
        lines = [line.split() for table in ("tcp", "tcp6") for line in open(f"/proc/{pid}/net/{table}")]
        return any(words[1].endswith(f":{port:04X}") and words[3] == LISTENS for words in lines)

    wait_for(listens, f"{name} to listen")


def serve(daemon, name, mode="bridge", **host):
    cid = daemon.run(SERVE, name=name, host={"NetworkMode": mode, **host})
    up(daemon, name)
    return cid


def endpoint(daemon, name, network="bridge"):
    return daemon.inspect(name)["NetworkSettings"]["Networks"][network]


def published(daemon, name, port="80/tcp"):
    return [int(b["HostPort"]) for b in daemon.inspect(name)["NetworkSettings"]["Ports"][port]]


def inside(daemon, host, name, *argv):
    """What a program of the host's says in the network of a container."""
    return host.run("nsenter", "-t", str(daemon.container_pid(name)), "-n", *argv)


def default_route(daemon, host, name):
    """Interface and gateway, or None."""
    words = inside(daemon, host, name, "ip", "-4", "route", "show", "default").split()
    return (words[words.index("dev") + 1], words[words.index("via") + 1]) if words else None


def asker(daemon, name):
    """Looks names up as that container does."""
    shown = daemon.inspect(name)
    conf = open(shown["ResolvConfPath"]).read()
    server = [line.split()[1] for line in conf.splitlines() if line.startswith("nameserver")]
    return lambda what: netns.lookup(shown["State"]["Pid"], server[0], what)


def ask(named, what):
    """None in the moment in which the name server reads anew."""
    try:
        return named(what)
    except Exception:
        return None


def comes_to_know(daemon, name, what):
    """What that container is told of a name, once it is told anything."""
    return wait_for(lambda: ask(asker(daemon, name), what), f"{what} to be known")
