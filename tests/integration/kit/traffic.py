"""Load: a thousand small requests a second, and not one may be lost. See traffic.c."""

import subprocess

from .archives import build_program
from .host import wait_for

RATE = 1000


def program():
    return str(build_program("traffic"))


def serving(port=80):
    """Command and mount of a container that answers by TCP and UDP."""
    return ["/traffic", "serve", str(port)], {"Binds": [f"{program()}:/traffic:ro"]}


class Load:
    """Asks without end, until finish(): kind "tcp", "udp", or "NAME=ADDRESS" of a name server; ports: one, or
    (first, last). enter: how to get where the client is."""

    def __init__(self, enter, kind, host, ports, rate=RATE):
        first, last = ports if isinstance(ports, tuple) else (ports, ports)
        self.process = subprocess.Popen(
            [*enter, program(), "ask", kind, host, f"{first}-{last}", str(rate)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _count(self):
        words = self.process.stdout.readline().split()
        assert words, f"the client has ended: {self.process.stderr.read()}"
        return dict(zip(words[::2], map(int, words[1::2])))

    def count(self):
        """How many so far: sent, answered, failed, and again, which is how often TCP had to."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._count()

    def has_answered(self, n):
        """True where it never will, too; finish() tells."""
        counted = self.count()
        return counted["failed"] > 0 or counted["answered"] >= n

    def finish(self):
        """Every request has had its answer: how many."""
        self.process.stdin.close()
        counted = self._count()
        said = self.process.stderr.read()
        self.close()
        assert counted["failed"] == 0 and counted["answered"] == counted["sent"], f"{counted}\n{said}"
        return counted["answered"]

    def close(self):
        self.process.kill()
        self.process.wait()
        for f in (self.process.stdin, self.process.stdout, self.process.stderr):
            f.close()


class Loads:
    """Several at once."""

    def __init__(self, *loads):
        self.loads = loads

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.close()

    def more(self, n):
        """Until each has had n more answers."""
        for load, want in [(load, load.count()["answered"] + n) for load in self.loads]:
            wait_for(lambda: load.has_answered(want), f"{n} answers", 60)

    def finish(self):
        return [load.finish() for load in self.loads]


def in_host(host):
    return ["ip", "netns", "exec", host.name]


def in_container(daemon, ref):
    return ["nsenter", "-t", str(daemon.container_pid(ref)), "-n"]
