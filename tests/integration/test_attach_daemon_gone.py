"""Attached clients while the daemon is killed and comes back: every byte, every exit code."""

import hashlib
import http.client
import os
import threading
import time

import pytest

from kit.host import wait_for, wait_quiet
from kit.orphans import shim_of
from test_attach import sizes

NONE = ("--network", "none")
MIB = 1 << 20


class Pump:
    """Sends random bytes and reads back what `cat` makes of them, each in a thread of its own."""

    def __init__(self, write, end, read, mib=64):
        self.sent, self.got = hashlib.sha256(), hashlib.sha256()
        self.n_got, self.half = 0, threading.Event()
        self.mib = mib
        self.threads = [threading.Thread(target=self.send, args=(write, end)),
                        threading.Thread(target=self.receive, args=(read,))]
        for thread in self.threads:
            thread.start()

    def send(self, write, end):
        for i in range(self.mib):
            data = os.urandom(MIB)
            self.sent.update(data)
            write(data)
            if i == self.mib // 2:
                self.half.set()
        end()

    def receive(self, read):
        while data := read(1 << 17):
            self.got.update(data)
            self.n_got += len(data)

    def check(self):
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), f"hangs after {self.n_got} bytes"
        assert self.n_got == self.mib * MIB and self.got.digest() == self.sent.digest()


def wait_start_answered(daemon, begun):
    """docker asks for its terminal's size when its start has been answered, and for nothing more."""
    wait_for(lambda: sizes(daemon, begun), "docker's resize")


@pytest.mark.parametrize("away", [0, 1, 5])
def test_64_mib_each_way_through_run_i_cat(docker, daemon, away):
    run = docker.begin("run", "-i", "--log-driver", "none", "--name", "mill", *NONE, "busybox", "cat")
    pump = Pump(run.stdin.write, run.stdin.close, run.stdout.read1)
    assert pump.half.wait(60)
    wait_quiet(daemon.pid)  # docker has the answer to its start; its shim has work to do
    daemon.kill9()
    time.sleep(away)  # so long it is away: that is what is tested
    daemon.start()
    pump.check()
    assert run.wait(30) == 0, run.stderr.read()
    run.stdout.close()
    run.stderr.close()


@pytest.mark.parametrize("away", [0, 1])
def test_64_mib_each_way_through_attach(daemon, away):
    cid = daemon.run(["cat"], OpenStdin=True, StdinOnce=True, Tty=False, host={"LogConfig": {"Type": "none"}})
    with daemon.attach(cid, stderr=False) as a:
        frames = []

        def read(_):
            frame = a.frame()
            frames.append(1)
            return frame[1] if frame else b""

        pump = Pump(a.send, a.half_close, read)
        assert pump.half.wait(60)
        daemon.kill9()
        time.sleep(away)
        daemon.start()
        pump.check()
    assert daemon.wait(cid) == 0


@pytest.mark.parametrize("away", [0, 1, 5])
def test_a_terminal(docker, daemon, away):
    """run -it, and its size, through a death."""
    begun = time.time()
    with docker.terminal("run", "-it", "--name", "term", *NONE, "busybox", "sh", rows=31, columns=97) as t:
        t.hear(b"/ # ")
        wait_start_answered(daemon, begun)
        daemon.kill9()
        t.send(b"echo al''ive; stty size\n")
        t.hear(b"alive\r\n31 97\r\n")
        time.sleep(away)
        daemon.start()
        t.resize_until(40, 120, lambda: "40" in sizes(daemon, begun))
        t.send(b"while [ \"$(stty size)\" != '40 120' ]; do usleep 1000; done; echo res''ized; exit 5\n")
        t.hear(b"resized\r\n")
        assert t.end() == 5
    assert daemon.state("term")["ExitCode"] == 5


@pytest.mark.parametrize("away", [0, 1])
def test_run_rm(docker, daemon, away):
    begun = time.time()
    with docker.terminal("run", "-it", "--rm", *NONE, "busybox", "sh", "-c", "read x; echo got $x; exit 7") as t:
        wait_start_answered(daemon, begun)
        daemon.kill9()
        t.send(b"this\n")
        t.hear(b"got this\r\n")
        time.sleep(away)
        daemon.start()
        assert t.end() == 7, t.text
    assert docker("ps", "-aq") == ""


def test_a_hundred_clients_through_ten_deaths(daemon):
    cids = [daemon.run("while read x; do echo $x; done", OpenStdin=True, StdinOnce=False) for _ in range(4)]
    clients = [daemon.attach(cid, stdin=i < 4) for i, cid in enumerate(cids * 25)]
    try:
        for death in range(10):
            daemon.kill9()
            for cid, speaker in zip(cids, clients):
                speaker.send(f"{cid} {death}\n".encode())
            for i, client in enumerate(clients):
                assert client.frame() == (1, f"{cids[i % 4]} {death}\n".encode())
            daemon.start()
        for cid in cids:
            assert daemon.api.post(f"/containers/{cid}/kill").status == 204
        for client in clients:
            assert client.all() == b""
    finally:
        for client in clients:
            client.close()


def test_a_client_that_comes_while_it_is_away_fails_cleanly_or_is_served(daemon):
    cid = daemon.run("while read x; do echo $x; done", OpenStdin=True)
    daemon.kill9()
    with pytest.raises(OSError):
        daemon.attach(cid)
    daemon.start()
    with daemon.attach(cid) as a:
        a.send(b"hello\n")
        assert a.frame() == (1, b"hello\n")


def test_restart_policy_while_it_is_away(daemon):
    """The run ends, and its streams with it; the next one is the shim's to start."""
    cid = daemon.run("read x; echo $x; exit 1", OpenStdin=True, host={"RestartPolicy": {"Name": "always"}})
    with daemon.attach(cid) as a:
        daemon.kill9()
        a.send(b"first\n")
        assert a.all_frames() == (b"first\n", b"")
    daemon.start()
    daemon.wait_state(cid, "running")
    with daemon.attach(cid) as a:
        a.send(b"second\n")
        assert a.all_frames() == (b"second\n", b"")


def test_a_shim_that_is_killed_ends_its_clients(daemon):
    """The one thing that ends them: documented, and clean."""
    cid = daemon.run("sleep 1000", OpenStdin=True)
    with daemon.attach(cid) as a:
        os.kill(shim_of(daemon.container_pid(cid)), 9)
        try:
            assert a.all() == b""
        except ConnectionResetError:
            pass

    def refused():
        try:
            answer = daemon.api.post(f"/containers/{cid}/attach", stream=True, stdout=True)
        except http.client.RemoteDisconnected:  # taken by the shim in its last moment
            return False
        assert answer.status in (409, 500), answer
        return answer.status == 409 and "lost its shim" in answer.message

    wait_for(refused, "the daemon to know of it")
