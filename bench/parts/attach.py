"""Attached clients: how long an attach takes, what goes through one, what each costs in memory.

Latency is from the request on a new connection to the head of its answer, which comes from whoever
serves the client from then on. Throughput is of one client, without tty, attached before the start
and with no log kept, so that nothing but the way from process to client is measured; the bytes are
counted at the end they come out. Memory is what daemon and shims (containerd-shim, conmon) have grown
by with clients that are attached to one container and do nothing."""

import time

from .engines import IDLE, DockerApi
from .memory import _pids_named, _sum
from .rounds import OneEach, interleave, say
from .streams import MB, SAY_ALL, Streams

NO_LOG = {"Type": "none", "Config": {}}


def attached(c, cid, streams="stdin=1&stdout=1&stderr=1"):
    return Streams(c, f"/containers/{cid}/attach?stream=1&{streams}")


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
    with OneEach(contenders, lambda c, api: _start(c, api, IDLE)) as started:

        def sample(c):
            _, cid = started(c)
            begun = time.perf_counter()
            with attached(c, cid, "stdout=1"):
                return (time.perf_counter() - begun) * 1e3

        interleave(results, "attach", contenders, count.attaches, 2, sample)


def _through(c, api, command, use):
    cid = _create(c, api, command)
    try:
        with attached(c, cid) as streams:
            api.call("POST", f"/containers/{cid}/start")
            return use(streams)
    finally:
        c.remove(api, cid)


def throughput(results, contenders, count):
    n = count.attach_mb * MB
    say(f"{count.attach_mb} MB through attach each way, {count.attach_rounds} times")
    sessions = {c.key: c.session() for c in contenders}

    def receive(streams):
        streams.sock.sendall(b"go\n")
        return streams.rate_out(n)

    def sample(c):
        api = sessions[c.key]
        return {"attach stdin": _through(c, api, SAY_ALL, lambda streams: streams.rate_in(n)),
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
    cid = _start(c, api, IDLE)
    try:
        time.sleep(settle)
        before = _sum({*c.daemon_pids(), *_pids_named(c.shim_name)})[0]
        for _ in range(n):
            clients.append(attached(c, cid, "stdout=1"))
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
