"""Clients of wait, and the shim that lingers for those who wait for the removal."""

import json
import os
import shutil
import signal
import socket

import pytest

from harness import Gate, eventually
from test_clients import Client

HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def wait(shim, condition, conn=None, **pairs):
    return Client(shim, "wait", HEAD, conn=conn, condition=condition, **{"chunked": 1, "code": 0, **pairs})


def told(client):
    """The whole body: one chunk, and the last."""
    size, _, rest = client.all().partition(b"\r\n")
    body, end = rest[:int(size, 16)], rest[int(size, 16):]
    assert end == b"\r\n0\r\n\r\n"
    client.close()
    return json.loads(body)


def remove(shim):
    """As the daemon does it."""
    gone = shim.data.with_name(".gone-" + shim.id[:16])
    shim.data.rename(gone)
    shutil.rmtree(gone)


def test_head_at_once_and_the_code_at_the_end(new_shim):
    shim = new_shim("/bin/sleep", "60")
    clients = [wait(shim, condition) for condition in ("next-exit", "next-exit")]
    pid = int(shim.start()["pid"])
    clients.append(wait(shim, "not-running", code=3))
    os.kill(pid, signal.SIGKILL)
    for one in clients:
        assert told(one) == {"StatusCode": 137, "Error": None}
    shim.conn.event("ended")
    shim.wait_end()


def test_not_running_is_answered_at_once_where_nothing_runs(new_shim):
    shim = new_shim("/bin/true")
    assert told(wait(shim, "not-running", code=4, error='it "broke"\n')) == {
        "StatusCode": 4, "Error": {"Message": 'it "broke"\n'}}


def test_the_next_exit_is_not_that_nothing_runs(new_shim):
    shim = new_shim("/bin/sh", "-c", "exit 7")
    client = wait(shim, "next-exit")
    assert told(wait(shim, "not-running", code=4))["StatusCode"] == 4
    shim.start()
    assert told(client)["StatusCode"] == 7


def test_who_waits_during_a_start_that_fails(new_shim, place, runtime):
    """The daemon, which has the words and the code for it, tells them with its quit."""
    gate = Gate(place, runtime)
    shim = new_shim("/no/such/program", runtime=gate.runtime)
    client = wait(shim, "next-exit")
    assert shim.conn.ask("start", run=1)["msg"] == "ok"
    late = wait(shim, "not-running", code=0)
    gate.open.touch()
    shim.conn.event("failed")
    assert shim.conn.ask("quit", **{"keep-clients": 1}, code=127, error="no such program")["msg"] == "error"
    assert told(late) == {"StatusCode": 127, "Error": {"Message": "no such program"}}
    assert shim.conn.ask("hello")["state"] == "idle"
    client.close()
    shim.wait_end()


def test_unchunked(new_shim):
    shim = new_shim("/bin/sh", "-c", "exit 7")
    client = wait(shim, "next-exit", chunked=0)
    shim.start()
    assert json.loads(client.all()) == {"StatusCode": 7, "Error": None}


@pytest.mark.parametrize("pairs", [{"condition": "bored"}, {"condition": ""}])
def test_nonsense_is_refused(new_shim, pairs):
    shim = new_shim("/bin/true")
    client = Client(shim, "wait", HEAD, **pairs)
    assert client.answer["msg"] == "error"
    assert shim.conn.ask("wait", condition="removed")["text"] == "no client came with it"


def test_it_lingers_for_the_removal(new_shim):
    shim = new_shim("/bin/sh", "-c", "exit 7")
    client, other = wait(shim, "removed"), wait(shim, "removed")
    shim.start()
    shim.conn.event("ended")
    assert shim.conn.end() == [], "it hangs up"
    assert eventually(lambda: not shim.pulse()) and not (shim.exec / "shim.sock").exists()
    assert not shim.cgroups() and not list(shim.root.iterdir())
    assert shim.id not in open(f"/proc/{shim.pid}/mountinfo").read()
    assert os.readlink(f"/proc/{shim.pid}/cwd") == "/"
    shutil.rmtree(shim.exec)
    other.close()
    remove(shim)
    assert told(client) == {"StatusCode": 7, "Error": None}
    assert os.waitpid(shim.pid, 0)[1] == 0
    shim.pid = None


def test_it_is_removed_only_when_it_is_gone(new_shim):
    shim = new_shim("/bin/true")
    client = wait(shim, "removed")
    shim.start()
    assert [e["msg"] for e in shim.conn.end()] == ["ended"]
    gone = shim.data.with_name(".gone-" + shim.id[:16])
    shim.data.rename(gone)
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.sock.recv(1)
    shutil.rmtree(gone)
    client.sock.settimeout(20)
    assert told(client)["StatusCode"] == 0


def test_it_goes_with_its_last_client(new_shim):
    shim = new_shim("/bin/true")
    client = wait(shim, "removed")
    shim.start()
    assert [e["msg"] for e in shim.conn.end()] == ["ended"]
    os.kill(shim.pid, signal.SIGTERM)  # is ignored, then as before
    client.close()
    assert os.waitpid(shim.pid, 0)[1] == 0
    shim.pid = None


def test_an_idle_one_that_must_go_lingers(new_shim):
    """A container that is removed without having been started."""
    shim = new_shim("/bin/true")
    clients = [wait(shim, "next-exit"), wait(shim, "removed")]
    assert "wait" in shim.conn.ask("quit", **{"keep-clients": 1})["text"]
    assert shim.conn.ask("hello")["state"] == "idle"
    assert shim.conn.ask("quit", code=9, error="so it is")["msg"] == "ok"
    assert shim.conn.end() == []
    assert eventually(lambda: not shim.pulse())
    remove(shim)
    for one in clients:
        assert told(one) == {"StatusCode": 9, "Error": {"Message": "so it is"}}
    assert os.waitpid(shim.pid, 0)[1] == 0
    shim.pid = None


def test_one_that_is_to_leave_goes_with_its_last_client_at_once(new_shim):
    shim = new_shim("/bin/true")
    client = wait(shim, "next-exit")
    assert shim.conn.ask("quit", **{"keep-clients": 1})["msg"] == "error"
    client.close()
    shim.wait_end()


def test_who_asks_at_the_very_end_is_answered(new_shim):
    """A packet that is on its way when the life is over: taken, or refused, and never lost."""
    shim = new_shim("/bin/sleep", "60")
    pid = int(shim.start()["pid"])
    conns = [shim.connect() for _ in range(5)]
    for one in conns:
        one.ask("hello")
    os.kill(shim.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z")
    asked = []
    for one in conns:
        ours, theirs = socket.socketpair()
        one.send("wait", [theirs.fileno()], condition="next-exit", head=HEAD, chunked=1, code=0)
        theirs.close()
        asked.append((one, ours))
    os.kill(shim.pid, signal.SIGCONT)
    for one, ours in asked:
        while (m := one.recv())["msg"] not in ("ok", "error"):
            pass
        ours.settimeout(20)
        assert (b'"StatusCode":137' in ours.makefile("rb").read()) == (m["msg"] == "ok")
    shim.conn.event("ended")
    shim.wait_end()


def test_a_restart_in_place_that_fails(new_shim, place, runtime):
    gate = Gate(place, runtime)
    gate.open.touch()
    shim = new_shim("/bin/sh", "-c", "until [ -e /go ]; do usleep 10000; done; rm -f /bin/sh; exit 1",
                    restart="on-failure", restart_max=1, runtime=gate.runtime)
    pid = shim.start()["pid"]
    gate.open.unlink()
    open(f"/proc/{pid}/root/go", "w").close()
    shim.conn.event("ended")
    shim.conn.event("restart")
    client = wait(shim, "next-exit")
    gate.open.touch()
    told_of = told(client)
    assert told_of["StatusCode"] == 128 and "sh" in told_of["Error"]["Message"]
