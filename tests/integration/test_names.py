"""Names on networks, and what containers have in /etc: hosts, resolv.conf, hostname."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit.archives import busybox
from kit.host import MountNamespace, wait_for
from kit.nethost import ask, asker, comes_to_know, daemon, endpoint, host  # noqa: F401
from kit.slow import HeldRuntime

pytestmark = [pytest.mark.one_runtime, pytest.mark.one_cli]


@pytest.fixture
def named(daemon, docker):
    docker("network", "create", "--subnet", "10.44.0.0/24", "net")
    docker("run", "-d", "--name", "web", "--network", "net", "--network-alias", "www", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "peer", "--network", "net", "busybox", "sleep", "1000")
    return asker(daemon, "peer")


def test_names_answer_while_the_daemon_is_dead(daemon, named):
    short = daemon.inspect("web")["Id"][:12]
    for what in (lambda: None, daemon.kill9, daemon.start):
        what()
        for name in ("web", "www", short):
            assert named(name) == ["10.44.0.2"], name
        assert "web" in named("2.0.44.10.in-addr.arpa")
        assert named("peer") == ["10.44.0.3"]
    assert named("nobody") == []


def test_names_follow_what_users_do(daemon, named, docker):
    docker("rename", "web", "shop")
    assert wait_for(lambda: ask(named, "shop"), "the new name") == ["10.44.0.2"]
    assert wait_for(lambda: ask(named, "web") == [], "the old one to go")
    docker("stop", "-t", "0", "shop")
    assert wait_for(lambda: ask(named, "shop") == [], "its going")
    docker("start", "shop")
    assert wait_for(lambda: ask(named, "shop"), "its coming")
    docker("network", "create", "other")
    docker("network", "connect", "--alias", "elsewhere", "other", "shop")
    assert ask(named, "elsewhere") in ([], None)  # on a network that peer is not in
    docker("network", "connect", "other", "peer")
    assert wait_for(lambda: ask(named, "elsewhere"), "the alias")


def test_who_shares_an_alias_is_found_by_it_together(daemon, named, docker):
    """As the containers of one service are."""
    docker("run", "-d", "--name", "second", "--network", "net", "--network-alias", "www", "busybox", "sleep", "1000")
    assert wait_for(lambda: len(ask(named, "www") or []) == 2 and ask(named, "www"), "both") == ["10.44.0.2", "10.44.0.4"]
    docker("rm", "-f", "web")
    assert wait_for(lambda: ask(named, "www") == ["10.44.0.4"], "the one that is left")


def test_names_with_the_networks_name_behind(daemon, named, docker):
    assert named("web.net") == named("www.net") == ["10.44.0.2"]
    assert {"web", "web.net"} & set(named("2.0.44.10.in-addr.arpa"))


def test_names_of_ip6(daemon, docker):
    docker("network", "create", "--ipv6", "--subnet", "fd44::/64", "six")
    docker("run", "-d", "--name", "web", "--network", "six", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "peer", "--network", "six", "busybox", "sleep", "1000")
    assert comes_to_know(daemon, "peer", "AAAA web") == ["fd44::2"]
    assert comes_to_know(daemon, "peer", "web") == [endpoint(daemon, "web", "six")["IPAddress"]]


def test_what_it_is_called_is_shown(daemon, docker, named):
    docker("run", "-d", "--name", "one", "--network", "net", "--network-alias", "www", "--hostname", "here", "busybox",
           "sleep", "1000")
    short = daemon.inspect("one")["Id"][:12]
    shown = endpoint(daemon, "one", "net")
    assert (shown["Aliases"], shown["DNSNames"]) == (["www", short, "here"], ["one", "www", short, "here"])
    docker("run", "-d", "--name", "two", "busybox", "sleep", "1000")
    assert (endpoint(daemon, "two")["Aliases"], endpoint(daemon, "two")["DNSNames"]) == (None, None)


def test_an_alias_that_nobody_can_ask_for_spoils_no_other(daemon, named, docker):
    docker("run", "-d", "--name", "odd", "--network", "net", "--network-alias", "a b,c\nd", "busybox", "sleep", "1000")
    assert wait_for(lambda: ask(named, "odd"), "its name") == ["10.44.0.4"]
    assert ask(named, "web") == ["10.44.0.2"]


def test_a_name_server_that_died_comes_again_with_restore(daemon, named):
    pid = int((daemon.exec / "dns/aardvark.pid").read_text())
    os.kill(pid, 9)
    daemon.restart()
    assert wait_for(lambda: ask(named, "web"), "the answer") == ["10.44.0.2"]


def test_links_are_in_the_hosts_file_and_follow(daemon, docker):
    docker("run", "-d", "--name", "db", "busybox", "sleep", "1000")
    docker("run", "-d", "--name", "web", "--link", "db:database", "busybox", "sleep", "1000")
    hosts = daemon.inspect("web")["HostsPath"]

    def line():
        return [l.split() for l in open(hosts) if "database" in l]

    assert line() == [[endpoint(daemon, "db")["IPAddress"], "database", daemon.inspect("db")["Id"][:12], "db"]]
    daemon.restart()
    docker("run", "-d", "--name", "between", "busybox", "sleep", "1000")
    docker("restart", "-t", "0", "db")
    assert line()[0][0] == endpoint(daemon, "db")["IPAddress"]
    # What the container has written there itself stays.
    with open(hosts, "a") as file:
        file.write("9.9.9.9 mine\n")
    docker("run", "-d", "--name", "another", "busybox", "sleep", "1000")
    docker("stop", "-t", "0", "db")
    docker("run", "-d", "--name", "third", "busybox", "sleep", "1000")
    docker("start", "db")
    assert line()[0][0] == endpoint(daemon, "db")["IPAddress"] and len(line()) == 1
    assert open(hosts).read().count("9.9.9.9 mine\n") == 1
    done = docker.run("run", "-d", "--link", "nobody", "busybox", "true", check=False)
    assert "No such container: nobody" in done.stderr


def test_who_starts_while_his_links_target_does_has_it(host, new_daemon):
    """Neither may leave it to the other."""
    with HeldRuntime("runc") as held, ThreadPoolExecutor(1) as pool:
        daemon = new_daemon(*held.options())
        daemon.netns = host.path
        daemon.start().load(busybox().docker_archive("busybox:latest"))
        daemon.create("sleep 1000", name="db", host={"NetworkMode": "bridge"})
        daemon.create("sleep 1000", name="web",
                      host={"NetworkMode": "bridge", "Links": ["db:database"], "Runtime": "held"})
        start = pool.submit(daemon.start_container, "web")
        wait_for(held.has_begun, "its start")
        daemon.start_container("db")
        held.go()
        start.result()
        short = daemon.inspect("db")["Id"][:12]
        assert f"{endpoint(daemon, 'db')['IPAddress']}\tdatabase {short} db" in etc(daemon, "web", "hosts")
        daemon.api.delete("/containers/web", force=True, expect=204)  # while its runtime is there


def test_links_on_the_default_bridge_are_in_the_environment(daemon, docker):
    docker("run", "-d", "--name", "db", "--expose", "5432", "--expose", "53/udp", "-e", "FOO=1", "-e", "HOME=/x", "busybox",
           "sleep", "1000")
    at = endpoint(daemon, "db")["IPAddress"]
    docker("run", "-d", "--name", "web", "--link", "db:my-db", "-e", "MY_DB_ENV_FOO=own", "busybox", "sleep", "1000")
    for _ in range(2):
        env = docker("exec", "web", "env").splitlines()
        init = open(f"/proc/{daemon.container_pid('web')}/environ").read().split("\0")
        for line in (f"MY_DB_NAME=/web/my-db", f"MY_DB_PORT=udp://{at}:53", f"MY_DB_PORT_5432_TCP=tcp://{at}:5432",
                     f"MY_DB_PORT_5432_TCP_ADDR={at}", "MY_DB_PORT_5432_TCP_PORT=5432", "MY_DB_PORT_5432_TCP_PROTO=tcp",
                     f"MY_DB_PORT_53_UDP=udp://{at}:53", "MY_DB_ENV_FOO=own"):
            assert line in env and line in init, (line, env)
        assert not [line for line in env if line.startswith("MY_DB_ENV_HOME")]
        daemon.restart()
    cid = docker("run", "-d", "--network", "none", "busybox", "env")
    daemon.wait(cid)
    assert "DB_" not in docker("logs", cid)


def test_a_link_on_a_network_of_the_users_is_there_once(daemon, docker, named):
    cid = docker("run", "-d", "--network", "net", "--link", "web:w", "busybox", "sleep", "1000")
    lines = [l.split() for l in open(daemon.inspect(cid)["HostsPath"])]
    assert lines.count(["10.44.0.2", "w", daemon.inspect("web")["Id"][:12], "web"]) == 1


def test_the_alias_of_a_link_is_asked_for_as_well(daemon, docker, named):
    """By programs that look into no hosts file, nslookup for one; where it means one container only."""
    docker("run", "-d", "--name", "one", "--network", "net", "--link", "web:ww", "busybox", "sleep", "1000")
    assert comes_to_know(daemon, "one", "ww") == ["10.44.0.2"]
    daemon.restart()
    assert ask(asker(daemon, "one"), "ww") == ["10.44.0.2"]
    assert docker("exec", "one", "nslookup", "ww").count("10.44.0.2")
    docker("run", "-d", "--name", "two", "--network", "net", "--link", "peer:ww", "busybox", "sleep", "1000")
    assert wait_for(lambda: ask(named, "ww") == [], "nobody to be meant")
    assert "10.44.0.2\tww " in "\n".join(etc(daemon, "one", "hosts"))
    assert "10.44.0.3\tww " in "\n".join(etc(daemon, "two", "hosts"))
    docker("rm", "-f", "one")
    assert wait_for(lambda: ask(named, "ww"), "the other one to be meant") == ["10.44.0.3"]
    docker("run", "-d", "--name", "ww", "--network", "net", "busybox", "sleep", "1000")
    own = endpoint(daemon, "ww", "net")["IPAddress"]
    assert wait_for(lambda: ask(named, "ww") == [own], "the name to be its own")


def test_a_link_to_one_that_comes_later(daemon, docker, named):
    """As docker-py's own tests have it: connect says it, the other starts afterwards."""
    docker("network", "disconnect", "net", "peer")
    docker("network", "connect", "--link", "later:bar", "net", "peer")
    docker("run", "-d", "--name", "later", "--network", "net", "busybox", "sleep", "1000")
    at = endpoint(daemon, "later", "net")["IPAddress"]
    assert wait_for(lambda: ask(asker(daemon, "peer"), "bar") == [at], "the link")
    assert docker("exec", "peer", "nslookup", "bar").count(at)
    assert f"{at}\tbar " in "\n".join(etc(daemon, "peer", "hosts"))


# --- hosts and resolv.conf

def etc(daemon, name, file):
    key = {"hosts": "HostsPath", "resolv.conf": "ResolvConfPath", "hostname": "HostnamePath"}[file]
    return open(daemon.inspect(name)[key]).read().splitlines()


DNS = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.9.0.2', 53))
print('ready', flush=True)
while True:
    asked, peer = s.recvfrom(512)
    question = asked[12:asked.index(b'\\0', 12) + 5]
    head = asked[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0'
    s.sendto(head + question + b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4' + bytes([11, 22, 33, 44]), peer)
"""


@pytest.fixture
def resolver(host):
    """A server of names at the neighbour's, which says 11.22.33.44 to all."""
    server = host.neighbour.start("python3", "-c", DNS, stdout=subprocess.PIPE)
    assert server.stdout.readline() == "ready\n"
    return "10.9.0.2"


def test_what_no_container_is_called_is_asked_of_the_users_resolvers(daemon, docker, named, resolver):
    docker("run", "-d", "--name", "one", "--network", "net", "--dns", resolver, "busybox", "sleep", "1000")
    assert comes_to_know(daemon, "one", "www.example.org") == ["11.22.33.44"]
    assert comes_to_know(daemon, "one", "web") == ["10.44.0.2"]
    docker("run", "-d", "--name", "two", "--dns", resolver, "busybox", "sleep", "1000")
    assert etc(daemon, "two", "resolv.conf") == [f"nameserver {resolver}"]
    assert comes_to_know(daemon, "two", "web") == ["11.22.33.44"]


def test_what_users_say_of_names_is_in_resolv_conf(daemon, docker, named):
    said = ["--dns-search", "a.example", "--dns-search", "b.example", "--dns-option", "timeout:3"]
    docker("run", "-d", "--name", "one", "--network", "net", *said, "busybox", "sleep", "1000")
    assert etc(daemon, "one", "resolv.conf") == [
        "nameserver 10.44.0.1", "search a.example b.example", "options timeout:3", "options ndots:0"]
    docker("run", "-d", "--name", "two", "--dns", "10.1.1.1", "--dns", "10.1.1.2", *said, "busybox", "sleep", "1000")
    assert etc(daemon, "two", "resolv.conf") == [
        "nameserver 10.1.1.1", "nameserver 10.1.1.2", "search a.example b.example", "options timeout:3"]
    docker("run", "-d", "--name", "three", "--network", "net", "--dns-option", "ndots:2", "busybox", "sleep", "1000")
    assert "options ndots:2" in etc(daemon, "three", "resolv.conf")
    assert "options ndots:0" not in etc(daemon, "three", "resolv.conf")


def test_host_name_and_domain(daemon, docker, named):
    docker("run", "-d", "--name", "one", "--network", "net", "--hostname", "here", "--domainname", "example.org",
           "busybox", "sleep", "1000")
    assert etc(daemon, "one", "hostname") == ["here"]
    assert f"{endpoint(daemon, 'one', 'net')['IPAddress']}\there.example.org here" in etc(daemon, "one", "hosts")
    assert docker("exec", "one", "hostname", "-f") == "here.example.org"
    assert docker("exec", "one", "cat", "/proc/sys/kernel/domainname") == "example.org"


def test_the_host_is_found_by_host_gateway(daemon, host, docker):
    host.serve(99)
    docker("network", "create", "--subnet", "10.44.0.0/24", "net")
    docker("network", "create", "--internal", "closed")
    for network, at in (("net", "10.44.0.1"), ("bridge", "172.17.0.1"), ("closed", "172.17.0.1"), ("none", "172.17.0.1")):
        docker("run", "-d", "--name", network, "--network", network, "--add-host", "gate:host-gateway",
               "--add-host", "other:10.1.2.3", "busybox", "sleep", "1000")
        assert f"{at}\tgate" in etc(daemon, network, "hosts")
        assert "10.1.2.3\tother" in etc(daemon, network, "hosts")
    # The default bridge has had nobody in it when the first one started.
    assert docker("exec", "net", "nc", "gate", "99").strip() == endpoint(daemon, "net", "net")["IPAddress"]


def test_ip6_addresses_of_hosts_may_be_in_brackets(daemon):
    cid = daemon.run("sleep 1000", host={"ExtraHosts": ["six:[fd00::1]", "plain:fd00::2", "equal=fd00::3"]})
    lines = etc(daemon, cid, "hosts")
    assert {"fd00::1\tsix", "fd00::2\tplain", "fd00::3\tequal"} <= set(lines)
    answer = daemon.refuse(host={"ExtraHosts": ["six:nonsense"]})
    assert answer.status == 400 and answer.message == 'invalid IP address in add-host: "nonsense"'


@pytest.fixture
def hosts_resolv_conf(host, new_daemon):
    """Makes a daemon whose host has this resolv.conf."""
    def make(text):
        daemon = new_daemon()
        file = daemon.root / "resolv.conf"
        file.write_text(text)
        daemon.rebooted.append(MountNamespace(f"mount --bind {file} /etc/resolv.conf", inside=daemon.namespace))
        daemon.netns, daemon.namespace = host.path, daemon.rebooted[-1]
        daemon.start()
        daemon.load(busybox().docker_archive("busybox:latest"))
        return daemon

    return make


@pytest.mark.parametrize("text,shown", [
    ("nameserver 127.0.0.1\nnameserver 10.1.1.1\nsearch example.org\noptions edns0\n",
     ["nameserver 10.1.1.1", "search example.org", "options edns0"]),
    ("nameserver ::1\nnameserver fd00::1\nnameserver 10.1.1.1\n", ["nameserver 10.1.1.1"]),
    ("nameserver 127.0.0.1\nsearch example.org\n",
     ["search example.org", "nameserver 8.8.8.8", "nameserver 8.8.4.4"]),
])
def test_resolvers_that_only_the_host_reaches_are_left_out(hosts_resolv_conf, text, shown):
    daemon = hosts_resolv_conf(text)
    cid = daemon.run("sleep 1000", {"NetworkMode": "bridge"})
    assert etc(daemon, cid, "resolv.conf") == shown
    same = daemon.run("sleep 1000", {"NetworkMode": "host"})
    assert etc(daemon, same, "resolv.conf") == text.splitlines()


def test_a_network_with_names_keeps_the_hosts_domain_and_asks_its_resolvers(hosts_resolv_conf, resolver):
    daemon = hosts_resolv_conf(f"nameserver {resolver}\nsearch example.org\n")
    daemon.api.post("/networks/create", {"Name": "net", "IPAM": {"Config": [{"Subnet": "10.44.0.0/24"}]}}, expect=201)
    cid = daemon.run("sleep 1000", {"NetworkMode": "net"})
    assert etc(daemon, cid, "resolv.conf") == ["search example.org", "nameserver 10.44.0.1", "options ndots:0"]
    assert comes_to_know(daemon, cid, "www.example.net") == ["11.22.33.44"]
