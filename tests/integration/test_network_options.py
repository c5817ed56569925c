"""What may be asked of a network and of a place in it, and what docker says of the rest; published ports in
the forms that users write."""

import json
import subprocess
import time

import pytest

from kit.host import wait_for
from kit.nethost import (SERVE, answers, comes_to_know, daemon, default_route, endpoint, get, host,  # noqa: F401
                         inside, published, refused, serve, up)
from kit.netns import SERVER, leftovers

pytestmark = [pytest.mark.one_runtime, pytest.mark.one_cli]


def make(daemon, name, **body):
    return daemon.api.post("/networks/create", {"Name": name, **body}, expect=201).json["Id"]


def option(key, value):
    return {"Options": {f"com.docker.network.{key}": value}}


def link(daemon, host, name, ifname="eth0"):
    return json.loads(inside(daemon, host, name, "ip", "-j", "link", "show", ifname))[0]


# --- networks

def test_pools_of_addresses(daemon, docker):
    docker("network", "create", "--subnet", "10.44.0.0/24", "--ip-range", "10.44.0.128/25", "--gateway", "10.44.0.254",
           "--aux-address", "router=10.44.0.128", "--aux-address", "printer=10.44.0.129", "net")
    docker("run", "-d", "--name", "one", "--network", "net", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "two", "--network", "net", "--ip", "10.44.0.7", "busybox", "sleep", "1000")
    assert endpoint(daemon, "one", "net")["IPAddress"] == "10.44.0.130"
    assert endpoint(daemon, "one", "net")["Gateway"] == "10.44.0.254"
    assert endpoint(daemon, "two", "net")["IPAddress"] == "10.44.0.7"  # of the subnet, beyond the range
    done = docker.run("run", "-d", "--network", "net", "--ip", "10.44.0.129", "busybox", "true", check=False)
    assert done.returncode == 125 and "Address already in use" in done.stderr


def test_ip6(daemon, host, docker):
    docker("network", "create", "--ipv6", "--subnet", "fd44::/64", "--gateway", "fd44::7", "six")
    docker("run", "-d", "--name", "one", "--network", "six", "--ip6", "fd44::9", "-p", "8080:80", "-p", "[fd09::1]:8081:80",
           "busybox", "httpd", "-f", "-p", "[::]:80", "-h", "/etc")
    shown = endpoint(daemon, "one", "six")
    assert (shown["GlobalIPv6Address"], shown["GlobalIPv6PrefixLen"], shown["IPv6Gateway"]) == ("fd44::9", 64, "fd44::7")
    assert "via fd44::7" in inside(daemon, host, "one", "ip", "-6", "route", "show", "default")
    short = daemon.inspect("one")["Id"][:12]
    wait_for(lambda: answers(host.neighbour, 8080, "[fd09::1]") == short, "the bridge's link to be believed in")
    assert get(host.neighbour, "[fd09::1]", 8081) == short
    # The kernel cannot lead ::1 on: refused at once, so that who asks for "localhost" asks 127.0.0.1 next.
    with pytest.raises(Exception, match="exit status 7"):
        get(host, "[::1]", 8080)
    assert get(host, "localhost", 8080) == short
    done = docker.run("run", "-d", "--network", "six", "-p", "[::1]:8082:80", "busybox", "true", check=False)
    assert "cannot publish port 80/tcp at [::1]: of loopback addresses only those of IPv4 can be" in done.stderr
    assert daemon.inspect("one")["NetworkSettings"]["Ports"]["80/tcp"] == [
        {"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"},
        {"HostIp": "fd09::1", "HostPort": "8081"}]


def test_isolation_inside_a_network(daemon, host):
    for value in ("false", "0"):
        make(daemon, "apart" + value, **option("bridge.enable_icc", value))
        serve(daemon, "one" + value, "apart" + value)
        serve(daemon, "two" + value, "apart" + value)
        at = endpoint(daemon, "one" + value, "apart" + value)["IPAddress"]
        assert get(host, at)
        with pytest.raises(Exception, match="non-zero exit"):
            inside(daemon, host, "two" + value, "curl", "-sS", "-m", "1", f"http://{at}/hostname")


def test_without_masquerading_packets_keep_their_address(daemon, host):
    make(daemon, "plain", IPAM={"Config": [{"Subnet": "10.44.0.0/24"}]},
         **option("bridge.enable_ip_masquerade", "False"))
    host.neighbour.run("ip", "route", "add", "10.44.0.0/24", "via", "10.9.0.1")
    host.neighbour.serve(99)
    cid = daemon.run("nc 10.9.0.2 99", host={"NetworkMode": "plain"})
    assert daemon.wait(cid) == 0
    assert daemon.logs(cid)[0].strip() == "10.44.0.2"


def test_ports_at_the_address_that_the_network_says(daemon, host):
    make(daemon, "local", **option("bridge.host_binding_ipv4", "127.0.0.1"))
    cid = serve(daemon, "web", "local", PortBindings={"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{"HostIp": "10.9.0.1"}]})
    assert daemon.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "8080"}]
    assert daemon.inspect("web")["NetworkSettings"]["Ports"]["81/tcp"][0]["HostIp"] == "10.9.0.1"
    assert get(host, "127.0.0.1", 8080) == cid[:12]
    refused(host.neighbour, "10.9.0.1", 8080)


def test_mtu_bridge_name_and_what_nobody_knows(daemon, host, docker):
    docker("network", "create", "-o", "com.docker.network.driver.mtu=1400", "-o", "com.docker.network.bridge.name=mybr0",
           "-o", "what=ever", "--attachable", "--label", "a=b", "net")
    docker("run", "-d", "--name", "one", "--network", "net", "busybox", "sleep", "1000")
    assert link(daemon, host, "one")["mtu"] == 1400
    assert "mybr0" in leftovers(host)
    (shown,) = json.loads(docker("network", "inspect", "-v", "net"))
    assert shown["Options"]["what"] == "ever" and shown["Attachable"] and shown["Labels"] == {"a": "b"}
    (member,) = shown["Containers"].values()
    assert (member["Name"], member["IPv4Address"]) == ("one", endpoint(daemon, "one", "net")["IPAddress"] + "/16")
    docker("rm", "-f", "one")
    docker("network", "rm", "net")
    assert "mybr0" not in leftovers(host)


def test_a_macvlan_is_on_the_parents_wire(daemon, host, docker):
    try:
        host.run("ip", "link", "add", "probe", "link", "wan0", "type", "macvlan")
        host.run("ip", "link", "del", "probe")
    except subprocess.CalledProcessError:
        pytest.skip("this kernel has no macvlan")
    docker("network", "create", "-d", "macvlan", "--subnet", "10.9.0.0/24", "--gateway", "10.9.0.2", "-o", "parent=wan0", "wire")
    docker("run", "-d", "--name", "one", "--network", "wire", "--ip", "10.9.0.77", "-p", "8080:80", "busybox", *SERVE)
    up(daemon, "one")
    assert get(host.neighbour, "10.9.0.77") == daemon.inspect("one")["Id"][:12]
    assert default_route(daemon, host, "one") == ("eth0", "10.9.0.2")
    # Nothing is published there, as with docker: it has an address of its own.
    assert daemon.inspect("one")["NetworkSettings"]["Ports"] == {"80/tcp": None}
    daemon.restart()
    assert get(host.neighbour, "10.9.0.77")
    docker("network", "disconnect", "wire", "one")
    assert "eth0" not in inside(daemon, host, "one", "ip", "-o", "link")


def test_what_no_network_can_be(daemon, api):
    swarm = "This node is not a swarm manager"
    make(daemon, "there", IPAM={"Config": [{"Subnet": "10.44.0.0/24"}]})
    for body, status, words in (
        ({}, 400, "name is empty"),
        ({"Name": "  "}, 400, "name is empty"),
        ({"Name": "a/b"}, 400, "invalid network name: a/b"),
        ({"Name": "a\nb"}, 400, "invalid network name: a\nb"),
        ({"Name": "a" * 300}, 400, "invalid network name: aaa"),
        ({"Name": "there"}, 409, "network with name there already exists"),
        ({"Name": "bridge"}, 409, "network with name bridge already exists"),
        ({"Name": "n", "Driver": "host"}, 403, 'only one instance of "host" network is allowed'),
        ({"Name": "n", "Driver": "null"}, 403, 'only one instance of "null" network is allowed'),
        ({"Name": "n", "Driver": "weave"}, 404, 'plugin "weave" not found'),
        ({"Name": "n", "IPAM": {"Driver": "dhcp"}}, 404, 'plugin "dhcp" not found'),
        ({"Name": "n", "Driver": "overlay"}, 503, swarm),
        ({"Name": "n", "Scope": "swarm"}, 503, swarm),
        ({"Name": "n", "Ingress": True}, 503, swarm),
        ({"Name": "n", "ConfigOnly": True}, 501, "not supported yet"),
        ({"Name": "n", "ConfigFrom": {"Network": "there"}}, 501, "not supported yet"),
        ({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.44.0.0/16"}]}}, 403, "Pool overlaps with other one"),
        ({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.44"}]}}, 400, "invalid CIDR address: 10.44"),
        ({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.1.0.0/24", "Gateway": "10.2.0.1"}]}}, 400, "no matching subnet for gateway"),
        ({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.1.0.0/24", "IPRange": "10.2.0.0/25"}]}}, 400, "no matching subnet for range"),
        ({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.1.0.0/24", "AuxiliaryAddresses": {"a": "10.2.0.1"}}]}}, 400,
         "no matching subnet for aux-address 10.2.0.1"),
        ({"Name": "n", **option("bridge.enable_icc", "maybe")}, 400,
         'failed to parse com.docker.network.bridge.enable_icc value: maybe'),
        ({"Name": "n", **option("bridge.enable_ip_masquerade", "x")}, 400, "enable_ip_masquerade value: x"),
        ({"Name": "n", **option("bridge.host_binding_ipv4", "x")}, 400, "host_binding_ipv4 value: x (nil ip)"),
        ({"Name": "n", **option("driver.mtu", "wide")}, 400, "com.docker.network.driver.mtu value: wide"),
    ):
        answer = api.post("/networks/create", body)
        assert answer.status == status and words in answer.message, (body, answer)
    assert len(api.get("/networks", expect=200).json) == 4
    for name, status, words in (("bridge", 403, "bridge is a pre-defined network and cannot be removed"),
                                ("host", 403, "pre-defined"), ("none", 403, "pre-defined"),
                                ("nowhere", 404, "network nowhere not found")):
        answer = api.delete(f"/networks/{name}")
        assert answer.status == status and words in answer.message, answer


def test_filters_of_the_list_and_of_prune(daemon, api):
    first = make(daemon, "front", Labels={"tier": "one", "keep": ""})
    make(daemon, "back", Labels={"tier": "two"})
    daemon.run("sleep 1000", host={"NetworkMode": "back"})

    def names(**filters):
        return sorted(n["Name"] for n in api.get("/networks", expect=200, filters=filters).json)

    builtin = ["bridge", "host", "none"]
    for filters, shown in (
        ({"name": ["ron"]}, ["front"]), ({"name": ["front", "back"]}, ["back", "front"]),
        ({"id": [first[:6]]}, ["front"]), ({"driver": ["host"]}, ["host"]), ({"driver": ["null"]}, ["none"]),
        ({"type": ["builtin"]}, builtin), ({"type": ["custom"]}, ["back", "front"]),
        ({"label": ["tier"]}, ["back", "front"]), ({"label": ["tier=one", "keep"]}, ["front"]),
        ({"scope": ["local"]}, ["back", *builtin[:1], "front", *builtin[1:]]), ({"scope": ["swarm"]}, []),
        ({"dangling": ["true"]}, ["front"]),
    ):
        assert names(**filters) == shown, filters
    for filters, words in (({"what": ["x"]}, "invalid filter 'what'"), ({"type": ["x"]}, "invalid filter: 'type'='x'"),
                           ({"dangling": ["perhaps"]}, "dangling")):
        answer = api.get("/networks", filters=filters)
        assert answer.status == 400 and words in answer.message, answer
    make(daemon, "third")
    for filters, gone in (({"label": ["tier=two"]}, None), ({"until": ["1h"]}, None), ({"label!": ["keep"]}, ["third"]),
                          ({}, ["front"])):
        assert api.post("/networks/prune", expect=200, filters=filters).json["NetworksDeleted"] == gone, filters
    assert api.post("/networks/prune", filters={"driver": ["bridge"]}).status == 400


def test_events_tell_of_networks(daemon, docker):
    since = time.time()
    docker("network", "create", "--label", "a=b", "net")
    cid = docker("run", "-d", "--network", "net", "busybox", "sleep", "1000")
    docker("network", "disconnect", "net", cid)
    docker("network", "connect", "net", cid)
    docker("rm", "-f", cid)
    docker("network", "rm", "net")
    told = daemon.past_events(since, type=["network"])
    assert [e["Action"] for e in told] == ["create", "connect", "disconnect", "connect", "disconnect", "destroy"]
    for event in told:
        said = event["Actor"]["Attributes"]
        assert (said["name"], said["type"]) == ("net", "bridge")
        assert said.get("container") == (cid if "connect" in event["Action"] else None)


# --- places in networks

def test_several_networks_at_once(daemon, host, api):
    for name, subnet in (("one", "10.44.0.0/24"), ("two", "10.45.0.0/24")):
        make(daemon, name, IPAM={"Config": [{"Subnet": subnet}]})
    cid = daemon.run(SERVE, host={"NetworkMode": "two", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
                     NetworkingConfig={"EndpointsConfig": {
                         "one": {"IPAMConfig": {"IPv4Address": "10.44.0.9"}, "MacAddress": "02:42:00:00:00:01"},
                         "two": {"IPAMConfig": {"IPv4Address": "10.45.0.9"}, "Aliases": ["www"]}}})
    for _ in range(2):
        up(daemon, cid)
        assert endpoint(daemon, cid, "one")["IPAddress"] == "10.44.0.9"
        assert endpoint(daemon, cid, "two")["IPAddress"] == "10.45.0.9"
        assert "www" in endpoint(daemon, cid, "two")["Aliases"]
        assert default_route(daemon, host, cid) == ("eth0", "10.45.0.1")  # the mode's own
        assert link(daemon, host, cid, "eth1")["address"] == "02:42:00:00:00:01"
        assert get(host, "127.0.0.1", 8080) == get(host, "10.44.0.9") == cid[:12]
        daemon.restart()
        api.post(f"/containers/{cid}/restart", t=0, expect=204)


@pytest.mark.parametrize("network,settings,status,words", [
    ("net", {"IPAMConfig": {"IPv4Address": "x"}}, 400, "endpoint settings: invalid IPv4 address: x"),
    ("net", {"IPAMConfig": {"IPv4Address": "fd00::1"}}, 400, "invalid IPv4 address: fd00::1"),
    ("net", {"IPAMConfig": {"IPv6Address": "10.0.0.1"}}, 400, "invalid IPv6 address: 10.0.0.1"),
    ("net", {"IPAMConfig": {"LinkLocalIPs": ["x"]}}, 400, "invalid link-local IP address: x"),
    ("net", {"MacAddress": "x"}, 400, "invalid MAC address: x"),
    ("bridge", {"Aliases": ["x"]}, 400, "network-scoped aliases are only supported for user-defined networks"),
    ("bridge", {"IPAMConfig": {"IPv4Address": "172.17.0.9"}}, 400, "supported on user defined networks only"),
])
def test_a_place_that_cannot_be_makes_no_container(daemon, network, settings, status, words):
    make(daemon, "net")
    answer = daemon.refuse(host={"NetworkMode": network}, NetworkingConfig={"EndpointsConfig": {network: settings}})
    assert answer.status == status and words in answer.message, answer
    assert daemon.list(all=True) == []


@pytest.mark.parametrize("binding,words", [
    ({"80": [{"HostPort": "x"}]}, 'invalid port specification: "x"'),
    ({"80": [{"HostPort": "70000"}]}, 'invalid port specification: "70000"'),
    ({"80": [{"HostPort": "9-8"}]}, 'invalid port specification: "9-8"'),
    ({"80/icmp": [{}]}, 'invalid port specification: "80/icmp"'),
    ({"0/tcp": [{}]}, 'invalid port specification: "0/tcp"'),
    ({"80": [{"HostIp": "x"}]}, "invalid host IP: x"),
])
def test_a_port_that_cannot_be_makes_no_container(daemon, binding, words):
    answer = daemon.refuse(host={"NetworkMode": "bridge", "PortBindings": binding})
    assert answer.status == 400 and words in answer.message, answer
    assert daemon.list(all=True) == []


def test_link_local_addresses(daemon, host):
    cid = daemon.run("sleep 1000", host={"NetworkMode": "bridge"}, NetworkingConfig={"EndpointsConfig": {
        "bridge": {"IPAMConfig": {"LinkLocalIPs": ["169.254.8.8"]}}}})
    assert endpoint(daemon, cid)["IPAMConfig"] == {"LinkLocalIPs": ["169.254.8.8"]}
    assert "inet 169.254.8.8/16" in inside(daemon, host, cid, "ip", "-4", "addr", "show", "eth0")


def test_an_ip6_subnet_without_ip6_is_kept_and_not_used(daemon):
    """As docker-py's own tests ask for it."""
    make(daemon, "net", IPAM={"Config": [{"Subnet": "fd44::1/64", "IPRange": "fd44::/96"}]})
    cid = daemon.run("sleep 1000", host={"NetworkMode": "net"}, NetworkingConfig={"EndpointsConfig": {
        "net": {"IPAMConfig": {"IPv6Address": "fd44::f00d"}}}})
    shown = endpoint(daemon, cid, "net")
    assert shown["IPAMConfig"] == {"IPv6Address": "fd44::f00d"}
    assert shown["IPAddress"] and shown["GlobalIPv6Address"] == ""
    (ipam,) = [n["IPAM"] for n in daemon.api.get("/networks", expect=200).json if n["Name"] == "net"]
    assert ipam["Options"] is None and ipam["Config"][0]["Subnet"] == "fd44::1/64"


def test_a_name_with_a_blank(daemon, docker):
    docker("network", "create", "my net")
    cid = docker("run", "-d", "--name", "web", "--network", "my net", "--network-alias", "www", "busybox", "sleep", "1000")
    assert endpoint(daemon, "web", "my net")["IPAddress"]
    assert comes_to_know(daemon, "web", "www") == [endpoint(daemon, "web", "my net")["IPAddress"]]
    docker("rm", "-f", cid)
    docker("network", "rm", "my net")


def test_mac_address(daemon, host, docker):
    docker("run", "-d", "--name", "one", "--mac-address", "02:42:0a:00:00:99", "busybox", "sleep", "1000")
    assert link(daemon, host, "one")["address"] == endpoint(daemon, "one")["MacAddress"] == "02:42:0a:00:00:99"


# --- ports

def test_ranges_of_ports(daemon, host, docker):
    """One of a range, a range to a range, and all that is exposed."""
    docker("run", "-d", "--name", "one", "-p", "8000-8001:80", "busybox", *SERVE)
    docker("run", "-d", "--name", "two", "-p", "8000-8001:80", "-p", "9000-9002:79-81", "busybox", *SERVE)
    assert (published(daemon, "one"), published(daemon, "two")) == ([8000], [8001, 9001])
    short = {name: daemon.inspect(name)["Id"][:12] for name in ("one", "two")}
    for name in short:
        up(daemon, name)
    assert get(host, "127.0.0.1", 8000) == short["one"]
    assert get(host, "127.0.0.1", 8001) == get(host, "127.0.0.1", 9001) == short["two"]
    done = docker.run("run", "-d", "-p", "8000-8001:80", "busybox", "true", check=False)
    assert done.returncode == 125 and "port is already allocated" in done.stderr
    docker("run", "-d", "--name", "all", "-P", "--expose", "80", "--expose", "7000-7001/udp", "busybox", *SERVE)
    up(daemon, "all")
    ports = daemon.inspect("all")["NetworkSettings"]["Ports"]
    assert sorted(ports) == ["7000/udp", "7001/udp", "80/tcp"] and all(ports.values())
    assert get(host, "10.9.0.1", published(daemon, "all")[0]) == daemon.inspect("all")["Id"][:12]
    for _ in range(2):  # by the next daemon, and at the next start
        daemon.restart()
        assert daemon.inspect("all")["NetworkSettings"]["Ports"] == ports
        docker("restart", "-t", "0", "all")
        assert daemon.inspect("all")["NetworkSettings"]["Ports"] == ports


def test_ports_are_reached_from_other_networks(daemon, host, docker):
    """By the host's address: that is not what keeps networks apart."""
    cid = docker("run", "-d", "--name", "web", "-p", "8080:80", "busybox", *SERVE)
    docker("network", "create", "other")
    docker("run", "-d", "--name", "asks", "--network", "other", "busybox", "sleep", "1000")
    up(daemon, "web")
    assert docker("exec", "asks", "wget", "-qO-", "http://10.9.0.1:8080/hostname") == cid[:12]
    at = endpoint(daemon, "web")["IPAddress"]
    done = docker.run("exec", "asks", "wget", "-T", "1", "-qO-", f"http://{at}/hostname", check=False)
    assert done.returncode


def test_udp(daemon, host, docker):
    docker("run", "-d", "--name", "one", "-p", "5000:53/udp", "-p", "5000:53", "busybox", "sleep", "1000")
    for kind in ("tcp", "udp"):
        server = host.start("nsenter", "-t", str(daemon.container_pid("one")), "-n", "python3", "-c", SERVER, kind, "4",
                            "53", stdout=subprocess.PIPE)
        assert server.stdout.readline() == "ready\n"
        assert host.neighbour.ask("10.9.0.1", 5000, kind) == "10.9.0.2"
        assert host.ask("127.0.0.1", 5000, kind)


def test_sctp_is_led_on_as_well(daemon, host, docker):
    """This kernel may not speak it; what the firewall shall do is there to be seen."""
    docker("run", "-d", "--name", "one", "-p", "5000:99/sctp", "busybox", "sleep", "1000")
    assert docker("port", "one") == "99/sctp -> 0.0.0.0:5000"
    assert "sctp . 5000 : 172.17.0.2 . 99" in host.run("nft", "list", "ruleset").replace("132 .", "sctp .")


def test_ports_at_one_address_of_the_host(daemon, host, docker):
    one = docker("run", "-d", "-p", "127.0.0.1:8080:80", "busybox", *SERVE)
    two = docker("run", "-d", "-p", "10.9.0.1:8080:80", "busybox", *SERVE)
    for cid in (one, two):
        up(daemon, cid)
    assert (get(host, "127.0.0.1", 8080), get(host.neighbour, "10.9.0.1", 8080)) == (one[:12], two[:12])
    for where, words in (("8080:80", "Bind for 0.0.0.0:8080 failed: port is already allocated"),
                         ("10.9.0.1:8080:80", "Bind for 10.9.0.1:8080 failed: port is already allocated"),
                         ("10.9.0.77:8081:80", "10.9.0.77:8081/tcp: Cannot assign requested address"),
                         ("[::1]:8081:80", "cannot publish port 80/tcp at [::1]: network bridge has no IPv6")):
        done = docker.run("run", "-d", "-p", where, "busybox", "true", check=False)
        assert done.returncode == 125 and words in done.stderr, done.stderr
    # Who asks for his own port by the host's address is led back to himself.
    assert inside(daemon, host, two, "curl", "-sS", "-m", "30", "http://10.9.0.1:8080/hostname").strip() == two[:12]


def test_ports_of_a_program_of_the_hosts(daemon, host, docker):
    host.serve(8080)
    host.serve(8080, "udp")
    for proto in ("tcp", "udp"):
        done = docker.run("run", "-d", "-p", f"8080:80/{proto}", "busybox", "true", check=False)
        assert done.returncode == 125 and f"failed to bind port 0.0.0.0:8080/{proto}: Address already in use" in done.stderr
    docker("run", "-d", "--name", "range", "-p", "8080-8081:80", "busybox", *SERVE)
    assert published(daemon, "range") == [8081]


def test_ports_where_there_is_no_network_for_them(daemon, docker):
    done = docker.run("run", "-d", "--network", "host", "-p", "8080:80", "busybox", "sleep", "1000")
    assert "Published ports are discarded when using host network mode" in done.stderr
    cid = docker("run", "-d", "busybox", "sleep", "1000")
    done = docker.run("run", "-d", "--network", f"container:{cid}", "-p", "8080:80", "busybox", "true", check=False)
    assert "conflicting options: port publishing and the container type network mode" in done.stderr
