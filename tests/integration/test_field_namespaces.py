"""pid, ipc, uts, cgroup, user and network namespaces: whose they are, compared by their inode numbers."""

import os

import pytest

from kit import host

KINDS = ["pid", "ipc", "uts", "mnt", "net", "cgroup"]


def spaces(daemon, cid):
    pid = daemon.container_pid(cid)
    return {kind: host.namespace(pid, kind) for kind in KINDS + ["user"]}


def test_namespaces_are_own_by_default(daemon):
    ours, theirs = (spaces(daemon, daemon.run("sleep 1000")) for _ in range(2))
    for kind in ("pid", "ipc", "uts", "mnt", "net"):
        assert ours[kind] != theirs[kind]
        assert ours[kind] != host.namespace("self", kind)
    assert ours["user"] == host.namespace("self", "user")


@pytest.mark.parametrize("field,kind", [("PidMode", "pid"), ("IpcMode", "ipc"), ("UTSMode", "uts"),
                                        ("NetworkMode", "net"), ("CgroupnsMode", "cgroup"),
                                        ("UsernsMode", "user")])
def test_mode_host(daemon, field, kind):
    assert spaces(daemon, daemon.run("sleep 1000", {field: "host"}))[kind] == host.namespace("self", kind)


@pytest.mark.parametrize("field,kind", [("IpcMode", "ipc"), ("CgroupnsMode", "cgroup")])
def test_mode_private(daemon, field, kind):
    assert spaces(daemon, daemon.run("sleep 1000", {field: "private"}))[kind] != host.namespace("self", kind)


@pytest.mark.parametrize("field,kind", [("PidMode", "pid"), ("IpcMode", "ipc"), ("NetworkMode", "net")])
def test_mode_container(daemon, field, kind):
    own = {"IpcMode": "shareable"} if field == "IpcMode" else {}
    first = daemon.run("sleep 1000", own, name="first")
    for reference in ("first", first, first[:12]):
        second = daemon.run("sleep 1000", {field: f"container:{reference}"})
        assert spaces(daemon, second)[kind] == spaces(daemon, first)[kind]


@pytest.mark.parametrize("field", ["PidMode", "IpcMode", "NetworkMode"])
def test_mode_container_needs_one_that_runs(daemon, api, field):
    daemon.create("true", name="asleep")
    answer = api.post("/containers/create", daemon.body("true", {field: "container:asleep"}))
    if answer.status == 201:
        answer = api.post(f"/containers/{answer.json['Id']}/start")
    assert answer.status in (400, 409, 500)
    assert "asleep" in answer.message or "running" in answer.message


def test_ipc_none_has_no_shm(daemon):
    assert daemon.output("grep -c ' /dev/shm ' /proc/mounts", {"IpcMode": "none"}, exit_code=1) == "0\n"


def test_network_none_has_a_loopback_that_is_up(daemon):
    assert daemon.output("ls /sys/class/net; ping -c 1 -W 20 127.0.0.1 >/dev/null && echo up") in (
        "lo\nup\n", "lo\ntunl0\nup\n")


def test_network_disabled_is_none(daemon):
    out = daemon.output("ls /sys/class/net", NetworkDisabled=True)
    assert out.split()[0] == "lo"


def test_network_container_shares_hosts_and_hostname_files(daemon):
    first = daemon.run("echo 1.2.3.4 shared >>/etc/hosts; echo ready; sleep 1000", Hostname="first")
    daemon.wait_log(first, "ready")
    out = daemon.output("cat /etc/hosts; hostname", {"NetworkMode": f"container:{first}"})
    assert "1.2.3.4 shared" in out
    assert out.endswith("first\n")


def test_network_host_has_the_hosts_name(daemon):
    assert daemon.output("hostname", {"NetworkMode": "host"}).strip() == os.uname().nodename


def test_pid_host_sees_us(daemon):
    assert daemon.output(f"test -d /proc/{os.getpid()} && echo seen", {"PidMode": "host"}) == "seen\n"


def test_container_in_the_hosts_pid_namespace_can_be_stopped(daemon, api):
    cid = daemon.run("sleep 1000 & sleep 1000", {"PidMode": "host"})
    procs = host.cgroup_dir(daemon.container_pid(cid), "pids") / "cgroup.procs"
    pids = host.wait_for(lambda: len(found := procs.read_text().split()) > 1 and found, "its second process")
    api.delete(f"/containers/{cid}", force=True, expect=204)
    # No pid namespace took the children along: the engine has to.
    host.wait_for(lambda: not any(host.alive(p) for p in pids), "all processes to end")


@pytest.mark.parametrize("own", [{"NetworkMode": "none"}])
def test_sysctls_of_its_own_namespaces(daemon, own):
    own = {**own, "Sysctls": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"}}
    out = daemon.output("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", own)
    assert out == "1\n4096\n"
