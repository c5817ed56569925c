"""Containers on networks: what one costs at a start, what goes through a published port, and a
restore of many.

Every daemon is started anew for these rows, on a host of its own (hosts.py) and with its networks as
they are without options, so that what passes one engine's rules does not pass the others'. dockerd has
its userland proxy, as by default: it serves 127.0.0.1.

Starts are of a container without network, on the default network, and there with a published port that
the engine chooses. Traffic goes from a neighbour of the host, or from the host itself to 127.0.0.1,
through published ports to the only container: iperf3, and an echo of 64 bytes, on one connection or each on
its own. The floor is the same servers as processes of a host. Restore is of containers on one network that a
user made, each with a published port, and for holdfast of as many without network just before; its
report waits for the networks, the list of containers does not."""

import json
import os
import socket
import statistics
import subprocess
import time

from . import hosts, restore
from .engines import CannotRun, IDLE, PodmanCli
from .rounds import interleave, say

NETWORK = "bench"
IPERF, PYTHON = "/usr/bin/iperf3", "/usr/bin/python3"
ECHO_PORT, IPERF_PORT = 7007, 5201
ECHO = f"""
import socket
server = socket.create_server(("", {ECHO_PORT}))
while True:
    client, _ = server.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := client.recv(4096):
        client.sendall(data)
    client.close()
"""
MESSAGE = b"." * 64


def _body(c, command, network, ports=()):
    body = c.body(command)
    exposed = [f"{port}/tcp" for port in ports]
    body["ExposedPorts"] = {port: {} for port in exposed}
    body["HostConfig"].update(NetworkMode=network, PortBindings={port: [{"HostPort": ""}] for port in exposed})
    return body


def _run(c, api, body):
    cid = api.json("POST", "/containers/create", body)["Id"]
    api.call("POST", f"/containers/{cid}/start")
    return cid


class OnHosts:
    """Daemons started anew with networks, each on a host of its own; afterwards as they were."""

    def __init__(self, results, engines):
        self.hosts, self.engines = {}, []
        for c in engines:
            try:
                self._move(c, hosts.Host(c.key))
                self.engines.append(c)
            except Exception as error:  # noqa: told in the table
                results.failed("networks", c.key, error)

    def _move(self, c, host):
        self.hosts[c.key] = host
        c.kill9()
        c.netns = host.name
        c.spawn()
        c.wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in self.engines:
            c.kill9()
            c.netns = None
            c.spawn()
            c.wait_ready()
        for host in self.hosts.values():
            host.remove()


# --- starts

class Start:
    """One contender's start of one kind: asked for in any order, for what one leaves to the kernel
    to clean up is in the way of the next."""

    def __init__(self, c, row, network, ports):
        self.c, self.key, self.row = c, c.key, row
        self.session, self.network, self.ports = c.session(), network, ports

    def sample(self):
        c = self.c
        begun = time.perf_counter()
        if isinstance(c, PodmanCli):
            cid = c.run_on(self.network, self.ports, *IDLE)
        else:
            cid = _run(c, self.session, _body(c, IDLE, self.network, self.ports))
        took = time.perf_counter() - begun
        c.remove(self.session, cid)
        return {self.row: took * 1e3}


def starts(results, engines, count):
    say(f"create + start without and with a network and a port, {count.network_starts} times each")
    everyone = engines + [PodmanCli(c) for c in engines if c.key == "podman"]
    kinds = [("net start none", "none", ()), ("net start", "bridge", ()), ("net start port", "bridge", (80,))]
    interleave(results, "net start", [Start(c, *kind) for c in everyone for kind in kinds], count.network_starts, 2,
               Start.sample, pause=count.pause)


# --- traffic

class InContainer:
    """Both servers in one container, its ports published; on the engine's host."""

    def __init__(self, c, host):
        self.c, self.key, self.host = c, c.key, host
        self.api = c.session()
        body = _body(c, ["sh", "-c", f"{IPERF} -s -p {IPERF_PORT} & exec {PYTHON} -c '{ECHO}'"],
                     "bridge", (ECHO_PORT, IPERF_PORT))
        # The image has nothing but busybox: what the servers need is the host's.
        body["HostConfig"]["Binds"] = ["/usr:/usr:ro", "/usr/lib:/lib:ro", "/usr/lib64:/lib64:ro"]
        self.cid = _run(c, self.api, body)
        published = self.api.json("GET", f"/containers/{self.cid}/json")["NetworkSettings"]["Ports"]
        self.echo_port, self.iperf_port = (int(published[f"{port}/tcp"][0]["HostPort"]) for port in (ECHO_PORT, IPERF_PORT))

    def remove(self):
        self.c.remove(self.api, self.cid)


class OnHost:
    """The same servers as processes of a host."""
    echo_port, iperf_port = ECHO_PORT, IPERF_PORT

    def __init__(self, key):
        self.key, self.host = key, hosts.Host("floor")
        self.servers = [subprocess.Popen([*hosts.within(self.host.name), *command], stdout=subprocess.DEVNULL)
                        for command in ([IPERF, "-s", "-p", str(IPERF_PORT)], [PYTHON, "-c", ECHO])]

    def remove(self):
        for server in self.servers:
            server.kill()
            server.wait()
        self.host.remove()


def _connect(namespace, address, port):
    with hosts.inside(namespace):
        return socket.create_connection((address, port), timeout=10)


def _ask(client):
    client.sendall(MESSAGE)
    if len(client.recv(len(MESSAGE), socket.MSG_WAITALL)) != len(MESSAGE):
        raise OSError("the echo is not whole")


def _until(seconds, attempt):
    """attempt() until it raises no OSError: servers listen a moment after they have been started."""
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _echo_new(target, namespace, address, n):
    """The median of n requests, each on a connection of its own, in microseconds."""
    took = []
    with hosts.inside(namespace):
        for _ in range(n):
            begun = time.perf_counter()
            with socket.create_connection((address, target.echo_port), timeout=10) as client:
                _ask(client)
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6


def _echo_kept(target, namespace, address, n):
    took = []
    with _connect(namespace, address, target.echo_port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(n):
            begun = time.perf_counter()
            _ask(client)
            took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6


def _iperf_once(target, namespace, address, seconds, options):
    out = subprocess.run([*hosts.within(namespace), IPERF, "-c", address, "-p", str(target.iperf_port), "-J",
                          "-t", str(seconds), *options], capture_output=True, text=True).stdout
    told = json.loads(out)
    if "error" in told:
        raise OSError(told["error"])
    return told["end"]["sum_received"]["bits_per_second"] / 1e9


def _iperf(target, namespace, address, seconds, *options):
    """Gbit/s, as the receiver counts them. The server may still be busy with the test before."""
    return _until(5, lambda: _iperf_once(target, namespace, address, seconds, options))


def traffic(results, targets, count):
    say(f"through a published port, {count.network_rounds} times {count.network_seconds} s each way and {count.echoes} requests")

    def sample(t):
        far, here = (t.host.far, hosts.ADDRESS), (t.host.name, "127.0.0.1")
        seconds = count.network_seconds
        return {"net in": _iperf(t, *far, seconds), "net out": _iperf(t, *far, seconds, "-R"),
                "net in local": _iperf(t, *here, seconds),
                "net echo": _echo_kept(t, *far, count.echoes), "net echo new": _echo_new(t, *far, count.echoes),
                "net echo local": _echo_kept(t, *here, count.echoes),
                "net echo new local": _echo_new(t, *here, count.echoes)}

    interleave(results, "net traffic", targets, count.network_rounds, 0, sample)


def _add_target(results, targets, key, make):
    try:
        targets.append(make())
        _until(10, lambda: _connect(targets[-1].host.far, hosts.ADDRESS, targets[-1].echo_port).close())
    except Exception as error:  # noqa: told in the table
        results.failed("net traffic", key, error)


def networks(results, engines, floor_key, count):
    if not os.access(IPERF, os.X_OK):
        raise CannotRun(f"{IPERF} is missing (Debian's iperf3)")
    with OnHosts(results, engines) as on:
        starts(results, on.engines, count)
        targets = []
        try:
            _add_target(results, targets, floor_key, lambda: OnHost(floor_key))
            for c in on.engines:
                _add_target(results, targets, c.key, lambda c=c: InContainer(c, on.hosts[c.key]))
            traffic(results, targets, count)
        finally:
            for target in targets:
                target.remove()


# --- restore

def networked(results, engines, count):
    n = count.networked
    with OnHosts(results, engines) as on:
        ids = {c.key: [] for c in on.engines}
        ours = [c for c in on.engines if not c.peer]
        say(f"restore of {n} running containers without network")
        restore.of_running(results, ours, ids, "networked none", n, count, lambda c, api: c.create_start(api, IDLE))
        restore.remove_running(results, ours, ids)
        say(f"restore of {n} running containers on a network, each with a published port")
        for c in on.engines:
            c.session().json("POST", "/networks/create", {"Name": NETWORK})
        restore.of_running(results, on.engines, ids, "networked", n, count,
                           lambda c, api: _run(c, api, _body(c, IDLE, NETWORK, (80,))))
        restore.remove_running(results, on.engines, ids)
        for c in on.engines:
            c.session().request("DELETE", f"/networks/{NETWORK}")
