"""exec: processes beside a container's init, with clients and exit codes that outlive the daemon."""

import hashlib
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit import host
from kit.asking import one_connection
from kit.daemon import SANITIZED
from kit.execs import Exec, output
from kit.host import wait_for
from kit.inject import Strace
from kit.orphans import make_orphan

SLEEP = ["sleep", "1000"]
MIB = 1 << 20
# Debian's CLI says it after the start; and crun sets it when the process may run already.
SIZE = "until stty size 2>/dev/null | grep .; do usleep 10000; done"


@pytest.fixture
def cid(daemon):
    return daemon.run(SLEEP)


def touch(daemon, cid, name):
    """For processes in the container that wait for it."""
    open(f"/proc/{daemon.container_pid(cid)}/root/{name}", "w").close()


def until(name):
    return f"while [ ! -e /{name} ]; do usleep 10000; done; "


def sessions(daemon, cid):
    """Directories of those that are not taken up."""
    return {p.name for p in (daemon.exec / "containers" / cid / "execs").glob(cid[:32] + "*")}


# --- create and inspect

@pytest.mark.one_runtime
def test_what_was_asked_for_is_shown(daemon, cid):
    one = Exec(daemon, cid, ["sh", "-c", "exit 3"], AttachStdin=True, AttachStderr=False, User="alice",
               Privileged=True, Tty=True, DetachKeys="ctrl-a,b")
    assert one.id.startswith(cid[:32]) and len(one.id) == 64
    shown = one.inspect()
    assert shown == {
        "ID": one.id, "Running": False, "ExitCode": None,
        "ProcessConfig": {"tty": True, "entrypoint": "sh", "arguments": ["-c", "exit 3"],
                          "privileged": True, "user": "alice"},
        "OpenStdin": True, "OpenStderr": False, "OpenStdout": True, "CanRemove": False,
        "ContainerID": cid, "DetachKeys": "AWI=", "Pid": 0}
    assert daemon.inspect(cid)["ExecIDs"] == [one.id]


@pytest.mark.one_runtime
def test_nonsense_is_refused(daemon, cid):
    post = daemon.api.post
    assert post("/containers/none/exec", {"Cmd": ["x"]}).status == 404
    answer = post(f"/containers/{cid}/exec", {})
    assert (answer.status, answer.message) == (400, "No exec command specified")
    assert post(f"/containers/{cid}/exec", {"Cmd": ["x"], "DetachKeys": "ctrl-"}).status == 400
    assert post(f"/containers/{cid}/exec", {"Cmd": ["x"], "Env": 3}).status == 400
    assert post(f"/containers/{cid}/exec", b"x").status == 400
    for ref in ("none", "0" * 64, cid, cid[:32] + "0" * 32, "../" * 21 + "x"):
        for answer in (daemon.api.get(f"/exec/{ref}/json"), post(f"/exec/{ref}/start", {"Detach": True}),
                       post(f"/exec/{ref}/start", {}), post(f"/exec/{ref}/resize", h=1, w=1)):
            assert answer.status == 404, answer
    assert daemon.api.get("/exec/none/json").message == "No such exec instance: none"
    assert sessions(daemon, cid) == set()


def test_only_a_container_that_runs(daemon):
    cid = daemon.create(SLEEP)
    ask = lambda: daemon.api.post(f"/containers/{cid}/exec", {"Cmd": ["true"]})
    assert (ask().status, ask().message) == (409, f"container {cid} is not running")
    daemon.start_container(cid)
    one = Exec(daemon, cid, "true")
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    words = f"container {cid} is paused, unpause the container before exec"
    assert (ask().status, ask().message) == (409, words)
    assert one.detached().message == words
    with one.attached() as refused:
        assert refused.status == 409
    daemon.api.post(f"/containers/{cid}/unpause", expect=204)
    assert one.detached().status == 200
    assert one.code() == 0
    daemon.stop_container(cid, t=0, expect=204)
    assert (ask().status, ask().message) == (409, f"container {cid} is not running")


@pytest.mark.one_runtime
def test_once_and_for_all(daemon, cid):
    one = Exec(daemon, cid, until("go"))
    one.detached(expect=200)
    again = one.detached()
    assert (again.status, again.message) == (409, f"Error: Exec command {one.id} is already running")
    touch(daemon, cid, "go")
    assert one.code() == 0
    again = one.detached()
    assert (again.status, again.message) == (409, f"Error: Exec command {one.id} has already run")
    with one.attached() as refused:
        assert refused.status == 409
        assert not {"Upgrade", "Connection"} & set(refused.headers)


@pytest.mark.one_runtime
def test_of_many_that_start_it_at_once_one_does(daemon, cid):
    daemon.api.post(f"/containers/{cid}/exec", {"Cmd": ["true"]}, expect=201)
    one = Exec(daemon, cid, "echo x >> /count; " + until("go"))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: one.detached().status, range(8)))
    assert sorted(answers) == [200] + [409] * 7
    touch(daemon, cid, "go")
    assert one.code() == 0
    assert output(daemon, cid, ["cat", "/count"])[0] == b"x\n"


@pytest.mark.one_runtime
@pytest.mark.timeout(300)
def test_no_more_than_a_thousand_that_have_not_ended(daemon, cid):
    request = one_connection(daemon)
    ids = [json.loads(request("POST", f"/containers/{cid}/exec", {"Cmd": ["true"]}, 201))["Id"] for _ in range(1024)]
    answer = daemon.api.post(f"/containers/{cid}/exec", {"Cmd": ["true"]})
    assert answer.status == 409 and "1024" in answer.message
    # Those that nobody has started for five minutes make room.
    for id in ids[:3]:
        os.utime(daemon.exec / "containers" / cid / "execs" / id, (0, 0))
    assert output(daemon, cid, "exit 4")[2] == 4
    assert daemon.api.get(f"/exec/{ids[0]}/json").status == 404
    assert daemon.api.get(f"/exec/{ids[3]}/json").status == 200


@pytest.mark.one_runtime
def test_our_own_probes_are_none_of_them(daemon):
    cid = daemon.run(SLEEP, Healthcheck={"Test": ["CMD", "sleep", "1000"], "Interval": 10 ** 7})
    wait_for(lambda: list((daemon.exec / "containers" / cid / "execs").glob("*")), "a probe")
    assert daemon.inspect(cid)["ExecIDs"] is None


# --- what it runs as

def test_detached(daemon, cid):
    since = time.time()
    one = Exec(daemon, cid, ["sh", "-c", until("go") + "exit 7"])
    one.detached(expect=200)
    shown = one.inspect()
    assert (shown["Running"], shown["ExitCode"]) == (True, None)
    assert host.namespace(shown["Pid"], "pid") == host.namespace(daemon.container_pid(cid), "pid")
    assert daemon.inspect(cid)["ExecIDs"] == [one.id]
    touch(daemon, cid, "go")
    assert one.code() == 7
    assert one.inspect()["Pid"] == shown["Pid"]
    words = f"sh -c {until('go')}exit 7"
    one.wait_events(since, [f"exec_create: {words}", f"exec_start: {words}", "exec_die 7"])
    assert daemon.inspect(cid)["ExecIDs"] is None
    wait_for(lambda: sessions(daemon, cid) == set(), "its directory to go")


@pytest.mark.one_runtime
@pytest.mark.parametrize("attached", [True, False], ids=["attached", "detached"])
def test_its_end_is_told_after_its_start(daemon, cid, attached):
    """Though the shim tells of the end before the request that starts it goes on."""
    since = time.time()
    one = Exec(daemon, cid, ["true"])
    with daemon.events(filters={"container": [cid]}) as stream, Strace(daemon.pid, {"recvmsg": "delay_exit=700000"}):
        if attached:
            with one.attached() as streams:
                assert streams.all() == b""
        else:
            one.detached(expect=200)
        assert [stream.json()["Action"] for _ in range(2)] == ["exec_start: true ", "exec_die"]
    one.wait_events(since, ["exec_create: true ", "exec_start: true ", "exec_die 0"])


def test_streams_are_told_apart(daemon, cid):
    one = Exec(daemon, cid, "echo out; echo err >&2; exit 5")
    with one.attached() as streams:
        assert streams.status == 101
        assert streams.headers["Content-Type"] == "application/vnd.docker.multiplexed-stream"
        assert streams.all_frames() == (b"out\n", b"err\n")
    assert (one.inspect()["Running"], one.inspect()["ExitCode"]) == (False, 5)


@pytest.mark.one_runtime
def test_without_upgrade_and_of_an_older_client(daemon, cid):
    with Exec(daemon, cid, "echo out").attached(upgrade=False) as streams:
        assert streams.status == 200
        assert streams.headers["Content-Type"] == "application/vnd.docker.raw-stream"
        assert streams.all_frames() == (b"out\n", b"")
    with Exec(daemon, cid, "echo out").attached(version="/v1.41") as streams:
        assert streams.headers["Content-Type"] == "application/vnd.docker.raw-stream"
        assert streams.all_frames() == (b"out\n", b"")


@pytest.mark.one_runtime
def test_streams_that_nobody_wants_are_null(daemon, cid):
    text = "ls -l /proc/self/fd | grep -c /dev/null; echo x >&2; cat"
    assert output(daemon, cid, text, AttachStderr=False) == (b"2\n", b"", 0)


def test_input_and_its_end(daemon, cid):
    assert output(daemon, cid, ["cat"], stdin=b"one\ntwo\n") == (b"one\ntwo\n", b"", 0)
    one = Exec(daemon, cid, ["cat"], AttachStdin=True)
    with one.attached(early=b"early\n") as streams:
        assert streams.frame() == (1, b"early\n")
        streams.half_close()
        assert streams.all() == b""
    assert one.inspect()["ExitCode"] == 0


def test_as_whom_where_and_with_what(daemon):
    cid = daemon.run(SLEEP, User="alice", WorkingDir="/var", Env=["A=b", "C=d"])
    text = "id -un; pwd; echo $A $C $HOME $HOSTNAME"
    assert output(daemon, cid, text)[0].decode() == f"alice\n/var\nb d /home/alice {cid[:12]}\n"
    got = output(daemon, cid, text, User="root", WorkingDir="/etc", Env=["C=x"])[0].decode()
    assert got == f"root\n/etc\nb x /root {cid[:12]}\n"
    assert output(daemon, cid, "id -u; id -g", User="123:45")[0] == b"123\n45\n"


def test_privileged(daemon, cid):
    bounding = lambda **kw: int(output(daemon, cid, "grep CapEff /proc/self/status", **kw)[0].split()[1], 16)
    assert bounding() < bounding(Privileged=True)


def test_a_terminal(daemon, cid):
    one = Exec(daemon, cid, f"{SIZE}; read x; stty size; echo \"<$x>\"; exit 3", Tty=True, AttachStdin=True,
               ConsoleSize=[33, 99])
    with one.attached() as streams:
        assert streams.headers["Content-Type"] == "application/vnd.docker.raw-stream"
        streams.until(b"33 99\r\n")
        assert daemon.api.post(f"/exec/{one.id}/resize", h=44, w=111).status == 200
        streams.send(b"hello\n")
        assert streams.all() == b"hello\r\n44 111\r\n<hello>\r\n"
    assert one.inspect()["ExitCode"] == 3
    answer = daemon.api.post(f"/exec/{one.id}/resize", h=44, w=111)
    assert answer.status == 409
    one = Exec(daemon, cid, SIZE, Tty=True, ConsoleSize=[33, 99])
    with one.attached({"ConsoleSize": [12, 34]}) as streams:
        assert streams.all() == b"12 34\r\n", "what the start says counts"


def test_a_resize_that_comes_before_the_process(daemon, cid):
    """As the CLI's does."""
    one = Exec(daemon, cid, SIZE, Tty=True)
    with one.attached() as streams:
        daemon.api.post(f"/exec/{one.id}/resize", h=20, w=60, expect=200)
        assert streams.all() == b"20 60\r\n"


def test_a_detached_terminal(daemon, cid):
    one = Exec(daemon, cid, "tty && yes | head -n 100000; exit 6", Tty=True)
    one.detached(expect=200)
    assert one.code() == 6


@pytest.mark.one_runtime
@pytest.mark.parametrize("keys, typed", [("", b"\x10\x11"), ("ctrl-a,x", b"\x01x")])
def test_keys_detach(daemon, cid, keys, typed):
    since = time.time()
    command = f"read x; echo \"<$x>\" > /said; {until('go')} exit 9"
    one = Exec(daemon, cid, command, Tty=True, AttachStdin=True, DetachKeys=keys)
    with one.attached() as streams:
        # A sequence that breaks is passed on.
        streams.send(typed[:1] + b"\n")
        wait_for(lambda: output(daemon, cid, "cat /said")[0].startswith(b"<" + typed[:1]), "the line")
        streams.send(typed)
        streams.all()
    assert one.inspect()["Running"]
    touch(daemon, cid, "go")
    assert one.code() == 9
    words = f"sh -c {command}"
    one.wait_events(since, [f"exec_create: {words}", f"exec_start: {words}", "exec_detach", "exec_die 9"])


def test_a_detach_is_told_before_the_end_though_the_daemon_is_late(daemon, cid):
    since = time.time()
    command = f"{until('go')} exit 9"
    one, init = Exec(daemon, cid, command, Tty=True, AttachStdin=True), daemon.container_pid(cid)
    with one.attached() as streams:
        wait_for(lambda: one.inspect()["Running"], "its start")
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            streams.send(b"\x10\x11")
            streams.all()
            Path(f"/proc/{init}/root/go").touch()
            result = daemon.exec / "containers" / cid / "execs" / one.id / "result"
            wait_for(result.exists, "its end")
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
    words = f"sh -c {command}"
    one.wait_events(since, [f"exec_create: {words}", f"exec_start: {words}", "exec_detach", "exec_die 9"])


# --- what cannot be run

def test_what_cannot_be_run(daemon, cid):
    for cmd, code, words in [
        (["nonsense"], 127, 'exec: "nonsense": executable file not found in $PATH'),
        (["/nonsense"], 127, "no such file or directory"),
        (["/etc"], 126, 'exec: "/etc": permission denied'),
    ]:
        since = time.time()
        out, err, got = output(daemon, cid, cmd)
        assert got == code and err == b"", cmd
        assert out.startswith(b"OCI runtime exec failed: exec failed: ") and out.endswith(b"\r\n"), cmd
        assert words in out.decode(), cmd
        one = Exec(daemon, cid, cmd)
        answer = one.detached()
        assert answer.status == 400 and words in answer.message, cmd
        assert one.code() == code
        assert not [e for e in one.events(since) if e.startswith("exec_die")]


@pytest.mark.one_runtime
def test_nobody_and_nowhere(daemon, cid):
    words = "unable to find user nobody2: no matching entries in passwd file"
    assert output(daemon, cid, "true", User="nobody2") == (f"{words}\r\n".encode(), b"", 126)
    one = Exec(daemon, cid, "true", User="nobody2")
    answer = one.detached()
    assert (answer.status, answer.message) == (400, words)
    assert one.code() == 126
    out, _, code = output(daemon, cid, "true", WorkingDir="/nonsense")
    assert code in (126, 127) and b"/nonsense" in out


# --- the daemon dies

@pytest.mark.parametrize("away", [0, 1])
def test_it_outlives_the_daemon(daemon, cid, away):
    since = time.time()
    one = Exec(daemon, cid, "while read x; do echo \"got $x\"; done; exit 12", AttachStdin=True)
    with one.attached() as streams:
        streams.send(b"one\n")
        assert streams.frame() == (1, b"got one\n")
        daemon.kill9()
        streams.send(b"two\n")
        assert streams.frame() == (1, b"got two\n")
        time.sleep(away)
        daemon.start()
        assert (one.inspect()["Running"], one.inspect()["ExitCode"]) == (True, None)
        assert daemon.inspect(cid)["ExecIDs"] == [one.id]
        streams.send(b"three\n")
        assert streams.frame() == (1, b"got three\n")
        streams.half_close()
        assert streams.all() == b""
    assert one.inspect()["ExitCode"] == 12
    wait_for(lambda: one.events(since)[-1:] == ["exec_die 12"], "its end to be told")


def test_an_end_while_the_daemon_was_away_is_told_once_with_its_time(daemon, cid):
    since = time.time()
    one = Exec(daemon, cid, until("go") + "exit 13", AttachStdin=True)
    with one.attached() as streams:
        pid = daemon.container_pid(cid)
        daemon.kill9()
        open(f"/proc/{pid}/root/go", "w").close()
        assert streams.all() == b""
        ended = time.time()
    time.sleep(0.3)  # so that the times differ
    daemon.start()
    assert one.inspect()["ExitCode"] == 13
    wait_for(lambda: one.events(since)[-1:] == ["exec_die 13"], "its end to be told")
    told = [e for e in daemon.past_events(since, container=[cid]) if e["Action"] == "exec_die"]
    assert len(told) == 1 and told[0]["timeNano"] / 1e9 <= ended
    daemon.restart()
    assert one.inspect()["ExitCode"] == 13
    assert [e["Action"] for e in daemon.past_events(since, container=[cid])].count("exec_die") == 1


def test_the_code_is_known_when_the_container_is_gone(daemon, cid):
    ended, running, never = (Exec(daemon, cid, "exit 3"), Exec(daemon, cid, SLEEP), Exec(daemon, cid, "true"))
    ended.detached(expect=200)
    assert ended.code() == 3
    running.detached(expect=200)
    daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
    codes = lambda: [x.inspect()["ExitCode"] for x in (ended, running, never)]
    assert codes() == [3, 137, None]
    daemon.restart()
    assert codes() == [3, 137, None]
    assert not any(x.inspect()["Running"] for x in (ended, running, never))
    answer = never.detached()
    assert answer.status == 404 and answer.message == f"No such exec instance: {never.id}"


@pytest.mark.one_runtime
def test_after_five_minutes_it_is_forgotten(daemon, cid):
    old, new = Exec(daemon, cid, "exit 3"), Exec(daemon, cid, "exit 4")
    for one in (old, new):
        one.detached(expect=200)
        one.code()
    files = {x: daemon.exec / "execs" / x.id for x in (old, new)}
    wait_for(lambda: all(f.exists() for f in files.values()), "both to be taken up")
    now = time.time()
    os.utime(files[old], (now - 301, now - 301))
    os.utime(files[new], (now - 200, now - 200))
    daemon.restart()
    wait_for(lambda: not files[old].exists(), "the old one to go")
    assert daemon.api.get(f"/exec/{old.id}/json").status == 404
    assert new.inspect()["ExitCode"] == 4


# --- the container ends

@pytest.mark.parametrize("pid_mode", ["", "host"])
def test_its_container_dies(daemon, pid_mode):
    since = time.time()
    cid = daemon.run(SLEEP, {"PidMode": pid_mode})
    one, quiet = Exec(daemon, cid, "echo up; sleep 1000"), Exec(daemon, cid, SLEEP)
    quiet.detached(expect=200)
    with one.attached() as streams:
        assert streams.frame() == (1, b"up\n")
        host.kill(daemon.container_pid(cid))
        assert streams.all() == b""
    assert one.code() == quiet.code() == 137
    for x in (one, quiet):
        wait_for(lambda: x.events(since)[-1:] == ["exec_die 137"], "its end to be told")


def test_a_restart_in_place_ends_it(daemon):
    cid = daemon.run(SLEEP, {"RestartPolicy": {"Name": "always"}})
    pid = daemon.container_pid(cid)
    one, never = Exec(daemon, cid, SLEEP), Exec(daemon, cid, "true")
    one.detached(expect=200)
    daemon.kill9()
    host.kill(pid)
    runs = daemon.data / "containers" / cid / "runs.jsonl"
    wait_for(lambda: '"started"' in runs.read_text().partition('"ended"')[2], "the next run")
    daemon.start()
    assert one.code() == 137
    wait_for(lambda: daemon.state(cid)["Pid"] not in (0, pid), "the next run to be taken up")
    wait_for(lambda: sessions(daemon, cid) == set(), "the sessions of the former run to be taken up")
    assert never.inspect()["ExitCode"] is None
    assert never.detached().status == 409
    assert output(daemon, cid, "exit 4")[2] == 4


@pytest.mark.one_runtime
def test_while_it_is_being_stopped(daemon):
    cid = daemon.run("trap 'echo told' TERM; echo ready; " + until("go") + "exit 0")
    daemon.wait_log(cid, "ready")
    stop = threading.Thread(target=daemon.stop_container, args=(cid,), kwargs={"t": 60})
    stop.start()
    try:
        daemon.wait_log(cid, "told")
        assert output(daemon, cid, "touch /go; exit 4")[2] in (4, 137)
    finally:
        stop.join()
    assert daemon.state(cid)["ExitCode"] == 0


def test_a_killed_shim_leaves_no_code(daemon, cid):
    since = time.time()
    one = Exec(daemon, cid, SLEEP)
    one.detached(expect=200)
    pid = one.inspect()["Pid"]
    make_orphan(daemon, cid)
    assert one.inspect()["Running"]
    host.kill(pid)
    assert one.code() == 255
    assert daemon.api.post(f"/containers/{cid}/exec", {"Cmd": ["true"]}).status == 409
    host.kill(daemon.container_pid(cid))
    daemon.wait_state(cid, "exited")
    assert one.inspect()["ExitCode"] == 255
    words = " ".join(SLEEP)
    one.wait_events(since, [f"exec_create: {words}", f"exec_start: {words}", "exec_die 255"])


# --- much, many, slow

def pump(sock_like, data):
    sock_like.send(data)
    sock_like.half_close()


def test_64_mib_each_way_through_deaths_of_the_daemon(daemon, cid):
    data = os.urandom(MIB) * 64
    one = Exec(daemon, cid, ["cat"], AttachStdin=True)
    with one.attached() as streams:
        writer = threading.Thread(target=pump, args=(streams, data))
        writer.start()
        got, n, deaths = hashlib.sha256(), 0, 0
        while frame := streams.frame():
            assert frame[0] == 1
            got.update(frame[1])
            n += len(frame[1])
            if n > (deaths + 1) * 16 * MIB and deaths < 3:
                daemon.restart()
                deaths += 1
        writer.join()
    assert (n, got.digest()) == (len(data), hashlib.sha256(data).digest())
    assert deaths == 3 and one.inspect()["ExitCode"] == 0


@pytest.mark.one_runtime
def test_one_who_does_not_read_stops_the_process_and_costs_no_memory(daemon, cid):
    shim = own_memory(daemon, cid)
    one = Exec(daemon, cid, "yes 0123456789abcdef | head -c 20000000; touch /done; cat > /dev/null", AttachStdin=True)
    with one.attached() as streams:
        # Who has proved to be a reader has ten seconds, not one (shim/client.h).
        n = 0
        while n < MIB:
            n += len(streams.frame()[1])
        assert own_memory(daemon, cid) < shim + 4 * MIB
        while n < 20000000 - 40000:
            n += len(streams.frame()[1])
        streams.half_close()
        while frame := streams.frame():
            n += len(frame[1])
    assert one.code() == 0
    if SANITIZED:
        return  # what is freed is kept in quarantine
    wait_for(lambda: own_memory(daemon, cid) < shim + 64 * 1024, "its memory to be given back")


def own_memory(daemon, cid):
    """Bytes that the container's shim has for itself."""
    pid = json.loads((daemon.exec / "containers" / cid / "phase.json").read_text())["ShimPid"]
    return host.memory_kib(pid, "Private_Dirty") * 1024


def test_one_who_goes_ends_its_input(daemon, cid):
    one = Exec(daemon, cid, "echo up; cat; echo more; exit 8", AttachStdin=True)
    with one.attached() as streams:
        streams.frame()
    assert one.code() == 8


@pytest.mark.one_runtime
def test_what_it_leaves_running_is_heard_for_a_moment(daemon, cid):
    assert output(daemon, cid, "(usleep 300000; echo late) & echo now; exit 2") == (b"now\nlate\n", b"", 2)
    one = Exec(daemon, cid, "sleep 1000 & echo now; exit 2")
    with one.attached() as streams:
        assert streams.all_frames() == (b"now\n", b"")
    assert one.inspect()["ExitCode"] == 2


def test_a_hundred_at_once(daemon, cid):
    def run(i):
        out, err, code = output(daemon, cid, f"cat; echo {i} >&2; exit {i}", stdin=b"%d " % i * 1000, timeout=100)
        return out == b"%d " % i * 1000 and err == b"%d\n" % i and code == i

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(run, range(100)))
    assert daemon.inspect(cid)["ExecIDs"] is None
