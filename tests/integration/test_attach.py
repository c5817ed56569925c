"""attach: the container's streams, handed to its shim, outlive the daemon."""

import pytest

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


def test_run_with_a_terminal(docker):
    with docker.terminal("run", "-it", "--rm", *NONE, "busybox", "sh", rows=31, columns=97) as t:
        t.hear(b"/ # ")
        t.send(b"stty size\n")
        t.hear(b"31 97\r\n")
        t.resize(40, 120)
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
