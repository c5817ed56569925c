"""Memory, cpu, pids and blkio limits: what the kernel's own files say, and what really happens."""

import os

import pytest

from kit import host

MIB = 1 << 20


def limit(daemon, host_config, controller, v1, v2):
    cid = daemon.run("sleep 1000", host_config)
    return host.cgroup_value(daemon.container_pid(cid), controller, v1, v2)


def test_memory(daemon):
    assert limit(daemon, {"Memory": 64 * MIB}, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)


def test_memory_reservation(daemon):
    assert limit(daemon, {"MemoryReservation": 32 * MIB}, "memory", "memory.soft_limit_in_bytes",
                 "memory.low") == str(32 * MIB)


@pytest.mark.parametrize("swap,v1,v2", [(None, 128 * MIB, 64 * MIB), (96 * MIB, 96 * MIB, 32 * MIB)])
def test_memory_and_swap(daemon, swap, v1, v2):
    """Docker's default is as much swap as memory. v1 counts both together, v2 only the swap."""
    own = {"Memory": 64 * MIB, **({"MemorySwap": swap} if swap else {})}
    got = limit(daemon, own, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    assert got == str(v1 if host.has_cgroup_v1("memory") else v2)


def test_memory_swappiness(daemon):
    if not host.has_cgroup_v1("memory"):
        pytest.skip("cgroup v2 has no swappiness")
    assert limit(daemon, {"MemorySwappiness": 7}, "memory", "memory.swappiness", "") == "7"


def test_too_much_memory_is_an_oom_kill(daemon, api):
    cid = daemon.create(["probe", "eat", "200"], {"Memory": 16 * MIB, "MemorySwap": 16 * MIB})
    daemon.start_container(cid)
    assert daemon.wait(cid) == 137
    assert daemon.state(cid)["OOMKilled"] is True


def test_a_child_killed_for_memory_leaves_init_alone(daemon):
    out = daemon.output("probe eat 200; echo $?", {"Memory": 16 * MIB, "MemorySwap": 16 * MIB})
    assert out.splitlines()[-1] == "137"


def test_oom_kill_disable(daemon):
    if not host.has_cgroup_v1("memory"):
        pytest.skip("cgroup v2 cannot")
    got = limit(daemon, {"Memory": 64 * MIB, "OomKillDisable": True}, "memory", "memory.oom_control", "")
    assert "oom_kill_disable 1" in got


def test_nano_cpus(daemon):
    cid = daemon.run("sleep 1000", {"NanoCpus": 250_000_000})
    pid = daemon.container_pid(cid)
    if host.has_cgroup_v1("cpu"):
        assert host.cgroup_value(pid, "cpu", "cpu.cfs_quota_us", "") == "25000"
        assert host.cgroup_value(pid, "cpu", "cpu.cfs_period_us", "") == "100000"
    else:
        assert host.cgroup_value(pid, "cpu", "", "cpu.max") == "25000 100000"


def test_cpu_period_and_quota(daemon):
    cid = daemon.run("sleep 1000", {"CpuPeriod": 50000, "CpuQuota": 20000})
    pid = daemon.container_pid(cid)
    if host.has_cgroup_v1("cpu"):
        assert host.cgroup_value(pid, "cpu", "cpu.cfs_quota_us", "") == "20000"
        assert host.cgroup_value(pid, "cpu", "cpu.cfs_period_us", "") == "50000"
    else:
        assert host.cgroup_value(pid, "cpu", "", "cpu.max") == "20000 50000"


def test_cpu_shares(daemon):
    got = limit(daemon, {"CpuShares": 512}, "cpu", "cpu.shares", "cpu.weight")
    assert got == ("512" if host.has_cgroup_v1("cpu") else "20")


def test_cpuset(daemon):
    last = max(os.sched_getaffinity(0))
    own = {"CpusetCpus": str(last), "CpusetMems": "0"}
    assert daemon.output("grep Cpus_allowed_list /proc/self/status", own).split() == \
        ["Cpus_allowed_list:", str(last)]


def test_pids_limit(daemon):
    cid = daemon.run(["probe", "forks", "50"], {"PidsLimit": 10})
    daemon.wait(cid)
    assert daemon.logs(cid)[0] == "9\n"


@pytest.mark.parametrize("value", [0, -1])
def test_pids_unlimited(daemon, value):
    assert limit(daemon, {"PidsLimit": value}, "pids", "pids.max", "pids.max") == "max"


def block_device():
    for name in sorted(os.listdir("/sys/block")):
        if not name.startswith(("loop", "ram", "zram")) and os.path.exists(f"/dev/{name}"):
            return f"/dev/{name}"
    return None


@pytest.mark.parametrize("field,v1,v2", [
    ("BlkioDeviceReadBps", "blkio.throttle.read_bps_device", "rbps"),
    ("BlkioDeviceWriteBps", "blkio.throttle.write_bps_device", "wbps"),
    ("BlkioDeviceReadIOps", "blkio.throttle.read_iops_device", "riops"),
    ("BlkioDeviceWriteIOps", "blkio.throttle.write_iops_device", "wiops")])
def test_blkio_throttle(daemon, field, v1, v2):
    device = block_device()
    if not device:
        pytest.skip("this host has no block device")
    number = os.stat(device).st_rdev
    got = limit(daemon, {field: [{"Path": device, "Rate": 12345678}]}, "blkio" if
                host.has_cgroup_v1("blkio") else "io", v1, "io.max")
    assert got.startswith(f"{os.major(number)}:{os.minor(number)} ")
    assert (got.endswith(" 12345678") if host.has_cgroup_v1("blkio") else f"{v2}=12345678" in got)


def test_cgroup_parent(daemon):
    parent = host.new_cgroup_parent()
    cid = daemon.run("sleep 1000", {"CgroupParent": parent})
    path = host.cgroup_dir(daemon.container_pid(cid), "pids")
    assert parent in str(path) and cid in path.name
    daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
    # The runtime makes the user's parent and nobody owns it: the test takes it away.
    host.remove_cgroup_parent(parent)


def test_limits_are_shown_as_given(daemon):
    own = {"Memory": 64 * MIB, "NanoCpus": 5 * 10 ** 8, "PidsLimit": 77, "CpuShares": 300,
           "CpusetCpus": "0", "OomScoreAdj": 10, "ShmSize": 2 * MIB, "MemorySwap": -1}
    shown = daemon.inspect(daemon.create("true", own))["HostConfig"]
    assert {k: shown[k] for k in own} == own


def test_two_containers_have_cgroups_of_their_own(daemon):
    a, b = (host.cgroup_dir(daemon.container_pid(daemon.run("sleep 1000")), "memory") for _ in "ab")
    assert a != b
