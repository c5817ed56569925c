"""Connecting and disconnecting containers that live, running, paused or waiting for their next run: their
interfaces, the way out of the host, published ports, and the files by which they find names."""

import pytest

from kit.host import wait_for
from kit.nethost import (SERVE, answers, comes_to_know, daemon, default_route, endpoint, get,  # noqa: F401
                         host, inside, published, refused, serve, up)
from kit.netns import leftovers

pytestmark = pytest.mark.one_cli
BINDINGS = {"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{}]}


@pytest.fixture
def networks(daemon, docker):
    docker("network", "create", "--subnet", "10.44.0.0/24", "net")
    docker("network", "create", "--subnet", "10.45.0.0/24", "other")
    docker("network", "create", "--subnet", "10.46.0.0/24", "--internal", "closed")


def file_of(daemon, name, key):
    return open(daemon.inspect(name)[key]).read().splitlines()


def veths(host):
    return [name for name in leftovers(host) if name.startswith("hv")]


def test_who_leaves_the_default_bridge_keeps_ports_and_the_way_out(daemon, host, docker, networks):
    """`docker network connect net web; docker network disconnect bridge web`."""
    cid = serve(daemon, "web", PortBindings=BINDINGS)
    ports = daemon.inspect("web")["NetworkSettings"]["Ports"]
    docker("network", "connect", "net", "web")
    assert default_route(daemon, host, "web") == ("eth0", "172.17.0.1")
    docker("network", "disconnect", "bridge", "web")
    for what in (lambda: None, daemon.restart):
        what()
        assert default_route(daemon, host, "web") == ("eth1", "10.44.0.1")
        assert daemon.inspect("web")["NetworkSettings"]["Ports"] == ports
        assert get(host, "127.0.0.1", 8080) == get(host.neighbour, "10.9.0.1", 8080) == cid[:12]
        assert len(veths(host)) == 1
    host.neighbour.serve(99)
    assert docker("exec", "web", "nc", "10.9.0.2", "99").strip() == "10.9.0.1"
    # At its next start all is as before.
    docker("restart", "-t", "0", "web")
    assert default_route(daemon, host, "web") == ("eth0", "10.44.0.1")
    assert daemon.inspect("web")["NetworkSettings"]["Ports"] == ports


def test_a_way_out_that_comes_later_has_the_ports(daemon, host, docker, networks):
    cid = serve(daemon, "web", "closed", PortBindings=BINDINGS)
    assert default_route(daemon, host, "web") is None
    assert daemon.inspect("web")["NetworkSettings"]["Ports"] == {}
    docker("network", "connect", "net", "web")
    assert default_route(daemon, host, "web") == ("eth1", "10.44.0.1")
    assert get(host.neighbour, "10.9.0.1", 8080) == cid[:12]
    (random,) = published(daemon, "web", "81/tcp")
    docker("network", "disconnect", "net", "web")
    assert default_route(daemon, host, "web") is None
    refused(host, "127.0.0.1", 8080)
    daemon.restart()
    docker("network", "connect", "other", "web")
    assert published(daemon, "web", "81/tcp") == [random]
    assert get(host.neighbour, "10.9.0.1", 8080) == cid[:12]


def test_a_port_that_somebody_took_meanwhile_is_said(daemon, host, docker, networks):
    """Between the two networks the port is free for a moment; where it is lost, the user is told."""
    serve(daemon, "web", "closed", PortBindings=BINDINGS)
    serve(daemon, "thief", PortBindings={"80/tcp": [{"HostPort": "8080"}]})
    done = docker.run("network", "connect", "net", "web", check=False)
    assert done.returncode == 1 and "Bind for 0.0.0.0:8080 failed: port is already allocated" in done.stderr
    assert set(daemon.inspect("web")["NetworkSettings"]["Networks"]) == {"closed"}
    assert len(veths(host)) == 2
    docker("rm", "-f", "thief")
    docker("network", "connect", "net", "web")
    assert published(daemon, "web") == [8080]


def test_names_are_found_from_then_on(daemon, host, docker, networks):
    docker("run", "-d", "--name", "db", "--network", "net", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "web", "busybox", "sleep", "1000")
    before = {key: file_of(daemon, "web", key) for key in ("HostsPath", "ResolvConfPath")}
    docker("network", "connect", "--link", "db:base", "net", "web")
    assert file_of(daemon, "web", "ResolvConfPath")[:1] == ["nameserver 10.44.0.1"]
    assert comes_to_know(daemon, "web", "db") == ["10.44.0.2"]
    short, db = (daemon.inspect(name)["Id"][:12] for name in ("web", "db"))
    added = [line for line in file_of(daemon, "web", "HostsPath") if line not in before["HostsPath"]]
    assert added == [f"10.44.0.2\tbase {db} db", f"10.44.0.3\t{short}"]
    docker("network", "disconnect", "net", "web")
    assert before == {key: file_of(daemon, "web", key) for key in before}


def test_what_the_container_wrote_itself_stays(daemon, docker, networks):
    docker("run", "-d", "--name", "web", "busybox", "sh", "-c",
           "echo '9.9.9.9 mine' >> /etc/hosts; echo nameserver 10.1.1.1 > /etc/resolv.conf; echo done; sleep 1000")
    daemon.wait_log("web", "done")
    docker("network", "connect", "net", "web")
    assert "9.9.9.9 mine" in file_of(daemon, "web", "HostsPath")
    docker("network", "disconnect", "bridge", "web")
    assert file_of(daemon, "web", "HostsPath").count("9.9.9.9 mine") == 1
    assert file_of(daemon, "web", "ResolvConfPath") == ["nameserver 10.1.1.1"]


def test_one_that_waits_for_its_next_run_changes_its_networks(daemon, host, docker, networks):
    """Its shim makes the next run, in the same namespace, whether the daemon is there or not."""
    gate = daemon.root / "gate"
    cid = daemon.run("[ -e /there/gate ] || exit 1; exec httpd -f -p 80 -h /etc", name="web", host={
        "NetworkMode": "net", "RestartPolicy": {"Name": "always"}, "Binds": [f"{daemon.root}:/there"],
        "PortBindings": BINDINGS})
    # Late enough in its back-off that the verbs come in between.
    wait_for(lambda: daemon.inspect("web")["RestartCount"] >= 3 and
             daemon.state("web")["Status"] == "restarting", "its waiting")
    docker("network", "connect", "other", "web")
    docker("network", "disconnect", "net", "web")
    shown = daemon.inspect("web")["NetworkSettings"]["Networks"]
    assert set(shown) == {"other"} and shown["other"]["IPAddress"] == "10.45.0.2"
    assert len(veths(host)) == 1
    docker("network", "rm", "net")
    daemon.kill9()
    gate.touch()
    # Who was late with the verbs waits as long again for it: the back-off doubles.
    assert wait_for(lambda: answers(host), "its next run", 90) == cid[:12]
    daemon.start()
    daemon.wait_state("web", "running")
    assert default_route(daemon, host, "web") == ("eth1", "10.45.0.1")
    assert endpoint(daemon, "web", "other")["IPAddress"] == "10.45.0.2"


def test_a_paused_one_changes_its_networks(daemon, host, docker, networks):
    docker("run", "-d", "--name", "web", "--network", "net", "busybox", *SERVE)
    up(daemon, "web")
    docker("pause", "web")
    docker("network", "connect", "--ip", "10.45.0.9", "other", "web")
    docker("network", "disconnect", "net", "web")
    docker("unpause", "web")
    assert default_route(daemon, host, "web") == ("eth1", "10.45.0.1")
    assert get(host, "10.45.0.9") == daemon.inspect("web")["Id"][:12]


def test_of_a_created_one_it_is_what_it_starts_with(daemon, host, docker, networks):
    docker("create", "--name", "web", "-p", "8080:80", "busybox", *SERVE)
    docker("network", "connect", "--ip", "10.44.0.9", "--alias", "www", "net", "web")
    docker("network", "disconnect", "bridge", "web")
    assert not veths(host)
    daemon.restart()
    docker("start", "web")
    assert set(daemon.inspect("web")["NetworkSettings"]["Networks"]) == {"net"}
    assert endpoint(daemon, "web", "net")["IPAddress"] == "10.44.0.9"
    up(daemon, "web")
    assert get(host, "127.0.0.1", 8080)
    assert comes_to_know(daemon, "web", "www") == ["10.44.0.9"]


@pytest.mark.one_runtime
def test_what_cannot_be_is_said_and_changes_nothing(daemon, host, api):
    for name, subnet in (("net", "10.44.0.0/24"), ("other", "10.45.0.0/24")):
        api.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}}, expect=201)
    serve(daemon, "web", "net")
    daemon.run("sleep 1000", name="apart", host={"NetworkMode": "none"})
    daemon.run("sleep 1000", name="shares", host={"NetworkMode": "container:web"})

    def connect(network, container="web", **settings):
        return api.post(f"/networks/{network}/connect", {"Container": container, "EndpointConfig": settings})

    def disconnect(network, container="web"):
        return api.post(f"/networks/{network}/disconnect", {"Container": container})

    for answer, status, words in (
        (connect("bridge", Aliases=["x"]), 400, "network-scoped aliases are only supported for user-defined networks"),
        (connect("bridge", IPAMConfig={"IPv4Address": "172.17.0.9"}), 400, "user specified IP address is supported on"),
        (connect("other", IPAMConfig={"IPv4Address": "10.99.0.9"}), 400, "no configured subnet contains IP address"),
        (connect("other", IPAMConfig={"IPv4Address": "nonsense"}), 400, "invalid IPv4 address: nonsense"),
        (connect("other", IPAMConfig={"IPv4Address": "10.45.0.1"}), 403, "Address already in use"),
        (connect("other", MacAddress="nonsense"), 400, "invalid MAC address: nonsense"),
        (connect("net"), 403, "endpoint with name web already exists in network net"),
        (connect("host"), 403, "container cannot be connected to host network or disconnected from it"),
        (connect("none"), 403, "one of the networks in private (none) mode"),
        (connect("net", "nobody"), 404, "No such container: nobody"),
        (connect("net", ""), 400, "invalid container name or ID: value is empty"),
        (connect("nowhere"), 404, "network nowhere not found"),
        (connect("net", "apart"), 403, "one of the networks in private (none) mode"),
        (connect("net", "shares"), 403, "container sharing network namespace with another container or host cannot"),
        (disconnect("other"), 403, "is not connected to network other"),
        (disconnect("host"), 403, "container cannot be connected to host network or disconnected from it"),
        (disconnect("nowhere"), 404, "network nowhere not found"),
        (disconnect("net", "nobody"), 404, "No such container: nobody"),
    ):
        assert answer.status == status and words in answer.message, (answer, words)
    assert set(daemon.inspect("web")["NetworkSettings"]["Networks"]) == {"net"} and len(veths(host)) == 1
    assert get(host, endpoint(daemon, "web", "net")["IPAddress"])
