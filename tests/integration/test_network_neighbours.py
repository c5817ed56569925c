"""Beside other firewalls and engines: nothing of theirs is touched, theirs works on, and where they drop what they do not
know, what docs/running.md says to do is enough."""

import re
import subprocess
from pathlib import Path

import pytest

from kit import leaks, netns
from kit.archives import busybox
from kit.nethost import comes_to_know, endpoint, get, host, inside, serve  # noqa: F401

pytestmark = [pytest.mark.one_runtime, pytest.mark.timeout(600)]

RULES = Path(netns.__file__).parent / "rulesets"

# A container of another engine: bridge, the host's address, its address.
THEIRS = {
    "docker": ("docker0", "172.17.0.1/16", "172.17.0.2"),
    "podman": ("podman0", "10.88.0.1/16", "10.88.0.2"),
    "cni": ("cni0", "10.89.0.1/16", "10.89.0.2"),
}

# What the commands of docs/running.md make of their rules.
REMEDIES = {
    "docker": """
        insert rule ip filter DOCKER-USER oifname "hf-*" counter accept
        insert rule ip filter DOCKER-USER iifname "hf-*" counter accept
        insert rule ip filter DOCKER-USER oifname "holdfast0" counter accept
        insert rule ip filter DOCKER-USER iifname "holdfast0" counter accept""",
    "ufw": """
        add rule ip filter ufw-user-forward ip saddr 172.16.0.0/12 counter accept
        add rule ip filter ufw-user-forward ip daddr 172.16.0.0/12 counter accept
        add rule ip filter ufw-user-input ip saddr 172.16.0.0/12 tcp dport 53 counter accept
        add rule ip filter ufw-user-input ip saddr 172.16.0.0/12 udp dport 53 counter accept""",
}


class Neighbour:
    """The other's rules on a host, and a container of theirs."""

    def __init__(self, host, tool, ours):
        self.host, self.tool, self.ours = host, tool, ours
        rules = (RULES / f"{tool}.nft").read_text()
        # firewalld's are those of after the remedy.
        self.remedy = f"delete table inet firewalld\n{rules}" if tool == "firewalld" else REMEDIES.get(tool)
        if tool == "firewalld":
            rules = re.sub(r'.*"(holdfast0|hf-\*)".*\n', "", rules)
        self.apply(rules)
        self.container = None
        if tool in THEIRS:
            self._add_container(*THEIRS[tool])

    def apply(self, rules):
        self.host.run("nft", "-f", "-", input=rules.replace("holdfast0", self.ours))

    def _add_container(self, bridge, gateway, address):
        self.container = netns.Host()
        for words in (f"link add {bridge} type bridge", f"addr add {gateway} dev {bridge}", f"link set {bridge} up",
                      f"link add theirs master {bridge} type veth peer name eth0 netns {self.container.name}",
                      "link set theirs up"):
            self.host.run("ip", *words.split())
        for words in (f"addr add {address}/16 dev eth0", "link set eth0 up",
                      f"route add default via {gateway.split('/')[0]}"):
            self.container.run("ip", *words.split())
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.container.serve(80)

    def rules(self):
        """Theirs: all tables but those of our name."""
        listed = self.host.run("nft", "-s", "list", "ruleset")
        return re.sub(r"^table inet holdfast\S* \{\n.*?^\}\n", "", listed, flags=re.S | re.M)

    def works(self):
        """Their container is asked from outside, and asks outside."""
        if self.container:
            assert self.host.neighbour.ask("10.9.0.1", 8081) == "10.9.0.2"
            assert self.container.ask("10.9.0.2", 99) == "10.9.0.1"

    def close(self):
        if self.container:
            self.container.close()
            self.host.run("ip", "link", "del", THEIRS[self.tool][0])
        for table in self.host.run("nft", "list", "tables").splitlines():
            if " holdfast" not in table:
                self.host.run("nft", "delete", *table.split())


@pytest.fixture
def theirs(host, tool, new_daemon):
    """The other was there first."""
    made = new_daemon()
    made.netns = host.path
    # The name of its default bridge, of which that of an engine that is alone is holdfast0.
    neighbour = Neighbour(host, tool, "holdfast" + leaks.instance(made)[1:])
    neighbour.daemon = made
    host.neighbour.serve(99)
    made.start()
    made.load(busybox().docker_archive("busybox:latest"))
    yield neighbour
    neighbour.close()


@pytest.fixture
def daemon(theirs):
    return theirs.daemon


def gets_out(daemon, host, name, timeout=netns.PATIENCE):
    """Does the world answer a container of ours?"""
    ask = ["/usr/bin/python3", "-c", netns.CLIENT, "tcp", "10.9.0.2", "99", str(timeout)]
    try:
        return inside(daemon, host, name, *ask).strip()
    except subprocess.CalledProcessError as e:
        return e.stderr.splitlines()[-1]


@pytest.mark.parametrize("tool", ["docker", "podman", "cni", "ufw", "firewalld"])
def test_nothing_of_theirs_is_touched(daemon, host, theirs, tool):
    theirs.works()
    was = theirs.rules()
    assert "table" in was

    def unchanged():
        assert theirs.rules() == was
        theirs.works()

    daemon.api.post("/networks/create", {"Name": "net"}, expect=201)
    ports = {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    web = serve(daemon, "web", **ports)
    serve(daemon, "named", "net")
    unchanged()
    # Some drop what they do not know, and it is for them to let it pass.
    if theirs.remedy:
        assert gets_out(daemon, host, "web", 0.3) != "10.9.0.1"
        theirs.apply(theirs.remedy)
        was = theirs.rules()
    assert get(host.neighbour, "10.9.0.1", 8080) == web[:12]
    for name in ("web", "named"):
        assert gets_out(daemon, host, name) == "10.9.0.1"
    assert comes_to_know(daemon, "named", "named") == [endpoint(daemon, "named", "net")["IPAddress"]]

    daemon.restart()
    daemon.api.post("/holdfast/repair", expect=204)
    unchanged()
    daemon.api.post("/networks/net/connect", {"Container": "web"}, expect=200)
    daemon.stop_container("web", t=0, expect=204)
    daemon.start_container("web")
    unchanged()
    for name in ("web", "named"):
        daemon.api.delete(f"/containers/{name}", force=True, expect=204)
    daemon.api.delete("/networks/net", expect=204)
    unchanged()
    daemon.stop()
    assert theirs.rules() == was and "holdfast" not in host.run("nft", "list", "tables")
    theirs.works()
