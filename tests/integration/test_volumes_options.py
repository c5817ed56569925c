"""The local driver's mount options: mounted once for all containers that use the volume, below the exec
root, from the first start to the end of the last; also where the daemon dies in between."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from kit import leaks
from kit.archives import file, folder, layer, on_busybox
from kit.host import wait_exit, wait_for
from kit.inject import Strace
from kit.orphans import shim_of


def make(daemon, **options):
    daemon.api.post("/volumes/create", {"Name": "data", "DriverOpts": options}, expect=201)


def mounted(daemon):
    """Volumes that are mounted, and how often."""
    inside = [m for m in leaks.mounts(daemon) if m.startswith(f"{daemon.exec}/volumes/")]
    if daemon.namespace:  # seen from there as well
        return sorted(set(inside))
    return sorted(inside)


def test_tmpfs(daemon):
    make(daemon, type="tmpfs", device="tmpfs", o="size=1m,mode=0700,uid=5")
    cid = daemon.run("stat -c '%u %a' /d; echo x > /d/file; df -k /d | tail -1; sleep 1000",
                     {"Binds": ["data:/d"]})
    daemon.wait_log(cid, "/d\n")
    owner, df = daemon.logs(cid)[0].splitlines()
    assert owner == "5 700" and df.split()[0] == "tmpfs" and df.split()[1] == "1024"
    assert os.listdir(daemon.data / "volumes/data/_data") == []
    shown = daemon.api.get("/volumes/data", expect=200).json
    assert shown["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0700,uid=5"}
    assert shown["Mountpoint"] == str(daemon.data / "volumes/data/_data")
    assert daemon.output("cat /d/file", {"Binds": ["data:/d"]}) == "x\n"  # the same one
    daemon.stop_container(cid, t=0)
    # The other one has ended, but nobody was told that it is released.
    wait_for(lambda: not mounted(daemon), "the volume to be unmounted")
    assert daemon.output("ls /d", {"Binds": ["data:/d"]}) == ""


def test_two_that_end_at_once_leave_nothing_mounted(daemon):
    make(daemon, type="tmpfs", device="tmpfs")
    cids = [daemon.run("sleep 1000", {"Binds": ["data:/d"]}) for _ in range(2)]
    pids = [daemon.container_pid(cid) for cid in cids]
    # Each looks for the other between its own unmount of volumes and its rest.
    with Strace(daemon.pid, {"umount2": "delay_enter=500000"}):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any((daemon.exec / "containers" / cid).exists() for cid in cids), "their releases")
    assert mounted(daemon) == []


def test_what_is_mounted_stays_while_one_uses_it(daemon):
    make(daemon, type="tmpfs", device="tmpfs")
    one = daemon.run("echo one > /d/one; sleep 1000", {"Binds": ["data:/d"]})
    other = daemon.run("sleep 1000")  # its namespace has a copy of all mounts
    two = daemon.run("until [ -e /d/one ]; do sleep 0.1; done; echo two > /d/two; echo done; sleep 1000",
                     {"Binds": ["data:/d"]})
    daemon.wait_log(two, "done")
    path = f"{daemon.exec}/volumes/data"
    assert mounted(daemon) == [path]
    daemon.kill9()
    daemon.start()
    daemon.stop_container(one, t=0)
    assert mounted(daemon) == [path]
    daemon.start_container(one)
    assert daemon.output("ls /d", {"Binds": ["data:/d"]}, name="other") == "one\ntwo\n"
    daemon.wait_released(daemon.inspect("other")["Id"])
    for cid in (one, two):
        daemon.stop_container(cid, t=0)
    assert mounted(daemon) == [] and not (daemon.exec / "volumes").exists()
    pid = daemon.container_pid(other)
    for process in (pid, shim_of(pid)):
        assert "/volumes/data" not in Path(f"/proc/{process}/mountinfo").read_text()


def test_what_a_dead_daemon_could_not_unmount_is_unmounted(daemon):
    make(daemon, type="tmpfs", device="tmpfs")
    cid = daemon.run("read x < /run/never || sleep 1000", {"Binds": ["data:/d"]})
    pid = daemon.container_pid(cid)
    daemon.kill9()
    os.kill(pid, signal.SIGKILL)
    wait_exit(pid)
    assert mounted(daemon) == [f"{daemon.exec}/volumes/data"]
    daemon.start()
    wait_for(lambda: not mounted(daemon), "its release")


def test_bind_and_read_only(daemon):
    there = daemon.root / "there"
    there.mkdir()
    make(daemon, type="none", device=str(there), o="bind")
    daemon.output("echo hi > /d/file", {"Binds": ["data:/d"]})
    assert (there / "file").read_text() == "hi\n"
    daemon.output("touch /d/x", {"Binds": ["data:/d:ro"]}, exit_code=1)
    assert os.listdir(daemon.data / "volumes/data/_data") == []
    daemon.remove_all()
    daemon.api.delete("/volumes/data", expect=204)
    assert (there / "file").exists()


def test_a_read_only_volume_is_so_for_all(daemon):
    there = daemon.root / "there"
    there.mkdir()
    make(daemon, type="none", device=str(there), o="bind,ro")
    daemon.output("touch /d/x", {"Binds": ["data:/d"]}, exit_code=1)


def test_a_block_device(daemon):
    image = daemon.root / "disk"
    subprocess.run(["truncate", "-s", "8M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    loop = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True)
    if loop.returncode:
        pytest.skip(f"no loop devices here: {loop.stderr}")
    try:
        make(daemon, type="ext4", device=loop.stdout.strip(), o="noatime")
        daemon.output("echo kept > /d/file", {"Binds": ["data:/d"]})
        assert daemon.output("cat /d/file; grep ' /d ' /proc/mounts", {"Binds": ["data:/d"]}
                             ).split()[0:3] == ["kept", loop.stdout.strip(), "/d"]
        daemon.remove_all()
    finally:
        subprocess.run(["losetup", "--detach", loop.stdout.strip()], check=True)


def test_what_cannot_be_mounted_fails_the_start_by_name(daemon):
    make(daemon, type="none", device=str(daemon.root / "nowhere"), o="bind")
    cid = daemon.create("true", {"Binds": ["data:/d"]})
    answer = daemon.start_container(cid, expect=None)
    assert answer.status == 500 and "nowhere" in answer.message, answer
    (daemon.root / "nowhere").mkdir()
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0


def test_a_server_that_cannot_be_found_fails_the_start(daemon):
    make(daemon, type="nfs", device=":/export", o="addr=nosuch.invalid,nfsvers=4")
    cid = daemon.create("true", {"Binds": ["data:/d"]})
    answer = daemon.start_container(cid, expect=None, timeout=110)  # a resolver takes its time to give up
    assert answer.status == 500 and "network volume address nosuch.invalid" in answer.message


@pytest.mark.one_runtime
def test_options_with_mount(daemon):
    daemon.output("touch /d/file; df /d | grep tmpfs", {"Mounts": [{
        "Type": "volume", "Target": "/d", "Source": "data", "VolumeOptions": {
            "DriverConfig": {"Options": {"type": "tmpfs", "device": "tmpfs"}}}}]})


@pytest.mark.one_runtime
def test_a_bind_volume_begins_with_what_the_image_has(daemon):
    daemon.load(on_busybox(layer(folder("srv", uid=3), file("srv/file", "hello"))).docker_archive("c:1"))
    there = daemon.root / "there"
    there.mkdir()
    make(daemon, type="none", device=str(there), o="bind")
    daemon.create("true", {"Binds": ["data:/srv"]}, image="c:1")
    assert os.listdir(there) == ["file"] and there.stat().st_uid == 3
    (there / "file").unlink()
    (there / "mine").write_text("kept")
    daemon.create("true", {"Binds": ["data:/srv"]}, image="c:1")
    assert os.listdir(there) == ["mine"]
