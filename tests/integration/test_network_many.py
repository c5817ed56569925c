"""Two hundred containers on one bridge, with four hundred published ports."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from kit.host import wait_for
from kit.nethost import daemon, endpoint, host  # noqa: F401
from kit.traffic import Load, Loads, in_host, serving

pytestmark = [pytest.mark.one_runtime, pytest.mark.timeout(900)]

MANY = 200
FIRST = 20000
AT_ONCE = 8


def all_answer(host, first=FIRST, last=FIRST + MANY - 1):
    """Each of these ports, by TCP and UDP, twice and more."""
    loads = [Load(in_host(host.neighbour), kind, "10.9.0.1", (first, last)) for kind in ("tcp", "udp")]
    with Loads(*loads) as all:
        for load in loads:
            wait_for(lambda: load.has_answered(2 * (last - first + 1)), "the answers", 60)
        all.finish()


def test_all_start_answer_survive_the_daemon_and_go(daemon, host):
    cmd, mounts = serving()

    def start(i):
        ports = {f"80/{proto}": [{"HostPort": str(FIRST + i)}] for proto in ("tcp", "udp")}
        return daemon.run(cmd, name=f"c{i}", ExposedPorts={port: {} for port in ports}, host={
            "NetworkMode": "bridge", "PortBindings": ports, **mounts})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ids = list(pool.map(start, range(MANY)))
        list(pool.map(lambda cid: daemon.wait_log(cid, "ready"), ids))
        before = {cid: endpoint(daemon, cid) for cid in ids}
        assert len({one["IPAddress"] for one in before.values()}) == MANY
        all_answer(host)
        daemon.kill9()
        all_answer(host)
        daemon.start()
        all_answer(host)
        assert {cid: endpoint(daemon, cid) for cid in ids} == before
        half = MANY // 2
        list(pool.map(lambda cid: daemon.stop_container(cid, t=0, expect=204), ids[:half]))
        all_answer(host, FIRST + half)
        list(pool.map(lambda cid: daemon.api.delete(f"/containers/{cid}", force=True, expect=204), ids))
    assert daemon.list(all=True) == []
    # Of ports and members nothing is left although the daemon still is there; the host looks for the rest.
    assert " . 80" not in host.run("nft", "list", "ruleset")
    assert "hv" not in host.run("ip", "-o", "link")
