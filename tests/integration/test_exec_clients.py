"""exec with the stock docker CLIs and docker-py."""

import hashlib
import os
import threading

import pytest

from kit.execs import output
from kit.host import wait_for
from test_exec import MIB, SIZE, cid, until  # noqa: F401


def test_cli(docker, cid):
    done = docker.run("exec", cid, "sh", "-c", "echo out; echo err >&2; exit 5", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "err\n")
    done = docker.run("exec", cid, "nonsense", check=False)
    assert done.returncode == 127 and "executable file not found in $PATH" in done.stdout + done.stderr
    assert docker.run("exec", "-i", cid, "cat", stdin="a\nb\n").stdout == "a\nb\n"
    assert docker("exec", "-d", cid, "sh", "-c", "echo x > /made") == ""
    wait_for(lambda: docker.run("exec", cid, "cat", "/made", check=False).stdout == "x\n", "the file")
    assert docker("exec", "-u", "1000:5", "-w", "/etc", "-e", "A=b", cid, "sh", "-c",
                  "id -u; id -g; pwd; echo $A") == "1000\n5\n/etc\nb"


@pytest.mark.one_runtime
def test_cli_in_a_terminal(docker, daemon, cid):
    with docker.terminal("exec", "-it", cid, "sh", "-c", f"{SIZE}; read x; {SIZE}; exit 6", rows=33,
                         columns=99) as terminal:
        terminal.hear(b"33 99")
        sizes = "for t in /dev/pts/*; do stty size < $t; done"
        terminal.resize_until(44, 111, lambda: b"44 111" in output(daemon, cid, sizes)[0])
        daemon.restart()
        terminal.send(b"x\n")
        terminal.hear(b"44 111")
        assert terminal.end() == 6


@pytest.mark.one_runtime
def test_cli_detaches(docker, daemon, cid):
    with docker.terminal("exec", "-it", cid, "sh", "-c", f"echo up; {until('go')} exit 6") as terminal:
        terminal.hear(b"up")
        terminal.send(b"\x10\x11")
        terminal.end()
    assert len(daemon.inspect(cid)["ExecIDs"]) == 1


@pytest.mark.one_runtime
def test_cli_64_mib_through_a_death_of_the_daemon(docker, daemon, cid):
    data = os.urandom(MIB) * 64
    half, more = len(data) // 2, threading.Event()
    one = docker.begin("exec", "-i", cid, "sh", "-c", "cat; exit 3")

    def send():
        one.stdin.write(data[:half])
        more.wait(60)  # at its end it asks for the exit code: there must be somebody
        one.stdin.write(data[half:])
        one.stdin.close()

    writer = threading.Thread(target=send)
    writer.start()
    out = one.stdout.read(half // 2)
    killer = threading.Thread(target=lambda: (daemon.restart(), more.set()))
    killer.start()
    out += one.stdout.read()
    for thread in (writer, killer):
        thread.join(60)
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest() and not one.stderr.read()
    assert one.wait(60) == 3 and more.is_set()
    one.stdout.close()
    one.stderr.close()


@pytest.mark.one_runtime
def test_docker_py(client, cid):
    container = client.containers.get(cid)
    assert tuple(container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 4"], demux=True)) == (
        4, (b"out\n", b"err\n"))
    assert container.exec_run("tty", tty=True).exit_code == 0
    assert container.exec_run("true", detach=True).output in (b"", "")
    assert b"".join(container.exec_run("seq 1 1000", stream=True).output).count(b"\n") == 1000
    low = client.api
    one = low.exec_create(cid, ["sh", "-c", "read x; echo got $x"], stdin=True)
    sock = low.exec_start(one["Id"], socket=True)
    sock._sock.sendall(b"hello\n")
    got = b""
    while data := sock.read(4096):
        got += data
    sock.close()
    assert got[8:] == b"got hello\n"
    assert low.exec_inspect(one["Id"])["ExitCode"] == 0
