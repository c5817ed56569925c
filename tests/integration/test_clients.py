"""The stock clients, unchanged: docker CLI (Debian's and a newer one), docker-py, curl."""

import json
import time

import pytest

from kit.archives import busybox, busybox_layer


# --- docker CLI

def test_cli_life(docker):
    cid = docker.create_and_run("--name", "life", "-e", "A=b", "-l", "colour=red", cmd=["sleep", "1000"])
    assert docker("ps", "--no-trunc", "-q") == cid
    assert docker("ps", "--format", "{{.Names}} {{.Image}} {{.Status}}").startswith("life busybox Up")
    assert docker("inspect", "-f", "{{.State.Running}} {{.Config.Labels.colour}}", "life") == "true red"
    docker("pause", "life")
    assert "(Paused)" in docker("ps")
    docker("unpause", "life")
    docker("rename", "life", "other")
    docker("restart", "-t", "0", "other")
    docker("kill", "-s", "KILL", "other")
    assert docker("wait", "other") == "137"
    docker("start", "other")
    docker("stop", "-t", "0", "other")
    assert docker("ps", "-aq", "--filter", "status=exited", "--no-trunc") == cid
    docker("rm", "other")
    assert docker("ps", "-aq") == ""


def test_cli_create_start_logs(docker):
    docker("create", "--network", "none", "--name", "said", "busybox", "sh", "-c", "echo out; echo err >&2")
    docker("start", "said")
    assert docker("wait", "said") == "0"
    done = docker.run("logs", "-f", "said")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert docker("logs", "-t", "said").endswith("Z out")
    docker("container", "prune", "-f")
    assert docker("ps", "-aq") == ""


def test_cli_run_rm(docker, daemon):
    with daemon.events(filters={"event": ["destroy"]}) as events:
        cid = docker.create_and_run("--rm", cmd=["true"])
        assert events.json()["id"] == cid
    assert docker("ps", "-aq") == ""


def test_cli_flags_reach_the_container(docker, daemon):
    cid = docker.create_and_run(
        "-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--cap-drop", "ALL", "--read-only",
        "--tmpfs", "/run:size=1m", "-v", f"{daemon.root}:/host:ro", "--mount", "type=tmpfs,target=/t",
        "--ulimit", "nofile=100:200", "--sysctl", "kernel.msgmax=4096", "-h", "named", "-w", "/tmp",
        "-u", "alice", "--group-add", "audio", "--add-host", "db:1.2.3.4", "--dns", "9.9.9.9",
        "--shm-size", "1m", "--init", "--stop-signal", "USR1", "--stop-timeout", "3", "--oom-score-adj", "100",
        "--security-opt", "no-new-privileges", "--device", "/dev/zero:/dev/mine", "--restart", "no",
        "--log-opt", "max-size=1m", "--entrypoint", "sh", "--pid", "host", "--ipc", "private",
        cmd=["-c", "hostname; pwd; id -un; ulimit -n; cat /proc/sys/kernel/msgmax; test -c /dev/mine && echo dev"])
    assert docker("wait", cid) == "0"
    assert docker("logs", cid).split() == ["named", "/tmp", "alice", "100", "4096", "dev"]


@pytest.mark.parametrize("command,code", [("/no/such/program", 127), ("/etc", 126)])
def test_cli_exit_code_for_a_command_that_cannot_run(docker, command, code):
    done = docker.run("run", "-d", "--network", "none", "busybox", command, check=False)
    assert done.returncode == code, done.stderr


@pytest.mark.one_runtime
def test_cli_says_no_such_container_and_image(docker):
    assert "No such container: nobody" in docker.run("rm", "nobody", check=False).stderr
    assert "No such container: nobody" in docker.run("logs", "nobody", check=False).stderr
    assert "No such object: nobody" in docker.run("inspect", "nobody", check=False).stderr \
        or "no such object: nobody" in docker.run("inspect", "nobody", check=False).stderr.lower()
    assert "No such image: nowhere" in docker.run("rmi", "nowhere", check=False).stderr


@pytest.mark.one_runtime
def test_cli_images(docker, daemon):
    archive = daemon.root / "image.tar"
    archive.write_bytes(busybox().docker_archive("loaded:1"))
    assert "Loaded image: loaded:1" in docker("load", "-i", archive)
    assert "loaded:1" in docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    docker("tag", "loaded:1", "again:2")
    docker("save", "-o", daemon.root / "saved.tar", "again:2")
    assert docker("history", "-q", "again:2") != ""
    assert docker("rmi", "loaded:1") == "Untagged: loaded:1"
    docker("rmi", "-f", "again:2", "busybox")
    assert docker("images", "-q") == ""
    assert "Loaded image: again:2" in docker("load", "-i", daemon.root / "saved.tar")
    assert docker("image", "inspect", "-f", "{{.Id}}", "again:2") == busybox().id
    imported = docker.run("import", "-c", "CMD echo hi", "-", "imported:1", stdin=busybox_layer(), binary=True)
    assert imported.stdout.startswith(b"sha256:")
    docker("image", "prune", "-a", "-f")
    assert docker("images", "-q") == ""


@pytest.mark.one_runtime
def test_cli_events_version_info(docker, daemon, runtime):
    before = time.time()
    cid = docker.create_and_run(cmd=["true"])
    daemon.wait_event(cid, "die", before)
    lines = docker("events", "--since", f"{before:.3f}", "--until", f"{time.time() + 0.5:.3f}",
                   "--filter", f"container={cid}", "--format", "{{.Action}}").split()
    assert lines == ["create", "start", "die"]
    assert docker("version", "-f", "{{.Server.APIVersion}}") == "1.44"
    assert docker("info", "-f", "{{.DefaultRuntime}}") == runtime


def test_cli_through_a_death_of_the_daemon(docker, daemon):
    cid = docker.create_and_run(cmd=["sh", "-c", "echo before; sleep 1000"])
    daemon.wait_log(cid, "before")
    daemon.restart()
    assert docker("ps", "-q", "--no-trunc") == cid
    assert docker("logs", cid) == "before"
    docker("rm", "-f", cid)


# --- docker-py

def test_docker_py_life(client):
    container = client.containers.run("busybox", ["sh", "-c", "echo hello; exit 3"], detach=True,
                                      network_mode="none", environment={"A": "b"}, labels={"x": "y"})
    assert container.wait()["StatusCode"] == 3
    assert container.logs() == b"hello\n"
    container.reload()
    assert (container.status, container.labels) == ("exited", {"x": "y"})
    assert client.containers.list(all=True, filters={"label": "x=y"}) == [container]
    container.remove()
    assert client.containers.list(all=True) == []


def test_docker_py_verbs(client):
    container = client.containers.create("busybox", ["sleep", "1000"], network_mode="none", name="verbs")
    container.start()
    container.pause()
    container.reload()
    assert container.status == "paused"
    container.unpause()
    container.rename("other")
    container.restart(timeout=0)
    container.kill("SIGKILL")
    assert container.wait()["StatusCode"] == 137
    container.start()
    container.stop(timeout=0)
    container.remove(v=True, force=True)
    assert client.containers.prune()["SpaceReclaimed"] == 0


def test_docker_py_follows_logs(client):
    container = client.containers.run("busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; done"], detach=True,
                                      network_mode="none")
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"


@pytest.mark.one_runtime
def test_docker_py_errors(client):
    import docker.errors
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("nobody")
    with pytest.raises(docker.errors.ImageNotFound):
        client.containers.create("nowhere:1", "true")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.get("nowhere:1")
    client.containers.create("busybox", "true", name="twice", network_mode="none")
    with pytest.raises(docker.errors.APIError) as caught:
        client.containers.create("busybox", "true", name="twice", network_mode="none")
    assert caught.value.status_code == 409


@pytest.mark.one_runtime
def test_docker_py_images(client):
    [image] = client.images.load(busybox().docker_archive("loaded:1"))
    assert "loaded:1" in image.tags
    assert image.tag("again", "2")
    image.reload()
    saved = b"".join(image.save(named="again:2"))
    client.images.remove("loaded:1")
    client.images.remove("again:2")
    client.images.remove("busybox")
    assert client.images.list() == []
    assert client.images.load(saved)[0].tags == ["again:2"]
    assert client.images.get("again:2").history()


@pytest.mark.one_runtime
def test_docker_py_events_version_info(client, daemon):
    before = time.time()
    client.containers.create("busybox", "true", network_mode="none")
    events = list(client.events(since=int(before), until=int(time.time()) + 1, decode=True,
                                filters={"event": "create"}))
    assert [e["Action"] for e in events] == ["create"]
    assert client.version()["ApiVersion"] == "1.44"
    assert client.info()["Containers"] == 1
    assert client.ping()


# --- curl

@pytest.mark.one_runtime
def test_curl_life(daemon):
    status, text = daemon.curl("POST", "/containers/create?name=curled", body=daemon.body("exit 3"))
    assert status == 201
    assert daemon.curl("POST", "/containers/curled/start") == (204, "")
    assert daemon.curl("POST", "/containers/curled/wait")[0] == 200
    status, text = daemon.curl("GET", "/containers/curled/json")
    assert (status, json.loads(text)["State"]["ExitCode"]) == (200, 3)
    assert daemon.curl("DELETE", "/containers/curled") == (204, "")
    assert daemon.curl("GET", "/containers/curled/json")[0] == 404


@pytest.mark.one_runtime
def test_curl_uploads_an_image(bare_daemon):
    archive = bare_daemon.root / "image.tar"
    archive.write_bytes(busybox().docker_archive("curled:1"))
    for how in (["-T", str(archive)], ["--data-binary", f"@{archive}", "-H", "Content-Type: application/x-tar"],
                ["-T", str(archive), "-H", "Transfer-Encoding: chunked"]):
        status, text = bare_daemon.curl("POST", "/images/load", *how)
        assert status == 200 and "Loaded image: curled:1" in text
        assert bare_daemon.curl("DELETE", "/images/curled:1")[0] == 200


@pytest.mark.one_runtime
def test_curl_head(bare_daemon):
    status, text = bare_daemon.curl("HEAD", "/_ping")
    assert status == 200 and "Api-Version: 1.44" in text
