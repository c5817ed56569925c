"""What each command asks of the daemon, and what it makes of the answer."""

import io
import json
import re
import subprocess
import tarfile
import threading
import time

import pytest

from conftest import HOLDFAST
from fake import Stream

ID = "0123456789abcdef" * 4
IMAGE = "sha256:" + "fedcba9876543210" * 4


def container(**more):
    return {"Id": ID, "Names": ["/web"], "Image": "busybox", "ImageID": IMAGE, "Command": "sh -c 'sleep 1000; echo'",
            "Created": int(time.time()) - 180, "State": "running", "Status": "Up 3 minutes",
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
            "Labels": {"b": "2", "a": "1"}, "NetworkSettings": {"Networks": {"none": {}}}, "Mounts": [], **more}


# --- run, create

def test_run_creates_and_starts(fake, cli):
    fake.answers["POST /containers/create"] = 201, {"Id": ID, "Warnings": ["careful"]}
    fake.answers[f"POST /containers/{ID}/start"] = 204, None
    done = cli.run("run", "-d", "--name", "web", "-e", "A=1", "--rm", "busybox", "sh", "-c", "x -d")
    assert (done.returncode, done.stdout, done.stderr) == (0, ID + "\n", "WARNING: careful\n")
    create, start = fake.requests
    assert create.versioned and create.query == {"name": "web"}
    assert create.headers["Content-Type"] == "application/json"
    assert create.json["Cmd"] == ["sh", "-c", "x -d"] and create.json["Env"] == ["A=1"]
    assert create.json["HostConfig"]["AutoRemove"] is True
    assert create.json["HostConfig"]["NetworkMode"] == "default"
    assert start.body == b""


@pytest.mark.parametrize("message, code", [
    ('exec: "foo": executable file not found in $PATH', 127),
    ("executable file `foo` not found in $PATH: No such file or directory", 127),
    ("open executable: Permission denied", 126),
    ("cannot exec a directory: Is a directory", 126),
    ("something else", 125),
])
def test_run_takes_its_exit_code_from_the_failure_of_the_start(fake, cli, message, code):
    fake.answers["POST /containers/create"] = 201, {"Id": ID, "Warnings": None}
    fake.answers[f"POST /containers/{ID}/start"] = 400, {"message": message}
    done = cli.run("run", "-d", "busybox", "foo")
    assert (done.returncode, done.stdout) == (code, ID + "\n")
    assert message in done.stderr


def test_run_says_what_it_cannot_do_yet(fake, cli):
    done = cli.run("run", "busybox")
    assert done.returncode == 125 and "run -d" in done.stderr and not fake.requests


def test_run_of_a_missing_image_says_how_to_get_it(fake, cli):
    fake.answers["POST /containers/create"] = 404, {"message": "No such image: nope:latest"}
    done = cli.run("run", "-d", "nope")
    assert done.returncode == 125
    assert "No such image: nope:latest" in done.stderr and "holdfast load" in done.stderr


def test_create_fails_with_1_and_removes_its_cidfile(fake, cli, tmp_path):
    fake.answers["POST /containers/create"] = 409, {"message": "name taken"}
    done = cli.run("create", "--cidfile", "cid", "busybox")
    assert done.returncode == 1 and not (tmp_path / "cid").exists()
    fake.answers["POST /containers/create"] = 201, {"Id": ID}
    cli.ok("create", "--cidfile", "cid", "busybox")
    assert (tmp_path / "cid").read_text() == ID
    assert "container ID file found" in cli.run("create", "--cidfile", "cid", "busybox").stderr


def test_relative_volumes_start_here(fake, cli, tmp_path):
    fake.answers["POST /containers/create"] = 201, {"Id": ID}
    cli.ok("create", "-v", "./a:/b:ro", "--mount", "type=bind,src=.,dst=/c", "busybox")
    host = fake.last.json["HostConfig"]
    assert host["Binds"] == [f"{tmp_path}/a:/b:ro"] and host["Mounts"][0]["Source"] == str(tmp_path)


def test_a_seccomp_profile_is_sent_itself(fake, cli, tmp_path):
    fake.answers["POST /containers/create"] = 201, {"Id": ID}
    (tmp_path / "p.json").write_text('{ "defaultAction": "SCMP_ACT_ALLOW" }')
    cli.ok("create", "--security-opt", "seccomp=p.json", "busybox")
    assert fake.last.json["HostConfig"]["SecurityOpt"] == ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']


# --- life cycle

@pytest.mark.parametrize("args, method, path, query", [
    (["start", "a"], "POST", "/containers/a/start", {}),
    (["stop", "a"], "POST", "/containers/a/stop", {}),
    (["stop", "-t", "3", "-s", "INT", "a"], "POST", "/containers/a/stop", {"t": "3", "signal": "INT"}),
    (["restart", "--time=0", "a"], "POST", "/containers/a/restart", {"t": "0"}),
    (["kill", "a"], "POST", "/containers/a/kill", {"signal": "KILL"}),
    (["kill", "-sHUP", "a"], "POST", "/containers/a/kill", {"signal": "HUP"}),
    (["pause", "a"], "POST", "/containers/a/pause", {}),
    (["container", "unpause", "a"], "POST", "/containers/a/unpause", {}),
    (["rm", "-fv", "a"], "DELETE", "/containers/a", {"v": "1", "force": "1"}),
])
def test_verbs(fake, cli, args, method, path, query):
    fake.answers[f"{method} {path}"] = 204, None
    assert cli.ok(*args) == "a\n"
    assert (fake.last.method, fake.last.path, fake.last.query) == (method, path, query)


def test_verbs_go_on_after_a_failure_and_say_so(fake, cli):
    fake.answers["POST /containers/a/stop"] = 204, None
    fake.answers["POST /containers/c/stop"] = 304, None
    done = cli.run("stop", "a", "b", "c")
    assert (done.returncode, done.stdout) == (1, "a\nc\n")
    assert done.stderr == "holdfast: nothing at /containers/b/stop\n"


def test_with_force_what_is_not_there_need_not_be_removed(fake, cli):
    fake.answers["DELETE /containers/a"] = 204, None
    assert cli.run("rm", "a", "b").returncode == 1
    done = cli.run("rm", "-f", "b", "a")
    assert (done.returncode, done.stdout) == (0, "a\n") and "/containers/b" in done.stderr


def test_verbs_on_several_run_at_the_same_time(fake, cli):
    together = threading.Barrier(20)

    def slow(request, handler):
        together.wait(30)  # nobody is answered before all have asked
        return 204, None
    for i in range(20):
        fake.answers[f"POST /containers/{i}/stop"] = slow
    assert cli.ok("stop", *map(str, range(20))).split() == [str(i) for i in range(20)]


def test_top_is_a_table_of_what_ps_says(fake, cli):
    fake.answers["GET /containers/a/top"] = 200, {
        "Titles": ["PID", "CMD"], "Processes": [["7", "sleep 1000"], ["12345678901", "sh -c \x1b[2J"]]}
    assert cli.ok("top", "a", "-o", "pid,cmd").splitlines() == [
        "PID           CMD", "7             sleep 1000", "12345678901   sh -c \\x1b[2J"]
    assert fake.last.query == {"ps_args": "-o pid,cmd"}
    cli.ok("container", "top", "a")
    assert fake.last.query == {}


def test_rename(fake, cli):
    fake.answers["POST /containers/a/rename"] = 204, None
    assert cli.ok("rename", "a", "b c") == ""
    assert fake.last.query == {"name": "b c"}


def test_update_sends_what_was_given_and_nothing_else(fake, cli):
    fake.answers["POST /containers/a/update"] = 200, {"Warnings": ["careful"]}
    fake.answers["POST /containers/b/update"] = 200, {"Warnings": None}
    done = cli.run("update", "--memory", "1g", "--cpus", "1.5", "--pids-limit", "0", "--restart", "on-failure:3",
                   "a", "b", "c")
    assert (done.returncode, done.stdout) == (1, "a\nb\n") and done.stderr.startswith("WARNING: careful\n")
    assert "/containers/c" in done.stderr
    assert fake.requests[0].json == {"Memory": 1 << 30, "NanoCpus": 1500000000, "PidsLimit": 0,
                                     "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}


def test_update_without_a_flag_asks_nothing(fake, cli):
    done = cli.run("update", "a")
    assert done.returncode == 1 and "nothing to change" in done.stderr and not fake.requests


# --- lists

def test_ps_is_dockers_table(fake, cli):
    fake.answers["GET /containers/json"] = [container()]
    assert cli.ok("ps").splitlines() == [
        "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                  NAMES",
        "0123456789ab   busybox   \"sh -c 'sleep 1000; …\"   3 minutes ago   Up 3 minutes   0.0.0.0:8080->80/tcp   web"]
    assert fake.last.query == {}


def test_ps_options_become_the_query(fake, cli):
    fake.answers["GET /containers/json"] = []
    cli.ok("ps", "-a", "-n", "2", "-s", "-f", "status=exited", "--filter", "label=a=b", "-f", "status=dead")
    assert fake.last.query["all"] == "1" and fake.last.query["limit"] == "2" and fake.last.query["size"] == "1"
    assert fake.last.filters == {"status": ["dead", "exited"], "label": ["a=b"]}
    cli.ok("ps", "-l")
    assert fake.last.query == {"limit": "1"}
    assert cli.run("ps", "-f", "nonsense").returncode == 1


def test_ps_formats(fake, cli):
    fake.answers["GET /containers/json"] = [container(), container(Id="f" * 64, Names=["/db", "/web/alias"])]
    assert cli.ok("ps", "-q") == "0123456789ab\nffffffffffff\n"
    assert cli.ok("ps", "-q", "--no-trunc").split() == [ID, "f" * 64]
    assert cli.ok("ps", "--format", "{{.Names}}: {{.State}} {{.Label \"a\"}}") == "web: running 1\ndb: running 1\n"
    assert cli.ok("ps", "--format", "table {{.Names}}\\t{{.Labels}}") == "NAMES     LABELS\nweb       a=1,b=2\ndb        a=1,b=2\n"
    assert cli.ok("ps", "--format", "table {{.Names}}\\t{{.Label \"a\"}}") == "NAMES     a\nweb       1\ndb        1\n"
    rows = [json.loads(line) for line in cli.ok("ps", "--format", "json").splitlines()]
    assert rows[0]["Names"] == "web" and rows[0]["Networks"] == "none"
    assert sorted(rows[0]) == sorted(
        "Command CreatedAt ID Image Labels LocalVolumes Mounts Names Networks Ports RunningFor Size State Status".split())
    assert "no field .Foo" in cli.run("ps", "--format", "{{.Foo}}").stderr
    cli.ok("ps", "--format", "{{.Size}}")
    assert fake.last.query == {"size": "1"}


def test_images(fake, cli):
    fake.answers["GET /images/json"] = [
        {"Id": IMAGE, "RepoTags": ["busybox:1", "localhost:5000/b:x"], "RepoDigests": ["busybox@sha256:aa"],
         "Created": int(time.time()) - 7200, "Size": 4261234, "Containers": -1, "Labels": None},
        {"Id": "sha256:" + "1" * 64, "RepoTags": [], "RepoDigests": [], "Created": 0, "Size": 10}]
    assert cli.ok("images") == (
        "REPOSITORY         TAG       IMAGE ID       CREATED       SIZE\n"
        "busybox            1         fedcba987654   2 hours ago   4.26MB\n"
        "localhost:5000/b   x         fedcba987654   2 hours ago   4.26MB\n"
        "<none>             <none>    111111111111   N/A           10B\n")
    assert "sha256:aa" in cli.ok("images", "--digests", "busybox:1")
    assert fake.last.filters == {"reference": ["busybox:1"]}
    assert cli.ok("image", "ls", "-q").split() == ["fedcba987654", "fedcba987654", "111111111111"]


def test_history_rmi_tag(fake, cli):
    fake.answers["GET /images/a/b:c/history"] = [
        {"Id": "<missing>", "Created": 0, "CreatedBy": "/bin/sh -c #(nop)  CMD [\"sh\"]", "Size": 0, "Comment": ""}]
    assert "<missing>" in cli.ok("history", "a/b:c")
    fake.answers["DELETE /images/a:b"] = [{"Untagged": "a:b"}, {"Deleted": IMAGE}]
    assert cli.ok("rmi", "-f", "a:b") == f"Untagged: a:b\nDeleted: {IMAGE}\n"
    assert fake.last.query == {"force": "1"}
    assert cli.run("rmi", "none").returncode == 1 and cli.run("rmi", "-f", "none").returncode == 0
    fake.answers["POST /images/a:b/tag"] = 201, None
    cli.ok("tag", "a:b", "host:5000/x")
    assert fake.last.query == {"repo": "host:5000/x", "tag": "latest"}
    done = cli.run("tag", "a:b", "x:bad:tag")
    assert done.returncode == 1 and "invalid reference format: x:bad:tag" in done.stderr
    assert fake.last.query["repo"] == "host:5000/x"
    fake.answers["GET /images/x/history"] = []
    assert cli.ok("history", "-H=false", "x").split("  ")[0] == "IMAGE" and "CREATED AT" in cli.ok("history", "-H=false", "x")


# --- inspect

def test_inspect_prints_what_the_daemon_says_in_its_order(fake, cli):
    fake.answers["GET /containers/web/json"] = {"Id": ID, "State": {"Status": "running", "Pid": 7}, "A": 9007199254740993}
    fake.answers["GET /images/img/json"] = {"Id": IMAGE}
    out = cli.ok("inspect", "web", "img")
    assert json.loads(out) == [fake.answers["GET /containers/web/json"], {"Id": IMAGE}]
    assert out.startswith("[\n    {\n        \"Id\": ") and "9007199254740993" in out
    assert cli.ok("inspect", "-f", "{{.State.Status}} {{json .State}}", "web") == 'running {"Status":"running","Pid":7}\n'
    assert cli.run("image", "inspect", "web").returncode == 1


def test_inspect_of_nothing_is_an_empty_list_and_an_error(fake, cli):
    done = cli.run("inspect", "no/such")
    assert (done.returncode, done.stdout) == (1, "[]\n")
    assert done.stderr == "holdfast: No such object: no/such\n"
    done = cli.run("inspect", "--type", "plugin", "x")
    assert done.returncode == 1 and "not a type" in done.stderr


# --- archives

def make_tar(path, size):
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("file")
        info.size = size
        tar.addfile(info, io.BytesIO(bytes(size)))
    return path.read_bytes()


def test_load_from_a_file_and_from_standard_input(fake, cli, tmp_path):
    data = make_tar(tmp_path / "image.tar", 3 << 20)
    fake.answers["POST /images/load"] = b'{"stream":"Loaded image: busybox:latest\\n"}\r\n'
    assert cli.ok("load", "-i", "image.tar") == "Loaded image: busybox:latest\n"
    assert fake.last.body == data and fake.last.headers["Content-Length"] == str(len(data))
    done = cli.run("load", "-q", stdin=data, text=False)
    assert done.returncode == 0 and done.stdout == b"Loaded image: busybox:latest\n"
    assert fake.last.body == data and fake.last.query == {"quiet": "1"}
    assert fake.last.headers["Transfer-Encoding"] == "chunked"


def test_load_fails_with_the_word_in_the_stream(fake, cli, tmp_path):
    make_tar(tmp_path / "image.tar", 10)
    fake.answers["POST /images/load"] = b'{"stream":"x\\n"}\r\n{"errorDetail":{"message":"bad layer"},"error":"bad layer"}'
    done = cli.run("load", "-i", "image.tar")
    assert done.returncode == 1 and done.stderr == "holdfast: bad layer\n"
    assert "No such file" in cli.run("load", "-i", "none.tar").stderr


def test_load_hears_the_refusal_of_a_daemon_that_stops_reading(fake, cli, tmp_path):
    make_tar(tmp_path / "image.tar", 30 << 20)

    class Early(fake.server.RequestHandlerClass):
        def answer(self):
            self.close_connection = True
            self.send(413, {"message": "too large"})
        do_POST = answer

    fake.server.RequestHandlerClass = Early
    done = cli.run("load", "-i", "image.tar")
    assert done.returncode == 1 and done.stderr == "holdfast: too large\n"


def test_import(fake, cli, tmp_path):
    data = make_tar(tmp_path / "root.tar", 100)
    fake.answers["POST /images/create"] = json.dumps({"status": IMAGE}).encode() + b"\r\n"
    assert cli.ok("import", "-c", "CMD sh", "-c", "ENV A=1", "-m", "note", "root.tar", "new:1") == IMAGE + "\n"
    assert fake.last.body == data
    assert fake.last.query == {"fromSrc": "-", "repo": "new", "tag": "1", "message": "note",
                               "changes": ["CMD sh", "ENV A=1"]}


def test_save_appears_whole_or_not_at_all(fake, cli, tmp_path):
    def whole(request, handler):
        s = Stream(handler, kind="application/x-tar")
        for _ in range(64):
            s.write(b"x" * 50000)
        s.end()

    def broken(request, handler):
        s = Stream(handler, kind="application/x-tar")
        s.write(b"x" * 50000)
        s.break_off()

    fake.answers["GET /images/get"] = whole
    cli.ok("save", "-o", "out.tar", "a", "b:c")
    assert fake.last.query == {"names": ["a", "b:c"]}
    assert (tmp_path / "out.tar").read_bytes() == b"x" * 3200000
    assert cli.run("save", "a", text=False).stdout == b"x" * 3200000
    fake.answers["GET /images/get"] = broken
    done = cli.run("save", "-o", "second.tar", "a")
    assert done.returncode == 1 and "went away" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.sock", "out.tar"]


# --- the rest

def test_prune(fake, cli):
    fake.answers["POST /containers/prune"] = {"ContainersDeleted": [ID], "SpaceReclaimed": 1234}
    assert cli.ok("container", "prune", "-f", "--filter", "until=1h") == (
        f"Deleted Containers:\n{ID}\n\nTotal reclaimed space: 1.23kB\n")
    assert fake.last.filters == {"until": ["1h"]}
    fake.answers["POST /images/prune"] = {"ImagesDeleted": None, "SpaceReclaimed": 0}
    assert cli.ok("image", "prune", "-af") == "Total reclaimed space: 0B\n"
    assert fake.last.filters == {"dangling": ["false"]}
    before = len(fake.requests)
    assert cli.run("image", "prune").returncode == 0 and len(fake.requests) == before


def test_version_and_info(fake, cli):
    fake.answers["GET /version"] = {"Version": "9.9", "ApiVersion": "1.44", "MinAPIVersion": "1.24", "Os": "linux",
                                    "Arch": "amd64", "Components": [{"Name": "Engine", "Version": "9.9"},
                                                                    {"Name": "crun", "Version": "1.8"}]}
    out = cli.ok("version")
    assert "Client:" in out and "9.9" in out and "crun:" in out
    assert cli.ok("version", "-f", "{{.Server.ApiVersion}}") == "1.44\n"
    fake.answers["GET /info"] = {"Containers": 3, "ContainersRunning": 2, "ContainersPaused": 0, "ContainersStopped": 1,
                                 "MemTotal": 25769803776, "NCPU": 2, "Warnings": ["no swap limit"], "Images": 1,
                                 "Runtimes": {"crun": {}, "runc": {}}, "CgroupVersion": "2", "CgroupDriver": "cgroupfs"}
    done = cli.run("info")
    assert "3 (2 running, 0 paused, 1 stopped)" in done.stdout and "24GiB" in done.stdout
    assert done.stderr == "WARNING: no swap limit\n"
    assert cli.ok("info", "--format", "{{.NCPU}}") == "2\n"


def test_version_without_a_daemon_tells_its_own(fake, cli):
    fake.stop()
    done = cli.run("version")
    assert done.returncode == 1 and "Client:" in done.stdout and "Is holdfastd running?" in done.stderr


def test_restore_report(fake, cli):
    fake.answers["GET /holdfast/restore"] = {
        "Version": 1, "Time": "2026-11-24T00:00:00Z", "BootId": "b", "Resting": 4, "Containers": [
            {"Id": ID, "Name": "web", "Written": "running", "Seen": "alive", "Verdict": "adopt", "Why": "", "Now": "running"},
            {"Id": "f" * 64, "Name": "job", "Written": "running", "Seen": "ended", "Verdict": "settle",
             "Why": "its record says so", "Now": "exited"}],
        "Swept": ["exec directory 0a"], "Left": [], "Milliseconds": {"Load": 1.25, "Open": 0.125, "Handle": 3.0, "Sweep": 0.5}}
    out = cli.ok("restore-report")
    assert out.startswith("Restored 6 containers ") and "in 4.9 ms (1.2 load, 0.1 open, 3.0 handle, 0.5 sweep), " in out and "ago; 4 of them at rest" in out
    assert "ffffffffffff   job       running   ended     settle    exited    its record says so\n" in out
    assert "Swept, since nobody claimed it:\n  exec directory 0a\n" in out and "Left" not in out
    assert json.loads(cli.ok("restore-report", "--json"))["Containers"][1]["Name"] == "job"
    fake.answers["GET /holdfast/restore"] = b"null"
    assert "no restore yet" in cli.run("restore-report").stderr


# --- errors

def test_no_daemon_is_said_plainly(fake, cli):
    fake.stop()
    for args in (["ps"], ["wait", "x"], ["logs", "-f", "x"], ["events"], ["stop", "x"]):
        done = cli.run(*args)
        assert done.returncode == 1, args
        assert done.stderr == (f"holdfast: Cannot connect to the Holdfast daemon at {fake.address}. "
                               "Is holdfastd running?\n")
    assert cli.run("run", "-d", "x").returncode == 125


def test_the_address_comes_from_the_flag_then_ours_then_dockers(fake, cli):
    fake.answers["GET /containers/json"] = []
    assert "unix:///none/a." in cli.run("-H", "unix:///none/a", "ps").stderr
    assert "unix:///none/b." in cli.run("ps", env={"HOLDFAST_HOST": "unix:///none/b", "DOCKER_HOST": "x"}).stderr
    assert "unix:///none/c." in cli.run("ps", env={"HOLDFAST_HOST": "", "DOCKER_HOST": "unix:///none/c"}).stderr
    assert "only unix://" in cli.run("-H", "tcp://1.2.3.4:5", "ps").stderr
    cli.ok("--host", fake.address, "ps")


@pytest.mark.parametrize("args, code, words", [
    (["ps", "--foo"], 125, "unknown flag: --foo"),
    (["run", "--memory=zz", "x"], 125, "invalid argument \"zz\" for \"-m, --memory\""),
    (["run", "-v", "a:b:c:d", "x"], 125, "invalid volume specification"),
    (["stop"], 1, "'stop' requires at least 1 argument"),
    (["ps", "x"], 1, "'ps' accepts no arguments"),
    (["foo"], 1, "unknown command: holdfast foo"),
    (["container", "foo"], 1, "unknown command: holdfast container foo"),
    (["--foo"], 125, "unknown flag: --foo"),
])
def test_wrong_use_names_itself_and_where_to_read(fake, cli, args, code, words):
    done = cli.run(*args)
    assert done.returncode == code and words in done.stderr and "--help" in done.stderr
    assert not fake.requests


def test_every_command_has_help(cli):
    overview = cli.ok("--help")
    assert cli.ok() == overview == cli.ok("help")
    names = [re.match("[a-z -]*", line[2:])[0].strip() for line in overview.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert len(names) > 25
    for name in names:
        text = cli.ok(*name.split(), "--help")
        assert text.startswith(f"Usage:  holdfast {name}")
        assert text == cli.ok("help", *name.split())
        assert max(map(len, text.splitlines())) <= 100


def test_a_full_disk_is_an_error(fake, cli):
    fake.answers["GET /containers/json"] = [container()]
    with open("/dev/full", "w") as full:
        done = subprocess.run([HOLDFAST, "ps"], env=cli.env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_nonsense_from_the_other_side_is_an_error_not_a_crash(fake, cli):
    fake.answers["GET /containers/json"] = b"[{"
    assert "not JSON" in cli.run("ps").stderr
    fake.answers["GET /containers/json"] = {"not": "a list"}
    assert cli.run("ps").returncode == 0
    fake.answers["GET /containers/json"] = [None, 3, {"Names": [None], "Labels": 3, "Ports": [None]}]
    assert cli.run("ps").returncode == 0
    fake.answers["GET /containers/json"] = 500, b"oops"
    assert "the daemon answered 500" in cli.run("ps").stderr
