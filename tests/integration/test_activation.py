"""Socket activation and notification as systemd does them, and the units themselves.

No systemd runs here: a parent of the test's own does what it would."""

import configparser
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from kit import host
from kit.activation import Activator
from kit.api import Api, UnixConnection
from kit.daemon import BUILD, ROOT
from kit.inject import SENDMSG, is_in

pytestmark = pytest.mark.one_runtime


@pytest.fixture(params=["path", "abstract"])
def activator(request, new_daemon):
    daemon = new_daemon()
    with Activator(daemon, request.param == "abstract") as made:
        made.listen(daemon.sock)
        yield made


def test_passed_socket_is_served_and_readiness_told(activator):
    daemon = activator.daemon
    client = UnixConnection(daemon.sock)
    client.request("GET", "/_ping")
    activator.start("-H", "fd://")
    activator.hear("READY=1")
    assert client.getresponse().read() == b"OK"

    activator.said.clear()
    daemon.process.send_signal(signal.SIGTERM)
    activator.hear("STOPPING=1")
    assert daemon.process.wait(20) == 0
    assert daemon.sock.exists(), "the socket is not ours to remove"
    # Nobody serves, nobody is refused; then the next daemon answers.
    client = UnixConnection(daemon.sock)
    client.request("GET", "/_ping")
    activator.start("-H", "fd://")
    assert client.getresponse().read() == b"OK"
    daemon.stop()
    daemon.sock.unlink()


def test_passed_socket_stands_for_the_host_of_its_path(new_daemon):
    daemon = new_daemon()
    with Activator(daemon) as activator:
        activator.listen(daemon.sock)
        activator.start()  # with -H unix://… of the same path: not bound again
        activator.hear("READY=1")
        assert daemon.api.get("/_ping", version="", expect=200)
        daemon.stop()
    daemon.sock.unlink()


def test_several_sockets_are_passed_and_one_is_bound(new_daemon):
    daemon = new_daemon()
    paths = [daemon.sock, daemon.root / "2.sock", daemon.root / "3.sock"]
    with Activator(daemon) as activator:
        activator.listen(paths[0])
        activator.listen(paths[1])
        activator.start("-H", "fd://", "-H", f"unix://{paths[2]}")
        activator.hear("READY=1")
        for path in paths:
            assert Api(path).get("/_ping", version="", expect=200)
        daemon.stop()
    daemon.sock.unlink()


def test_descriptors_for_another_process_are_left_alone(new_daemon):
    daemon = new_daemon()
    with Activator(daemon) as activator:
        activator.listen(daemon.root / "others.sock")
        activator.start(env={"PRETEND_PID": "1"})
        activator.hear("READY=1")
        assert daemon.api.get("/_ping", version="", expect=200)
        client = UnixConnection(daemon.root / "others.sock", timeout=0.2)
        client.request("GET", "/_ping")
        with pytest.raises(TimeoutError):
            client.getresponse()
        daemon.stop()


def test_what_is_no_listening_socket_is_said(new_daemon):
    daemon = new_daemon()
    with Activator(daemon) as activator, open("/dev/null") as file, socket.socket(socket.AF_UNIX) as mute:
        good = activator.listen(daemon.sock)
        activator.start("-H", "fd://", fds=[(file.fileno(), "file"), (mute.fileno(), "mute"),
                                            (good.fileno(), "good")])
        activator.hear("READY=1")
        assert daemon.api.get("/_ping", version="", expect=200)
        assert "(file)" in daemon.stderr() and "(mute)" in daemon.stderr()
        daemon.stop()
    daemon.sock.unlink()


def test_fd_without_any_is_refused(new_daemon):
    daemon = new_daemon()
    daemon.spawn("-H", "fd://")
    assert daemon.process.wait(20) == 1
    assert "fd://" in daemon.stderr()


def test_connections_are_stored_and_found_again(activator):
    """FDSTORE, as the unit has it: an idle connection does not notice that the daemon was killed."""
    daemon = activator.daemon
    activator.start("-H", "fd://", env={"FDSTORE": "140"})
    activator.hear("READY=1")
    assert len(activator.stored) == 129
    idle = UnixConnection(daemon.sock)
    idle.auto_open = 0
    idle.connect()
    for _ in range(3):
        idle.request("GET", "/_ping")
        assert idle.getresponse().read() == b"OK"
        daemon.kill9()
        idle.request("GET", "/version")  # while nobody is there
        activator.start("-H", "fd://", env={"FDSTORE": "140"})
        answer = idle.getresponse()
        assert answer.status == 200 and answer.read()
    assert len(activator.stored) == 129
    daemon.stop()
    daemon.sock.unlink()


def test_who_keeps_them_may_be_held_up(activator):
    """And so may the daemon, while it waits for him."""
    daemon = activator.daemon
    activator.start("-H", "fd://", env={"FDSTORE": "140"})
    host.wait_for(lambda: is_in(daemon.pid, SENDMSG), "it to wait until somebody hears it")
    daemon.process.send_signal(signal.SIGSTOP)
    host.wait_stopped(daemon.pid)
    daemon.process.send_signal(signal.SIGCONT)
    time.sleep(1.5)  # so long nobody does
    activator.hear("READY=1")
    assert len(activator.stored) == 129
    daemon.stop()
    daemon.sock.unlink()


def test_nothing_is_stored_where_nobody_keeps_it(activator):
    activator.start("-H", "fd://")
    activator.hear("READY=1")
    assert activator.stored == []
    activator.daemon.stop()
    activator.daemon.sock.unlink()


# --- the units

UNITS = [BUILD / "dist/holdfast.service", BUILD / "dist/holdfast-shutdown.service",
         ROOT / "dist/systemd/holdfast.socket"]


def unit(path):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(path.read_text())
    return parser


def test_the_service_outlives_what_it_must():
    service = unit(UNITS[0])["Service"]
    assert service["Type"] == "notify" and service["KillMode"] == "process" and service["Delegate"] == "yes"
    assert service["Restart"] == "always" and unit(UNITS[0])["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["TasksMax"] == "infinity" and service["OOMPolicy"] == "continue"
    assert "-H fd://" in service["ExecStart"] and "HUP" in service["ExecReload"]
    # A slot is two descriptors, and there is the page of their states.
    assert int(service["FileDescriptorStoreMax"]) >= 2 * 64 + 1
    assert service["Environment"] == "FDSTORE=" + service["FileDescriptorStoreMax"]


def test_only_the_hosts_end_stops_containers():
    shutdown = unit(UNITS[1])
    assert "holdfast.service" in shutdown["Unit"]["After"]
    assert not {"Requires", "BindsTo", "PartOf", "Requisite"} & set(shutdown["Unit"])
    assert not {"ExecStop", "ExecStopPost"} & set(unit(UNITS[0])["Service"])
    assert "is-system-running" in shutdown["Service"]["ExecStop"]
    assert shutdown["Service"]["TimeoutStopSec"] == "infinity"


def test_systemd_understands_the_units(tmp_path):
    for path in UNITS:
        text = re.sub(r"/\S*bin/(holdfastd?)\b", rf"{BUILD}/\1", path.read_text())
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(tmp_path / p.name for p in UNITS)],
                          capture_output=True, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_everything_is_installed(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    there = {p.name: p for p in tmp_path.rglob("*") if p.is_file()}
    for name in ("holdfastd", "holdfast", "holdfast-shim", "holdfast-image", "holdfast-keeper"):
        assert os.access(there[name], os.X_OK), name
    for name in ("holdfast.socket", "holdfast.service", "holdfast-shutdown.service", "holdfast.conf"):
        assert name in there
    assert "@" not in there["holdfast.service"].read_text()
    # What the unit starts is where it was installed, and finds its helpers.
    path = re.search(r"ExecStart=(\S+)", there["holdfast.service"].read_text()).group(1)
    assert there["holdfastd"] == tmp_path / path.lstrip("/")
    done = subprocess.run([there["holdfastd"], "--help"], capture_output=True, text=True, check=True)
    libexec = re.search(r"in (/\S+/holdfast)\)", done.stdout).group(1)
    assert there["holdfast-shim"] == tmp_path / libexec.lstrip("/") / "holdfast-shim"
