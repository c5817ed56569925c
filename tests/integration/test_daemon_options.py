"""holdfastd's options, configuration file, lock, signals, sockets."""

import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from kit.api import Api
from kit.daemon import BUILD, DaemonFailed
from kit.host import wait_for

pytestmark = pytest.mark.one_runtime


def ask(*args):
    return subprocess.run([BUILD / "holdfastd", *args], capture_output=True, text=True, timeout=30)


def refused(daemon, *args):
    """Starts with these options; must end by itself with an error. Its words."""
    daemon.spawn(*args)
    assert daemon.process.wait(20) not in (0, None, -signal.SIGSEGV, -signal.SIGABRT)
    return daemon.stderr()


def config_file(daemon, content):
    path = daemon.root / "daemon.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_version():
    done = ask("--version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+", done.stdout)


def test_help_names_the_options():
    done = ask("--help")
    assert done.returncode == 0
    for option in ("--data-root", "--exec-root", "--host", "--pidfile", "--config-file", "--default-runtime",
                   "--add-runtime", "--log-level", "--version"):
        assert option in done.stdout


@pytest.mark.parametrize("args,word", [
    (["--no-such-option"], "no-such-option"),
    (["stray"], "stray"),
    (["--log-level", "loud"], "loud"),
    (["--default-runtime", "nonesuch"], "nonesuch"),
    (["--add-runtime", "no-equals-sign"], "no-equals-sign"),
    (["--add-runtime", "x=/no/such/runtime", "--default-runtime", "x"], "/no/such/runtime"),
    (["-H", "gopher://x"], "gopher"),
    (["-H", "unix://" + "x" * 200], "x" * 100),
    (["--config-file", "/no/such/file"], "/no/such/file"),
    (["--shim", "/no/such/shim"], "/no/such/shim"),
])
def test_wrong_option_names_itself_and_stops_the_start(new_daemon, args, word):
    daemon = new_daemon()
    assert word in refused(daemon, *args)


def test_option_without_its_value_is_refused(new_daemon):
    assert "log-level" in refused(new_daemon(), "--log-level")


def test_data_root_that_cannot_be_made_is_named(new_daemon):
    daemon = new_daemon("--data-root", "/proc/nothing/here")
    assert "/proc/nothing/here" in refused(daemon)
    daemon.args = []


# --- configuration file

def test_config_file_has_the_options_names(new_daemon, runtime):
    daemon = new_daemon()
    second = daemon.root / "second.sock"
    config = config_file(daemon, {
        "data-root": str(daemon.data), "exec-root": str(daemon.exec), "hosts": [f"unix://{daemon.sock}",
                                                                              f"unix://{second}"],
        "pidfile": str(daemon.root / "pid"), "log-level": "debug", "default-runtime": "mine",
        "runtimes": {"mine": {"path": f"/usr/sbin/{runtime}" if runtime == "runc" else f"/usr/bin/{runtime}"}}})
    daemon.spawn(command=[str(BUILD / "holdfastd"), "--config-file", str(config)])
    daemon.wait_ready()
    info = Api(second).get("/info", expect=200).json
    assert info["DefaultRuntime"] == "mine"
    assert info["DockerRootDir"] == str(daemon.data)


@pytest.mark.parametrize("content,word", [
    ({"no-such-key": 1}, "no-such-key"),
    ({"log-level": "loud"}, "loud"),
    ({"log-level": 5}, "log-level"),
    ({"hosts": "unix:///x"}, "hosts"),
    ({"data-root": ["x"]}, "data-root"),
    ({"runtimes": {"x": {}}}, "runtimes"),
    ("{", "daemon.json"),
    ("[]", "daemon.json"),
    ("", "daemon.json"),
])
def test_wrong_config_names_itself_and_stops_the_start(new_daemon, content, word):
    daemon = new_daemon()
    assert word in refused(daemon, "--config-file", str(config_file(daemon, content)))


def test_option_in_both_places_is_the_command_lines_or_refused(new_daemon):
    """Dockerd refuses it. Never may the file win in silence."""
    daemon = new_daemon()
    path = config_file(daemon, {"default-runtime": "nonesuch"})
    daemon.spawn("--config-file", str(path))
    try:
        daemon.wait_ready()
        assert daemon.api.get("/info", expect=200).json["DefaultRuntime"] == daemon.runtime
    except DaemonFailed:
        assert "default-runtime" in daemon.stderr()


# --- sockets

def test_several_sockets(new_daemon):
    daemon = new_daemon()
    others = [daemon.root / f"{n}.sock" for n in range(2)]
    daemon.args = [part for o in others for part in ("-H", f"unix://{o}")]
    daemon.start()
    for path in [daemon.sock, *others]:
        assert Api(path).get("/_ping", expect=200).text == "OK"


def test_socket_is_0660(bare_daemon):
    mode = os.stat(bare_daemon.sock)
    assert stat.S_IMODE(mode.st_mode) == 0o660
    assert mode.st_uid == 0


def test_socket_left_by_a_killed_daemon_is_taken_over(bare_daemon):
    bare_daemon.kill9()
    assert bare_daemon.sock.exists()
    bare_daemon.start()


def test_file_that_is_no_socket_is_not_deleted(new_daemon):
    daemon = new_daemon()
    daemon.sock.write_text("precious")
    assert str(daemon.sock) in refused(daemon)
    assert daemon.sock.read_text() == "precious"
    daemon.sock.unlink()


def test_socket_of_another_that_lives_is_not_stolen(new_daemon):
    first, second = new_daemon().start(), new_daemon()
    words = refused(second, "-H", f"unix://{first.sock}")
    assert str(first.sock) in words
    assert first.api.get("/_ping", expect=200).text == "OK"


def test_directory_of_the_socket_is_made_or_named(new_daemon):
    daemon = new_daemon()
    path = daemon.root / "sub/dir/d.sock"
    daemon.args = ["-H", f"unix://{path}"]
    daemon.spawn()
    try:
        daemon.wait_ready()
    except DaemonFailed:
        assert str(path) in daemon.stderr()
    else:
        assert path.exists()
    daemon.args = []


# --- lock, pid file, signals

def test_one_daemon_per_data_root(bare_daemon, new_daemon):
    second = new_daemon()
    second.data = bare_daemon.data
    words = refused(second)
    assert str(bare_daemon.data) in words and str(bare_daemon.pid) in words
    assert bare_daemon.api.get("/_ping", expect=200)
    second.data = second.root / "data"


def test_lock_that_a_dying_child_still_holds_is_waited_for(new_daemon):
    """Killed between fork and exec, a daemon leaves a child that has the lock for a moment."""
    daemon = new_daemon()
    daemon.data.mkdir()
    dead = subprocess.Popen(["true"])
    dead.wait()
    with open(daemon.data / "holdfast.lock", "w") as file:
        file.write(f"{dead.pid}\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        daemon.spawn()
        time.sleep(0.2)
        assert daemon.running
    daemon.wait_ready()


def test_lock_does_not_outlive_its_holder(bare_daemon, daemon):
    """A shim that lives must not hold the daemon's lock."""
    daemon.run("sleep 1000")
    daemon.restart()


def test_pidfile(bare_daemon):
    path = bare_daemon.root / "pid"
    assert int(path.read_text()) == bare_daemon.pid
    bare_daemon.restart()
    assert int(path.read_text()) == bare_daemon.pid
    bare_daemon.stop()
    assert not path.exists()


@pytest.mark.parametrize("same", ["data root", "socket"])
def test_pidfile_of_another_is_left_alone(bare_daemon, new_daemon, same):
    path, second = bare_daemon.root / "pid", new_daemon()
    if same == "data root":
        refused(second, "--data-root", str(bare_daemon.data), "--pidfile", str(path))
    else:
        refused(second, "-H", f"unix://{bare_daemon.sock}", "--pidfile", str(path))
    assert int(path.read_text()) == bare_daemon.pid


def test_roots_are_for_root_only(bare_daemon):
    for path in (bare_daemon.data, bare_daemon.exec):
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 in (0, 1)  # docker's own root is 0710


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_daemon_well(bare_daemon, sig):
    bare_daemon.process.send_signal(sig)
    assert bare_daemon.process.wait(20) == 0


@pytest.mark.parametrize("sig", [signal.SIGPIPE, signal.SIGHUP])
def test_signal_that_does_not_end_it(bare_daemon, sig):
    bare_daemon.process.send_signal(sig)
    assert bare_daemon.api.get("/_ping", expect=200)
    assert bare_daemon.running


def test_closed_stderr_does_not_end_it(new_daemon):
    """Whoever read our log may be gone."""
    daemon = new_daemon()
    read, write = os.pipe()
    daemon.process = subprocess.Popen(daemon.command(), stdin=subprocess.DEVNULL, stdout=write, stderr=write,
                                      env=daemon.environment(), start_new_session=True)
    os.close(write)
    daemon.wait_ready()
    os.close(read)
    for _ in range(3):
        daemon.api.get("/containers/nobody/json", expect=404)
        daemon.api.post("/images/load", b"noise", expect=(200, 400, 500))
    assert daemon.running


def test_start_says_which_runtime_and_why(new_daemon):
    daemon = new_daemon()
    command = daemon.command()
    at = command.index("--default-runtime")
    del command[at:at + 2]
    daemon.spawn(command=command)
    daemon.wait_ready()
    default = daemon.api.get("/info", expect=200).json["DefaultRuntime"]
    assert default in ("crun", "runc")
    # "runc (/usr/sbin/runc): crun refuses this host: ..."
    assert re.search(rf"\b{default} .*: \S+", daemon.stderr())


def test_added_runtime_is_listed_and_used(new_daemon):
    from kit.archives import busybox
    daemon = new_daemon("--add-runtime", "mine=/usr/sbin/runc").start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    assert "mine" in daemon.api.get("/info", expect=200).json["Runtimes"]
    assert daemon.output("echo ok", {"Runtime": "mine"}) == "ok\n"


def test_log_level(new_daemon):
    quiet, loud = new_daemon("--log-level", "error").start(), new_daemon("--log-level", "debug").start()
    for daemon in (quiet, loud):
        daemon.api.get("/containers/nobody/json", expect=404)
    assert len(quiet.stderr()) < len(loud.stderr())


def test_secrets_do_not_reach_the_log(new_daemon):
    from kit.archives import busybox
    daemon = new_daemon("--log-level", "debug").start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    daemon.output("true", Env=["PASSWORD=hush-hush-hush"])
    assert "hush-hush-hush" not in daemon.stderr()


def test_no_other_file_descriptors_reach_the_daemons_children(daemon):
    """A container that runs keeps none of the daemon's sockets and files open."""
    cid = daemon.run(["sleep", "1000"])
    pid = daemon.container_pid(cid)
    # runc tells of a start when its own last stage is about to become the container's program.
    wait_for(lambda: open(f"/proc/{pid}/cmdline").read().startswith("sleep"), "the program to be there")
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]


def test_many_connections_at_once(bare_daemon):
    socks = []
    for _ in range(500):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(bare_daemon.sock))
        socks.append(s)
    assert bare_daemon.api.get("/_ping", expect=200)
    for s in socks:
        s.close()
