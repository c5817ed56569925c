"""holdfast, the native client: what a first user needs, with docker's flags."""

import json
import os
import re
import subprocess

import pytest

from kit.archives import busybox, busybox_layer
from kit.daemon import BUILD


@pytest.fixture
def run(daemon):
    """holdfast run -d --network none ...: the id."""
    return lambda *args: daemon.cli("run", "-d", "--network", "none", *args).stdout.strip()


def test_run_ps_inspect_logs_wait_rm(daemon, run):
    cid = run("--name", "first", "-e", "A=b", "busybox", "sh", "-c", "echo $A; echo err >&2; exit 3")
    assert re.fullmatch("[0-9a-f]{64}", cid)
    assert daemon.cli("wait", "first").stdout == "3\n"
    done = daemon.cli("logs", "first")
    assert (done.stdout, done.stderr) == ("b\n", "err\n")
    assert "first" not in daemon.cli("ps").stdout
    listed = daemon.cli("ps", "-a").stdout
    assert cid[:12] in listed and "first" in listed and "Exited (3)" in listed
    assert json.loads(daemon.cli("inspect", "first").stdout)[0]["Id"] == cid
    assert daemon.cli("rm", "first").stdout == "first\n"
    assert daemon.list(all=True) == []


def test_verbs(daemon, run):
    cid = run("--name", "verb", "busybox", "sleep", "1000")
    for verb, status in (("pause", "paused"), ("unpause", "running")):
        assert daemon.cli(verb, "verb").stdout == "verb\n"
        assert daemon.state(cid)["Status"] == status
    daemon.cli("stop", "-t", "0", "verb")
    assert daemon.state(cid)["Status"] == "exited"
    daemon.cli("rm", "verb")
    cid = run("busybox", "sleep", "1000")
    daemon.cli("kill", "-s", "KILL", cid[:12])
    assert daemon.cli("wait", cid).stdout == "137\n"


def test_rm_force(daemon, run):
    cid = run("busybox", "sleep", "1000")
    assert daemon.cli("rm", cid, check=False).returncode != 0
    daemon.cli("rm", "-f", cid)
    assert daemon.list(all=True) == []


def test_flags_reach_the_container(daemon, run):
    cid = run("-v", f"{daemon.root}:/host:ro", "-w", "/tmp", "-u", "alice", "--hostname", "named", "-m", "64m",
              "--label", "a=b", "--cap-drop", "ALL", "--read-only", "--tmpfs", "/run", "--entrypoint", "sh",
              "busybox", "-c", "hostname; pwd; id -un")
    assert daemon.wait(cid) == 0
    assert daemon.logs(cid)[0] == "named\n/tmp\nalice\n"
    shown = daemon.inspect(cid)
    assert shown["HostConfig"]["Memory"] == 64 << 20 and shown["Config"]["Labels"] == {"a": "b"}


def test_logs_follow_and_tail(daemon, run):
    cid = run("busybox", "seq", "1", "100")
    assert daemon.cli("logs", "-f", cid).stdout == "".join(f"{n}\n" for n in range(1, 101))
    assert daemon.cli("logs", "--tail", "2", cid).stdout == "99\n100\n"
    assert daemon.cli("logs", "-t", "--tail", "1", cid).stdout.endswith(" 100\n")


@pytest.mark.one_runtime
def test_images(daemon):
    archive = daemon.root / "image.tar"
    archive.write_bytes(busybox().docker_archive("loaded:1"))
    assert "loaded:1" in daemon.cli("load", "-i", str(archive)).stdout
    archive.write_bytes(busybox_layer())
    assert "sha256:" in daemon.cli("import", str(archive), "imported:1").stdout
    listed = daemon.cli("images").stdout
    assert re.search(r"^loaded\s+1\s", listed, re.M) and re.search(r"^imported\s+1\s", listed, re.M)


@pytest.mark.one_runtime
def test_events_version_info(daemon, run, runtime):
    cid = run("busybox", "true")
    daemon.wait_event(cid, "die")
    told = daemon.cli("events", "--since", "1m", "--until", "0s").stdout
    assert [w for w in ("create", "start", "die") if w in told] == ["create", "start", "die"]
    assert "1.44" in daemon.cli("version").stdout
    assert runtime in daemon.cli("info").stdout


@pytest.mark.one_runtime
def test_errors_are_said_and_the_exit_code_is_not_zero(daemon):
    for args, words in ((["rm", "nobody"], "No such container: nobody"),
                        (["run", "-d", "--network", "none", "nowhere:1", "true"], "nowhere:1"),
                        (["no-such-verb"], "no-such-verb"), (["ps", "--no-such-flag"], "no-such-flag"),
                        (["logs"], "logs")):
        done = daemon.cli(*args, check=False)
        assert done.returncode not in (0, -6, -11), args
        assert words in done.stderr and done.stdout == "", done


@pytest.mark.one_runtime
def test_no_daemon_is_said(tmp_path):
    done = subprocess.run([BUILD / "holdfast", "-H", f"unix://{tmp_path}/none.sock", "ps"], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode != 0
    assert f"{tmp_path}/none.sock" in done.stderr


@pytest.mark.one_runtime
@pytest.mark.parametrize("how", ["-H", "--host", "HOLDFAST_HOST", "DOCKER_HOST"])
def test_the_daemons_address(bare_daemon, how):
    address = f"unix://{bare_daemon.sock}"
    env = {k: v for k, v in os.environ.items() if k not in ("HOLDFAST_HOST", "DOCKER_HOST")}
    args = ["ps"] if how.isupper() and how[0] != "-" else [how, address, "ps"]
    if how in ("HOLDFAST_HOST", "DOCKER_HOST"):
        env[how] = address
    done = subprocess.run([BUILD / "holdfast", *args], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "CONTAINER ID" in done.stdout


@pytest.mark.one_runtime
def test_help_and_version_need_no_daemon():
    for args in (["--help"], ["--version"], ["run", "--help"]):
        done = subprocess.run([BUILD / "holdfast", *args], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and done.stdout


@pytest.mark.one_runtime
def test_output_to_a_closed_pipe_ends_quietly(daemon, run):
    cid = run("busybox", "seq", "1", "100000")
    daemon.wait(cid)
    done = subprocess.run(f"{BUILD}/holdfast -H unix://{daemon.sock} logs {cid} | head -n 1", shell=True,
                          capture_output=True, text=True, timeout=30)
    assert done.stdout == "1\n"
