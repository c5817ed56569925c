"""The server of names is told when containers come and go: each answer of ours comes when it says so, at the first
question, however long it takes to read, and whatever it was about to do."""

import os
import signal

import pytest

from kit.host import alive, wait_for
from kit.inject import Strace
from kit.nethost import asker, daemon, endpoint, host  # noqa: F401

pytestmark = pytest.mark.one_runtime

SECOND = 1000000  # of strace's


def server(daemon):
    return int((daemon.exec / "dns/aardvark.pid").read_text())


def make(daemon, name, subnet):
    daemon.api.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}}, expect=201)


def sleeper(daemon, name, network="net"):
    return daemon.run("sleep 1000", name=name, host={"NetworkMode": network})


@pytest.fixture
def peer(daemon):
    make(daemon, "net", "10.44.0.0/24")
    sleeper(daemon, "peer")
    return asker(daemon, "peer")


def test_a_start_is_answered_when_its_name_is_known(daemon, peer):
    with Strace(server(daemon), {"bind": f"delay_enter={2 * SECOND}"}):
        sleeper(daemon, "web")
        assert peer("web") == ["10.44.0.3"]


def test_a_stop_is_answered_when_its_name_is_not_known_any_more(daemon, peer):
    cid = sleeper(daemon, "web")
    with Strace(server(daemon), {"bind": f"delay_enter={2 * SECOND}"}):
        daemon.stop_container(cid, t=0, expect=204)
        assert peer("web") == []


def test_the_only_one_that_starts_again_is_found(daemon, peer):
    """A server that nobody is left for ends, and takes its pid away: not that of the next one."""
    with Strace(server(daemon), {"unlink": f"delay_enter={3 * SECOND}"}):
        daemon.stop_container("peer", t=0, expect=204)
        daemon.start_container("peer")
        assert asker(daemon, "peer")("peer") == [endpoint(daemon, "peer", "net")["IPAddress"]]


def test_one_that_has_only_just_begun_is_told_when_it_hears(daemon):
    """Its start is said to be over before it hears signals, the first of which would be its end."""
    for name, subnet in (("net", "10.44.0.0/24"), ("other", "10.45.0.0/24")):
        make(daemon, name, subnet)
    sleeper(daemon, "web", "bridge")
    with Strace(daemon.pid, {"rt_sigaction": f"delay_enter={SECOND // 2}:when=1"}, children=True):
        for name in ("net", "other"):
            daemon.api.post(f"/networks/{name}/connect", {"Container": "web"}, expect=200)
    assert asker(daemon, "web")("web") == [endpoint(daemon, "web", name)["IPAddress"] for name in ("net", "other")]


def test_a_restore_tells_nothing_that_is_known(daemon, peer):
    """While it reads anew it is deaf: not for a daemon that comes again, in whatever order containers came."""
    names = [f"c{i}" for i in range(4)]
    for name in names:
        daemon.create("sleep 1000", name=name, host={"NetworkMode": "net"})
    for name in reversed(names):
        daemon.start_container(name)
    with Strace(server(daemon), {"bind": "error=EACCES"}) as seen:
        daemon.restart()
        daemon.api.get("/holdfast/restore", version="", expect=200)  # it is over
    assert seen.hits == []
    assert all(peer(name) for name in names)


def test_the_last_one_of_a_network_that_is_removed_takes_the_server_along(daemon, peer):
    """It is out of the network and on its way when the network goes."""
    pid = server(daemon)
    with Strace(daemon.pid, {"socket": f"delay_enter={2 * SECOND}"}):
        os.kill(daemon.container_pid("peer"), signal.SIGKILL)
        wait_for(lambda: not daemon.api.get("/networks/net", expect=200).json["Containers"], "its leaving")
        daemon.api.delete("/networks/net", expect=204)
    wait_for(lambda: not alive(pid), "the server to end")
