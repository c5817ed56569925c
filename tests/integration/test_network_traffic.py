"""Ports and names serve a thousand requests a second, whatever becomes of the daemon: none fails, none is lost."""

import pytest

from kit import netns
from kit.host import wait_for
from kit.nethost import ask, asker, comes_to_know, daemon, endpoint, host  # noqa: F401
from kit.traffic import Load, Loads, in_container, in_host, serving

pytestmark = [pytest.mark.one_runtime, pytest.mark.timeout(600)]

DEATHS = 10
BETWEEN = 500  # requests of each kind, before and after each death


def publish(daemon, name, network, first=8080):
    """A container that answers by TCP and UDP at that port of the host."""
    cmd, mounts = serving()
    return daemon.run(cmd, name=name, ExposedPorts={"80/tcp": {}, "80/udp": {}}, host={
        "NetworkMode": network, **mounts,
        "PortBindings": {f"80/{proto}": [{"HostPort": str(first)}] for proto in ("tcp", "udp")}})


@pytest.fixture
def loads(daemon, host):
    """Clients of a port, from another host, and of a name, in a container."""
    daemon.api.post("/networks/create", {"Name": "net"}, expect=201)
    publish(daemon, "web", "net")
    daemon.run("sleep 1000", name="peer", host={"NetworkMode": "net"})
    daemon.wait_log("web", "ready")
    wait_for(lambda: ask(asker(daemon, "peer"), "web"), "the name")
    web = endpoint(daemon, "web", "net")
    with Loads(Load(in_host(host.neighbour), "tcp", "10.9.0.1", 8080),
               Load(in_host(host.neighbour), "udp", "10.9.0.1", 8080),
               Load(in_container(daemon, "peer"), f"web={web['IPAddress']}", web["Gateway"], 53)) as made:
        yield made


def test_while_the_daemon_dies(daemon, loads):
    for _ in range(DEATHS):
        daemon.kill9()
        loads.more(BETWEEN)
        daemon.start()
        loads.more(BETWEEN)
    assert min(loads.finish()) >= 2 * BETWEEN * DEATHS


def test_while_all_is_repaired_and_the_daemon_upgraded(daemon, loads):
    loads.more(BETWEEN)
    daemon.cli("repair")
    loads.more(BETWEEN)
    daemon.cli("upgrade")
    loads.more(BETWEEN)
    assert min(loads.finish()) >= 3 * BETWEEN


def bridge_of(daemon, network):
    return "hf-" + daemon.api.get(f"/networks/{network}", expect=200).json["Id"][:12]


def members(host, bridge):
    links = host.run("ip", "-o", "link", "show", "master", bridge).splitlines()
    return [line.split(":")[1].strip().split("@")[0] for line in links]


# What others may do to the network "net", each in a way of their own.
HANDS = [
    lambda host, bridge: host.run("nft", "flush", "ruleset"),
    lambda host, bridge: host.run("nft", "delete", host.run("nft", "list", "tables").strip()),
    lambda host, bridge: host.run("ip", "link", "del", bridge),
    lambda host, bridge: [host.run("ip", "link", "set", m, "nomaster") for m in members(host, bridge)],
]


@pytest.mark.parametrize("mend", [
    lambda daemon: daemon.cli("repair"),
    lambda daemon: daemon.restart(),
], ids=["repair", "restore"])
def test_foreign_hands(daemon, host, mend):
    for name in ("net", "well"):
        daemon.api.post("/networks/create", {"Name": name}, expect=201)
        daemon.run("sleep 1000", name=f"{name}-peer", host={"NetworkMode": name})
    web, well = publish(daemon, "web", "net"), publish(daemon, "other", "well", 8081)
    for cid in (web, well):
        daemon.wait_log(cid, "ready")
    bridge, at = bridge_of(daemon, "net"), endpoint(daemon, "web", "net")["IPAddress"]

    def answers(timeout=2):
        try:
            return host.neighbour.ask("10.9.0.1", 8080, "tcp", timeout)
        except netns.Failed:
            return None

    assert answers(netns.PATIENCE)
    # Meanwhile others lose nothing of what needs nothing that is broken.
    load = Load(in_container(daemon, "well-peer"), "udp", endpoint(daemon, "other", "well")["IPAddress"], 80)
    with Loads(load) as loads:
        for spoil in HANDS:
            spoil(host, bridge)
            assert not answers(0.2)
            mend(daemon)
            wait_for(answers, "the repair")
            assert comes_to_know(daemon, "net-peer", "web") == [at]
            loads.more(BETWEEN)
        loads.finish()
    assert host.neighbour.ask("10.9.0.1", 8081)
