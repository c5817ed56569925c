"""holdfastd --keeper: who holds the sockets while the daemon is away, and starts it again."""

import fcntl
import os
import random
import re
import signal
import time

import pytest

from kit import dockercli, host
from kit.api import Api, UnixConnection
from kit.archives import busybox
from kit.asking import Asker, end_and_check, one_connection
from kit.daemon import SANITIZED
from kit.host import wait_for
from kit.inject import Inject
from kit.orphans import shim_of

pytestmark = pytest.mark.one_runtime


class Kept:
    """A daemon with a keeper. kit's Daemon sees the keeper as the process."""

    def __init__(self, daemon):
        self.daemon, self.api = daemon, daemon.api

    @property
    def keeper(self):
        return self.daemon.process.pid

    @property
    def pid(self):
        """Of the daemon that serves, or is about to."""
        return self.daemon.kept_pid

    def kill_daemon(self, sig=signal.SIGKILL):
        pid = self.pid
        os.kill(pid, sig)
        return pid

    def wait_for_next(self, former):
        wait_for(lambda: self.pid not in (0, former), "the next daemon")
        self.api.get("/_ping", version="", expect=200)


@pytest.fixture
def kept(new_daemon):
    return Kept(new_daemon("--keeper").start())


@pytest.fixture
def loaded(kept):
    kept.daemon.load(busybox().docker_archive("busybox:latest"))
    return kept


def starts_again(daemon):
    return re.findall(r"it is started again in (\d+) ms", daemon.stderr())


def test_daemon_that_dies_is_started_again(loaded):
    cid = loaded.daemon.run("trap '' TERM; echo up; sleep 1000")
    init = loaded.daemon.container_pid(cid)
    keeper = loaded.keeper
    for sig in (signal.SIGKILL, signal.SIGABRT, signal.SIGTERM):
        former = loaded.kill_daemon(sig)
        loaded.wait_for_next(former)
    assert loaded.keeper == keeper and loaded.daemon.running
    assert loaded.daemon.container_pid(cid) == init


def test_client_that_comes_while_the_daemon_is_away_is_answered(kept):
    former = kept.pid
    os.kill(former, signal.SIGSTOP)
    host.wait_stopped(former)  # or it might begin with the POST, and that is never done twice
    socks = []
    for method in ("GET", "POST"):
        conn = UnixConnection(kept.daemon.sock)
        conn.request(method, "/_ping" if method == "GET" else "/containers/prune")
        socks.append(conn)
    kept.kill_daemon()
    assert [s.getresponse().status for s in socks] == [200, 200]
    assert kept.pid != former


def test_sigterm_ends_both_and_containers_go_on(loaded):
    cid = loaded.daemon.run("sleep 1000")
    init, daemon = loaded.daemon.container_pid(cid), loaded.pid
    assert loaded.daemon.stop() == 0
    assert not host.alive(daemon) and host.alive(init)
    loaded.daemon.start()
    assert loaded.daemon.container_pid(cid) == init


def test_sigterm_while_no_daemon_lives(new_daemon):
    daemon = new_daemon("--keeper")
    with locked(daemon):
        daemon.spawn()
        wait_for(lambda: len(starts_again(daemon)) >= 3, "three starts")
        assert daemon.stop() == 0


class locked:
    """The data root is another's: no daemon can start in it."""

    def __init__(self, daemon):
        daemon.data.mkdir(exist_ok=True)
        self.path = daemon.data / "holdfast.lock"

    def __enter__(self):
        self.file = open(self.path, "w")
        self.file.write(f"{os.getpid()}\n")
        self.file.flush()
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def test_never_gives_up_but_backs_off(new_daemon):
    daemon = new_daemon("--keeper")
    with locked(daemon):
        # The lock's holder, this test, is no daemon that a keeper could take over: it has no sockets.
        daemon.spawn()
        wait_for(lambda: len(starts_again(daemon)) >= 4, "four starts")
        client = UnixConnection(daemon.sock)
        client.request("GET", "/_ping")
    assert client.getresponse().status == 200
    assert starts_again(daemon)[:4] == ["100", "200", "400", "800"]


def test_wrong_options_are_said_at_once(new_daemon):
    daemon = new_daemon("--keeper")
    daemon.spawn("--log-level", "loud")
    assert daemon.process.wait(20) == 1
    assert "loud" in daemon.stderr()


def test_daemon_outlives_its_keeper_and_the_next_keeper_takes_it_over(loaded):
    daemon, cid = loaded.daemon, loaded.daemon.run("sleep 1000")
    init, pid = daemon.container_pid(cid), loaded.pid
    idle = UnixConnection(daemon.sock)
    idle.request("GET", "/_ping")
    assert idle.getresponse().read() == b"OK"

    daemon.kill9()
    assert loaded.api.get("/_ping", version="", expect=200)
    daemon.start()
    assert loaded.pid == pid, "a new daemon, where the old one served"
    idle.request("GET", "/_ping")
    assert idle.getresponse().read() == b"OK"

    former = loaded.kill_daemon()
    loaded.wait_for_next(former)
    assert host.status_field(loaded.pid, "PPid") == str(loaded.keeper)
    assert daemon.container_pid(cid) == init


def test_two_keepers_do_not_share_a_daemon(kept, new_daemon):
    second = new_daemon("--keeper")
    second.data, own = kept.daemon.data, second.data
    second.spawn()
    assert second.process.wait(20) == 1
    assert f"has a keeper already, pid {kept.keeper}" in second.stderr()
    second.data = own
    assert kept.api.get("/_ping", version="", expect=200)


def test_signals_are_passed_on(kept):
    os.kill(kept.keeper, signal.SIGHUP)
    wait_for(lambda: "configuration reloaded" in kept.daemon.stderr(), "the reload")


def test_nothing_of_it_reaches_shims_and_containers(loaded):
    cid = loaded.daemon.run("sleep 1000")
    init = loaded.daemon.container_pid(cid)
    shim = shim_of(init)
    for pid in (init, shim):
        names = {v.split(b"=")[0] for v in open(f"/proc/{pid}/environ", "rb").read().split(b"\0")}
        assert not names & {b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES", b"NOTIFY_SOCKET", b"FDSTORE"}
    inode = os.stat(f"/proc/{loaded.keeper}/fd/3").st_ino
    assert not [fd for fd in os.scandir(f"/proc/{shim}/fd") if os.stat(fd.path).st_ino == inode]


def test_a_light_process(kept):
    """It is there for good, beside every daemon."""
    pss = host.memory_kib(kept.keeper, "Pss")
    assert pss < 256 or SANITIZED, f"{pss} KiB"
    assert host.status_field(kept.keeper, "Threads") == "1"


# --- deaths under the eyes of clients

@pytest.mark.parametrize("call", ["recvmsg", "sendmsg", "recvfrom"])
def test_a_connection_is_never_the_dead_daemons_alone(kept, call):
    """Killed before each call by which a new connection comes to it, it leaves that to the next."""
    for n in range(1, 4):
        former = kept.pid
        client = UnixConnection(kept.daemon.sock)
        with Inject(former, call, "SIGKILL", str(n)) as strace:
            client.request("GET", "/_ping")
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"OK"), n
            if kept.pid == former:
                break  # it makes no more of them for a connection
        assert strace.process.poll() is not None
        kept.wait_for_next(former)
    assert n > 1


def test_without_its_keeper_it_accepts_by_itself(kept):
    kept.daemon.kill9()
    assert kept.api.get("/_ping", version="", expect=200)
    assert "accepting without it" in kept.daemon.stderr()


def docker_ps(daemon, cid):
    docker = dockercli.DockerCli(dockercli.DEBIAN, daemon)

    def ask():
        assert docker("ps", "-q", "--no-trunc") == cid
    return ask


def holdfast_ps(daemon, cid):
    def ask():
        assert daemon.cli("ps", "-q", "--no-trunc").stdout.strip() == cid
    return ask


def new_connections(daemon, cid):
    api = Api(daemon.sock)

    def ask():
        assert [c["Id"] for c in api.get("/containers/json", expect=200).json] == [cid]
    return ask


def inspections(daemon, cid):
    request = one_connection(daemon)
    return lambda: request("GET", f"/containers/{cid}/json")


@pytest.mark.timeout(300)
def test_docker_ps_through_fifty_deaths_of_the_daemon(loaded, record_property):
    """Not one failure: neither of a request that waits, nor of one that was being served."""
    daemon = loaded.daemon
    cid = daemon.run("sleep 1000")
    askers = [Asker(make(daemon, cid)) for make in
              (docker_ps, docker_ps, holdfast_ps, new_connections, new_connections, inspections)]
    chance = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID", "50"))
    try:
        for _ in range(50):
            # A daemon that has lived for half a second comes back without the back-off.
            time.sleep(0.5 + chance.uniform(0, 0.1))
            former = loaded.kill_daemon()
            wait_for(lambda: loaded.pid not in (0, former), "the next daemon")
    finally:
        end_and_check(askers, record_property)
    assert len(starts_again(daemon)) >= 50
