"""Attached clients: how long an attach takes, what goes through one, what each costs in memory.

Latency is from the request on a new connection to the head of its answer, which comes from whoever
serves the client from then on. Throughput is of one client, without tty, attached before the start
and with no log kept, so that nothing but the way from process to client is measured; the bytes are
counted at the end they come out. Memory is what daemon and shims (containerd-shim, conmon) have grown
by with clients that are attached to one container and do nothing."""

import socket
import time

from .engines import DockerApi
from .memory import _pids_named, _sum
from .rounds import interleave, say

NO_LOG = {"Type": "none", "Config": {}}
LISTEN = ["cat"]
MB = 1_000_000


class Attached:
    """A connection that has become the container's streams."""

    def __init__(self, c, cid, streams="stdin=1&stdout=1&stderr=1"):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(180)
        self.sock.connect(str(c.socket))
        self.sock.sendall(f"POST {c.api_version}/containers/{cid}/attach?stream=1&{streams} HTTP/1.1\r\nHost: bench\r\n"
                          "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
        self.take_head("attach")

    def take_head(self, what):
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.sock.recv(4096)
            if not part:
                raise ConnectionResetError("closed before the head")
            head += part
        status = head.split(b" ", 2)[1]
        if status not in (b"101", b"200"):
            raise OSError(f"{what}: {head[:300].decode(errors='replace')}")
        self.rest = head.split(b"\r\n\r\n", 1)[1]

    def read_to_end(self):
        """How many bytes came, frames and all."""
        room, total = bytearray(1 << 18), len(self.rest)
        while n := self.sock.recv_into(room):
            total += n
        return total

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def _create(c, api, command):
    body = c.body(command, NO_LOG)
    body.update(OpenStdin=True, StdinOnce=True, AttachStdin=True, AttachStdout=True, AttachStderr=True)
    return api.json("POST", "/containers/create", body)["Id"]


def _start(c, api, command):
    cid = _create(c, api, command)
    api.call("POST", f"/containers/{cid}/start")
    return cid


def latency(results, contenders, count):
    say(f"attach, {count.attaches} times")
    sessions = {c.key: c.session() for c in contenders}
    ids = {}

    def sample(c):
        if c.key not in ids:
            ids[c.key] = _start(c, sessions[c.key], ["sleep", "1000"])
        begun = time.perf_counter()
        with Attached(c, ids[c.key], "stdout=1"):
            return (time.perf_counter() - begun) * 1e3

    try:
        interleave(results, "attach", contenders, count.attaches, 2, sample)
    finally:
        for c in contenders:
            if c.key in ids:
                c.remove(sessions[c.key], ids[c.key])


def _through(c, api, command, use):
    cid = _create(c, api, command)
    try:
        with Attached(c, cid) as a:
            api.call("POST", f"/containers/{cid}/start")
            return use(a)
    finally:
        c.remove(api, cid)


def throughput(results, contenders, count):
    n = count.attach_mb * MB
    say(f"{count.attach_mb} MB through attach each way, {count.attach_rounds} times")
    sessions = {c.key: c.session() for c in contenders}
    piece = bytes(1 << 16)

    def send(a):
        begun = time.perf_counter()
        for _ in range(n // len(piece)):
            a.sock.sendall(piece)
        a.sock.shutdown(socket.SHUT_WR)
        if a.read_to_end() == 0:
            raise OSError("the container did not say that it has read all")
        return n / MB / (time.perf_counter() - begun)

    def receive(a):
        a.sock.sendall(b"go\n")
        begun = time.perf_counter()
        if a.read_to_end() < n:
            raise OSError("not all has come")
        return n / MB / (time.perf_counter() - begun)

    def sample(c):
        api = sessions[c.key]
        return {"attach stdin": _through(c, api, ["sh", "-c", "cat > /dev/null; echo all"], send),
                "attach stdout": _through(c, api, ["sh", "-c", f"read x; head -c {n} /dev/zero"], receive)}

    interleave(results, "attach throughput", contenders, count.attach_rounds, 0, sample)


def memory(results, contenders, count):
    say(f"memory of {count.attach_clients} attached clients")
    for c in contenders:
        try:
            _memory(results, c, count.attach_clients, count.settle)
        except Exception as error:  # noqa: told in the table
            results.failed("attach memory", c.key, error)


def _memory(results, c, n, settle):
    api, clients = c.session(), []
    cid = _start(c, api, LISTEN)
    try:
        time.sleep(settle)
        before = _sum({*c.daemon_pids(), *_pids_named(c.shim_name)})[0]
        for _ in range(n):
            clients.append(Attached(c, cid, "stdout=1"))
        time.sleep(settle)
        after = _sum({*c.daemon_pids(), *_pids_named(c.shim_name)})[0]
        results.add("attach memory", c.key, (after - before) / n)
    finally:
        for client in clients:
            client.sock.close()
        c.remove(api, cid)


def attach(results, contenders, count):
    contenders = [c for c in contenders if isinstance(c, DockerApi)]
    latency(results, contenders, count)
    throughput(results, contenders, count)
    memory(results, contenders, count)
