"""Every kind of session at once, while the daemon dies and comes back, or is upgraded: none of them notices."""

import time

import pytest

from kit import dockercli, host, waiting
from kit.host import wait_for

pytestmark = pytest.mark.one_runtime

NONE = ("--network", "none")
COUNTS = "i=0; while [ ! -e /stop ]; do echo line $i; i=$((i+1)); sleep 0.02; done; echo the end; exit 3"
ECHO = "read x; echo {} $x; exit {}"


def killed(daemon, away):
    daemon.kill9()
    time.sleep(away)  # so long it is away: that is what is tested
    daemon.start()


def upgraded(daemon, away):
    daemon.api.post("/holdfast/upgrade", version="", expect=200)


def finish(process, word=b"word\n"):
    """Its standard output and its exit code, once it has been told a word."""
    out, err = process.communicate(word, timeout=60)
    return out, process.returncode, err


def started(daemon, begun):
    """Containers but the first, and exec sessions."""
    told = [e["Action"].split(":")[0] for e in daemon.past_events(begun, event=["start", "exec_start"])]
    return len(told) - 1


@pytest.mark.parametrize("gap,away", [(killed, 0), (killed, 1), (killed, 5), (upgraded, 0)])
def test_no_session_notices(daemon, gap, away):
    docker = dockercli.DockerCli(list(dockercli.found().values())[-1], daemon)
    begun = time.time()
    main = daemon.run(COUNTS, name="main")
    waits = {c: waiting.begin(daemon, main, c) for c in waiting.CONDITIONS}
    follow = docker.begin("logs", "-f", "main")
    assert follow.stdout.readline() == b"line 0\n"
    daemon.wait_quiet()
    clients = host.sockets(waiting.shim(main))
    wait = docker.begin("wait", "main")
    wait_for(lambda: host.sockets(waiting.shim(main)) > clients, "docker wait to be its shim's")
    run = docker.begin("run", "-i", "--name", "mill", *NONE, "busybox", "sh", "-c", ECHO.format("run", 5))
    once = docker.begin("run", "-i", "--rm", "--name", "once", *NONE, "busybox", "sh", "-c", ECHO.format("once", 7))
    within = docker.begin("exec", "-i", "main", "sh", "-c", ECHO.format("exec", 4))
    with docker.terminal("run", "-it", "--name", "term", *NONE, "busybox", "sh", rows=31, columns=97) as term, \
            docker.terminal("exec", "-it", "main", "sh", rows=20, columns=70) as inside:
        term.hear(b"/ # ")
        inside.hear(b"/ # ")
        sized = ((term, b"31 97"), (inside, b"20 70"))
        for terminal, size in sized:  # Debian's tells it after the start
            terminal.send(b"until stty size | grep '%s'; do usleep 10000; done\n" % size)
            terminal.hear(size + b"\r\n")
        wait_for(lambda: started(daemon, begun) == 5, "all to be started")
        daemon.wait_quiet()
        gap(daemon, away)
        for terminal, size in sized:
            terminal.send(b"stty size; echo al''ive\n")
            assert size in terminal.hear(b"alive\r\n")
            terminal.send(b"exit 6\n")
            assert terminal.end() == 6
    assert finish(run)[:2] == (b"run word\n", 5)
    assert finish(once)[:2] == (b"once word\n", 7)
    assert finish(within)[:2] == (b"exec word\n", 4)
    docker.run("exec", "main", "touch", "/stop", check=False)  # whose container may end before it does
    with follow:
        lines = follow.stdout.read()
    assert lines == b"".join(b"line %d\n" % n for n in range(1, lines.count(b"\n"))) + b"the end\n"
    assert follow.returncode == 0
    assert finish(wait, b"")[:2] == (b"3\n", 0)
    daemon.api.delete("/containers/main", expect=204)
    assert {c: waiting.code(w) for c, w in waits.items()} == dict.fromkeys(waiting.CONDITIONS, 3)
    assert docker("ps", "-aq", "--filter", "name=once") == ""
