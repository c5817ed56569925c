"""top: the processes of a container, as the host's ps says them."""

from pathlib import Path

import pytest

from kit import host
from kit.host import wait_for

TWO = "sleep 1001 & exec sleep 1000"


def top(daemon, cid, ps_args=None):
    """The answer as a list of dictionaries."""
    query = {"ps_args": ps_args} if ps_args is not None else {}
    answer = daemon.api.get(f"/containers/{cid}/top", expect=200, **query).json
    assert all(len(line) == len(answer["Titles"]) for line in answer["Processes"])
    return [dict(zip(answer["Titles"], line)) for line in answer["Processes"]]


def commands(daemon, cid):
    return sorted(line["CMD"] for line in top(daemon, cid))


def test_shows_the_containers_processes_and_nobody_elses(daemon):
    cid = daemon.run(TWO)
    daemon.run("exec sleep 1002")
    wait_for(lambda: commands(daemon, cid) == ["sleep 1000", "sleep 1001"], "the processes to be what they are")
    lines = top(daemon, cid)
    assert str(daemon.container_pid(cid)) in [line["PID"] for line in lines]
    assert set(lines[0]) >= {"UID", "PID", "PPID", "STIME", "TIME", "CMD"}
    daemon.restart()
    assert commands(daemon, cid) == ["sleep 1000", "sleep 1001"]
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    assert commands(daemon, cid) == ["sleep 1000", "sleep 1001"]


@pytest.mark.one_runtime
@pytest.mark.parametrize("ps_args,titles", [
    ("", ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]),
    ("-o pid,comm", ["PID", "COMMAND"]), ("-o  pid=PID,  -o ucmd", ["PID", "CMD"]),
    ("aux", ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]),
    ("faxo pid,args", ["PID", "COMMAND"])])  # a forest, which ps draws of all processes only
def test_takes_the_arguments_of_ps(daemon, ps_args, titles):
    cid = daemon.run("exec sleep 1000")
    wait_for(lambda: commands(daemon, cid) == ["sleep 1000"], "the process to be what it is")
    answer = daemon.api.get(f"/containers/{cid}/top", expect=200, ps_args=ps_args).json
    assert answer["Titles"] == titles
    assert len(answer["Processes"]) == 1 and "sleep" in answer["Processes"][0][-1]


@pytest.mark.one_runtime
@pytest.mark.parametrize("ps_args,status,words", [
    ("-o ppid=PID", 400, "not allowed"), ("--nonsense", 400, "ps: error: "), ("-o comm", 500, "Couldn't find PID field"),
    ("-ef; touch /tmp/no", 400, "ps: error: ")])
def test_says_what_it_cannot_do(daemon, ps_args, status, words):
    cid = daemon.run("exec sleep 1000")
    answer = daemon.api.get(f"/containers/{cid}/top", ps_args=ps_args)
    assert answer.status == status and words in answer.message


@pytest.mark.one_runtime
def test_of_what_does_not_run(daemon):
    cid = daemon.create("true")
    answer = daemon.api.get(f"/containers/{cid}/top")
    assert answer.status == 409 and answer.message == f"Container {cid} is not running"
    assert daemon.api.get("/containers/nobody/top").status == 404


def test_shows_what_is_in_cgroups_below(daemon):
    cid = daemon.run(TWO)
    wait_for(lambda: commands(daemon, cid) == ["sleep 1000", "sleep 1001"], "the processes to be what they are")
    for directory in map(Path, host.cgroups_named([cid])):
        if directory.parts[4] != "cpuset":  # which takes nobody in before it has processors
            (directory / "below").mkdir(exist_ok=True)
            (directory / "below/cgroup.procs").write_text(str(daemon.container_pid(cid)))
    assert commands(daemon, cid) == ["sleep 1000", "sleep 1001"]


def test_shows_exec_sessions(daemon, docker):
    cid = daemon.run("exec sleep 1000")
    docker("exec", "-d", cid, "sleep", "1003")
    wait_for(lambda: commands(daemon, cid) == ["sleep 1000", "sleep 1003"], "the session")
    assert "sleep 1003" in docker("top", cid) and "sleep 1003" in daemon.cli("top", cid).stdout
    with daemon.events(filters={"event": ["top"]}) as events:
        assert docker("top", cid, "-o", "pid,cmd").splitlines()[0].split() == ["PID", "CMD"]
        assert events.json()["Actor"]["ID"] == cid
