"""Networks without a daemon: hosts are network namespaces of the test's own. Needs root.

The driver is in $HOLDFAST_BUILD, else build/.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HOLDFAST_BUILD", TOP / "build")).resolve()
DRIVER = BUILD / "tests/network/network-driver"

sys.path.insert(0, str(TOP / "tests/integration"))
from kit import netns  # noqa: E402
from kit.netns import Failed, Host  # noqa: E402,F401


class Engine:
    """The driver, on a host of its own, which has a neighbour."""

    def __init__(self, root, new_host):
        self.root = root
        self.host, self.neighbour = new_host(), new_host()
        netns.join(self.host, self.neighbour)
        self.start()

    def start(self, instance=""):
        self.process = self.host.start(str(DRIVER), str(self.root), instance, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, verb, arg=""):
        if not isinstance(arg, str):
            arg = json.dumps(arg)
        self.process.stdin.write(f"{verb} {arg}\n".rstrip(" ") if arg else verb + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if isinstance(answer, dict) and "error" in answer:
            raise Failed(answer["error"])
        return answer

    def attach(self, host, network="bridge", owner=None, **wish):
        return self.call("attach", {"network": network, "owner": owner or host.name,
                                    "netns": host.path, **wish})

    def table(self):
        return self.host.run("nft", "list", "ruleset")


@pytest.fixture
def new_host():
    hosts = []

    def make():
        hosts.append(Host())
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def engine(tmp_path, new_host):
    return Engine(tmp_path, new_host)
