"""logs -f, handed over to the shim: it outlives the daemon, and costs nothing where nobody reads."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host, orphans
from kit.api import connect, demux
from kit.daemon import SANITIZED
from kit.follow import Counter, Follower, numbers
from kit.inject import Strace


def shim_of(daemon, cid):
    """The process that holds the follower, as long as its container runs."""
    return orphans.shim_of(daemon.container_pid(cid))


@pytest.mark.parametrize("away", [0, 1])
def test_follower_does_not_notice_that_the_daemon_dies(daemon, away):
    counter = Counter(daemon)
    counter.tell(1000)
    follower = Follower(daemon, counter.id)
    follower.wait_for(b"999\n")
    daemon.kill9()
    counter.tell(2000)
    follower.wait_for(b"2999\n")
    time.sleep(away)
    daemon.start()
    counter.tell(500)
    late = Follower(daemon, counter.id)
    counter.end()
    assert follower.result() == counter.all()
    assert daemon.state(counter.id)["Status"] == "exited", "who has seen the end asks what it was"
    assert late.result() == counter.all()
    assert daemon.wait(counter.id) == 0


def test_follower_sees_the_end_though_the_daemon_never_comes_back(daemon):
    counter = Counter(daemon)
    follower = Follower(daemon, counter.id)
    counter.tell(10)
    follower.wait_for(b"9\n")
    daemon.kill9()
    counter.tell(90)
    counter.end()
    assert follower.result() == counter.all()


@pytest.mark.one_runtime
def test_rotation_and_deaths_lose_no_line_of_who_reads(daemon):
    """Files of 20 KB, of which three are kept: less than one read of the shim's may fill."""
    counter = Counter(daemon, **{"max-size": "20k", "max-file": "3"})
    follower = Follower(daemon, counter.id)
    for round in range(10):
        counter.tell(2000)
        follower.wait_for(b"%d\n" % (counter.told - 1))
        if round in (2, 6):
            daemon.restart()
    counter.end()
    assert follower.result() == counter.all()


@pytest.mark.one_runtime
def test_one_file_that_begins_anew_loses_no_line_of_who_reads(daemon):
    counter = Counter(daemon, **{"max-size": "20k"})
    follower = Follower(daemon, counter.id)
    for _ in range(5):
        counter.tell(1000)
        follower.wait_for(b"%d\n" % (counter.told - 1))
    counter.end()
    assert follower.result() == counter.all()


LINE = b"0123456789012345678901234567890123456789"
MIB = 20 if SANITIZED else 100
FLOOD = f"read x </go; yes {LINE.decode()} | head -c {MIB}m; read x </go; echo end >&2"


@pytest.mark.one_runtime
def test_slow_reader_costs_no_memory_and_gets_everything(daemon, api):
    counter = Counter(daemon, FLOOD)
    pid = shim_of(daemon, counter.id)
    with api.stream("GET", f"/containers/{counter.id}/logs", stdout=True, stderr=True, follow=True,
                    timeout=120) as slow:
        counter.tell(1)
        log = daemon.data / "containers" / counter.id / "json.log"
        host.wait_for(lambda: log.stat().st_size > MIB << 20, "the flood", 60)
        if not SANITIZED:
            host.wait_for(lambda: host.memory_kib(pid, "Pss_Anon") < 600, "little memory")
        daemon.kill9()
        # So open nobody is waited for, and what is written stays for whoever opens it next.
        go = os.open(counter.path, os.O_RDWR)
        os.write(go, b"\n")
        total, err = 0, b""
        while frame := slow.frame():
            if frame[0] == 1:
                total += len(frame[1])
                assert len(frame[1]) == len(LINE) + 1 or total == MIB << 20
            else:
                err += frame[1]
        assert (total, err) == (MIB << 20, b"end\n")
        os.close(go)
        counter.end()


@pytest.mark.one_runtime
def test_slow_reader_gets_what_rotation_has_kept(daemon, api):
    counter = Counter(daemon, **{"max-size": "1m", "max-file": "2"})
    with api.stream("GET", f"/containers/{counter.id}/logs", stdout=True, stderr=True, follow=True) as slow:
        counter.tell(150000)  # 11 MB of log
        counter.end()
        assert daemon.wait(counter.id) == 0
        kept = demux(api.get(f"/containers/{counter.id}/logs", stdout=True).body)[0]
        got = b""
        while frame := slow.frame():
            if frame[0] == 1:
                got += frame[1]
    assert got.endswith(kept)
    seen = [int(n) for n in got.split()]
    assert seen == sorted(set(seen)) and seen[0] == 0 and len(seen) < 150000
    # A gap, and only where the files were gone.
    assert sum(b - a > 1 for a, b in zip(seen, seen[1:])) <= 3


@pytest.mark.one_runtime
def test_slow_reader_does_not_get_the_next_run(daemon, api):
    """Its shim lingers while another one writes the same log."""
    go = daemon.root / "go"
    os.mkfifo(go)
    cid = daemon.create("[ -e /again ] && exec echo second; touch /again; read x </go; yes first | head -n 200000",
                        {"Binds": [f"{go}:/go"]})
    daemon.start_container(cid)
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, follow=True) as slow:
        go.write_text("\n")
        assert daemon.wait(cid) == 0
        daemon.start_container(cid)
        assert daemon.wait(cid) == 0
        total = 0
        while frame := slow.frame():
            assert frame == (1, b"first\n")
            total += 1
    assert total == 200000
    assert daemon.logs(cid, tail=1)[0] == "second\n"


@pytest.mark.one_runtime
def test_slow_reader_outlives_the_removal(daemon, api):
    go = daemon.root / "go"
    os.mkfifo(go)
    cid = daemon.run("read x </go; yes first | head -n 200000", {"Binds": [f"{go}:/go"]})
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, follow=True) as slow:
        go.write_text("\n")
        assert daemon.wait(cid) == 0
        api.delete(f"/containers/{cid}", expect=204)
        total = 0
        while slow.frame():
            total += 1
    assert total == 200000


def test_fifty_followers_through_ten_deaths(daemon):
    counter = Counter(daemon)
    followers = [Follower(daemon, counter.id) for _ in range(50)]
    for _ in range(10):
        counter.tell(200)
        daemon.kill9()
        counter.tell(200)
        daemon.start()
    counter.end()
    for one in followers:
        assert one.result() == counter.all()
    assert daemon.wait(counter.id) == 0


@pytest.mark.one_runtime
def test_what_is_asked_for_is_what_comes(daemon, api):
    """Followed, a log is the same as when it is read."""
    counter = Counter(daemon, Counter.SCRIPT.replace("echo $i;", "echo $i; echo e$i >&2;"))
    counter.tell(50)
    host.wait_for(lambda: [out[-3:] for out in daemon.logs(counter.id)] == ["49\n", "49\n"], "all of both streams")
    stamps = daemon.logs(counter.id, timestamps=True)[0].split()
    middle = f"{host.parse_time(stamps[40].split('.')[0] + 'Z'):.0f}.{stamps[40].split('.')[1][:-1]}"
    queries = [{}, {"timestamps": True}, {"details": True}, {"timestamps": True, "details": True},
               {"stdout": False}, {"stderr": False, "tail": 7}, {"tail": 15}, {"since": middle},
               {"since": middle, "tail": 3, "timestamps": True}, {"until": middle}]
    followers = [Follower(daemon, counter.id, **query) for query in queries]
    daemon.kill9()
    counter.end()
    got = [one.result() for one in followers]
    daemon.start()
    assert daemon.wait(counter.id) == 0
    for query, (out, err) in zip(queries, got):
        tail = {"tail": query["tail"] + (query.get("stderr", True))} if "tail" in query else {}
        read = daemon.logs(counter.id, **{**query, **tail})
        assert (out.decode(), err.decode()) == read, query


def test_until_ends_it_though_the_daemon_is_gone(daemon):
    counter = Counter(daemon)
    counter.tell(3)
    daemon.wait_log(counter.id, "2")
    follower = Follower(daemon, counter.id, until=f"{time.time() + 1:.3f}")
    follower.wait_for(b"2\n")
    daemon.kill9()
    assert follower.result() == (numbers(0, 3), b"")
    daemon.start()
    counter.end()
    daemon.wait(counter.id)


def test_terminals_are_followed_raw(daemon, api):
    cid = daemon.create("echo one; echo two >&2; read x; echo three", Tty=True, OpenStdin=True)
    daemon.start_container(cid)
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, stderr=True, follow=True) as stream:
        assert stream.read(10) == b"one\r\ntwo\r\n"
        daemon.kill9()
        daemon.start()
        daemon.stop_container(cid, t=0)
        assert stream.read() == b""


def test_http_1_0_gets_no_chunks(daemon):
    counter = Counter(daemon)
    counter.tell(2)
    sock = connect(daemon.sock)
    sock.sendall(b"GET /v1.44/containers/%s/logs?stdout=1&stderr=1&follow=1 HTTP/1.0\r\n\r\n" % counter.id.encode())
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    daemon.kill9()
    counter.end()
    while piece := sock.recv(65536):
        data += piece
    sock.close()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b" 200 " in head and b"chunked" not in head.lower()
    assert demux(body) == counter.all()


def test_restarts_in_place_are_followed_to_the_last_end(daemon):
    path = daemon.root / "go"
    os.mkfifo(path)
    cid = daemon.create("read x </go; echo $x; exit 1",
                        {"Binds": [f"{path}:/go"], "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    daemon.start_container(cid)
    follower = Follower(daemon, cid)
    for n in range(3):
        path.write_text(f"{n}\n")
        follower.wait_for(b"%d\n" % n)
        if n == 0:
            daemon.kill9()
    assert follower.result() == (b"0\n1\n2\n", b"")
    daemon.start()
    daemon.wait_state(cid, "exited")


def test_removal_ends_it(daemon, api):
    counter = Counter(daemon)
    counter.tell(5)
    follower = Follower(daemon, counter.id)
    follower.wait_for(b"4\n")
    api.delete(f"/containers/{counter.id}", force=True, expect=204)
    assert follower.result()[0] == numbers(0, 5)


@pytest.mark.one_runtime
def test_a_start_that_fails_ends_it_though_it_came_before_the_shim(daemon, api):
    """The daemon itself has who follows from then on."""
    cid = daemon.create(["/no/such/program"])
    phase = daemon.exec / "containers" / cid / "phase.json"
    with Strace(daemon.pid, {"flock": "delay_enter=2000000"}), ThreadPoolExecutor() as pool:
        start = pool.submit(api.post, f"/containers/{cid}/start")
        host.wait_for(phase.exists, "its start")
        assert api.get(f"/containers/{cid}/logs", stdout=True, follow=True, timeout=60).body == b""
        assert start.result().status == 400


def test_who_hangs_up_leaves_nothing_in_the_shim(daemon):
    counter = Counter(daemon)
    pid = shim_of(daemon, counter.id)
    daemon.wait_quiet()
    before = host.sockets(pid)
    followers = [Follower(daemon, counter.id) for _ in range(5)]
    counter.tell(5)
    for one in followers:
        one.wait_for(b"4\n")
    assert host.sockets(pid) >= before + 5
    daemon.kill9()
    for one in followers:
        one.stream.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
    daemon.start()
    host.wait_for(lambda: host.sockets(pid) <= before, "the followers to be gone")
    counter.end()
    daemon.wait(counter.id)


def test_cli_follows_through_a_death(daemon, docker):
    counter = Counter(daemon)
    counter.tell(100)
    daemon.wait_log(counter.id, "99")
    options = [[], ["--tail", "20"], ["-t"], ["--details", "--since", "1h"], ["--until", f"{time.time() + 2:.3f}"]]
    running = [docker.begin("logs", "-f", *some, counter.id, bufsize=0) for some in options]
    said = [one.stdout.readline() for one in running]
    daemon.restart()
    counter.tell(100)
    counter.end()
    done = [one.communicate(timeout=60) for one in running]
    assert [one.returncode for one in running] == [0] * len(options)
    outs = [first + rest for first, (rest, _) in zip(said, done)]
    assert outs[0] == numbers(0, 200) and outs[1] == numbers(80, 200)
    assert [line.split()[1] for line in outs[2].splitlines()] == outs[0].split()
    assert outs[3].split() == outs[0].split()
    assert outs[4].startswith(numbers(0, 100))
    assert all(err.endswith(b"end\n") for _, err in done[:-1])


def test_docker_py_follows_through_a_death(daemon, client):
    counter = Counter(daemon)
    counter.tell(100)
    stream = client.containers.get(counter.id).logs(stream=True, follow=True, stderr=False)
    got = next(stream)
    daemon.restart()
    counter.tell(100)
    counter.end()
    assert got + b"".join(stream) == numbers(0, 200)
