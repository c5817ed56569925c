"""What create says of the files, looked at from inside: binds, mounts, tmpfs, read-only, masked, /etc."""

import subprocess

import pytest


@pytest.fixture
def outside(daemon):
    """A directory of the host for binds, inside the daemon's own root, so that it goes with it."""
    path = daemon.root / "outside"
    path.mkdir()
    (path / "file").write_text("from outside\n")
    return path


def mount_options(daemon, point, host, **config):
    out = daemon.output(f"grep ' {point} ' /proc/self/mountinfo", host, **config)
    return out.splitlines()[-1].split()


# --- binds

def test_bind_shows_the_same_files_both_ways(daemon, outside):
    out = daemon.output("cat /in/file; echo inside >/in/new", {"Binds": [f"{outside}:/in"]})
    assert out == "from outside\n"
    assert (outside / "new").read_text() == "inside\n"


def test_bind_read_only(daemon, outside):
    own = {"Binds": [f"{outside}:/in:ro"]}
    assert daemon.output("cat /in/file; echo x >/in/new || echo refused", own) == \
        "from outside\nrefused\n"
    assert not (outside / "new").exists()


def test_bind_of_a_single_file(daemon, outside):
    assert daemon.output("cat /etc/one", {"Binds": [f"{outside}/file:/etc/one"]}) == "from outside\n"


def test_bind_source_is_made_as_docker_does(daemon, outside):
    daemon.output("touch /in/x", {"Binds": [f"{outside}/made:/in"]})
    assert (outside / "made/x").exists()


@pytest.mark.parametrize("mode", ["z", "Z", "ro,z", "rw", "rw,rprivate"])
def test_bind_modes_are_taken(daemon, outside, mode):
    assert daemon.output("cat /in/file", {"Binds": [f"{outside}:/in:{mode}"]}) == "from outside\n"


def test_bind_over_a_symlink_of_the_image_stays_inside(daemon, outside):
    from kit.archives import folder, layer, on_busybox, symlink
    # The target is there: crun 1.8 cannot make one behind a symlink.
    daemon.load(on_busybox(layer(folder("tmp/target"), symlink("link", "/tmp/target"))).docker_archive("link:1"))
    own = {"Binds": [f"{outside}:/link"]}
    assert daemon.output("cat /tmp/target/file", own, image="link:1") == "from outside\n"


def test_mount_bind_read_only(daemon, outside):
    own = {"Mounts": [{"Type": "bind", "Source": str(outside), "Target": "/in", "ReadOnly": True}]}
    assert daemon.output("cat /in/file; touch /in/x 2>/dev/null || echo refused", own) == \
        "from outside\nrefused\n"


@pytest.fixture
def shared_mount(daemon, outside):
    """A mount point with shared propagation, in the mount namespace where the daemon lives."""
    def there(*command, **kw):
        enter = ["nsenter", f"--mount=/proc/{daemon.namespace.pid}/ns/mnt", "--"] if daemon.namespace else []
        return subprocess.run([*enter, *command], check=True, **kw)

    point = outside / "shared"
    point.mkdir()
    there("mount", "-t", "tmpfs", "none", str(point))
    there("mount", "--make-shared", str(point))
    yield point, there
    there("umount", "-l", str(point))


@pytest.mark.parametrize("propagation,seen", [("rprivate", False), ("rslave", True), ("rshared", True)])
def test_bind_propagation_inwards(daemon, shared_mount, propagation, seen):
    """A mount made on the host after the start shows inside, or not."""
    point, there = shared_mount
    there("mkdir", f"{point}/late")
    cid = daemon.run("echo ready; while ! test -e /in/go; do sleep 0.05; done; "
                     "test -e /in/late/x && echo seen || echo unseen",
                     {"Binds": [f"{point}:/in:{propagation}"]})
    daemon.wait_log(cid, "ready")
    there("mount", "-t", "tmpfs", "none", f"{point}/late")
    there("touch", f"{point}/late/x")
    there("touch", f"{point}/go")
    daemon.wait(cid)
    assert daemon.logs(cid)[0] == ("ready\nseen\n" if seen else "ready\nunseen\n")


def test_bind_propagation_outwards(daemon, shared_mount):
    """rshared: a mount made inside shows on the host, although the rootfs is the shim's own."""
    point, there = shared_mount
    own = {"Mounts": [{"Type": "bind", "Source": str(point), "Target": "/in",
                       "BindOptions": {"Propagation": "rshared"}}], "Privileged": True}
    cid = daemon.run("mkdir /in/made && mount -t tmpfs none /in/made && echo ready; "
                     "touch /in/made/x; echo mounted; while ! test -e /in/go; do sleep 0.05; done; "
                     "umount /in/made", own)
    daemon.wait_log(cid, "mounted")
    assert there("ls", f"{point}/made", capture_output=True, text=True).stdout == "x\n"
    there("touch", f"{point}/go")
    assert daemon.wait(cid) == 0


# --- tmpfs, read-only root, shm

def test_tmpfs_with_its_options(daemon):
    fields = mount_options(daemon, "/scratch", {"Tmpfs": {"/scratch": "size=1m,mode=700,noexec"}})
    line = " ".join(fields)
    assert " - tmpfs " in line and "size=1024k" in line and "mode=700" in line and "noexec" in line
    assert "nosuid" in line and "nodev" in line


def test_tmpfs_as_a_mount(daemon):
    own = {"Mounts": [{"Type": "tmpfs", "Target": "/scratch",
                       "TmpfsOptions": {"SizeBytes": 2 << 20, "Mode": 0o1770}}]}
    line = " ".join(mount_options(daemon, "/scratch", own))
    assert " - tmpfs " in line and "size=2048k" in line and "mode=1770" in line


def test_read_only_root(daemon):
    out = daemon.output("touch /x 2>/dev/null || echo refused; touch /tmp/x && echo tmpfs; "
                        "echo > /dev/null && echo dev",
                        {"ReadonlyRootfs": True, "Tmpfs": {"/tmp": ""}})
    assert out == "refused\ntmpfs\ndev\n"


@pytest.mark.parametrize("size,shown", [(None, 65536), (1 << 20, 1024)])
def test_shm_size(daemon, size, shown):
    own = {"ShmSize": size} if size else {}
    line = " ".join(mount_options(daemon, "/dev/shm", own))
    assert f"size={shown}k" in line


# --- masked and read-only paths, devices

def test_masked_and_read_only_paths_by_default(daemon):
    out = daemon.output("cat /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug 2>/dev/null | head -c 9 | wc -c;"
                        "ls -A /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | wc -w;"
                        "echo 1 2>/dev/null >/proc/sys/vm/overcommit_memory || echo refused;"
                        "echo h 2>/dev/null >/proc/sysrq-trigger || echo refused")
    assert out == "0\n0\nrefused\nrefused\n"


def test_masked_and_read_only_paths_of_the_user(daemon):
    own = {"MaskedPaths": ["/etc/passwd", "/bin/nothing"], "ReadonlyPaths": ["/tmp"]}
    assert daemon.output("wc -c </etc/passwd; touch /tmp/x 2>/dev/null || echo refused", own) == "0\nrefused\n"


def test_nothing_masked_if_so_wished(daemon):
    own = {"MaskedPaths": [], "ReadonlyPaths": []}
    assert daemon.output("grep -c ' /proc/' /proc/mounts", own, exit_code=1) == "0\n"


def test_standard_devices(daemon):
    out = daemon.output("cd /dev; for d in null zero full random urandom tty; do test -c $d || echo no $d; done; "
                        "ls -d fd stdin stdout stderr ptmx pts shm mqueue; head -c 3 zero | wc -c")
    assert out.split() == ["fd", "mqueue", "ptmx", "pts", "shm", "stderr", "stdin", "stdout", "3"] or \
        sorted(out.split()[:-1]) == ["fd", "mqueue", "ptmx", "pts", "shm", "stderr", "stdin", "stdout"]


def test_device_is_there_with_its_permissions(daemon):
    own = {"Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/mine",
                        "CgroupPermissions": "r"}], "CapAdd": ["MKNOD"]}
    assert daemon.output("head -c 5 /dev/mine | wc -c", own) == "5\n"


def test_device_that_was_not_given_is_denied(daemon):
    """/dev/kmsg (1:11) may be made by mknod, but the cgroup does not let it be opened."""
    assert daemon.output("mknod /k c 1 11 && cat /k 2>/dev/null || echo denied") == "denied\n"


def test_device_cgroup_rule_lets_it_be_opened(daemon):
    own = {"DeviceCgroupRules": ["c 1:11 rwm"], "SecurityOpt": ["seccomp=unconfined"], "CapAdd": ["SYSLOG"]}
    assert daemon.output("mknod /k c 1 11 && exec 3</k && echo opened", own) == "opened\n"


# --- the files we write into /etc

def test_hostname_and_its_files(daemon):
    out = daemon.output("hostname; cat /etc/hostname", Hostname="here")
    assert out == "here\nhere\n"


def test_hostname_is_the_short_id_by_default(daemon):
    cid = daemon.run("hostname; echo $HOSTNAME")
    daemon.wait(cid)
    assert daemon.logs(cid)[0] == f"{cid[:12]}\n" * 2
    assert daemon.inspect(cid)["Config"]["Hostname"] == cid[:12]


def test_domainname(daemon):
    out = daemon.output("cat /proc/sys/kernel/domainname", Hostname="here", Domainname="example.org")
    assert out == "example.org\n"


def test_etc_hosts(daemon):
    out = daemon.output("cat /etc/hosts", {"ExtraHosts": ["db:10.1.2.3", "v6:::1"]}, Hostname="here")
    lines = [line.split() for line in out.splitlines() if line.strip() and not line.startswith("#")]
    assert ["127.0.0.1", "localhost"] in lines
    assert ["10.1.2.3", "db"] in lines
    assert any(line[0] == "::1" and "v6" in line for line in lines)


def test_resolv_conf_of_the_user(daemon):
    out = daemon.output("cat /etc/resolv.conf", {
        "NetworkMode": "host", "Dns": ["10.9.8.7"], "DnsSearch": ["a.example", "b.example"],
        "DnsOptions": ["ndots:3"]})
    lines = [line for line in out.splitlines() if not line.startswith("#")]
    assert "nameserver 10.9.8.7" in lines
    assert "search a.example b.example" in lines
    assert "options ndots:3" in lines


def test_resolv_conf_of_the_host_by_default(daemon):
    want = {line for line in open("/etc/resolv.conf").read().splitlines() if line.startswith("nameserver")}
    got = set(daemon.output("cat /etc/resolv.conf", {"NetworkMode": "host"}).splitlines())
    assert want <= got


def test_files_in_etc_can_be_written_and_belong_to_the_container(daemon):
    script = "grep -c mine /etc/hosts; echo 1.2.3.4 mine >>/etc/hosts; grep -c mine /etc/hosts"
    for _ in range(2):
        assert daemon.output(script) == "0\n1\n"


def test_user_bind_over_etc_hosts_wins(daemon, outside):
    assert daemon.output("cat /etc/hosts", {"Binds": [f"{outside}/file:/etc/hosts"]}) == "from outside\n"


def test_layers_below_are_never_written(daemon):
    daemon.output("echo changed >/etc/passwd; rm -r /home /bin/vi; mkdir /home")
    out = daemon.output("head -1 /etc/passwd; ls -d /home/alice /bin/vi")
    assert out == "root:x:0:0:root:/root:/bin/sh\n/bin/vi\n/home/alice\n"


def test_inspect_lists_the_mounts(daemon, outside):
    cid = daemon.create("true", {"Binds": [f"{outside}:/in:ro"], "Tmpfs": {"/t": ""}})
    shown = daemon.inspect(cid)
    bind = next(m for m in shown["Mounts"] if m["Destination"] == "/in")
    assert (bind["Type"], bind["Source"], bind["RW"]) == ("bind", str(outside), False)
    assert shown["HostConfig"]["Binds"] == [f"{outside}:/in:ro"]
    assert shown["HostConfig"]["Tmpfs"] == {"/t": ""}
