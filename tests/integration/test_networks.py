"""Networks: containers on bridges of a host of the test's own, with clients that know no holdfast."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import netns
from kit.archives import busybox
from kit.host import wait_for
from kit.inject import Inject, Strace
from kit.nethost import (SERVE, answers, daemon, endpoint, get, host,  # noqa: F401
                         published, refused, serve, up)
from kit.slow import WrappedRuntime


def text_of(daemon, cid):
    return "".join(daemon.logs(cid))


BINDING = {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}


def test_a_published_port_answers_while_the_daemon_is_dead(daemon, host):
    cid = serve(daemon, "web", **BINDING)
    name = cid[:12]
    for what in (lambda: None, daemon.kill9, daemon.start):
        what()
        assert get(host, "127.0.0.1", 8080) == name
        assert get(host, "10.9.0.1", 8080) == name
        assert get(host.neighbour, "10.9.0.1", 8080) == name
    assert published(daemon, "web") == [8080]
    assert endpoint(daemon, "web")["IPAddress"] == "172.17.0.2"
    listed = daemon.list()[0]["Ports"]
    assert listed == [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]


def test_the_network_stays_when_the_shim_restarts_the_container(daemon, host):
    serve(daemon, "web", RestartPolicy={"Name": "always"}, **BINDING)
    before = endpoint(daemon, "web")
    first = daemon.inspect("web")["State"]["Pid"]
    daemon.kill9()
    host.run("kill", "-9", str(first))
    assert wait_for(lambda: answers(host), "the restarted container's answer")
    daemon.start()
    wait_for(lambda: daemon.inspect("web")["State"]["Running"], "its running")
    assert daemon.inspect("web")["State"]["Pid"] != first
    assert endpoint(daemon, "web") == before


def test_stop_takes_the_network_away_and_start_gives_the_same_port(daemon, host):
    serve(daemon, "web", PublishAllPorts=True, PortBindings={"80/tcp": [{}]})
    port = published(daemon, "web")
    daemon.api.post("/containers/web/stop", t=0, expect=204)
    assert daemon.inspect("web")["NetworkSettings"]["Ports"] == {}
    assert endpoint(daemon, "web")["IPAddress"] == ""
    refused(host, "127.0.0.1", port[0])
    other = daemon.run("sleep 1000", name="other", host={
        "NetworkMode": "bridge", "PortBindings": {"81/tcp": [{}]}})
    daemon.restart()
    daemon.start_container("web")
    up(daemon, "web")
    assert published(daemon, "web") == port
    assert get(host, "127.0.0.1", port[0])
    assert published(daemon, other, "81/tcp") != port


def test_containers_reach_each_other_and_the_world(daemon, host):
    serve(daemon, "web")
    address = endpoint(daemon, "web")["IPAddress"]
    host.neighbour.serve(99)
    said = daemon.run(f"wget -qO- http://{address}/hostname; nc 10.9.0.2 99; cat /etc/hosts",
                      name="client", host={"NetworkMode": "bridge"})
    assert daemon.wait(said) == 0
    text = text_of(daemon, said)
    assert daemon.inspect("web")["Id"][:12] in text
    assert "10.9.0.1" in text
    assert f"\t{said[:12]}" in text


def test_networks_are_made_listed_used_and_removed(daemon, host, docker):
    docker("network", "create", "--subnet", "10.44.0.0/24", "--label", "a=b", "front")
    assert docker("network", "ls", "--format", "{{.Name}} {{.Driver}}", "--filter", "label=a=b") == "front bridge"
    docker("run", "-d", "--name", "web", "--network", "front", "--ip", "10.44.0.9", "busybox", *SERVE)
    assert docker("network", "inspect", "front", "--format",
                  "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}") == "web 10.44.0.9/24"
    refused(host, endpoint(daemon, "web", "front")["IPAddress"], 81)
    done = docker.run("network", "rm", "front", check=False)
    assert done.returncode == 1 and "has active endpoints" in done.stderr
    daemon.restart()
    done = docker.run("network", "rm", "front", check=False)
    assert "has active endpoints" in done.stderr
    docker("rm", "-f", "web")
    docker("network", "rm", "front")
    assert docker("network", "ls", "-q", "--filter", "name=front") == ""


def test_connect_and_disconnect(daemon, host, docker):
    docker("network", "create", "one")
    docker("network", "create", "two")
    docker("run", "-d", "--name", "web", "--network", "one", "busybox", *SERVE)
    docker("run", "-d", "--name", "peer", "--network", "two", "busybox", "sleep", "1000")
    docker("network", "connect", "two", "web")
    daemon.restart()
    here = daemon.inspect("web")["NetworkSettings"]["Networks"]
    assert set(here) == {"one", "two"} and all(n["IPAddress"] for n in here.values())
    up(daemon, "web")
    pid = daemon.inspect("peer")["State"]["Pid"]
    fetch = ["nsenter", "-t", str(pid), "-n", "curl", "-sS", "-m", "10", f"http://{here['two']['IPAddress']}/hostname"]
    assert host.run(*fetch).strip() == daemon.inspect("web")["Id"][:12]
    docker("network", "disconnect", "two", "web")
    assert set(daemon.inspect("web")["NetworkSettings"]["Networks"]) == {"one"}
    with pytest.raises(Exception):
        host.run(*fetch)
    # Of one that does not run: at its next start.
    docker("stop", "-t", "0", "web")
    docker("network", "connect", "two", "web")
    two = docker("network", "inspect", "-f", "{{.Id}}", "two")
    for ref, names in (("one", {"web"}), ("two", {"web", "peer"}), (two, {"web", "peer"}), ("bridge", set())):
        shown = docker("ps", "-a", "--format", "{{.Names}}", "--filter", f"network={ref}")
        assert set(shown.split()) == names, ref
    docker("start", "web")
    assert endpoint(daemon, "web", "two")["IPAddress"]


def test_a_connect_that_cannot_be_saved_leaves_nothing(daemon, host, docker):
    docker("network", "create", "one")
    docker("network", "create", "two")
    cid = docker("run", "-d", "--network", "one", "busybox", "sleep", "1000").strip()
    pid = daemon.container_pid(cid)

    def interfaces():
        links = host.run("nsenter", "-t", str(pid), "-n", "ip", "-o", "link").splitlines()
        return sorted(line.split(":")[1].split("@")[0].strip() for line in links)

    was = interfaces()
    # The first is config.json's, the intent; the second that of the names; the third phase.json's.
    with Inject(daemon.pid, "renameat", "EIO", "3") as faults:
        answer = daemon.api.post("/networks/two/connect", {"Container": cid})
    assert answer.status == 500 and len(faults.hits) == 1 and "phase.json" in faults.hits[0]
    assert set(daemon.inspect(cid)["NetworkSettings"]["Networks"]) == {"one"}
    assert interfaces() == was
    docker("network", "connect", "two", cid)
    assert set(daemon.inspect(cid)["NetworkSettings"]["Networks"]) == {"one", "two"}


@pytest.mark.parametrize("args,words", [
    (["--network", "nowhere"], "network nowhere not found"),
    (["--network", "bridge", "--ip", "172.17.0.9"], "user defined networks only"),
    (["-p", "8080:80", "-p", "8080:81"], "port is already allocated"),
])
def test_what_cannot_be_had_is_said(daemon, docker, args, words):
    done = docker.run("run", "-d", *args, "busybox", "sleep", "1000", check=False)
    assert done.returncode == 125
    assert words in done.stderr


def test_a_port_in_use_is_an_error_and_the_container_stays(daemon, host, docker):
    host.serve(8080)
    done = docker.run("run", "-d", "--name", "web", "-p", "8080:80", "busybox", *SERVE, check=False)
    assert done.returncode == 125 and "already in use" in done.stderr and "8080" in done.stderr
    assert daemon.inspect("web")["State"]["Status"] == "created"
    assert json.loads(docker("network", "inspect", "bridge"))[0]["Containers"] == {}


@pytest.mark.one_runtime
@pytest.mark.one_runtime
def test_what_has_ended_is_in_nobodys_way(daemon, host):
    """Who waits for the end is told before the container has left its network: its place is waited for."""
    daemon.api.post("/networks/create", {"Name": "mine", "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}]}}, expect=201)
    place = {"host": {"NetworkMode": "mine", **BINDING}, "ExposedPorts": {"80/tcp": {}},
             "NetworkingConfig": {"EndpointsConfig": {"mine": {"IPAMConfig": {"IPv4Address": "10.77.0.9"}}}}}
    first, second = [daemon.create("true", **place) for _ in range(2)]
    with Strace(daemon.pid, {"unlinkat": "delay_enter=700000"}):
        for cid in (first, second):
            daemon.start_container(cid)
            assert daemon.wait(cid) == 0
        daemon.api.delete("/networks/mine", expect=204)


@pytest.mark.parametrize("file", ["config.json", "state.json", "phase.json"])
def test_who_cannot_be_read_keeps_his_network(daemon, host, file):
    cid = serve(daemon, "web", **BINDING)
    links = [l for l in netns.leftovers(host) if l.startswith("hv")]
    at = endpoint(daemon, "web")["IPAddress"]
    daemon.kill9()
    where = daemon.exec if file == "phase.json" else daemon.data
    (where / "containers" / cid / file).write_text("{")
    daemon.start()
    daemon.api.post("/holdfast/repair", expect=204)
    assert links and set(links) <= set(netns.leftovers(host))
    if file != "phase.json":  # where the address and the ports are known
        assert get(host, "127.0.0.1", 8080) == cid[:12]
        assert endpoint(daemon, serve(daemon, "next"))["IPAddress"] != at
    daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
    assert wait_for(lambda: not set(links) & set(netns.leftovers(host)), "its interface to go")


@pytest.mark.one_runtime
def test_what_one_has_that_has_ended_the_next_one_gets(host, new_daemon):
    """`docker run -p 8080:80`, and once more: who waits for the end is told before all is released."""
    with WrappedRuntime("runc", '*" delete "*) await go;;') as slow, ThreadPoolExecutor(1) as pool:
        daemon = new_daemon(*slow.options())
        daemon.netns = host.path
        daemon.start().load(busybox().docker_archive("busybox:latest"))
        first = daemon.run("true", host={"NetworkMode": "bridge", "Runtime": "held", **BINDING})
        assert daemon.wait(first) == 0
        second = daemon.create(SERVE, host={"NetworkMode": "bridge", **BINDING})
        start = pool.submit(daemon.start_container, second)
        with pytest.raises(TimeoutError):
            start.result(1)  # nothing can tell it yet
        assert endpoint(daemon, first)["IPAddress"] == ""
        slow.go()
        start.result()
    up(daemon, second)
    assert get(host, "127.0.0.1", 8080) == second[:12]
    daemon.start_container(first, expect=500)  # who runs keeps it


def test_shared_namespaces_share_the_address(daemon, host):
    cid = serve(daemon, "web", **BINDING)
    other = daemon.run("wget -qO- http://127.0.0.1/hostname", host={"NetworkMode": f"container:{cid}"})
    assert daemon.wait(other) == 0
    assert text_of(daemon, other).strip() == cid[:12]


def test_prune_leaves_what_is_used(daemon, docker):
    docker("network", "create", "used")
    docker("network", "create", "free")
    docker("run", "-d", "--network", "used", "busybox", "sleep", "1000")
    assert docker("network", "prune", "-f").split() == ["Deleted", "Networks:", "free"]


def test_docker_py(daemon, client, host):
    network = client.networks.create("py", labels={"x": "y"})
    web = client.containers.run("busybox", SERVE, name="web", network="py", detach=True,
                                ports={"80/tcp": ("127.0.0.1", 8088)})
    up(daemon, "web")
    assert get(host, "127.0.0.1", 8088) == web.id[:12]
    refused(host.neighbour, "10.9.0.1", 8088)
    network.reload()
    assert [c.name for c in network.containers] == ["web"]
    network.disconnect(web)
    web.remove(force=True)
    network.remove()


def test_our_own_command_line(daemon, host):
    cli = daemon.cli
    cli("network", "create", "--subnet", "10.44.0.0/24", "--ip-range", "10.44.0.128/25", "--gateway", "10.44.0.1",
        "--aux-address", "router=10.44.0.200", "--label", "a=b", "net")
    config = json.loads(cli("network", "inspect", "net").stdout)[0]
    assert config["IPAM"]["Config"] == [{"Subnet": "10.44.0.0/24", "IPRange": "10.44.0.128/25", "Gateway": "10.44.0.1",
                                         "AuxiliaryAddresses": {"router": "10.44.0.200"}}]
    assert [l.split()[1] for l in cli("network", "ls").stdout.splitlines()[1:]] == ["bridge", "host", "none", "net"]
    cid = cli("run", "-d", "-p", "8080:80", "busybox", *SERVE).stdout.strip()
    up(daemon, cid)
    cli("network", "connect", "--ip", "10.44.0.130", "net", cid)
    assert endpoint(daemon, cid, "net")["IPAddress"] == "10.44.0.130"
    host.run("nft", "flush", "ruleset")
    assert not answers(host)
    cli("repair")
    assert get(host, "127.0.0.1", 8080) == cid[:12]
    cli("network", "disconnect", "net", cid)
    assert cli("network", "prune", "-f").stdout.split() == ["Deleted", "Networks:", "net"]
    assert "network nowhere not found" in cli("network", "rm", "nowhere", check=False).stderr
