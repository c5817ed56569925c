"""What foreign hands have done to bridges and firewall is repaired, and nobody else's packet is lost by it."""

import subprocess

import pytest

from conftest import Failed
from kit.host import wait_for
from kit.netns import PATIENCE
from kit.traffic import Load, Loads, in_host, program


def port(number, first, proto="udp"):
    return {"proto": proto, "port": number, "host_ip": "", "first": first, "last": first}


# What the kernel tells whoever wants to know of changed rules: a line for each added or deleted element of a set,
# and "done" behind each transaction.
WATCH = """
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
s.bind((0, 1 << 6))  # NFNLGRP_NFTABLES
print('ready', flush=True)
while True:
    data = s.recv(1 << 20)
    while data:
        size, kind = struct.unpack_from('IH', data)
        word = {0xa0c: 'add', 0xa0e: 'delete', 0xa0f: 'done'}.get(kind)  # NFT_MSG_NEWSETELEM, ...
        if word:
            print(word, flush=True)
        data = data[size + 3 & ~3:]
"""


class Watch:
    def __init__(self, host):
        self.process = host.start("/usr/bin/python3", "-c", WATCH, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def changes(self):
        """(added, deleted) elements of one transaction, the next."""
        lines = list(iter(self.process.stdout.readline, "done\n"))
        return lines.count("add\n"), lines.count("delete\n")


def test_what_is_right_is_left_as_it_is(engine, new_host):
    a, b = new_host(), new_host()
    engine.call("create", {"Name": "n", "EnableIPv6": True, "Internal": True, "IPAM": {"Config": [
        {"Subnet": "10.44.0.0/24"}, {"Subnet": "fd44::/64"}]}})
    # Beside each other: two intervals and not one.
    for i, prefix in enumerate((16, 16, 25, 25)):
        base = f"10.{50 + i}.0.0" if prefix == 16 else f"10.60.0.{128 * (i - 2)}"
        engine.call("create", {"Name": f"n{i}", "IPAM": {"Config": [{"Subnet": f"{base}/{prefix}"}]}})
    engine.attach(a, ports=[port(80, 8080), port(80, 8080, "tcp"), port(80, 8080, "sctp"),
                            {**port(81, 8081), "host_ip": "127.0.0.1"}])
    engine.attach(b, "n", ports=[port(80, 8090), {**port(81, 8091), "host_ip": "fd09::1"}])
    before = engine.table()
    watch = Watch(engine.host)
    engine.call("repair")
    assert watch.changes() == (0, 0)
    # A subnet is an element where it begins and one where it ends.
    engine.call("create", {"Name": "later", "IPAM": {"Config": [{"Subnet": "10.70.0.0/16"}]}})
    assert watch.changes() == (4, 0)
    engine.call("remove", "later")
    assert watch.changes() == (0, 4)
    assert as_set(engine.table()) == as_set(before)

    engine.host.run("nft", """
        delete element inet holdfast ports4 { tcp . 8080 : 172.17.0.2 . 80 };
        delete element inet holdfast ports4 { udp . 8080 : 172.17.0.2 . 80 };
        add element inet holdfast ports4 { udp . 8080 : 172.17.0.9 . 80 };
        add element inet holdfast ports4_at { 127.0.0.1 . tcp . 22 : 172.17.0.9 . 80 };
        flush chain inet holdfast forward;""")
    assert watch.changes() == (2, 2)
    engine.call("repair")
    assert watch.changes() == (2, 2)
    assert as_set(engine.table()) == as_set(before)


def as_set(table):
    """Elements are listed in any order."""
    return sorted(table.replace(",", " ").replace("elements = {", " ").split())


HANDS = {
    "flushed": lambda host, e: host.run("nft", "flush", "ruleset"),
    "table": lambda host, e: host.run("nft", "delete", "table", "inet", "holdfast"),
    "shape": lambda host, e: host.run("nft", "delete table inet holdfast; add table inet holdfast;"
                                      "add map inet holdfast ports4 { type mark : verdict; }"),
    "elsewhere": lambda host, e: host.run(
        "nft", "delete element inet holdfast ports4 { udp . 8080 };"
        "add element inet holdfast ports4 { udp . 8080 : 172.17.0.9 . 80 }"),
    "bridge": lambda host, e: host.run("ip", "link", "del", "holdfast0"),
    "bridge down": lambda host, e: host.run("ip", "link", "set", "holdfast0", "down"),
    "address": lambda host, e: host.run("ip", "addr", "flush", "dev", "holdfast0"),
    "member out": lambda host, e: host.run("ip", "link", "set", e["HostInterface"], "nomaster"),
    "member elsewhere": lambda host, e: host.run(
        "ip", "link", "set", e["HostInterface"], "master", "hf-" + other_bridge(host)),
    "member down": lambda host, e: host.run("ip", "link", "set", e["HostInterface"], "down"),
    "hairpin": lambda host, e: host.run("bridge", "link", "set", "dev", e["HostInterface"], "hairpin", "off"),
    "forwarding": lambda host, e: host.run("sysctl", "-qw", "net.ipv4.ip_forward=0"),
}
OF_ALL = {"flushed", "table", "shape", "forwarding"}  # what these take they take from everybody


def other_bridge(host):
    return next(word[3:-1] for word in host.run("ip", "-o", "link").split() if word.startswith("hf-"))


def restarted(engine, *owned, meanwhile=lambda: None):
    """The engine, killed and started, and told of those endpoints again."""
    engine.kill()
    meanwhile()
    engine.start()
    for host, endpoint in owned:
        engine.call("claim", {"owner": host.name, "endpoint": endpoint})


def touches(watch, engine, verb):
    """Does the verb make a transaction?"""
    engine.call(verb)
    engine.host.run("nft", "add table inet other; add set inet other s { type mark; elements = { 1 } };")
    touched = watch.changes() != (1, 0)
    engine.host.run("nft", "delete table inet other")
    return touched


def test_a_restore_leaves_a_firewall_alone_that_nobody_has_touched(engine, new_host):
    a, b = new_host(), new_host()
    ea = engine.attach(a, ports=[port(80, 8080)])
    engine.host.run("nft", "add table inet third")
    eb = engine.attach(b, ports=[port(80, 8081), port(81, 8082, "tcp")])
    before = engine.table()
    restarted(engine, (a, ea), (b, eb))
    watch = Watch(engine.host)
    assert not touches(watch, engine, "restore")
    assert engine.table() == before
    # Somebody has been at some table, if not at ours: who knows.
    assert touches(Watch(engine.host), engine, "restore")
    restarted(engine, (a, ea), (b, eb), meanwhile=lambda: engine.host.run("nft", "add table inet fourth"))
    assert touches(Watch(engine.host), engine, "restore")
    engine.call("repair")
    restarted(engine, (a, ea), (b, eb))
    # Who asks for a repair gets one.
    assert touches(Watch(engine.host), engine, "repair")


def test_a_restore_knows_what_it_cannot_know(engine, new_host):
    """Counted by another boot, and noted of other endpoints or not at all."""
    a, b = new_host(), new_host()
    ea, eb = engine.attach(a, ports=[port(80, 8080)]), engine.attach(b, ports=[port(80, 8081)])
    restarted(engine, (a, ea))
    engine.call("restore")
    assert "8081" not in engine.table() and "8080" in engine.table()

    note = engine.root / "firewall"
    restarted(engine, (a, ea), meanwhile=lambda: note.write_text("x" + note.read_text()[1:]))
    assert touches(Watch(engine.host), engine, "restore")
    engine.call("repair")
    restarted(engine, (a, ea), meanwhile=note.unlink)
    assert touches(Watch(engine.host), engine, "restore")
    engine.call("repair")
    engine.call("detach", {"owner": a.name, "endpoint": ea})
    restarted(engine, (a, ea))
    engine.call("restore")
    assert "8080" in engine.table()


@pytest.mark.parametrize("hands", ["flushed", "table", "shape", "elsewhere"])
def test_a_restore_repairs_what_was_done_meanwhile(engine, new_host, hands):
    a = new_host()
    e = engine.attach(a, ports=[port(80, 8080)])
    before = engine.table()
    restarted(engine, (a, e), meanwhile=lambda: HANDS[hands](engine.host, e))
    engine.call("restore")
    assert as_set(engine.table()) == as_set(before)


def answers(who, port, timeout=2):
    try:
        return who.ask("10.9.0.1", port, "udp", timeout)
    except Failed:
        return None


@pytest.mark.parametrize("hands", HANDS)
def test_foreign_hands(engine, new_host, hands):
    a, b, c = new_host(), new_host(), new_host()
    engine.call("create", {"Name": "n"})
    broken = engine.attach(a, ports=[port(80, 8080)])
    well = engine.attach(b, "n", ports=[port(80, 8081)])
    engine.attach(c, "n")
    for host in (a, b):
        p = host.start(program(), "serve", "80", stdout=subprocess.PIPE)
        assert p.stdout.readline() == "ready\n"
    # Whom a missing hairpin hurts asks for its own published port.
    who = a if hands == "hairpin" else engine.neighbour
    assert answers(who, 8080, PATIENCE)
    loads = [Load(in_host(c), "udp", well["IPAddress"], 80)]
    if hands not in OF_ALL:
        loads.append(Load(in_host(engine.neighbour), "udp", "10.9.0.1", 8081))
    with Loads(*loads) as all:
        all.more(100)
        HANDS[hands](engine.host, broken)
        assert not answers(who, 8080, 0.2)
        engine.call("repair")
        # The host may have given up looking for it, and looks again in a second.
        wait_for(lambda: answers(who, 8080), "the repair")
        all.more(100)
        assert min(all.finish()) > 200
    assert answers(engine.neighbour, 8081, PATIENCE)
