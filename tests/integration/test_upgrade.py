"""The live upgrade: another program in the same process, and nobody is refused. Reload, and the host's end."""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit.api import Api, UnixConnection, connect
from kit.archives import busybox
from kit.asking import Asker, end_and_check, one_connection
from kit.daemon import BUILD
from kit.host import wait_for

pytestmark = pytest.mark.one_runtime

PROGRAMS = ("holdfastd", "holdfast-shim", "holdfast-image", "holdfast-keeper")


class Installed:
    """A daemon whose programs are its own, to be replaced."""

    def __init__(self, daemon):
        self.daemon, self.api = daemon, daemon.api
        self.bin = daemon.root / "bin"
        self.bin.mkdir()
        for other in BUILD.iterdir():
            if other.is_file() and os.access(other, os.X_OK):
                (self.bin / other.name).symlink_to(other)
        for name in PROGRAMS:
            self.replace(BUILD / name, name)
        command = daemon.command()
        command[command.index(str(BUILD / "holdfastd"))] = str(self.bin / "holdfastd")
        daemon.command = lambda *extra: [*command, *extra]

    def replace(self, source, name="holdfastd"):
        """As a package manager does: another file under the same name."""
        new = self.bin / f".{name}.new"
        if isinstance(source, str):
            new.write_text(source)
            new.chmod(0o755)
        else:
            shutil.copy(source, new)
        new.rename(self.bin / name)

    def report(self):
        return self.api.get("/holdfast/upgrade", version="", expect=200).json

    def upgrade(self):
        return self.api.post("/holdfast/upgrade", version="", expect=200).json


@pytest.fixture(params=["alone", "kept"])
def installed(request, new_daemon):
    daemon = new_daemon(*(["--keeper"] if request.param == "kept" else []))
    made = Installed(daemon)
    daemon.start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    return made


def pid_of(installed):
    """Of the daemon that has the data root; 0 in the moment in which it writes that down."""
    return int((installed.daemon.data / "holdfast.lock").read_text() or 0)


def test_upgrade_that_is_asked_for(installed):
    daemon = installed.daemon
    cid = daemon.run("sleep 1000")
    pid, init, before = pid_of(installed), daemon.container_pid(cid), installed.report()
    assert before["From"] == ""
    after = installed.upgrade()
    assert after["From"] == before["Version"] and after["StartedAt"] > before["StartedAt"]
    assert pid_of(installed) == pid and daemon.container_pid(cid) == init
    assert int((daemon.root / "pid").read_text()) == pid
    assert "has taken over from" in daemon.cli("upgrade").stdout


def test_hang_up_with_a_new_program_changes_to_it(installed):
    pid, before = pid_of(installed), installed.report()
    former = os.stat(f"/proc/{pid}/exe").st_ino
    installed.replace(BUILD / "holdfastd")
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: installed.report()["StartedAt"] > before["StartedAt"], "the new program")
    assert pid_of(installed) == pid
    assert os.stat(f"/proc/{pid}/exe").st_ino == os.stat(installed.bin / "holdfastd").st_ino != former


@pytest.mark.parametrize("program,word", [
    ("#!/bin/sh\nexit 0\n", "no holdfastd"),
    ("#!/bin/sh\necho 'holdfastd: I am not for you' >&2\nexit 3\n", "I am not for you"),
    ("garbage", "Exec format error"),
    ("#!/no/such/interpreter\n", "No such file"),
], ids=["mute", "unfit", "garbage", "interpreter"])
def test_unfit_program_is_refused(installed, program, word):
    daemon, pid, before = installed.daemon, pid_of(installed), installed.report()
    installed.replace(program)
    assert word in installed.api.post("/holdfast/upgrade", version="", expect=(400, 500)).message
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: "this program goes on" in daemon.stderr(), "the refusal in the log")
    assert word in daemon.stderr()
    assert installed.report() == before
    # It is mended.
    installed.replace(BUILD / "holdfastd")
    assert installed.upgrade()["StartedAt"] > before["StartedAt"]


def test_while_a_program_is_asked_nobody_waits_behind_it(installed):
    root, answers = installed.daemon.root, []
    os.mkfifo(root / "answer")
    answer = os.open(root / "answer", os.O_RDWR)
    installed.replace(f"#!/bin/sh\n: > {root}/asked\nread x < {root}/answer\nexit 3\n")
    first = threading.Thread(
        target=lambda: answers.append(installed.api.post("/holdfast/upgrade", version="", timeout=60).status))
    first.start()
    try:
        wait_for((root / "asked").exists, "the question")
        second = installed.api.post("/holdfast/upgrade", version="")
    finally:
        os.write(answer, b"\n")
        first.join()
        os.close(answer)
    assert (second.status, second.message) == (409, "an upgrade is in progress already")
    assert answers == [400]


def test_program_that_refuses_the_configuration_is_not_begun(new_daemon):
    daemon = new_daemon()
    config = daemon.root / "daemon.json"
    config.write_text("{}")
    installed = Installed(daemon)
    daemon.start("--config-file", str(config))
    config.write_text('{"runtimes": {"nonesuch": {"path": "/no/such"}}}')
    assert "nonesuch" in daemon.cli("upgrade", check=False).stderr
    config.write_text('{"no-such-key": 1}')
    assert "no-such-key" in daemon.cli("upgrade", check=False).stderr
    config.write_text("{}")
    assert installed.upgrade()["Version"]


def test_exec_that_fails_leaves_the_former_daemon_serving(installed):
    """Fit when it was asked, gone when it was to begin."""
    daemon, pid = installed.daemon, pid_of(installed)
    cid = daemon.run("sleep 1000")
    idle = UnixConnection(daemon.sock)
    idle.request("GET", "/_ping")
    idle.getresponse().read()
    path = installed.bin / "holdfastd"
    installed.replace(f"#!/bin/sh\nrm {path}\necho 'holdfastd 9.9 is good'\n")
    answer = installed.api.post("/holdfast/upgrade", version="", expect=500)
    assert "the former daemon goes on" in answer.message and str(path) in answer.message
    assert pid_of(installed) == pid
    idle.request("GET", f"/v1.44/containers/{cid}/json")
    assert json.loads(idle.getresponse().read())["State"]["Running"]
    assert daemon.run("true")
    installed.replace(BUILD / "holdfastd")
    assert installed.upgrade()["From"]


def test_request_that_has_come_in_part_is_answered(installed):
    half, body = connect(installed.daemon.sock), connect(installed.daemon.sock)
    half.sendall(b"GET /_ping HTTP/1.1\r\nHo")
    body.sendall(b"POST /v1.44/containers/create?name=early HTTP/1.1\r\nHost: d\r\nContent-")
    # Once a request behind them is answered, they have been read.
    installed.api.get("/_ping", version="", expect=200)
    installed.upgrade()
    half.sendall(b"st: d\r\n\r\n")
    assert half.recv(100).startswith(b"HTTP/1.1 200")
    text = json.dumps(installed.daemon.body("true")).encode()
    body.sendall(b"Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
    assert body.recv(100).startswith(b"HTTP/1.1 201")


def end_upgrade(installed):
    installed.upgrade()


def end_sigterm(installed):
    assert installed.daemon.stop() == 0
    installed.daemon.start()


@pytest.mark.parametrize("end", [end_upgrade, end_sigterm])
def test_streams_have_a_clean_end(installed, end):
    daemon = installed.daemon
    cid = daemon.run("echo hello; sleep 1000")
    daemon.wait_log(cid, "hello")
    with daemon.events() as events:
        end(installed)
        rest = events.read()  # IncompleteRead, were it torn
        assert [e for e in map(json.loads, rest.splitlines()) if e["Type"] == "image"] == []
    with daemon.events() as events:  # the next daemon's
        daemon.api.post(f"/containers/{cid}/kill", expect=204)
        assert events.json()["Action"] == "kill"


@pytest.mark.parametrize("end", [end_upgrade, end_sigterm])
def test_requests_in_flight_finish(installed, end):
    """A stop that needs its time, and an upload that is half sent."""
    daemon = installed.daemon
    cid = daemon.run("trap 'sleep 0.7; exit 3' TERM; echo up; while :; do sleep 0.1; done")
    daemon.wait_log(cid, "up")
    archive = busybox().docker_archive("late:latest")
    upload = connect(daemon.sock)
    upload.sendall(b"POST /v1.44/images/load HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % len(archive))
    upload.sendall(archive[:len(archive) // 2])
    with ThreadPoolExecutor() as pool:
        with daemon.events() as events:
            stop = pool.submit(daemon.stop_container, cid, t=20, expect=204)
            while events.json()["Action"] != "kill":
                pass
        ended = pool.submit(end, installed)
        upload.sendall(archive[len(archive) // 2:])
        assert upload.recv(100).startswith(b"HTTP/1.1 200")
        stop.result()
        ended.result()
    assert daemon.state(cid)["ExitCode"] == 3
    assert daemon.api.get("/images/late:latest/json", expect=200)


# --- under load

def new_connection_each(daemon):
    api = Api(daemon.sock)
    return lambda: api.get("/containers/json", expect=200)


def infos(daemon):
    request = one_connection(daemon)
    return lambda: request("GET", "/info")


def create_and_remove(daemon):
    """On one connection, which must not be lost either."""
    request = one_connection(daemon)

    def ask():
        cid = json.loads(request("POST", "/containers/create", daemon.body("exit 7"), 201))["Id"]
        daemon.ids.add(cid)
        request("POST", f"/containers/{cid}/start", expect=204)
        request("DELETE", f"/containers/{cid}?force=1", expect=204)
    return ask


def holdfast_version(daemon):
    return lambda: daemon.cli("version")


@pytest.mark.timeout(300)
def test_ten_upgrades_under_load(installed, record_property):
    """No refused connection, no lost request."""
    daemon = installed.daemon
    makers = (new_connection_each, new_connection_each, infos, infos, create_and_remove, create_and_remove,
              holdfast_version)
    askers = [Asker(make(daemon)) for make in makers]
    try:
        for _ in range(10):
            asked = [a.asked for a in askers]
            installed.replace(BUILD / "holdfastd")
            installed.upgrade()
            wait_for(lambda: all(a.asked > n + 1 or a.failures for a, n in zip(askers, asked)),
                     "every client to have come through", 60)
    finally:
        end_and_check(askers, record_property)
    assert daemon.stderr().count("has taken over from") == 10


@pytest.mark.timeout(300)
def test_killed_in_the_midst_of_an_upgrade(new_daemon):
    """Whatever instant it is, the keeper brings up a daemon that serves, and containers go on."""
    daemon = new_daemon("--keeper")
    installed = Installed(daemon)
    daemon.start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    cid = daemon.run("sleep 1000")
    init = daemon.container_pid(cid)
    chance = random.Random(4)
    for _ in range(12):
        installed.replace(BUILD / "holdfastd")
        pid = pid_of(installed)
        os.kill(pid, signal.SIGHUP)
        time.sleep(chance.uniform(0, 0.04))  # the check takes half of it, the exec comes then
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid_of(installed) not in (0, pid), "the next daemon")
        assert daemon.container_pid(cid) == init
        assert installed.api.get("/_ping", version="", expect=200)
    assert daemon.running


# --- reload

@pytest.fixture
def configured(new_daemon):
    daemon = new_daemon()
    daemon.config = daemon.root / "daemon.json"
    daemon.config.write_text("{}")
    daemon.args += ["--config-file", str(daemon.config)]
    return daemon.start()


def reload(daemon, text):
    daemon.config.write_text(text if isinstance(text, str) else json.dumps(text))
    seen = daemon.stderr().count("reloaded")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: daemon.stderr().count("reloaded") > seen, "the reload")


def test_reload_takes_on_what_it_can(configured):
    daemon = configured
    info = daemon.api.get("/info", expect=200).json
    assert not info["Debug"] and info["Labels"] == [] and "mine" not in info["Runtimes"]
    before = time.time()
    reload(daemon, {"debug": True, "labels": ["a=1", "b=2"], "runtimes": {"mine": {"path": "/usr/sbin/runc"}},
                    "data-root": "/nowhere/else"})
    info = daemon.api.get("/info", expect=200).json
    assert info["Debug"] and info["Labels"] == ["a=1", "b=2"] and info["Runtimes"]["mine"]
    assert info["DockerRootDir"] == str(daemon.data)
    event, = daemon.past_events(before, type=["daemon"])
    assert event["Action"] == "reload" and event["Actor"]["ID"] == info["ID"]
    attributes = event["Actor"]["Attributes"]
    assert attributes["debug"] == "true" and attributes["labels"] == '["a=1","b=2"]'
    assert "mine" in attributes["runtimes"] and attributes["name"] == info["Name"]
    reload(daemon, {})
    info = daemon.api.get("/info", expect=200).json
    assert not info["Debug"] and info["Labels"] == [] and "mine" not in info["Runtimes"]


def test_runtime_of_a_reload_is_used_and_may_go_again(configured):
    daemon = configured
    daemon.load(busybox().docker_archive("busybox:latest"))
    reload(daemon, {"runtimes": {"mine": {"path": "/usr/sbin/runc"}}})
    cid = daemon.run("sleep 1000", {"Runtime": "mine"})
    reload(daemon, {})
    assert daemon.state(cid)["Running"]
    assert "mine" in daemon.refuse("true", {"Runtime": "mine"}).message
    reload(daemon, {"runtimes": {"mine": {"path": "/usr/sbin/runc"}}})


@pytest.mark.parametrize("text", ["{", '{"no-such-key": 1}', '{"labels": ["x"]}', '{"log-level": "loud"}',
                                  '{"runtimes": {"x": {"path": "/no/such"}}}'])
def test_broken_configuration_changes_nothing(configured, text):
    daemon = configured
    reload(daemon, {"debug": True, "labels": ["a=1"]})
    reload(daemon, text)
    assert "nothing changes" in daemon.stderr()
    info = daemon.api.get("/info", expect=200).json
    assert info["Debug"] and info["Labels"] == ["a=1"]


def test_check_says_whether_a_start_would_come_to_something(new_daemon, tmp_path):
    config = tmp_path / "daemon.json"
    for text, good in (("{}", True), ("{", False), ('{"default-runtime": "nonesuch"}', False)):
        config.write_text(text)
        done = subprocess.run([BUILD / "holdfastd", "--check", "--config-file", config, "--exec-root", tmp_path / "x"],
                              capture_output=True, text=True, timeout=30)
        assert (done.returncode == 0) == good, done
        assert "good" in done.stdout if good else done.stderr.startswith("holdfastd: ")
    assert not (tmp_path / "x").exists()


# --- the host's end

POLICIES = {"always": True, "unless-stopped": True, "no": False}


def test_containers_stop_with_the_host_and_come_again_with_it(daemon):
    stopper = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"
    cids = {policy: daemon.run(stopper, {"RestartPolicy": {"Name": policy}}, name=policy) for policy in POLICIES}
    for cid in cids.values():
        daemon.wait_log(cid, "up")
    stopped = daemon.run(stopper, {"RestartPolicy": {"Name": "unless-stopped"}}, name="stopped")
    daemon.wait_log(stopped, "up")
    daemon.stop_container(stopped, expect=204)

    daemon.cli("shutdown")
    for cid in cids.values():
        state = daemon.state(cid)
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)  # by its own end, not by SIGKILL
    daemon.restart()  # one that comes up meanwhile starts nothing either
    assert daemon.list() == []

    daemon.reboot_host()
    daemon.start()
    for policy, cid in cids.items():
        if POLICIES[policy]:
            daemon.wait_state(cid, "running")
    assert daemon.state(cids["no"])["Status"] == "exited" == daemon.state(stopped)["Status"]


def test_shutdown_that_is_cancelled(daemon):
    daemon.cli("shutdown")
    daemon.cli("shutdown", "--cancel")
    cid = daemon.run("exit 1", {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}})
    wait_for(lambda: daemon.inspect(cid)["RestartCount"] == 1, "its policy")
    assert not (daemon.exec / "shutdown").exists()


def test_container_that_does_not_stop_is_killed_in_its_time(daemon):
    cid = daemon.run("trap '' TERM; echo up; while :; do sleep 0.1; done", {"RestartPolicy": {"Name": "always"}},
                     StopTimeout=1)
    daemon.wait_log(cid, "up")
    daemon.cli("shutdown")
    assert daemon.state(cid)["ExitCode"] == 137
