"""Health checks: what probes say, and that a daemon's death changes none of it."""

import json
import os
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit import host
from kit.archives import busybox, busybox_layer, Image
from kit.host import wait_for
from kit.leaks import processes
from kit.orphans import make_orphan
from kit.slow import WrappedRuntime

MS = 10**6
LONG = 3600 * 10**9
SLEEP = ["sleep", "1000"]


def check(command, interval=100, **more):
    """A health check by shell; times in ms."""
    test = ["CMD-SHELL", command] if isinstance(command, str) else command
    more = {k: v * MS if k != "Retries" else v for k, v in more.items()}
    return {"Test": test, "Interval": interval * MS, **more}


def health(daemon, cid):
    return daemon.state(cid)["Health"]


def wait_health(daemon, cid, status):
    wait_for(lambda: health(daemon, cid)["Status"] == status, f"{cid[:12]} to be {status}")
    return health(daemon, cid)


def wait_results(daemon, cid, n):
    wait_for(lambda: len(health(daemon, cid)["Log"]) >= n, f"{n} results of {cid[:12]}")
    return health(daemon, cid)


def phase_file(daemon, cid):
    """What a new daemon will go on from."""
    return json.loads((daemon.exec / "containers" / cid / "phase.json").read_text())["Health"]


def shown(daemon, cid):
    return [c["Status"] for c in daemon.list(all=True) if c["Id"] == cid][0]


@pytest.fixture
def place(daemon):
    """A directory that probes write to, and the bind mount for it."""
    path = daemon.root / "place"
    path.mkdir()

    class Place:
        host = {"Binds": [f"{path}:/place"]}
        file = path.__truediv__

        def put(self, name, text):
            """No probe finds it empty."""
            host.replace(path / name, text)

        def lines(self, name="count"):
            return len((path / name).read_text().splitlines()) if (path / name).exists() else 0

    return Place()


# --- what probes say

def test_from_starting_to_healthy_to_unhealthy_and_back(daemon, place):
    before = time.time()
    cid = daemon.run(SLEEP, place.host, Healthcheck=check("cat /place/well", Retries=2, StartPeriod=60000,
                                                          StartInterval=50))
    assert shown(daemon, cid).endswith("(health: starting)")
    got = wait_results(daemon, cid, 1)
    assert (got["Status"], got["FailingStreak"]) == ("starting", 0), "the start period forgives"
    place.put("well", "fine\n")
    got = wait_health(daemon, cid, "healthy")
    assert got["FailingStreak"] == 0
    last = got["Log"][-1]
    assert set(last) == {"Start", "End", "ExitCode", "Output"}
    assert (last["ExitCode"], last["Output"]) == (0, "fine\n")
    assert before <= host.parse_time(last["Start"]) <= host.parse_time(last["End"]) <= time.time()
    assert shown(daemon, cid).endswith("(healthy)")
    place.file("well").unlink()
    got = wait_health(daemon, cid, "unhealthy")
    assert got["FailingStreak"] >= 2 and got["Log"][-1]["ExitCode"] == 1
    assert shown(daemon, cid).endswith("(unhealthy)")
    place.put("well", "again\n")
    wait_health(daemon, cid, "healthy")
    told = [e["Action"] for e in daemon.past_events(before, event=["health_status"])]
    assert told == ["health_status: healthy", "health_status: unhealthy", "health_status: healthy"]


def test_events_of_a_probe(daemon):
    before = time.time()
    cid = daemon.run(SLEEP, Labels={"a": "b"}, Healthcheck=check(["CMD", "sh", "-c", "exit 4"]))
    wait_results(daemon, cid, 1)
    told = [e for e in daemon.past_events(before, container=[cid]) if e["Action"].startswith("exec_")][:3]
    assert [e["Action"] for e in told] == ["exec_create: sh -c exit 4", "exec_start: sh -c exit 4", "exec_die"]
    ids = {e["Actor"]["Attributes"]["execID"] for e in told}
    assert len(ids) == 1 and len(ids.pop()) == 64
    assert told[2]["Actor"]["Attributes"]["exitCode"] == "4"
    assert all(e["Actor"]["Attributes"]["a"] == "b" and e["id"] == cid for e in told)


def test_a_probe_is_run_as_the_container_is(daemon):
    cid = daemon.run(SLEEP, User="alice", WorkingDir="/var", Env=["A=b c"], Tty=True,
                     Healthcheck=check("id -un; pwd; echo $A $HOME $HOSTNAME; grep -c CapBnd /proc/self/status;"
                                       " tty; cat", StartPeriod=1))
    got = wait_health(daemon, cid, "healthy")["Log"][0]["Output"]
    assert got.splitlines()[:2] == ["alice", "/var"]
    assert got.splitlines()[2] == f"b c /home/alice {cid[:12]}"
    assert "not a tty" in got


def test_the_last_five_results_and_4_kib_of_output(daemon, place):
    cid = daemon.run(SLEEP, place.host, Healthcheck=check(
        "echo >> /place/count; wc -l < /place/count; yes 0123456 | head -c 5000", interval=20))
    wait_for(lambda: place.lines() >= 8, "eight probes")
    log = wait_results(daemon, cid, 5)["Log"]
    assert len(log) == 5
    numbers = [int(r["Output"].splitlines()[0]) for r in log]
    assert numbers == list(range(numbers[0], numbers[0] + 5)) and numbers[0] > 1
    assert all(len(r["Output"]) == 4096 + 3 and r["Output"].endswith("...") for r in log)


def test_output_that_is_not_utf8(daemon):
    cid = daemon.run(SLEEP, Healthcheck=check(r"printf 'a\377\000\n\\b'"))
    assert wait_results(daemon, cid, 1)["Log"][0]["Output"] == "a\ufffd\n\\b"


def test_its_time_is_up(daemon):
    cid = daemon.run(SLEEP, Healthcheck=check("echo begun; sleep 900", Timeout=5000, Retries=1))
    result = wait_health(daemon, cid, "unhealthy")["Log"][0]
    assert result["ExitCode"] == -1
    assert result["Output"] == "Health check exceeded timeout (5s): begun\n"
    # The next one may be under way, with the same command: of one, not of two.
    wait_for(lambda: sum(cmd.startswith("sleep 900") for cmd in commands(daemon, cid)) <= 1,
             "no process of a probe is left")


def commands(daemon, cid):
    """Command lines of all processes that share the container's pid namespace."""
    mine, found = host.namespace(daemon.container_pid(cid), "pid"), []
    for p in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(p / "ns/pid") == mine:
                found.append((p / "cmdline").read_bytes().decode().replace("\0", " "))
        except OSError:
            pass
    return found


def test_what_cannot_be_run_is_a_failure(daemon):
    cid = daemon.run(SLEEP, Healthcheck=check(["CMD", "/nonsense"], Retries=1))
    result = wait_health(daemon, cid, "unhealthy")["Log"][0]
    assert result["ExitCode"] == -1
    assert result["Output"].startswith("OCI runtime exec failed: ") and "nonsense" in result["Output"]


def test_images_give_checks_that_create_may_change(bare_daemon):
    image = Image([busybox_layer()], Healthcheck={"Test": ["CMD-SHELL", "echo image"], "Interval": 50 * MS,
                                                  "Retries": 7})
    bare_daemon.load(image.docker_archive("busybox:latest"))
    plain = bare_daemon.run(SLEEP)
    assert bare_daemon.inspect(plain)["Config"]["Healthcheck"]["Retries"] == 7
    assert wait_health(bare_daemon, plain, "healthy")["Log"][0]["Output"] == "image\n"
    other = bare_daemon.run(SLEEP, Healthcheck={"Test": ["CMD", "echo", "mine"]})
    assert wait_health(bare_daemon, other, "healthy")["Log"][0]["Output"] == "mine\n"
    for test in (["NONE"], ["CMD-NONSENSE", "x"]):
        none = bare_daemon.run(SLEEP, Healthcheck={"Test": test})
        assert "Health" not in bare_daemon.state(none)
        assert "health" not in shown(bare_daemon, none)
        assert not (bare_daemon.exec / "containers" / none / "bundle/health.json").exists()


def test_the_images_shell_runs_it(bare_daemon):
    bare_daemon.load(Image([busybox_layer()], Shell=["/bin/echo", "-n"]).docker_archive("busybox:latest"))
    cid = bare_daemon.run(SLEEP, Healthcheck=check("words"))
    assert wait_health(bare_daemon, cid, "healthy")["Log"][0]["Output"] == "words"


@pytest.mark.one_runtime
@pytest.mark.parametrize("given, words", [
    ({"Interval": 1}, "Interval in Healthcheck cannot be less than 1ms"),
    ({"Timeout": -1}, "Timeout in Healthcheck cannot be less than 1ms"),
    ({"StartPeriod": 999999}, "StartPeriod in Healthcheck cannot be less than 1ms"),
    ({"StartInterval": -5}, "StartInterval in Healthcheck cannot be less than 1ms"),
    ({"Retries": -1}, "Retries in Healthcheck cannot be negative"),
])
def test_nonsense_is_refused(daemon, given, words):
    answer = daemon.refuse(Healthcheck={"Test": ["CMD", "true"], **given})
    assert answer.status == 400 and answer.message == words


@pytest.mark.one_runtime
def test_the_start_interval_is_of_1_44(daemon):
    body = daemon.body(SLEEP, Healthcheck=check("true", StartInterval=70))
    for version, kept in (("/v1.43", False), ("/v1.44", True)):
        cid = daemon.api.post("/containers/create", body, version=version, expect=201).json["Id"]
        assert ("StartInterval" in daemon.inspect(cid)["Config"]["Healthcheck"]) == kept


def test_list_filters(daemon):
    names = {"well": check("true"), "ill": check("false", Retries=1), "young": check("true", interval=10**6),
             "none": {"Test": ["NONE"]}}
    ids = {name: daemon.run(SLEEP, name=name, Healthcheck=h) for name, h in names.items()}
    wait_health(daemon, ids["well"], "healthy")
    wait_health(daemon, ids["ill"], "unhealthy")
    for value, name in (("healthy", "well"), ("unhealthy", "ill"), ("starting", "young"), ("none", "none")):
        got = daemon.list(filters={"health": [value]})
        assert [c["Names"] for c in got] == [[f"/{name}"]], value


# --- runs begin and end

def test_an_end_makes_it_unhealthy_and_a_start_begins_anew(daemon):
    cid = daemon.create(SLEEP, Healthcheck=check("echo seen"))
    assert "Health" not in daemon.state(cid)
    daemon.start_container(cid)
    wait_health(daemon, cid, "healthy")
    daemon.stop_container(cid, t=0, expect=204)
    ended = health(daemon, cid)
    assert ended["Status"] == "unhealthy" and ended["Log"][0]["Output"] == "seen\n"
    daemon.restart()
    assert health(daemon, cid) == ended
    assert "health" not in shown(daemon, cid)
    daemon.api.post(f"/containers/{cid}/start", expect=204)
    first = wait_results(daemon, cid, 1)["Log"][0]
    assert host.parse_time(first["Start"]) > host.parse_time(ended["Log"][-1]["Start"])
    assert len(health(daemon, cid)["Log"]) < 5 or first != ended["Log"][0]


def test_a_probe_in_progress_at_the_end_leaves_no_result(daemon, place):
    before = time.time()
    cid = daemon.run("trap 'exit 0' TERM; while :; do sleep 0.01; done", place.host,
                     Healthcheck=check("echo >> /place/count; sleep 900", Retries=1))
    wait_for(lambda: place.lines() == 1, "a probe runs")
    daemon.stop_container(cid, expect=204)
    assert health(daemon, cid)["Log"] == [] and health(daemon, cid)["FailingStreak"] == 0
    told = [e["Action"] for e in daemon.past_events(before, container=[cid])]
    assert "exec_die" not in told and not any(a.startswith("health_status") for a in told)


def begin_of_run(daemon, cid):
    return host.parse_time(daemon.state(cid)["StartedAt"])


@pytest.mark.parametrize("away", [False, True], ids=["daemon up", "daemon down"])
def test_each_run_of_a_policy_begins_anew(daemon, place, away):
    place.file("well").touch()
    cid = daemon.run(SLEEP, {**place.host, "RestartPolicy": {"Name": "always"}},
                     Healthcheck=check("cat /place/well", interval=50, StartPeriod=10**7, StartInterval=50))
    wait_health(daemon, cid, "healthy")
    place.file("well").unlink()
    wait_health(daemon, cid, "unhealthy")
    pid = daemon.container_pid(cid)
    if away:
        daemon.kill9()
    host.kill(pid)
    host.wait_exit(pid)
    if away:
        daemon.start()
    wait_for(lambda: daemon.state(cid)["Running"] and daemon.state(cid)["Pid"] not in (0, pid), "the next run")
    got = wait_results(daemon, cid, 1)
    assert (got["Status"], got["FailingStreak"]) == ("starting", 0), "its start period is its own"
    assert all(host.parse_time(r["Start"]) >= begin_of_run(daemon, cid) for r in got["Log"])
    place.file("well").touch()
    wait_health(daemon, cid, "healthy")


@pytest.mark.parametrize("away", [False, True], ids=["daemon up", "daemon down"])
def test_without_its_shim_nothing_is_claimed_and_the_next_run_is_checked(daemon, place, away):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting("[ ! -e /place/slow ] || sleep 900;", interval=50))
    wait_results(daemon, cid, 1)
    place.file("slow").touch()
    wait_for(lambda: "sleep 900 " in commands(daemon, cid), "a probe in progress")
    known = health(daemon, cid)
    make_orphan(daemon, cid, away)
    assert health(daemon, cid) == known and "health checks" in daemon.state(cid)["Error"]
    place.file("slow").unlink()
    daemon.stop_container(cid, t=0, expect=204)
    daemon.start_container(cid)
    got = wait_results(daemon, cid, 1)
    assert host.parse_time(got["Log"][0]["Start"]) >= begin_of_run(daemon, cid)


# --- the daemon dies

def counting(command="", interval=100, **more):
    return check(f"echo >> /place/count; {command} exit 1", interval, Retries=10**6, Timeout=600000, **more)


def assert_each_counted_once(daemon, cid, place):
    """The streak of a check that always fails is the number of probes that were made."""
    def settled():
        before = place.lines()
        streak = health(daemon, cid)["FailingStreak"]
        assert streak <= place.lines(), "counted more often than made"
        return before == streak == place.lines()

    wait_for(settled, "each probe to be counted")


def test_status_streak_log_and_schedule_go_on(daemon, place):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=700))
    wait_results(daemon, cid, 2)
    got = health(daemon, cid)
    daemon.restart()
    after = health(daemon, cid)
    more = after["FailingStreak"] - got["FailingStreak"]
    assert more >= 0
    kept = min(len(got["Log"]), max(0, 5 - more))  # of those, if the machine had time for more
    assert after["Log"][:kept] == got["Log"][len(got["Log"]) - kept:]
    wait_results(daemon, cid, 4)
    assert_each_counted_once(daemon, cid, place)


def test_the_next_probe_is_due_when_it_was(daemon, place):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=10**7))
    due = phase_file(daemon, cid)["Due"]
    daemon.restart()
    assert daemon.state(cid)["Running"] and phase_file(daemon, cid)["Due"] == due
    assert host.parse_time(due) == pytest.approx(host.parse_time(daemon.state(cid)["StartedAt"]) + 10**4, abs=1e-3)


def test_what_was_due_while_it_was_away_is_made_at_its_return(daemon, place):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=300))
    daemon.kill9()
    made = place.lines()
    time.sleep(0.9)  # three of its intervals, in which nobody probes
    assert place.lines() <= made + 1, "one was in progress, perhaps"
    daemon.start()
    wait_results(daemon, cid, 1)
    assert_each_counted_once(daemon, cid, place)


@pytest.mark.parametrize("ends", ["while it is away", "after its return"])
def test_a_probe_in_progress_is_counted_once(daemon, place, ends):
    before = time.time()
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting("until [ -e /place/go ]; do sleep 0.01; done;"))
    wait_for(lambda: place.lines() == 1, "a probe runs")
    daemon.kill9()
    result = daemon.exec / "containers" / cid / "execs" / phase_file(daemon, cid)["Probe"] / "result"
    if ends == "while it is away":
        place.file("go").touch()
        wait_for(result.exists, "the result")
    daemon.start()
    if ends == "after its return":
        assert health(daemon, cid)["Log"] == [] and place.lines() == 1
        daemon.restart()
        place.file("go").touch()
    wait_results(daemon, cid, 1)
    assert_each_counted_once(daemon, cid, place)
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    known = health(daemon, cid)
    deaths = [e for e in daemon.past_events(before, event=["exec_die"], container=[cid])]
    ids = [e["Actor"]["Attributes"]["execID"] for e in deaths]
    assert len(ids) == len(set(ids))
    for death, one in zip(deaths[known["FailingStreak"] - len(known["Log"]):], known["Log"]):
        assert abs(death["timeNano"] / 1e9 - host.parse_time(one["End"])) < 1e-3, "told with its own time"
    wait_for(lambda: not result.parent.exists(), "its directory to go")


def test_many_deaths(daemon, place):
    """Killed at whatever it is doing: no probe is lost, none is counted twice."""
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=40))
    for n in range(12):
        wanted = place.lines() + 1
        wait_for(lambda: place.lines() >= wanted, "a probe")
        time.sleep(0.003 * n)
        daemon.restart()
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    made = place.lines()
    # One that the pause has hit is made once more, and not counted.
    assert made - 1 <= health(daemon, cid)["FailingStreak"] <= made
    wait_for(lambda: len(list((daemon.exec / "containers" / cid / "execs").iterdir())) <= 1, "nothing old is left")
    daemon.api.post(f"/containers/{cid}/unpause", expect=204)


def test_a_probe_that_was_never_asked_for_is_asked_for_again(daemon, place):
    """Killed between the intent and the word to the shim."""
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=10**7))
    daemon.kill9()
    path = daemon.exec / "containers" / cid / "phase.json"
    phase = json.loads(path.read_text())
    phase["Health"] |= {"Probe": "ab" * 32, "Due": "2001-01-01T00:00:00Z"}
    path.write_text(json.dumps(phase))
    daemon.start()
    assert wait_results(daemon, cid, 1)["FailingStreak"] == 1 and place.lines() == 1


def spoil(result, how):
    if how == "is nonsense":
        result.write_bytes(b"no\0thing")
    elif how == "says nothing":
        result.write_bytes(b"")
    else:
        result.unlink()
        result.mkdir()


@pytest.mark.parametrize("how", ["is nonsense", "says nothing", "is a directory"])
def test_a_result_that_cannot_be_read_does_not_count(daemon, place, how):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting("until [ -e /place/go ]; do sleep 0.01; done;"))
    wait_for(lambda: place.lines() == 1, "a probe runs")
    daemon.kill9()
    result = daemon.exec / "containers" / cid / "execs" / phase_file(daemon, cid)["Probe"] / "result"
    place.file("go").touch()
    wait_for(result.exists, "the result")
    spoil(result, how)
    daemon.start()
    got = wait_results(daemon, cid, 1)
    assert got["FailingStreak"] < place.lines(), "the next one counts"
    wait_for(lambda: not result.parent.exists(), "its directory to go")


@pytest.mark.parametrize("gone", ["result", "its directory"])
def test_a_result_that_the_shim_cannot_write_does_not_count(daemon, place, gone):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting("until [ -e /place/go ]; do sleep 0.01; done;"))
    wait_for(lambda: place.lines() == 1, "a probe runs")
    there = daemon.exec / "containers" / cid / "execs" / phase_file(daemon, cid)["Probe"]
    # Its runtime, which writes there, too, may not be done yet, nor the shim with what it says.
    wait_for(lambda: not any(" exec " in command for command in processes(daemon, {cid}).values()), "the runtime to end")
    daemon.wait_quiet()
    if gone == "result":
        (there / "result" / "in the way").mkdir(parents=True)
    else:
        shutil.rmtree(there)
    place.file("go").touch()
    got = wait_results(daemon, cid, 1)
    assert got["FailingStreak"] < place.lines(), "the next one counts"
    wait_for(lambda: not there.exists(), "nothing is left of it")


# --- pause

def test_probes_of_a_paused_container_wait(daemon, place):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=50))
    wait_results(daemon, cid, 1)
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    before = place.lines()
    time.sleep(0.3)
    daemon.restart()
    time.sleep(0.3)
    assert place.lines() == before and shown(daemon, cid).endswith("(Paused)")
    assert health(daemon, cid)["Status"] == "starting", "it is not made ill by a pause"
    daemon.api.post(f"/containers/{cid}/unpause", expect=204)
    wait_for(lambda: place.lines() > before + 1, "probes go on")


@pytest.mark.parametrize("restart", [False, True], ids=["", "with a restart"])
def test_a_probe_frozen_by_a_pause_is_no_failure(daemon, place, restart):
    slow = "[ -e /place/go ] || sleep 900;"
    cid = daemon.run(SLEEP, place.host, Healthcheck=check(f"echo >> /place/count; {slow} true", 50, Timeout=5000,
                                                          Retries=1))
    wait_for(lambda: place.lines() == 1, "a probe runs")
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    if restart:
        daemon.restart()
    time.sleep(5.5)  # its time is up
    place.file("go").touch()
    daemon.api.post(f"/containers/{cid}/unpause", expect=204)
    assert [r["ExitCode"] for r in wait_health(daemon, cid, "healthy")["Log"]][0] == 0


def test_a_probe_that_fails_while_a_pause_is_under_way_does_not_count(new_daemon, runtime):
    """What runs into a freeze fails, and the daemon may hear of that before it hears that the pause is done."""
    script = """*" exec "*) [ -e $place/go ] || { : >$place/probed; await begun; exit 1; };;
*" pause "*) $real "$@"; code=$?; : >$place/begun; await go; exit $code;;"""
    with WrappedRuntime(runtime, script) as held, ThreadPoolExecutor(1) as pool:
        daemon = new_daemon(*held.options()).start()
        daemon.load(busybox().docker_archive("busybox:latest"))
        before = time.time()
        cid = daemon.run(SLEEP, {"Runtime": "held"}, Healthcheck=check("true", Retries=1))
        wait_for((held.place / "probed").exists, "a probe to begin")
        answer = pool.submit(daemon.api.post, f"/containers/{cid}/pause", expect=204)
        wait_for(lambda: "Probe" not in phase_file(daemon, cid), "the failure to be taken up")
        assert held.has_begun() and not answer.done()
        held.go()
        answer.result()
        daemon.api.post(f"/containers/{cid}/unpause", expect=204)
        assert [r["ExitCode"] for r in wait_health(daemon, cid, "healthy")["Log"]][0] == 0
        told = [e["Action"] for e in daemon.past_events(before, event=["health_status"], container=[cid])]
        assert told == ["health_status: healthy"]
        daemon.remove_all()  # as long as there is its runtime


# --- another version's shim

class OldShim(threading.Thread):
    """In place of a container's shim.sock: all goes through, but it does not know probes."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.real, self.path = directory / "shim.sock.real", directory / "shim.sock"
        self.path.rename(self.real)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        where = os.open(directory, os.O_RDONLY)
        self.listener.bind(f"/proc/self/fd/{where}/shim.sock")
        self.listener.listen(8)
        self.asked = 0
        self.where = where
        self.start()

    def run(self):
        while True:
            near, _ = self.listener.accept()
            far = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            far.connect(f"/proc/self/fd/{self.where}/shim.sock.real")
            threading.Thread(target=self.carry, args=(near, far), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near), daemon=True).start()

    def carry(self, source, target):
        try:
            while packet := source.recv(1 << 17):
                if packet.startswith(b"msg=probe\n"):
                    self.asked += 1
                    source.send(b"msg=error\ntext=unknown message\n")
                else:
                    target.send(packet)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side is gone as well


def test_an_old_shim_is_told_of_and_harms_nothing(daemon, place):
    cid = daemon.run(SLEEP, place.host, Healthcheck=counting(interval=6000))
    old = OldShim(daemon.exec / "containers" / cid)
    got = wait_results(daemon, cid, 1)
    assert (got["Status"], got["FailingStreak"]) == ("starting", 0)
    assert "earlier version" in got["Log"][0]["Output"]
    daemon.restart()
    assert health(daemon, cid) == got and old.asked == 1 and place.lines() == 0
    daemon.stop_container(cid, t=0, expect=204)
    daemon.start_container(cid)
    wait_for(lambda: place.lines() > 0, "the next run has its checks")


# --- clients

def test_docker_cli_flags(daemon, docker):
    cid = docker.run("run", "-d", "--network", "none", "--name", "web", "--health-cmd", "echo ok",
                     "--health-interval", "50ms", "--health-timeout", "5s", "--health-retries", "4",
                     "--health-start-period", "3s", "busybox", "sleep", "1000").stdout.strip()
    given = daemon.inspect(cid)["Config"]["Healthcheck"]
    assert given == {"Test": ["CMD-SHELL", "echo ok"], "Interval": 50 * MS, "Timeout": 5000 * MS,
                     "Retries": 4, "StartPeriod": 3000 * MS}
    wait_health(daemon, cid, "healthy")
    assert "(healthy)" in docker.run("ps").stdout
    assert docker.run("inspect", "-f", "{{.State.Health.Status}} {{(index .State.Health.Log 0).Output}}",
                      "web").stdout == "healthy ok\n\n"
    docker.run("run", "-d", "--network", "none", "--name", "none", "--no-healthcheck", "busybox", "sleep", "1000")
    assert docker.run("ps", "--filter", "health=none", "--format", "{{.Names}}").stdout == "none\n"


def test_holdfast_cli_flags(daemon):
    cid = daemon.cli("run", "-d", "--network", "none", "--health-cmd", "echo ok", "--health-interval", "50ms",
                     "--health-retries", "4", "busybox", "sleep", "1000").stdout.strip()
    daemon.ids.add(cid)
    wait_health(daemon, cid, "healthy")
    assert "(healthy)" in daemon.cli("ps").stdout
    none = daemon.cli("run", "-d", "--network", "none", "--no-healthcheck", "busybox", "sleep", "1000").stdout.strip()
    assert daemon.inspect(none)["Config"]["Healthcheck"]["Test"] == ["NONE"]
