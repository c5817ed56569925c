"""attach: the container's streams, handed to its shim, outlive the daemon."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host
from kit.api import demux
from kit.host import wait_for
from kit.inject import CONNECT, Strace, is_in

ECHO = "while read line; do echo \"got $line\"; echo \"err $line\" >&2; done; echo end"


@pytest.fixture
def listener(daemon):
    """A container that answers each line on both streams, and ends with its input."""
    return daemon.run(ECHO, OpenStdin=True, StdinOnce=True)


def test_both_streams_and_input(daemon, listener):
    with daemon.attach(listener) as a:
        assert a.status == 101
        assert a.headers["Content-Type"] == "application/vnd.docker.multiplexed-stream"
        a.send(b"one\n")
        assert sorted([a.frame(), a.frame()]) == [(1, b"got one\n"), (2, b"err one\n")]
        a.half_close()
        assert a.all_frames() == (b"end\n", b"")
    assert daemon.wait(listener) == 0


def test_it_outlives_the_daemon(daemon, listener):
    with daemon.attach(listener) as a:
        a.send(b"one\n")
        a.hear(b"err one\n")
        daemon.kill9()
        a.send(b"two\n")
        a.hear(b"err two\n")
        daemon.start()
        a.send(b"three\n")
        a.hear(b"err three\n")
        a.half_close()
        a.hear(b"end\n")
        assert a.all() == b""
    assert daemon.wait(listener) == 0


def test_a_terminal(daemon):
    cid = daemon.run("stty size; read x; stty size; echo \"<$x>\"", OpenStdin=True, Tty=True,
                     host={"ConsoleSize": [33, 99]})
    daemon.wait_log(cid, "33 99")
    with daemon.attach(cid) as a:
        assert a.headers["Content-Type"] == "application/vnd.docker.raw-stream"
        assert daemon.api.post(f"/containers/{cid}/resize", h=44, w=111).status == 200
        a.send(b"hello\n")
        text = a.all()
        assert text == b"hello\r\n44 111\r\n<hello>\r\n"


def test_cli(docker, daemon, listener):
    attached = docker.begin("attach", listener)
    out, err = attached.communicate(b"one\ntwo\n", timeout=30)
    assert (out, err) == (b"got one\ngot two\nend\n", b"err one\nerr two\n")
    assert attached.returncode == 0


# --- run: attached before it starts

NONE = ("--network", "none")


def test_run(docker):
    done = docker.run("run", *NONE, "busybox", "sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_run_with_input(docker):
    done = docker.run("run", "-i", "--rm", *NONE, "busybox", "cat", stdin="what was said\n")
    assert done.stdout == "what was said\n"
    assert docker("ps", "-aq") == ""


def sizes(daemon, since):
    """The heights that terminals have been given."""
    return [e["Actor"]["Attributes"]["height"] for e in daemon.past_events(since, event=["resize"])]


def test_run_with_a_terminal(docker, daemon):
    begun = time.time()
    with docker.terminal("run", "-it", "--rm", *NONE, "busybox", "sh", rows=31, columns=97) as t:
        t.hear(b"/ # ")
        # Debian's tells its size after the start.
        wait_for(lambda: sizes(daemon, begun), "docker's resize")
        t.send(b"stty size\n")
        t.hear(b"31 97\r\n")
        t.resize_until(40, 120, lambda: "40" in sizes(daemon, begun))
        t.send(b"while [ \"$(stty size)\" != '40 120' ]; do usleep 1000; done; echo res''ized\n")
        t.hear(b"resized\r\n")
        t.send(b"exit 5\n")
        assert t.end() == 5
    assert docker("ps", "-aq") == ""


def test_run_a_command_that_is_not_there(docker):
    done = docker.run("run", "--rm", *NONE, "busybox", "/no/such", check=False)
    assert done.returncode == 127
    assert docker("ps", "-aq") == ""


def test_start_attached(docker):
    docker("create", "-i", "--name", "later", *NONE, "busybox", "cat")
    for text in ("first\n", "second\n"):
        assert docker.run("start", "-ai", "later", stdin=text).stdout == text


# --- what is asked for, and how

def test_without_upgrade_it_is_200_and_bytes_until_the_end(daemon, listener):
    with daemon.attach(listener, upgrade=False) as a:
        assert a.status == 200
        assert a.headers["Content-Type"] == "application/vnd.docker.raw-stream"
        assert "Upgrade" not in a.headers
        a.send(b"one\n")
        a.half_close()
        assert a.all_frames() == (b"got one\nend\n", b"err one\n")


def test_api_before_1_42_calls_it_raw(daemon, listener):
    with daemon.attach(listener, version="/v1.41") as a:
        assert a.headers["Content-Type"] == "application/vnd.docker.raw-stream"
        a.send(b"one\n")
        assert a.hear(b"err one\n")


def test_a_body_is_read_away_and_what_follows_is_input(daemon, listener):
    """dockerode repeats its options as JSON."""
    body = b'{"stream":true,"stdin":true,"stdout":true,"stderr":true}'
    with daemon.attach(listener, body=body, early=b"early\n", headers=["Content-Type: application/json"]) as a:
        assert a.hear(b"err early\n")
        a.send(b"later\n")
        assert a.hear(b"err later\n")


def test_much_input_together_with_the_request(daemon):
    cid = daemon.run(["cat"], OpenStdin=True, StdinOnce=True)
    early = b"x" * 50_000 + b"\n"
    with daemon.attach(cid, early=early) as a:
        a.half_close()
        assert a.all_frames() == (early, b"")


@pytest.mark.parametrize("streams,heard", [
    ({"stdout": True}, (b"got x\nend\n", b"")), ({"stderr": True}, (b"", b"err x\n")), ({}, (b"", b""))])
def test_only_the_streams_that_were_asked_for(daemon, listener, streams, heard):
    with daemon.attach(listener, **{"stdin": False, "stdout": False, "stderr": False, **streams}) as a, \
            daemon.attach(listener, stdout=False, stderr=False) as writer:
        writer.send(b"x\n")
        writer.half_close()
        assert a.all_frames() == heard


@pytest.mark.one_runtime
def test_neither_stream_nor_logs_is_an_empty_answer(daemon, listener):
    with daemon.attach(listener, stream=False) as a:
        assert a.status == 101 and a.all() == b""
    assert daemon.state(listener)["Running"]


def test_input_of_a_container_that_has_none(daemon):
    """Is nobody's: its end is no end of the attachment."""
    cid = daemon.run("trap 'echo told; exit' USR1; echo ready; while :; do sleep 0.1; done")
    daemon.wait_log(cid, "ready")
    with daemon.attach(cid) as a:
        a.send(b"nobody reads this\n")
        a.half_close()
        daemon.api.post(f"/containers/{cid}/kill", signal="USR1", expect=204)
        assert a.all_frames() == (b"told\n", b"")


# --- detach keys

@pytest.fixture
def shell(daemon):
    cid = daemon.run("stty -echo; echo ready; while read x; do echo \"<$x>\"; done", OpenStdin=True, Tty=True)
    daemon.wait_log(cid, "ready")
    return cid


@pytest.mark.parametrize("keys,typed", [
    (None, b"\x10\x11"), ("", b"\x10\x11"), ("a,b", b"ab"), ("ctrl-a", b"\x01"), ("ctrl-[,x", b"\x1bx"),
    ("ctrl-@,ctrl-_", b"\x00\x1f")])
@pytest.mark.one_runtime
def test_detach_keys(daemon, shell, keys, typed):
    query = {} if keys is None else {"detachKeys": keys}
    with daemon.events(filters={"event": ["attach", "detach"]}) as events:
        with daemon.attach(shell, **query) as a:
            assert events.json()["Action"] == "attach"
            a.send(b"one\n")
            a.until(b"<one>\r\n")
            a.send(typed)
            assert a.all() == b""
        assert events.json()["Action"] == "detach"
    assert daemon.state(shell)["Running"]
    with daemon.attach(shell) as a:
        a.send(b"two\n")
        a.until(b"<two>\r\n")


@pytest.mark.one_runtime
@pytest.mark.parametrize("keys", ["ctrl-", "ctrl-A", "ctrl-1", "ab", "a,,b", "a,", ",".join("a" * 33), "é"])
def test_detach_keys_that_are_none(daemon, shell, keys):
    answer = daemon.api.post(f"/containers/{shell}/attach", stream=True, detachKeys=keys)
    assert answer.status == 400 and answer.message == f"Invalid detach keys ({keys}) provided"


def test_cli_detaches(docker, daemon, shell):
    with docker.terminal("attach", shell) as t:
        t.send(b"one\n")
        t.hear(b"<one>\r\n")
        t.send(b"\x10\x11")
        t.end()
        assert b"read escape sequence" in t.text
    assert daemon.state(shell)["Running"]


# --- errors

@pytest.mark.one_runtime
def test_errors(daemon, listener):
    def refusal(cid, **query):
        answer = daemon.api.post(f"/containers/{cid}/attach", stream=True, stdout=True, **query)
        return answer.status, answer.message

    assert refusal("nobody") == (404, "No such container: nobody")
    daemon.api.post(f"/containers/{listener}/pause", expect=204)
    assert refusal(listener) == (409, f"container {listener} is paused, unpause the container before attach")
    daemon.api.post(f"/containers/{listener}/unpause", expect=204)
    restarting = daemon.run("exit 1", host={"RestartPolicy": {"Name": "always"}})

    def refused():
        """In a pause, which gets longer; who comes at another time is attached."""
        answer = daemon.api.post(f"/containers/{restarting}/attach", stream=True, stdout=True)
        return answer.status == 409 and answer.message

    words = wait_for(refused, "a pause")
    assert words == f"container {restarting} is restarting, wait until the container is running"


@pytest.mark.one_runtime
def test_errors_of_resize(daemon, listener):
    def resize(cid, **query):
        answer = daemon.api.post(f"/containers/{cid}/resize", **query)
        return answer.status, answer.message

    assert resize("nobody", h=1, w=1) == (404, "No such container: nobody")
    for size in ({"h": "x", "w": 80}, {"h": -1, "w": 80}, {"h": 24, "w": 65536}, {"h": 24}, {"w": 80}, {"h": "", "w": 80}):
        assert resize(listener, **size)[0] == 400, size
    assert "it has no terminal" in resize(listener, h=24, w=80)[1]
    cid = daemon.create("true", Tty=True)
    assert resize(cid, h=24, w=80) == (409, f"container {cid} is not running")


@pytest.mark.one_runtime
def test_events(daemon, shell):
    with daemon.events(filters={"container": [shell]}) as events:
        with daemon.attach(shell):
            assert events.json()["Action"] == "attach"
        daemon.api.post(f"/containers/{shell}/resize", h=24, w=80, expect=200)
        event = events.json()
        assert event["Action"] == "resize"
        attributes = event["Actor"]["Attributes"]
        assert (attributes["height"], attributes["width"]) == ("24", "80")


# --- before the start

def test_attached_before_the_start(daemon):
    cid = daemon.create("cat; echo end", OpenStdin=True, StdinOnce=True)
    with daemon.attach(cid) as a:
        a.send(b"early\n")
        daemon.restart()
        a.send(b"after\n")
        a.half_close()
        daemon.start_container(cid)
        assert a.all_frames() == (b"early\nafter\nend\n", b"")


@pytest.mark.one_runtime
def test_attached_when_its_run_has_just_ended(daemon):
    """Its shim was found alive, and is gone when it is to have the client."""
    cid = daemon.run("read x; echo $x; sleep 1000", OpenStdin=True)
    pid = daemon.container_pid(cid)
    with Strace(daemon.pid, {"connect": "delay_enter=1500000"}), ThreadPoolExecutor() as pool:
        coming = pool.submit(daemon.attach, cid)
        wait_for(lambda: is_in(daemon.pid, CONNECT), "the daemon to be held on its way to the shim")
        host.kill(pid)
        attached = coming.result()
    with attached as a:
        assert a.status == 101
        a.send(b"said\n")
        daemon.start_container(cid)
        assert a.frame() == (1, b"said\n")


def test_removed_before_the_start(daemon):
    cid = daemon.create("true")
    with daemon.attach(cid) as a:
        daemon.api.delete(f"/containers/{cid}", expect=204)
        assert a.all() == b""


def test_a_start_that_fails_ends_the_streams(daemon):
    cid = daemon.create(["/no/such/program"])
    with daemon.attach(cid) as a:
        assert daemon.api.post(f"/containers/{cid}/start").status == 400
        assert a.all() == b""


# --- other clients

def test_docker_py(daemon, client):
    import docker

    assert client.containers.run("busybox", ["echo", "hello"], network_mode="none", remove=True) == b"hello\n"
    with pytest.raises(docker.errors.ContainerError) as failure:
        client.containers.run("busybox", "sh -c 'echo bad >&2; exit 9'", network_mode="none", remove=True)
    assert failure.value.exit_status == 9
    cid = daemon.run(ECHO, OpenStdin=True, StdinOnce=True)
    one = client.containers.get(cid)
    stream = one.attach(stream=True, demux=True)
    socket = one.attach_socket(params={"stdin": 1, "stream": 1})
    socket._sock.sendall(b"one\n")
    assert sorted([next(stream), next(stream)], key=str) == sorted([(b"got one\n", None), (None, b"err one\n")], key=str)
    socket._sock.close()
    socket.close()
    assert list(stream) == [(b"end\n", None)]


@pytest.mark.one_runtime
def test_docker_py_loses_nothing_of_what_comes_at_once(daemon, client):
    """It throws away what is in the same segment as the head."""
    for i in range(20):
        created = client.api.create_container("busybox", ["echo", f"line {i}"],
                                              host_config=client.api.create_host_config(network_mode="none"))
        stream = client.api.attach(created["Id"], stream=True)
        client.api.start(created["Id"])
        assert b"".join(stream) == f"line {i}\n".encode()


def test_curl(daemon, listener):
    """Plain HTTP: a body of bytes until the connection ends."""
    with daemon.attach(listener, stdout=False, stderr=False) as writer:
        curl = subprocess.Popen(
            ["curl", "-sN", "--max-time", "30", "--unix-socket", str(daemon.sock), "-X", "POST",
             f"http://d/v1.44/containers/{listener}/attach?stream=1&stdout=1"], stdout=subprocess.PIPE)
        with daemon.events(filters={"event": ["attach"]}, since="1") as events:
            events.json(), events.json()  # both are there
        writer.send(b"one\n")
        writer.half_close()
        out, _ = curl.communicate(timeout=30)
    assert demux(out) == (b"got one\nend\n", b"")
