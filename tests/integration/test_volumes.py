"""Volumes: the API, the docker CLI, docker-py; containers with named, anonymous and shared ones; who
uses which, before and after a restart of the daemon."""

import re
import shutil
import time

import pytest

from kit.archives import on_busybox
from kit.host import wait_for

pytestmark = pytest.mark.one_runtime


def make(api, name=None, **body):
    return api.post("/volumes/create", {**({"Name": name} if name else {}), **body}, expect=201).json


def names(api, **filters):
    query = {"filters": filters} if filters else {}
    return [v["Name"] for v in api.get("/volumes", expect=200, **query).json["Volumes"]]


def on_disk(daemon):
    return sorted(p.name for p in (daemon.data / "volumes").iterdir())


def mount_of(daemon, cid, destination):
    (mount,) = [m for m in daemon.inspect(cid)["Mounts"] if m["Destination"] == destination]
    return mount


# --- the API

def test_a_volume_is_made_looked_at_and_removed(daemon, api):
    made = make(api, "data", Labels={"a": "b"})
    assert made == api.get("/volumes/data", expect=200).json
    path = daemon.data / "volumes/data/_data"
    assert {k: made[k] for k in made if k != "CreatedAt"} == {
        "Name": "data", "Driver": "local", "Mountpoint": str(path), "Labels": {"a": "b"},
        "Options": None, "Scope": "local"}
    assert path.is_dir() and path.stat().st_mode & 0o7777 == 0o755
    assert api.get("/volumes", expect=200).json == {"Volumes": [made], "Warnings": None}
    api.delete("/volumes/data", expect=204)
    assert on_disk(daemon) == []
    assert api.get("/volumes/data").message == "get data: no such volume"
    assert api.delete("/volumes/data").status == 404
    api.delete("/volumes/data", force=True, expect=204)


def test_making_it_again_finds_it(daemon, api):
    first = make(api, "data", Labels={"a": "b"})
    (daemon.data / "volumes/data/_data/file").write_text("kept")
    assert make(api, "data", Labels={"other": "label"}, Driver="local") == first
    assert (daemon.data / "volumes/data/_data/file").read_text() == "kept"


def test_one_without_a_name_is_anonymous(daemon, api):
    made = make(api)
    assert re.fullmatch("[0-9a-f]{64}", made["Name"])
    assert made["Labels"] == {"com.docker.volume.anonymous": ""}
    api.delete(f"/volumes/{made['Name']}", expect=204)


@pytest.mark.parametrize("body,status,words", [
    ({"Name": "x"}, 400, "volume name is too short, names should be at least two alphanumeric"),
    ({"Name": "../up"}, 400, 'create ../up: "../up" includes invalid characters for a local volume'),
    ({"Name": ".hidden"}, 400, "includes invalid characters"),
    ({"Name": "a" * 300}, 400, "too long"),
    ({"Name": "ab", "Driver": "nosuch"}, 404, 'plugin "nosuch" not found'),
    ({"Name": "ab", "DriverOpts": {"what": "x"}}, 400, 'create ab: invalid option: "what"'),
    ({"Name": "ab", "DriverOpts": {"type": "tmpfs"}}, 400, 'missing required option: "device"'),
    ({"Name": "ab", "DriverOpts": {"o": "ro"}}, 400, "missing required option"),
    ({"Name": "ab", "DriverOpts": {"size": "1g"}}, 400, "quota size requested but no quota support"),
    ({"Name": 7}, 400, "Name"),
])
def test_nonsense_is_refused_and_makes_nothing(daemon, api, body, status, words):
    answer = api.post("/volumes/create", body)
    assert answer.status == status and words in answer.message, answer
    assert on_disk(daemon) == []


def test_another_driver_of_the_same_name_is_a_conflict(daemon, api):
    make(api, "data")
    answer = api.post("/volumes/create", {"Name": "data", "Driver": "other"})
    assert answer.status == 409 and "volume name must be unique" in answer.message


def test_filters(daemon, api):
    make(api, "apple", Labels={"kind": "fruit"})
    make(api, "apricot", Labels={"kind": "fruit", "sour": ""})
    make(api, "bean")
    daemon.create("true", {"Binds": ["bean:/b"]})
    assert names(api) == ["apple", "apricot", "bean"]
    assert names(api, name=["ap"]) == ["apple", "apricot"]
    assert names(api, label=["kind=fruit", "sour"]) == ["apricot"]
    assert names(api, driver=["local"]) == ["apple", "apricot", "bean"]
    assert names(api, driver=["nfs"]) == []
    assert names(api, dangling=["true"]) == ["apple", "apricot"]
    assert names(api, dangling=["false"]) == ["bean"]
    assert api.get("/volumes", filters={"what": ["x"]}).status == 400
    assert api.get("/volumes", filters={"dangling": ["maybe"]}).status == 400


def test_prune_takes_the_anonymous_and_with_all_the_named(daemon, api):
    make(api, "named", Labels={"keep": "no"})
    make(api, "labelled", Labels={"keep": "yes"})
    make(api, "used")
    (daemon.data / "volumes/named/_data/file").write_bytes(b"x" * 1000)
    anonymous = make(api)["Name"]
    daemon.create("true", {"Binds": ["used:/u"]})
    assert api.post("/volumes/prune", expect=200).json == {
        "VolumesDeleted": [anonymous], "SpaceReclaimed": 0}
    assert names(api) == ["labelled", "named", "used"]
    pruned = api.post("/volumes/prune", expect=200,
                      filters={"all": ["true"], "label!": ["keep=yes"]}).json
    assert pruned == {"VolumesDeleted": ["named"], "SpaceReclaimed": 1000}
    # Before 1.42 there was no difference.
    assert api.post("/volumes/prune", version="/v1.41").json["VolumesDeleted"] == ["labelled"]
    assert names(api) == ["used"]
    assert api.post("/volumes/prune", expect=200).json == {"VolumesDeleted": None, "SpaceReclaimed": 0}


def test_events_tell_of_the_volume(daemon, api):
    since = time.time()
    daemon.output("true", {"Binds": ["data:/d:ro"]}, name="one")
    api.delete("/containers/one", expect=204)
    api.delete("/volumes/data", expect=204)
    told = daemon.past_events(since, type=["volume"])
    assert [e["Action"] for e in told] == ["create", "mount", "unmount", "destroy"]
    assert all(e["Actor"]["ID"] == "data" and e["Actor"]["Attributes"]["driver"] == "local" for e in told)
    mounted = told[1]["Actor"]["Attributes"]
    assert mounted["destination"] == "/d" and mounted["read/write"] == "false"
    assert mounted["container"] == told[2]["Actor"]["Attributes"]["container"]


# --- containers

def test_a_named_volume_outlives_its_containers(daemon, api):
    daemon.output("echo kept > /d/file", {"Binds": ["data:/d"]}, name="writer")
    mount = mount_of(daemon, "writer", "/d")
    assert mount == {"Type": "volume", "Name": "data", "Driver": "local", "Destination": "/d",
                     "Source": str(daemon.data / "volumes/data/_data"), "Mode": "z", "RW": True,
                     "Propagation": ""}
    api.delete("/containers/writer", v=True, expect=204)
    assert daemon.output("cat /e/file", {"Binds": ["data:/e:ro"]}) == "kept\n"
    assert names(api) == ["data"]


def test_read_only_is_read_only(daemon):
    daemon.output("touch /d/x", {"Binds": ["data:/d:ro"]}, exit_code=1)
    daemon.output("touch /d/x", {"Mounts": [{"Type": "volume", "Source": "data", "Target": "/d",
                                             "ReadOnly": True}]}, exit_code=1)
    assert list((daemon.data / "volumes/data/_data").iterdir()) == []


def test_mount_makes_the_volume_as_it_says(daemon, api):
    daemon.output("echo x > /d/file", {"Mounts": [{
        "Type": "volume", "Source": "data", "Target": "/d",
        "VolumeOptions": {"Labels": {"a": "b"}, "DriverConfig": {"Name": "local"}}}]})
    assert api.get("/volumes/data", expect=200).json["Labels"] == {"a": "b"}


def test_what_cannot_be_made_leaves_nothing(daemon, api):
    for host, words in (({"Binds": [".bad:/d"]}, "includes invalid characters"),
                        ({"Binds": ["data:/d"], "VolumeDriver": "nosuch"}, "nosuch"),
                        ({"VolumesFrom": ["nobody"]}, "No such container: nobody")):
        answer = daemon.refuse(host=host, Volumes={"/anonymous": {}})
        assert answer.status == 400 and words in answer.message, answer
    assert on_disk(daemon) == [] and daemon.list(all=True) == []


def test_an_anonymous_volume_goes_with_its_container_if_that_is_said(daemon, api):
    cid = daemon.create("true", Volumes={"/v": {}})
    name = mount_of(daemon, cid, "/v")["Name"]
    assert names(api) == [name]
    assert api.get(f"/volumes/{name}", expect=200).json["Labels"] == {"com.docker.volume.anonymous": ""}
    api.delete(f"/containers/{cid}", expect=204)
    assert names(api) == [name]
    api.delete(f"/volumes/{name}", expect=204)

    cid = daemon.create("true", {"Binds": ["named:/n"]}, Volumes={"/v": {}})
    api.delete(f"/containers/{cid}", v=True, expect=204)
    assert names(api) == ["named"]


def test_the_volumes_that_an_image_declares(daemon, api):
    daemon.load(on_busybox(Volumes={"/declared": {}, "/taken": {}}).docker_archive("declares:1"))
    cid = daemon.run("sleep 1000", {"Binds": ["mine:/taken"]}, image="declares:1")
    assert mount_of(daemon, cid, "/declared")["Mode"] == ""
    assert mount_of(daemon, cid, "/taken")["Name"] == "mine"
    assert len(names(api)) == 2


def test_auto_remove_takes_the_anonymous_ones(daemon, api):
    cid = daemon.create("true", {"Binds": ["named:/n"], "AutoRemove": True}, Volumes={"/v": {}})
    waiter = api.stream("POST", f"/containers/{cid}/wait?condition=removed")
    daemon.start_container(cid)
    with waiter:
        assert waiter.json()["StatusCode"] == 0
    assert names(api) == ["named"]


def test_volumes_from(daemon, api):
    owner = daemon.run("echo one > /v/file; echo two > /n/file; sleep 1000",
                       {"Binds": ["named:/n"]}, name="owner", Volumes={"/v": {}})
    daemon.wait_state(owner, "running")
    anonymous = mount_of(daemon, owner, "/v")["Name"]
    taker = daemon.run("until [ -s /n/file ]; do sleep 0.1; done; cat /v/file /n/file; ! touch /n/x && echo ro; sleep 1000",
                       {"VolumesFrom": ["owner:ro"]}, name="taker")
    daemon.wait_log(taker, "ro")
    assert daemon.logs(taker)[0] == "one\ntwo\nro\n"
    assert mount_of(daemon, taker, "/v")["RW"] is False
    # It goes with the last who has it.
    api.delete("/containers/owner", force=True, v=True, expect=204)
    assert names(api) == sorted([anonymous, "named"])
    api.delete("/containers/taker", force=True, v=True, expect=204)
    assert names(api) == ["named"]


# --- in use

def test_a_volume_in_use_stays_so_after_a_restart(daemon, api):
    created = daemon.create("true", {"Binds": ["data:/d"]})
    running = daemon.run("sleep 1000", {"Binds": ["data:/d"]}, Volumes={"/v": {}})
    anonymous = mount_of(daemon, running, "/v")["Name"]
    for _ in range(2):
        answer = api.delete("/volumes/data", force=True)
        assert answer.status == 409, answer
        users = re.fullmatch(r"remove data: volume is in use - \[(.*)\]", answer.message)
        assert set(users[1].split(", ")) == {created, running}
        assert api.delete(f"/volumes/{anonymous}").status == 409
        assert api.post("/volumes/prune", filters={"all": ["true"]}).json["VolumesDeleted"] is None
        daemon.restart()
    assert [c["Id"] for c in daemon.list(all=True, filters={"volume": ["data"]})] == [running, created]
    for cid in (created, running):
        api.delete(f"/containers/{cid}", force=True, v=True, expect=204)
    assert names(api) == ["data"]
    api.delete("/volumes/data", expect=204)


def test_a_removal_that_was_cut_short_takes_its_volumes(daemon, api):
    """The wish is on disk, and with it what it was about."""
    cid = daemon.run("sleep 1000", Volumes={"/v": {}})
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    daemon.kill9()
    state = daemon.data / "containers" / cid / "state.json"
    text = state.read_text()
    assert '"RemoveVolumes"' not in text
    state.write_text(re.sub(r'"Wanted":\d', '"Wanted":3,"RemoveVolumes":true', text))
    daemon.start()
    wait_for(lambda: not daemon.list(all=True), "the removal to be finished")
    assert names(api) == []


def test_what_an_unfinished_create_left_is_swept_or_taken_up(daemon, api):
    cid = daemon.create("cat /v/file", Volumes={"/v": {}})
    name = mount_of(daemon, cid, "/v")["Name"]
    daemon.kill9()
    volumes = daemon.data / "volumes"
    (volumes / name / "_data/file").write_text("there")
    (volumes / name).rename(volumes / f".pending-{name}")  # died before it had its name
    for left in (f".pending-{'e' * 64}", f".new-{'1' * 16}", f".gone-{'2' * 16}"):
        (volumes / left / "_data").mkdir(parents=True)
        (volumes / left / "_data/file").write_text("x")
    daemon.start()
    report = api.get("/holdfast/restore", expect=200).json
    assert on_disk(daemon) == [name]
    assert len([s for s in report["Swept"] if "volume" in s]) == 3
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0
    assert daemon.logs(cid)[0] == "there"


def test_a_volume_is_found_where_the_data_root_has_moved(daemon):
    """And not where it was: a copy of the old one may still be there."""
    cid = daemon.create("echo here > /d/file", {"Binds": ["data:/d"]})
    daemon.stop()
    old = daemon.data
    daemon.data = daemon.root / "moved"
    shutil.copytree(old, daemon.data, symlinks=True)
    daemon.start()
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0
    assert (daemon.data / "volumes/data/_data/file").exists()
    assert not (old / "volumes/data/_data/file").exists()


# --- damage

def test_a_volume_that_cannot_be_read_is_listed_and_usable_by_its_data(daemon, api):
    make(api, "full", Labels={"a": "b"})
    make(api, "empty", DriverOpts={"type": "tmpfs", "device": "tmpfs"})
    (daemon.data / "volumes/full/_data/file").write_text("kept")
    for name in ("full", "empty"):
        (daemon.data / f"volumes/{name}/volume.json").write_text("{ not json")
    assert names(api) == ["empty", "full"]
    seen = api.get("/volumes/full", expect=200).json
    assert seen["Labels"] is None and "volume.json" in seen["Status"]["error"]
    assert api.post("/volumes/prune", filters={"all": ["true"]}).json["VolumesDeleted"] is None
    assert daemon.output("cat /d/file", {"Binds": ["full:/d"]}) == "kept"
    # Whether this one is to be mounted from elsewhere is not known: nothing is guessed.
    cid = daemon.create("true", {"Binds": ["empty:/d"]})
    answer = daemon.start_container(cid, expect=None)
    assert answer.status == 409 and "volume empty is empty and cannot be read" in answer.message
    daemon.remove_all()
    for name in ("full", "empty"):
        api.delete(f"/volumes/{name}", expect=204)


def test_a_volume_that_lost_its_data_is_not_made_anew(daemon, api):
    cid = daemon.create("true", {"Binds": ["data:/d"]})
    (daemon.data / "volumes/data/_data").rmdir()
    answer = daemon.start_container(cid, expect=None)
    assert answer.status == 500 and "volume data has lost its data" in answer.message
    assert not (daemon.data / "volumes/data/_data").exists()


def test_an_unreadable_container_may_use_any_volume(daemon, api):
    cid = daemon.create("true", {"Binds": ["data:/d"]})
    daemon.kill9()
    (daemon.data / "containers" / cid / "config.json").write_text("{")
    daemon.start()
    answer = api.delete("/volumes/data")
    assert answer.status == 409 and "may use any volume" in answer.message
    assert api.post("/volumes/prune", filters={"all": ["true"]}).json["VolumesDeleted"] is None
    api.delete("/volumes/data", force=True, expect=204)


# --- clients

def test_the_docker_cli(daemon, docker):
    assert docker("volume", "create", "--label", "a=b", "data") == "data"
    assert docker("volume", "ls", "-q") == "data"
    writer = docker.create_and_run("-v", "data:/d", cmd=("sh", "-c", "echo hi > /d/f"))
    assert docker("wait", writer) == "0"
    reader = docker.create_and_run("--mount", "type=volume,src=data,dst=/d,readonly", "-v", "/anonymous",
                                   cmd=("cat", "/d/f"))
    assert docker("wait", reader) == "0"
    assert docker("logs", reader) == "hi"
    docker("rm", "-v", writer, reader)
    assert docker("volume", "ls", "-q") == "data"
    assert docker("volume", "inspect", "-f", "{{.Driver}} {{.Labels.a}}", "data") == "local b"
    docker.create_and_run("--name", "user", "--volumes-from", docker(
        "create", "--network", "none", "-v", "data:/d", "busybox"), cmd=("sleep", "1000"))
    refused = docker.run("volume", "rm", "data", check=False)
    assert refused.returncode == 1 and "volume is in use" in refused.stderr
    docker("rm", "-f", *docker("ps", "-aq").split())
    assert docker("volume", "rm", "data") == "data"


def test_the_forms_of_mount(daemon, docker):
    """--mount as users write it; what has no meaning on Linux is taken and does nothing."""
    there = daemon.root / "there"
    there.mkdir()
    (there / "file").write_text("hi\n")

    def run(*args, check=True):
        return docker.run("run", "--rm", "--network", "none", *args, check=check)

    for mount, script, said in (
        (f"type=bind,source={there},target=/x,readonly,consistency=cached", "cat /x/file; touch /x/no 2>/dev/null || echo ro", "hi\nro\n"),
        (f"type=bind,src={there},dst=/x,ro=true,bind-nonrecursive", "cat /x/file; touch /x/no 2>/dev/null || echo ro", "hi\nro\n"),
        (f"type=bind,src={there},destination=/x,bind-propagation=private", "cat /x/file", "hi\n"),
        ("type=volume,source=one,target=/x,volume-label=a=b,volume-driver=local", "touch /x/yes && echo rw", "rw\n"),
        ("src=one,dst=/x,readonly", "ls /x", "yes\n"),
        ("type=volume,dst=/bin,volume-nocopy", "true", None),
        ("type=volume,src=two,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m",
         "df -k /x | tail -1 | awk '{print $1, $2}'", "tmpfs 1024\n"),
        ("type=tmpfs,dst=/x,tmpfs-size=2m,tmpfs-mode=0700", "stat -c %a /x; df -k /x | tail -1 | awk '{print $2}'", "700\n2048\n"),
    ):
        done = run("--mount", mount, "busybox", "sh", "-c", script, check=said is not None)
        assert said is None or done.stdout == said, (mount, done)
        assert said is not None or done.returncode == 127, (mount, done)  # nothing was copied into its /bin
    assert docker("volume", "ls", "-q", "-f", "label=a=b") == "one"
    assert docker("volume", "inspect", "-f", "{{.Options.o}}", "two") == "size=1m"
    done = run("--tmpfs", "/x:size=1m,mode=1770,exec,uid=5", "--tmpfs", "/y", "busybox", "sh", "-c",
               "stat -c '%u %a' /x; grep -E ' /[xy] ' /proc/mounts")
    assert done.stdout.startswith("5 1770\n") and "noexec" in done.stdout.splitlines()[2]
    for mount, words in (
        (f"type=bind,src={there}/nowhere,dst=/x", f"bind source path does not exist: {there}/nowhere"),
        ("type=npipe,src=a,dst=/x", 'invalid mount config for type "npipe": mount type unknown'),
        ("type=tmpfs,src=a,dst=/x", 'invalid mount config for type "tmpfs": field Source must not be specified'),
        ("type=volume,src=b@d,dst=/x", "includes invalid characters for a local volume name"),
        ("type=volume,src=bad,dst=/", "destination can't be '/'"),
    ):
        done = run("--mount", mount, "busybox", "true", check=False)
        assert done.returncode == 125 and words in done.stderr, done.stderr
    assert docker("volume", "ls", "-q").split() == ["one", "two"]


def test_docker_py(daemon, client):
    volume = client.volumes.create("data", labels={"a": "b"})
    assert client.volumes.get("data").attrs["Labels"] == {"a": "b"}
    out = client.containers.run("busybox", ["sh", "-c", "echo hi > /d/f; cat /d/f"], network_mode="none",
                                volumes={"data": {"bind": "/d", "mode": "rw"}}, remove=True)
    assert out == b"hi\n"
    assert [v.name for v in client.volumes.list(filters={"dangling": True})] == ["data"]
    volume.remove()
    assert client.volumes.prune()["VolumesDeleted"] is None


def test_the_native_cli(daemon):
    cli = daemon.cli
    assert cli("volume", "create", "--label", "a=b", "data").stdout == "data\n"
    anonymous = cli("volume", "create").stdout.strip()
    listed = cli("volume", "ls").stdout.splitlines()
    assert listed[0].split() == ["DRIVER", "VOLUME", "NAME"] and "data" in "".join(listed)
    assert cli("volume", "ls", "-q", "-f", "label=a").stdout == "data\n"
    assert cli("volume", "ls", "--format", "{{.Name}} {{.Labels}} {{.Mountpoint}}", "-f", "name=data"
               ).stdout == f"data a=b {daemon.data}/volumes/data/_data\n"
    assert cli("volume", "inspect", "-f", "{{.Name}} {{.Labels.a}}", "data").stdout == "data b\n"
    assert cli("inspect", "-f", "{{.Driver}}", "data").stdout == "local\n"
    first = cli("run", "-d", "--network", "none", "-v", "data:/d", "-v", "/anonymous", "busybox",
                "sh", "-c", "echo hi > /d/f").stdout.strip()
    assert cli("wait", first).stdout == "0\n"
    second = cli("run", "-d", "--network", "none", "--volumes-from", f"{first}:ro", "--mount",
                 "type=volume,dst=/x,volume-label=c=d", "busybox", "cat", "/d/f").stdout.strip()
    assert cli("wait", second).stdout == "0\n" and cli("logs", second).stdout == "hi\n"
    refused = cli("volume", "rm", "data", check=False)
    assert refused.returncode == 1 and "volume is in use" in refused.stderr
    cli("rm", "-v", first, second)
    assert cli("volume", "prune", "-f").stdout.startswith(f"Deleted Volumes:\n{anonymous}\n\nTotal reclaimed")
    assert cli("volume", "rm", "data").stdout == "data\n"
    assert cli("volume", "rm", "-f", "data").stdout == "data\n"
    assert cli("volume", "ls", "-q").stdout == ""
