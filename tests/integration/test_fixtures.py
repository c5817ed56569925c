"""What earlier releases left on disk is restored by this one: tests/fixtures, one folder a format."""

import base64
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from kit import host

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
FORMATS = sorted(p.name for p in FIXTURES.glob("format-*"))
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def unpack(daemon, name, *parts, boot=OTHER_BOOT):
    """Puts a fixture's files into the roots of a daemon that has not run yet."""
    for part in parts:
        for source in (FIXTURES / name / part).rglob("*"):
            target = daemon.root / part / source.relative_to(FIXTURES / name / part)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            data = source.read_bytes()
            if source.suffix == ".base64":
                data, target = base64.decodebytes(data), target.with_suffix("")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.replace(b"@ROOT@", str(daemon.root).encode()).replace(b"@BOOT@", boot.encode()))


def expected(daemon, name):
    text = (FIXTURES / name / "expected.json").read_text()
    return json.loads(text.replace("@ROOT@", str(daemon.root)))


def selected(shown):
    """What a release must not show otherwise than the one before; new keys may come."""
    state, config, host_config = shown["State"], shown["Config"], shown["HostConfig"]
    return {
        **{k: shown[k] for k in ("Id", "Name", "Created", "Path", "Args", "Image", "RestartCount")},
        **{k: state[k] for k in ("Status", "ExitCode", "OOMKilled", "Error", "StartedAt", "FinishedAt")},
        **{k: config[k] for k in ("Env", "Cmd", "Labels", "Hostname", "Image", "Healthcheck") if k in config},
        **{k: host_config[k] for k in ("Binds", "Memory", "RestartPolicy", "NetworkMode")},
    }


def container(daemon, name):
    """The data directory of a container in a fixture that was unpacked."""
    return next(p for p in (daemon.data / "containers").iterdir()
                if json.loads((p / "config.json").read_text())["Name"] == name)


def edit(path, **keys):
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


@pytest.mark.one_runtime
@pytest.mark.parametrize("name", FORMATS)
def test_what_rests_is_restored_as_it_was(new_daemon, name):
    """In another boot: what ran is lost with it, all else is as it was recorded."""
    daemon = new_daemon()
    unpack(daemon, name, "data")
    was = expected(daemon, name)
    daemon.start()
    assert {c["Names"][0].lstrip("/") for c in daemon.list(all=True)} == set(was)
    for container_name, one in was.items():
        shown, wanted = selected(daemon.inspect(container_name)), selected(one["inspect"])
        if wanted["Status"] in ("running", "paused"):
            finished = shown.pop("FinishedAt")
            assert finished > wanted.pop("FinishedAt")
            wanted.update(Status="exited", ExitCode=255, Error="host rebooted")
        assert shown == wanted
        assert list(daemon.logs(one["inspect"]["Id"])) == one["logs"]
    for event in daemon.past_events(0, event=["die"]):
        assert event["Actor"]["ID"] in {one["inspect"]["Id"] for one in was.values()}

    # They are not only shown, they work.
    again = was["again"]["inspect"]
    daemon.start_container(again["Id"])
    assert daemon.wait(again["Id"]) == again["State"]["ExitCode"] + 1, "its layer has what it wrote"
    daemon.start_container("created")
    assert daemon.wait("created") == 0 and daemon.logs("created")[0] == "hi\n"


@pytest.mark.one_runtime
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("victim", ["running", "paused", "healthy"])
def test_what_ran_is_found_by_its_identity(new_daemon, name, victim):
    """The exec directory of a shim that is gone; in the place of its init stands a process of ours."""
    daemon = new_daemon()
    unpack(daemon, name, "data", "exec", boot=BOOT)
    one = expected(daemon, name)[victim]["inspect"]
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        for place in (daemon.exec / "containers").iterdir():
            pid = process.pid if place.name == one["Id"] else 2 ** 22 + 1
            edit(place / "phase.json", Pid=pid, PidTicks=ticks)
        runs = daemon.data / "containers" / one["Id"] / "runs.jsonl"
        runs.write_text(re.sub(r'"pid":\d+,"ticks":\d+', f'"pid":{process.pid},"ticks":{ticks}', runs.read_text()))
        daemon.start()
        state = daemon.state(victim)
        assert (state["Status"], state["Pid"]) == (one["State"]["Status"], process.pid)
        assert state["StartedAt"] == one["State"]["StartedAt"]
        if victim == "healthy":
            assert state["Health"]["Log"], "what its probes said"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    daemon.wait_state(one["Id"], "exited")


LATER = {"Later": {"a": [1, None]}}


@pytest.mark.one_runtime
@pytest.mark.parametrize("name", FORMATS)
def test_keys_of_a_later_release_are_kept(new_daemon, name):
    """By every verb that writes the file again."""
    daemon = new_daemon()
    unpack(daemon, name, "data")
    place = container(daemon, "exited")
    record = next((daemon.data / "image" / "images").iterdir())
    for path in (place / "config.json", place / "state.json", record):
        edit(path, **LATER)
    config = json.loads((place / "config.json").read_text())
    edit(place / "config.json", HostConfig={**config["HostConfig"], "Faster": True})
    daemon.start()
    daemon.api.post("/containers/exited/rename", name="renamed", expect=204)
    daemon.start_container("renamed")
    assert daemon.wait("renamed") == 3
    daemon.api.post("/images/fixture:1/tag", repo="other", tag="1", expect=201)
    for path in (place / "config.json", place / "state.json", record):
        assert json.loads(path.read_text())["Later"] == LATER["Later"], path
    config = json.loads((place / "config.json").read_text())
    assert (config["Name"], config["HostConfig"]["Faster"]) == ("renamed", True)


@pytest.mark.one_runtime
@pytest.mark.parametrize("file", ["config.json", "state.json", "the image's record"])
def test_a_format_of_the_future_is_dead_and_not_written_to(new_daemon, file):
    daemon = new_daemon()
    unpack(daemon, "format-1", "data")
    place = container(daemon, "exited")
    path = place / file if "image" not in file else next((daemon.data / "image" / "images").iterdir())
    edit(path, Version=99)
    data = {p: p.read_bytes() for p in (path, place / "config.json", place / "state.json", place / "runs.jsonl")}
    for _ in range(2):
        daemon.start()
        state = daemon.state(place.name)
        assert state["Status"] == "dead" and ("99" in state["Error"] or path.name in state["Error"]), state
        assert daemon.api.post(f"/containers/{place.name}/start").status in (404, 409)
        assert daemon.api.post(f"/containers/{place.name}/rename", name="other").status in (204, 409)
        if "image" in file:
            daemon.api.post(f"/containers/{place.name}/rename", name="exited")
            del data[place / "config.json"]
        daemon.kill9()
        assert {p: p.read_bytes() for p in data} == data
        data[place / "config.json"] = (place / "config.json").read_bytes()
    daemon.start()


@pytest.mark.one_runtime
def test_a_record_of_runs_of_the_future_is_dead(new_daemon):
    """How it ended stands there in words that are not known here: that is not taken for lost."""
    daemon = new_daemon()
    unpack(daemon, "format-1", "data")
    place = container(daemon, "exited")
    edit(place / "state.json", SettledRun=0)
    runs = place / "runs.jsonl"
    runs.write_text(runs.read_text().replace('{"v":1,"event":"ended"', '{"v":2,"event":"ended"'))
    data = {p: p.read_bytes() for p in (runs, place / "state.json")}
    daemon.start()
    daemon.wait_state(place.name, "dead")
    assert "runs.jsonl: format version 2" in daemon.state(place.name)["Error"]
    daemon.kill9()
    assert {p: p.read_bytes() for p in data} == data
    daemon.start()
