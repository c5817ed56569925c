"""Exec: a process in a container that runs, from the request to its exit code.

By the API: create, start, the stream read to its end, inspect, as every client does it; on a kept
connection but for the stream, which takes one of its own. By the CLI: `docker exec` of the peers' docker
on each socket, `podman exec` of podman. The floor is the runtime's own `exec`, in a container that it
runs alone. Throughput is one client's, without tty; the bytes are counted at the end they come out."""

import json
import time

from .engines import CannotRun, DockerApi, TRUE, execute
from .rounds import OneEach, interleave, say
from .streams import MB, SAY_ALL, Streams


def _exec(c, api, cid, command, use, stdin=False):
    """Runs it; what use(streams) says. Its exit code must be 0."""
    body = {"Cmd": command, "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True}
    one = api.json("POST", f"/containers/{cid}/exec", body)["Id"]
    with Streams(c, f"/exec/{one}/start", b'{"Detach":false,"Tty":false}') as streams:
        got = use(streams)
    shown = json.loads(api.call("GET", f"/exec/{one}/json"))
    # podman says that it runs for a moment after its end of stream
    end = time.monotonic() + 5
    while shown["Running"] and time.monotonic() < end:
        shown = json.loads(api.call("GET", f"/exec/{one}/json"))
    if shown["ExitCode"] != 0:
        raise OSError(f"exit code {shown['ExitCode']}")
    return got


class Cli:
    """`docker exec` on one engine's socket."""

    def __init__(self, engine):
        self.engine, self.key, self.s = engine, engine.key, engine.s
        self.log = engine.s.work / "docker-cli.log"
        self.command = [engine.s.peer("docker"), "-H", f"unix://{engine.socket}"]

    def session(self):
        return self.engine.session()

    def create_start(self, api):
        return self.engine.create_start(api)

    def remove(self, api, cid):
        self.engine.remove(api, cid)

    def exec(self, cid):
        return execute([*self.command, "exec", cid, *TRUE], self.s.peers_env, stderr=self.log)


def _bare_exec(c, name):
    if hasattr(c, "_run"):  # podman's command line
        return execute([*c.base, "exec", name, *TRUE], c.service.environment(), stderr=c.log)
    return execute([c.program, "--root", str(c.state), "exec", name, *TRUE], c.s.env, stderr=c.log)


def _one_each(contenders):
    return OneEach(contenders, lambda c, api: c.create_start(api))


def latency(results, engines, bare, count):
    say(f"exec, {count.execs} times")
    with _one_each(engines + bare) as started:

        def sample(c):
            api, cid = started(c)
            begun = time.perf_counter()
            if api:
                _exec(c, api, cid, TRUE, Streams.read_to_end)
            elif _bare_exec(c, cid) != 0:
                raise OSError("exec failed")
            return (time.perf_counter() - begun) * 1e3

        interleave(results, "exec", engines + bare, count.execs, 2, sample, pause=count.pause)


def by_cli(results, engines, count):
    clis = []
    for c in engines:
        try:
            clis.append(Cli(c))
        except CannotRun as why:
            results.failed("exec by CLI", c.key, why)
    say(f"docker exec, {count.execs} times")
    with _one_each(clis) as started:

        def sample(c):
            _, cid = started(c)
            begun = time.perf_counter()
            if c.exec(cid) != 0:
                raise OSError("docker exec failed")
            return (time.perf_counter() - begun) * 1e3

        interleave(results, "exec by CLI", clis, count.execs, 2, sample, pause=count.pause)


def throughput(results, engines, count):
    n = count.attach_mb * MB
    say(f"{count.attach_mb} MB through exec each way, {count.attach_rounds} times")
    with _one_each(engines) as started:

        def sample(c):
            api, cid = started(c)
            out = ["sh", "-c", f"head -c {n} /dev/zero"]
            return {"exec stdin": _exec(c, api, cid, SAY_ALL, lambda streams: streams.rate_in(n), stdin=True),
                    "exec stdout": _exec(c, api, cid, out, lambda streams: streams.rate_out(n))}

        interleave(results, "exec throughput", engines, count.attach_rounds, 0, sample)


def execs(results, everyone, count):
    engines = [c for c in everyone if isinstance(c, DockerApi)]
    bare = [c for c in everyone if c.session() is None and c.key != "containerd"]
    latency(results, engines, bare, count)
    by_cli(results, engines, count)
    throughput(results, engines, count)
