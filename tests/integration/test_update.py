"""POST /containers/{id}/update: limits and restart policy, of containers at rest and alive."""

import json
import os
import time

import pytest

from kit import host
from kit.api import connect

MIB = 1 << 20
SLEEP = ["sleep", "1000"]


def update(daemon, cid, body, expect=200):
    return daemon.api.post(f"/containers/{cid}/update", body, expect=expect)


def value(daemon, cid, controller, v1, v2):
    return host.cgroup_value(daemon.container_pid(cid), controller, v1, v2)


def memory(daemon, cid):
    return int(value(daemon, cid, "memory", "memory.limit_in_bytes", "memory.max"))


def pids(daemon, cid):
    return value(daemon, cid, "pids", "pids.max", "pids.max")


def cpu_quota(daemon, cid):
    got = value(daemon, cid, "cpu", "cpu.cfs_quota_us", "cpu.max")
    return got.split()[0]


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_limits_of_the_living_change_at_once(daemon, paused):
    cid = daemon.run(SLEEP, {"Memory": 64 * MIB, "MemorySwap": 64 * MIB})
    if paused:
        daemon.api.post(f"/containers/{cid}/pause", expect=204)
    before = time.time()
    answer = update(daemon, cid, {"Memory": 96 * MIB, "MemorySwap": 128 * MIB, "NanoCpus": 500_000_000,
                                  "PidsLimit": 50, "MemoryReservation": 32 * MIB, "CpusetCpus": "0"})
    assert answer.json == {"Warnings": []}
    assert memory(daemon, cid) == 96 * MIB
    assert value(daemon, cid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max") == \
        str(128 * MIB if host.has_cgroup_v1("memory") else 32 * MIB)
    assert cpu_quota(daemon, cid) == "50000" and pids(daemon, cid) == "50"
    assert value(daemon, cid, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"
    shown = daemon.inspect(cid)["HostConfig"]
    assert (shown["Memory"], shown["MemorySwap"], shown["NanoCpus"], shown["PidsLimit"], shown["CpusetCpus"]) == \
        (96 * MIB, 128 * MIB, 500_000_000, 50, "0")
    assert daemon.state(cid)["Status"] == ("paused" if paused else "running")
    assert [e["Action"] for e in daemon.past_events(before, container=[cid])] == ["update"]


def test_what_is_not_named_stays(daemon):
    """Zero, null and empty are what clients send for "as it is"."""
    own = {"Memory": 64 * MIB, "CpuShares": 512, "PidsLimit": 77, "CpusetCpus": "0"}
    cid = daemon.run(SLEEP, own)
    before = daemon.inspect(cid)["HostConfig"]
    update(daemon, cid, {"Memory": 0, "CpuShares": 0, "PidsLimit": None, "CpusetCpus": "", "Ulimits": None,
                         "Devices": [], "CgroupParent": "", "OomKillDisable": None,
                         "RestartPolicy": {"Name": "", "MaximumRetryCount": 0}})
    assert daemon.inspect(cid)["HostConfig"] == before
    update(daemon, cid, {"CpuShares": 256})
    assert daemon.inspect(cid)["HostConfig"] == {**before, "CpuShares": 256}
    assert memory(daemon, cid) == 64 * MIB and pids(daemon, cid) == "77"


@pytest.mark.parametrize("unlimited", [0, -1])
def test_pids_become_unlimited(daemon, unlimited):
    cid = daemon.run(SLEEP, {"PidsLimit": 20})
    update(daemon, cid, {"PidsLimit": unlimited})
    assert pids(daemon, cid) in ("max", str(4 << 20)), "the latter is the kernel's own maximum"
    assert daemon.inspect(cid)["HostConfig"]["PidsLimit"] in (0, -1, None)


def test_memory_swap_becomes_unlimited(daemon):
    cid = daemon.run(SLEEP, {"Memory": 64 * MIB, "MemorySwap": 64 * MIB})
    update(daemon, cid, {"MemorySwap": -1})
    got = value(daemon, cid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max")
    assert got == "max" or int(got) > 1 << 60
    assert memory(daemon, cid) == 64 * MIB


@pytest.mark.parametrize("ended", [False, True], ids=["created", "exited"])
def test_at_rest_it_is_saved_for_the_next_start(daemon, ended):
    cid = daemon.create("cat /sys/fs/cgroup/memory/memory.limit_in_bytes; sleep 1000")
    if ended:
        daemon.start_container(cid)
        daemon.stop_container(cid, t=0)
    update(daemon, cid, {"Memory": 32 * MIB, "PidsLimit": 33})
    daemon.restart()
    assert daemon.inspect(cid)["HostConfig"]["Memory"] == 32 * MIB
    daemon.start_container(cid)
    assert memory(daemon, cid) == 32 * MIB and pids(daemon, cid) == "33"


@pytest.mark.one_runtime
def test_what_a_later_version_wrote_is_kept(daemon):
    cid = daemon.create(SLEEP)
    daemon.kill9()
    config = daemon.data / "containers" / cid / "config.json"
    config.write_text(config.read_text().replace('"HostConfig":{', '"Later":[1],"HostConfig":{"LaterToo":{"a":2},', 1))
    daemon.start()
    update(daemon, cid, {"PidsLimit": 5})
    kept = json.loads(config.read_text())
    assert (kept["Later"], kept["HostConfig"]["LaterToo"], kept["HostConfig"]["PidsLimit"]) == ([1], {"a": 2}, 5)


def test_it_survives_the_daemon_and_the_next_start(daemon):
    cid = daemon.run(SLEEP, {"Memory": 64 * MIB})
    update(daemon, cid, {"Memory": 32 * MIB})
    shown = daemon.inspect(cid)
    daemon.restart()
    assert daemon.inspect(cid) == shown and memory(daemon, cid) == 32 * MIB
    daemon.api.post(f"/containers/{cid}/restart", t=0, expect=204)
    assert memory(daemon, cid) == 32 * MIB


@pytest.mark.parametrize("body,status,says", [
    ({"Memory": 1000}, 400, "Minimum memory limit allowed is 6MB"),
    ({"Memory": 256 * MIB}, 400, "already set memoryswap limit"),
    ({"MemorySwap": 32 * MIB}, 400, "memoryswap limit should be larger"),
    ({"NanoCpus": 10 ** 15}, 400, "range of CPUs is from"),
    ({"CpuPeriod": 100000}, 400, "CPU Period cannot be updated as NanoCPUs has already been set"),
    ({"CpuQuota": 100000}, 400, "CPU Quota cannot be updated as NanoCPUs has already been set"),
    ({"CpusetCpus": "999"}, 400, "Requested CPUs are not available"),
    ({"BlkioWeight": 5}, 400, "range of blkio weight"),
    ({"RestartPolicy": {"Name": "sometimes"}}, 400, "unknown policy 'sometimes'"),
    ({"RestartPolicy": {"Name": "no", "MaximumRetryCount": 3}}, 400, "only be used with 'on-failure'"),
    ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -1}}, 400, "cannot be negative"),
    ({"Privileged": True}, 400, "Privileged cannot be updated"),
    ({"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}]}, 400, "Ulimits cannot be updated"),
    ({"Memory": "much"}, 400, "Memory"),
])
def test_bad_wishes_are_refused_and_change_nothing(daemon, body, status, says):
    cid = daemon.run(SLEEP, {"Memory": 64 * MIB, "NanoCpus": 250_000_000})
    before = daemon.inspect(cid), memory(daemon, cid), cpu_quota(daemon, cid)
    assert says in update(daemon, cid, body, expect=status).message
    assert (daemon.inspect(cid), memory(daemon, cid), cpu_quota(daemon, cid)) == before


def test_policy_of_an_auto_removed_container_is_fixed(daemon):
    cid = daemon.run(SLEEP, {"AutoRemove": True})
    said = update(daemon, cid, {"RestartPolicy": {"Name": "always"}}, expect=400).message
    assert "Restart policy cannot be updated because AutoRemove is enabled for the container" in said
    update(daemon, cid, {"RestartPolicy": {"Name": "no"}, "PidsLimit": 9})
    assert pids(daemon, cid) == "9"


def test_missing_and_dead_containers(daemon):
    assert update(daemon, "nobody", {"Memory": 64 * MIB}, expect=404).message == "No such container: nobody"
    cid = daemon.create("true")
    daemon.kill9()
    (daemon.data / "containers" / cid / "config.json").write_text("{")
    daemon.start()
    assert "dead" in update(daemon, cid, {"Memory": 64 * MIB}, expect=409).message


def test_what_the_runtime_refuses_is_undone_and_said(daemon):
    """More memory in use than the new limit: the kernel says no, and all is as before."""
    cid = daemon.run("head -c 40000000 /dev/zero > /dev/shm/x; echo full; sleep 1000",
                     {"Memory": 128 * MIB, "MemorySwap": 128 * MIB, "ShmSize": 64 * MIB, "PidsLimit": 40})
    daemon.wait_log(cid, "full")
    if not host.has_cgroup_v1("memory"):
        pytest.skip("cgroup v2 reclaims or kills instead of refusing")
    before = daemon.inspect(cid)["HostConfig"], memory(daemon, cid), cpu_quota(daemon, cid)
    answer = update(daemon, cid, {"Memory": 8 * MIB, "MemorySwap": 8 * MIB, "PidsLimit": 41, "NanoCpus": 10 ** 9},
                    expect=(400, 409, 500))
    assert "Cannot update container" in answer.message and "memory" in answer.message
    assert (daemon.inspect(cid)["HostConfig"], memory(daemon, cid), cpu_quota(daemon, cid)) == before
    assert pids(daemon, cid) == "40"
    daemon.restart()
    assert (daemon.inspect(cid)["HostConfig"], memory(daemon, cid)) == before[:2]


def test_one_cut_short_is_done_at_restore(daemon):
    """As a daemon leaves it that is killed between its save and the runtime's call."""
    cid = daemon.run(SLEEP, {"Memory": 64 * MIB, "PidsLimit": 20})
    other = daemon.run(SLEEP, {"PidsLimit": 20})
    daemon.kill9()
    for name in (cid, other):
        config = daemon.data / "containers" / name / "config.json"
        config.write_text(config.read_text().replace('"PidsLimit":20', '"PidsLimit":30'))
    phase = daemon.exec / "containers" / cid / "phase.json"
    phase.write_text(phase.read_text().replace("{", '{"Updating":true,', 1))
    daemon.start()
    host.wait_for(lambda: pids(daemon, cid) == "30", "the update to be resumed")
    host.wait_for(lambda: "Updating" not in phase.read_text(), "the update to be over")
    assert pids(daemon, other) == "20", "without the mark nothing is done"


def test_killed_again_and_again_what_is_shown_is_what_holds(daemon):
    """Wherever the daemon dies in an update: afterwards configuration, bundle and cgroup say the same."""
    cid = daemon.run(SLEEP, {"PidsLimit": 100})
    phase = daemon.exec / "containers" / cid / "phase.json"
    bundle = daemon.exec / "containers" / cid / "bundle" / "config.json"
    before, came_through = 100, 0
    for n in range(20):
        with connect(daemon.sock) as sock:
            body = json.dumps({"PidsLimit": 101 + n}).encode()
            sock.sendall(b"POST /v1.44/containers/%s/update HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n%s"
                         % (cid.encode(), len(body), body))
            time.sleep(n * 0.0008)
            daemon.kill9()
        daemon.start()
        host.wait_for(lambda: "Updating" not in phase.read_text(), "the update to be over")
        shown = daemon.inspect(cid)["HostConfig"]["PidsLimit"]
        assert shown in (101 + n, before) and pids(daemon, cid) == str(shown)
        assert json.loads(bundle.read_text())["linux"]["resources"]["pids"]["limit"] == shown
        came_through += shown != before
        before = shown
    print(f"{came_through} of 20 came through")


def test_docker_cli(docker, daemon):
    cid = docker.create_and_run("--name", "cli", cmd=SLEEP)
    assert docker("update", "--memory", "64m", "--memory-swap", "128m", "--cpus", "0.5", "--pids-limit", "44",
                  "--cpu-shares", "300", "--restart", "no", "cli") == "cli"
    assert memory(daemon, cid) == 64 * MIB and cpu_quota(daemon, cid) == "50000" and pids(daemon, cid) == "44"
    assert docker("inspect", "--format", "{{.HostConfig.CpuShares}}", "cli") == "300"
    refused = docker.run("update", "--memory", "1m", "cli", check=False)
    assert refused.returncode == 1 and "Minimum memory limit allowed is 6MB" in refused.stderr


@pytest.mark.one_runtime
def test_docker_py(daemon, client):
    container = client.containers.run("busybox", SLEEP, detach=True, network_mode="none")
    assert container.update(mem_limit="64m", memswap_limit="64m", cpu_shares=200) == {"Warnings": []}
    container.reload()
    assert (container.attrs["HostConfig"]["Memory"], container.attrs["HostConfig"]["CpuShares"]) == (64 * MIB, 200)


@pytest.mark.one_runtime
def test_our_own_cli(daemon):
    one, two = daemon.run(SLEEP, name="one"), daemon.create(SLEEP, name="two")
    assert daemon.cli("update", "-m", "64m", "--pids-limit=45", "one", "two").stdout == "one\ntwo\n"
    assert memory(daemon, one) == 64 * MIB and pids(daemon, one) == "45"
    assert daemon.inspect(two)["HostConfig"]["PidsLimit"] == 45
    bad = daemon.cli("update", "one", check=False)
    assert bad.returncode == 1 and "nothing to change" in bad.stderr
    bad = daemon.cli("update", "--restart", "sometimes", "one", "nobody", check=False)
    assert bad.returncode == 1 and "sometimes" in bad.stderr and "No such container: nobody" in bad.stderr


@pytest.mark.parametrize("field", ["BlkioDeviceReadBps", "BlkioDeviceWriteIOps"])
def test_throttled_devices(daemon, runtime, field):
    """Crun changes them at once; runc passes them over in silence, so it is not asked."""
    device = next((f"/dev/{n}" for n in sorted(os.listdir("/sys/block"))
                   if not n.startswith(("loop", "ram", "zram")) and os.path.exists(f"/dev/{n}")), None)
    if not device:
        pytest.skip("this host has no block device")
    cid = daemon.create(SLEEP)
    update(daemon, cid, {field: [{"Path": device, "Rate": 1000000}]})
    assert daemon.inspect(cid)["HostConfig"][field] == [{"Path": device, "Rate": 1000000}]
    daemon.start_container(cid)
    body = {field: [{"Path": device, "Rate": 2000000}]}
    if runtime == "runc":
        assert "running" in update(daemon, cid, body, expect=501).message
        return
    update(daemon, cid, body)
    file = {"BlkioDeviceReadBps": "read_bps", "BlkioDeviceWriteIOps": "write_iops"}[field]
    got = value(daemon, cid, "blkio" if host.has_cgroup_v1("blkio") else "io",
                f"blkio.throttle.{file}_device", "io.max")
    assert "2000000" in got
