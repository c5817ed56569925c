"""Endpoints on bridges: traffic in all its ways, addresses, ports, and what is repaired."""

import re

import pytest

from conftest import Failed
from kit.host import wait_for
from kit.netns import PATIENCE


def port(number, first=0, last=None, proto="tcp", host_ip=""):
    return {"proto": proto, "port": number, "host_ip": host_ip, "first": first,
            "last": first if last is None else last}


def test_a_published_port_answers_from_everywhere(engine, new_host):
    a, b = new_host(), new_host()
    ea = engine.attach(a, ports=[port(80, 8080), port(80, 8080, proto="udp"),
                                 port(81, 8081, host_ip="127.0.0.1")])
    engine.attach(b)
    for kind in ("tcp", "udp"):
        a.serve(80, kind)
        assert engine.neighbour.ask("10.9.0.1", 8080, kind) == "10.9.0.2"
        for who in (engine.host, a, b):
            assert who.ask("10.9.0.1", 8080, kind)
        assert engine.host.ask("127.0.0.1", 8080, kind)
        assert b.ask(ea["IPAddress"], 80, kind)
    a.serve(81)
    assert engine.host.ask("127.0.0.1", 8081)
    with pytest.raises(Failed):
        engine.neighbour.ask("10.9.0.1", 8081, timeout=2)


@pytest.mark.parametrize("family", [4, 6])
def test_a_flow_of_udp_follows_its_port(engine, new_host, family):
    """It has no end, so the kernel would lead it for ever where it led it first."""
    engine.call("create", {"Name": "n", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fd44::/64"}]}})
    where, us = ("10.9.0.1", "10.9.0.2") if family == 4 else ("fd09::1", "fd09::2")
    send = engine.neighbour.flow(where, 8080)
    other = engine.neighbour.flow(where, 9090)
    assert send() == "-"  # nobody's yet
    a, b, keeps = new_host(), new_host(), new_host()
    engine.attach(keeps, "n", ports=[port(80, 9090, proto="udp")])
    keeps.serve(80, "udp", family)
    wait_for(lambda: other() == us, "the bridge's link to be believed in")
    ea = engine.attach(a, "n", ports=[port(80, 8080, proto="udp")])
    a.serve(80, "udp", family)
    wait_for(lambda: send() == us, "its way to the first")
    engine.call("detach", {"owner": a.name, "endpoint": ea})
    assert send() == "-"
    engine.attach(b, "n", ports=[port(80, 8080, proto="udp")])
    b.serve(80, "udp", family)
    wait_for(lambda: send() == us, "its way to the second")
    # Foreign hands.
    engine.host.run("nft", "flush", "ruleset")
    flow = engine.neighbour.flow(where, 8080)
    assert flow() == "-"
    engine.call("repair")
    assert (flow(PATIENCE), send(PATIENCE), other(PATIENCE)) == (us, us, us)


def test_what_is_not_published_is_closed_to_others(engine, new_host):
    a = new_host()
    e = engine.attach(a)
    a.serve(80)
    engine.neighbour.run("ip", "route", "add", e["IPAddress"], "via", "10.9.0.1")
    assert engine.host.ask(e["IPAddress"], 80)
    with pytest.raises(Failed):
        engine.neighbour.ask(e["IPAddress"], 80, timeout=2)


def test_the_hosts_loopback_is_not_reached_from_a_bridge(engine, new_host):
    a = new_host()
    e = engine.attach(a)
    engine.host.serve(99)
    a.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    a.run("ip", "route", "add", "127.0.0.1", "via", e["Gateway"], "src", e["IPAddress"])
    a.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    with pytest.raises(Failed):
        a.ask("127.0.0.1", 99, timeout=2)


def test_outgoing_traffic_is_masqueraded(engine, new_host):
    a = new_host()
    engine.attach(a)
    engine.neighbour.serve(80)
    assert a.ask("10.9.0.2", 80) == "10.9.0.1"


def test_networks_are_isolated_and_internal_ones_closed(engine, new_host):
    a, b, c, d = (new_host() for _ in range(4))
    engine.call("create", {"Name": "one"})
    engine.call("create", {"Name": "two", "Internal": True})
    ea = engine.attach(a, "one")
    ec = engine.attach(c, "two")
    engine.attach(b, "one")
    engine.attach(d, "two")
    a.serve(80)
    c.serve(80)
    engine.neighbour.serve(80)
    assert b.ask(ea["IPAddress"], 80)
    assert d.ask(ec["IPAddress"], 80)
    assert a.ask("10.9.0.2", 80)
    for who, where in ((b, ec["IPAddress"]), (d, ea["IPAddress"]), (c, "10.9.0.2")):
        with pytest.raises(Failed):
            who.ask(where, 80, timeout=2)


def reaches(host, *where):
    try:
        return host.ask(*where, timeout=2)
    except Failed:
        return None


def test_ipv6(engine, new_host):
    a, b = new_host(), new_host()
    engine.call("create", {"Name": "six", "EnableIPv6": True,
                           "IPAM": {"Config": [{"Subnet": "fd55::/64"}]}})
    e = engine.attach(a, "six", ports=[port(80, 8080)])
    engine.attach(b, "six")
    a.serve(80, family=6)
    assert e["GlobalIPv6Address"] == "fd55::2" and e["IPv6Gateway"] == "fd55::1"
    assert b.ask("fd55::2", 80) == "fd55::3"
    # The kernel takes up to a second until it believes in a new bridge's link.
    wait_for(lambda: reaches(engine.host, "fd55::2", 80), "the host's way to the bridge")
    assert engine.neighbour.ask("fd09::1", 8080) == "fd09::2"
    assert engine.host.ask("fd09::1", 8080)
    assert a.ask("fd09::1", 8080)
    engine.neighbour.serve(81, family=6)
    assert a.ask("fd09::2", 81) == "fd09::1"


def test_all_addresses_have_many_spellings(engine, new_host):
    engine.call("create", {"Name": "n", "EnableIPv6": True, "IPAM": {"Config": [{"Subnet": "fd44::/64"}]}})
    a = new_host()
    assert engine.attach(a, "n", ports=[port(80, 8080, host_ip="0::0")])["Ports"][0]["HostIp"] == "::"
    a.serve(80, family=6)
    wait_for(lambda: reaches(engine.host, "fd44::2", 80), "the host's way to the bridge")
    assert engine.neighbour.ask("fd09::1", 8080)
    with pytest.raises(Failed, match="already allocated"):
        engine.attach(new_host(), "n", ports=[port(80, 8080, host_ip="::")])


def test_addresses(engine, new_host):
    engine.call("create", {"Name": "n", "IPAM": {"Config": [{
        "Subnet": "10.44.0.0/29", "AuxiliaryAddresses": {"router": "10.44.0.3"}}]}})
    hosts = [new_host() for _ in range(6)]
    assert engine.attach(hosts[0], "n")["IPAddress"] == "10.44.0.2"
    assert engine.attach(hosts[1], "n", ip="10.44.0.5")["IPAddress"] == "10.44.0.5"
    with pytest.raises(Failed, match="Address already in use"):
        engine.attach(hosts[2], "n", ip="10.44.0.5")
    with pytest.raises(Failed, match="no configured subnet contains"):
        engine.attach(hosts[2], "n", ip="10.45.0.5")
    last = engine.attach(hosts[2], "n")
    assert last["IPAddress"] == "10.44.0.4"
    assert engine.attach(hosts[3], "n")["IPAddress"] == "10.44.0.6"
    with pytest.raises(Failed, match="no available IPv4 addresses"):
        engine.attach(hosts[4], "n")
    engine.call("detach", {"owner": hosts[2].name, "endpoint": last})
    assert engine.attach(hosts[4], "n")["IPAddress"] == "10.44.0.4"
    assert "eth0" not in hosts[2].run("ip", "link")


def test_ports_in_use(engine, new_host):
    a, b = new_host(), new_host()
    engine.host.serve(8000)
    first = engine.attach(a, ports=[port(80, 8000, 8005), port(81)])
    got = [p["HostPort"] for p in first["Ports"]]
    assert got[0] == 8001
    with pytest.raises(Failed, match="port is already allocated"):
        engine.attach(b, ports=[port(80, 8001)])
    with pytest.raises(Failed, match="already in use"):
        engine.attach(b, ports=[port(80, 8000)])
    assert "eth0" not in b.run("ip", "link")
    assert len(engine.call("find", "bridge")["Members"]) == 1
    assert engine.attach(b, ports=[port(80, 8001, proto="udp")])


def published(engine):
    """Keys and values of all maps of ports, as nft reads them."""
    return sorted(re.findall(r"\S+ \. [^,{}=]+ : \S+ \. \d+", engine.table()))


def test_ports_that_come_and_go_are_what_a_whole_table_says(engine, new_host):
    engine.call("create", {"Name": "six", "EnableIPv6": True,
                           "IPAM": {"Config": [{"Subnet": "10.44.0.0/24"}, {"Subnet": "fd44::/64"}]}})
    a, b = new_host(), new_host()
    engine.attach(a, "six", ports=[port(80, 8080)])
    rest = published(engine)
    kinds = [port(81, 8081), port(81, 8081, proto="udp"), port(65535, 65535, proto="sctp"),
             port(82, 8082, host_ip="127.0.0.1"), port(83, 8083, host_ip="fd09::1"),
             port(84, 8084, proto="udp", host_ip="fd09::1")]
    eb = engine.attach(b, "six", ports=kinds)
    # By themselves, and not by a table written anew, in which all would be well, but this rule gone.
    engine.host.run("nft", "add", "rule", "inet", "holdfast", "forward", "counter")
    engine.call("detach", {"owner": b.name, "endpoint": eb})
    assert published(engine) == rest
    eb = engine.attach(b, "six", ports=kinds, ip=eb["IPAddress"], ip6=eb["GlobalIPv6Address"])
    one_by_one = published(engine)
    assert "counter" in engine.table()
    engine.call("repair")
    assert "counter" not in engine.table()
    assert published(engine) == one_by_one
    assert len(one_by_one) == len(rest) + 9


def test_many_ports(engine, new_host):
    a = new_host()
    e = engine.attach(a, ports=[port(number, number) for number in range(9000, 9600)])
    assert len(published(engine)) == 600
    a.serve(9599)
    assert engine.neighbour.ask("10.9.0.1", 9599)
    engine.call("detach", {"owner": a.name, "endpoint": e})
    assert published(engine) == []


def test_ports_where_somebody_has_been_at_the_table(engine, new_host):
    a, b = new_host(), new_host()
    engine.attach(a, ports=[port(80, 8080)])
    eb = engine.attach(b, ports=[port(80, 8081)])
    good = published(engine)
    engine.host.run("nft", "flush", "map", "inet", "holdfast", "ports4")
    engine.call("detach", {"owner": b.name, "endpoint": eb})
    assert published(engine) == good[:1]
    engine.host.run("nft", "add", "element", "inet", "holdfast", "ports4", "{ tcp . 8081 : 10.1.1.1 . 1 }")
    engine.attach(b, ports=[port(80, 8081)], ip=eb["IPAddress"])
    assert published(engine) == good
    engine.host.run("nft", "delete", "table", "inet", "holdfast")
    engine.attach(new_host(), ports=[port(80, 8082)])
    assert published(engine)[:2] == good and len(published(engine)) == 3


def test_a_restart_claims_and_repairs(engine, new_host):
    a, b = new_host(), new_host()
    engine.call("create", {"Name": "n"})
    ea = engine.attach(a, "n", ports=[port(80, 8080)])
    eb = engine.attach(b, "n")
    a.serve(80)
    engine.kill()
    before = engine.table()
    assert engine.neighbour.ask("10.9.0.1", 8080)

    engine.start()
    engine.call("claim", {"owner": a.name, "endpoint": ea})
    engine.call("claim", {"owner": b.name, "endpoint": eb})
    engine.call("repair")
    assert engine.table() == before
    # Foreign hands.
    engine.host.run("nft", "flush", "ruleset")
    engine.host.run("ip", "link", "del", "hf-" + ea["NetworkID"][:12])
    with pytest.raises(Failed):
        engine.neighbour.ask("10.9.0.1", 8080, timeout=2)
    engine.call("repair")
    assert engine.table() == before
    assert engine.neighbour.ask("10.9.0.1", 8080)
    assert b.ask(ea["IPAddress"], 80)
    # Nobody's: b was not claimed this time.
    engine.kill()
    engine.start()
    engine.call("claim", {"owner": a.name, "endpoint": ea})
    engine.call("repair")
    assert eb["HostInterface"] not in engine.host.run("ip", "link")
    assert engine.neighbour.ask("10.9.0.1", 8080)


def test_two_engines_share_a_host(engine, new_host, tmp_path):
    from conftest import Engine
    a, b = new_host(), new_host()
    engine.attach(a, ports=[port(80, 8080)])
    other = object.__new__(Engine)
    other.root, other.host = tmp_path / "other", engine.host
    other.start("x")
    other.call("create", {"Name": "n"})
    other.attach(b, "n", ports=[port(80, 8081)])
    other.call("repair")
    a.serve(80)
    b.serve(80)
    assert engine.neighbour.ask("10.9.0.1", 8080)
    assert engine.neighbour.ask("10.9.0.1", 8081)


def test_creating_and_removing(engine, new_host):
    id = engine.call("create", {"Name": "n", "IPAM": {"Config": [{"Subnet": "10.44.0.0/24"}]}})["id"]
    with pytest.raises(Failed, match="already exists"):
        engine.call("create", {"Name": "n"})
    with pytest.raises(Failed, match="overlaps"):
        engine.call("create", {"Name": "m", "IPAM": {"Config": [{"Subnet": "10.44.0.0/16"}]}})
    for bad in ({"Subnet": "10.44.0"}, {"Subnet": "10.1.0.0/16", "Gateway": "10.2.0.1"},
                {"Subnet": "10.1.0.0/16", "IPRange": "10.2.0.0/24"}):
        with pytest.raises(Failed):
            engine.call("create", {"Name": "m", "IPAM": {"Config": [bad]}})
    a = new_host()
    engine.attach(a, "n")
    with pytest.raises(Failed, match="has active endpoints"):
        engine.call("remove", "n")
    with pytest.raises(Failed, match="pre-defined"):
        engine.call("remove", "bridge")
    assert engine.call("find", id[:5])["Name"] == "n"
    engine.call("detach", {"owner": a.name, "endpoint": engine.call("find", "n")["Members"][0]})
    engine.call("remove", "n")
    with pytest.raises(Failed, match="not found"):
        engine.call("find", "n")
    assert "hf-" not in engine.host.run("ip", "link")


def test_default_pools_avoid_the_hosts_routes(engine, new_host):
    engine.host.run("ip", "addr", "add", "172.18.3.1/24", "dev", "wan0")
    engine.call("create", {"Name": "n"})
    pools = [engine.call("find", n)["IPAM"]["Config"][0]["Subnet"] for n in ("bridge", "n")]
    assert pools == ["172.17.0.0/16", "172.19.0.0/16"]


def test_a_bridge_of_the_users_own_stays(engine, new_host):
    engine.host.run("ip", "link", "add", "mine", "type", "bridge")
    engine.call("create", {"Name": "n", "Options": {"com.docker.network.bridge.name": "mine"}})
    a = new_host()
    e = engine.attach(a, "n")
    a.serve(80)
    assert engine.host.ask(e["IPAddress"], 80)
    engine.call("detach", {"owner": a.name, "endpoint": e})
    engine.call("remove", "n")
    assert "mine" in engine.host.run("ip", "link")


@pytest.mark.parametrize("driver,mode", [("macvlan", "bridge"), ("ipvlan", "l2")])
def test_interfaces_of_a_parent(engine, new_host, driver, mode):
    try:
        engine.host.run("ip", "link", "add", "probe", "link", "wan0", "type", driver)
        engine.host.run("ip", "link", "del", "probe")
    except Exception:
        pytest.skip(f"this kernel has no {driver}")
    a, b = new_host(), new_host()
    engine.call("create", {"Name": "n", "Driver": driver, "Options": {"parent": "wan0", f"{driver}_mode": mode},
                           "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.2"}]}})
    ea = engine.attach(a, "n", ip="10.9.0.77")
    engine.attach(b, "n", ip="10.9.0.78")
    a.serve(80)
    assert b.ask("10.9.0.77", 80) == "10.9.0.78"
    assert engine.neighbour.ask("10.9.0.77", 80) == "10.9.0.2"
    assert "HostInterface" not in ea
    with pytest.raises(Failed, match="parent"):
        engine.call("create", {"Name": "m", "Driver": driver})
        engine.attach(new_host(), "m")


def test_members_come_and_go_and_nobody_loses_the_gateway(engine, new_host):
    stays = new_host()
    e = engine.attach(stays)
    engine.neighbour.serve(80)
    before = engine.host.run("cat", "/sys/class/net/holdfast0/address")
    assert stays.ask("10.9.0.2", 80)
    for _ in range(8):
        one = new_host()
        gone = engine.attach(one)
        assert stays.ask("10.9.0.2", 80)
        engine.call("detach", {"owner": one.name, "endpoint": gone})
        assert stays.ask("10.9.0.2", 80)
    assert engine.host.run("cat", "/sys/class/net/holdfast0/address") == before
    assert e["Gateway"] in stays.run("ip", "neigh")


@pytest.mark.parametrize("name", ['a"b', "br*", "a b", "../x", ".", "x" * 16])
def test_a_bridge_name_that_is_none_is_refused(engine, new_host, name):
    with pytest.raises(Failed, match="invalid bridge name"):
        engine.call("create", {"Name": "n", "Options": {"com.docker.network.bridge.name": name}})
    engine.attach(new_host(), ports=[port(80, 8080)])


def test_an_interface_that_is_no_bridge_is_left_alone(engine):
    before = engine.host.run("ip", "addr", "show", "wan0")
    with pytest.raises(Failed, match="existing interface wan0 is not a bridge"):
        engine.call("create", {"Name": "n", "Options": {"com.docker.network.bridge.name": "wan0"}})
    assert engine.host.run("ip", "addr", "show", "wan0") == before
    with pytest.raises(Failed, match="not found"):
        engine.call("find", "n")


def test_a_parent_that_is_no_interfaces_name(engine, new_host):
    engine.call("create", {"Name": "n", "Driver": "macvlan", "Options": {"parent": "p" * 3000}})
    with pytest.raises(Failed, match="parent interface p+: No such device"):
        engine.attach(new_host(), "n")
    assert engine.call("find", "n")["Members"] == []


def test_a_network_that_could_not_be_made_leaves_nothing(engine):
    with pytest.raises(Failed):
        engine.call("create", {"Name": "n", "EnableIPv6": True,
                               "IPAM": {"Config": [{"Subnet": "ff02::/64"}]}})
    assert "hf-" not in engine.host.run("ip", "link")
    assert [n["Name"] for n in engine.call("list")] == ["bridge", "host", "none"]


def test_what_a_network_has_stays_where_its_file_cannot_be_read(engine, new_host):
    a, b, c = new_host(), new_host(), new_host()
    engine.attach(c)
    id = engine.call("create", {"Name": "n"})["id"]
    ea, eb = engine.attach(a, "n"), engine.attach(b, "n")
    a.serve(80)
    engine.kill()
    file = engine.root / "networks" / f"{id}.json"
    good = file.read_bytes()
    file.write_bytes(b"{")
    engine.start()
    for host, endpoint in ((a, ea), (b, eb)):
        engine.call("claim", {"owner": host.name, "endpoint": endpoint})
    engine.call("repair")
    assert b.ask(ea["IPAddress"], 80)
    engine.kill()
    file.write_bytes(good)


def test_interfaces_that_come_and_go_meanwhile_hinder_nobody(engine, tmp_path):
    """The kernel marks a list that changed while it was made; with many in it that is often."""
    batch = tmp_path / "batch"
    batch.write_text("".join(f"link add d{i} type bridge\n" for i in range(150)))
    engine.host.run("ip", "-batch", str(batch))
    batch.write_text("link add x type bridge\nlink del x\n" * 20000)
    changes = engine.host.start("ip", "-batch", str(batch))
    try:
        for _ in range(100):
            engine.call("repair")
        assert changes.poll() is None
    finally:
        changes.kill()
        changes.wait()
