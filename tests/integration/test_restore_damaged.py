"""Damaged files: that container is dead with the file named; all others do not notice."""

import os

import pytest

from kit import host

SLEEP = ["sleep", "1000"]

DAMAGE = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "noise": lambda path: path.write_bytes(os.urandom(500)),
    "missing": lambda path: path.unlink(),
    "another shape": lambda path: path.write_text("[1, 2, 3]"),
    "wrong types": lambda path: path.write_text('{"Id": 5, "Name": [], "FormatVersion": "x", "Run": {}}'),
    "a version of the future": lambda path: path.write_text('{"FormatVersion": 99999, "Version": 99999}'),
    "nested without end": lambda path: path.write_text("[" * 100000),
}


@pytest.fixture
def neighbours(daemon):
    """Others beside the victim, and the check that they are as they were."""
    running, created = daemon.run(SLEEP, name="neighbour"), daemon.create(SLEEP, name="asleep")
    ended = daemon.run("exit 3", name="over")
    daemon.wait(ended)
    shown = {cid: daemon.inspect(cid) for cid in (running, created, ended)}

    def check():
        for cid, was in shown.items():
            assert daemon.inspect(cid) == was
        assert host.alive(shown[running]["State"]["Pid"])

    return check


def assert_dead(daemon, cid, file):
    state = daemon.state(cid)
    assert (state["Status"], state["Dead"]) == ("dead", True)
    assert file in state["Error"], state["Error"]
    [entry] = [c for c in daemon.list(all=True) if c["Id"] == cid]
    assert entry["State"] == "dead"
    assert file in daemon.stderr()


@pytest.mark.one_runtime
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", ["config.json", "state.json"])
def test_damaged_file_of_an_ended_container(daemon, neighbours, file, damage):
    victim = daemon.run("echo words; exit 3", name="victim")
    daemon.wait(victim)
    daemon.kill9()
    DAMAGE[damage](daemon.data / "containers" / victim / file)
    daemon.start()
    neighbours()
    assert_dead(daemon, victim, file)
    assert daemon.api.post(f"/containers/{victim}/start").status in (400, 409, 500)
    daemon.api.delete(f"/containers/{victim}", force=True, expect=204)
    assert not (daemon.data / "containers" / victim).exists()


@pytest.mark.parametrize("file", ["config.json", "state.json"])
def test_damaged_file_of_a_running_container_does_not_kill_it(daemon, neighbours, file):
    """Never kill on doubt; the user decides, and may remove it."""
    victim = daemon.run(SLEEP, name="victim")
    pid = daemon.container_pid(victim)
    daemon.kill9()
    DAMAGE["truncated"](daemon.data / "containers" / victim / file)
    daemon.start()
    neighbours()
    assert_dead(daemon, victim, file)
    assert host.alive(pid)
    daemon.api.delete(f"/containers/{victim}", force=True, expect=204)
    host.wait_exit(pid)


@pytest.mark.one_runtime
@pytest.mark.parametrize("damage", [d for d in DAMAGE if d != "missing"])
def test_damaged_phase_of_a_running_container(daemon, neighbours, damage):
    """Pulse and shim still tell the truth: adopting it and calling it dead are both right, killing it is not."""
    victim = daemon.run(SLEEP, name="victim")
    pid = daemon.container_pid(victim)
    daemon.kill9()
    DAMAGE[damage](daemon.exec / "containers" / victim / "phase.json")
    daemon.start()
    neighbours()
    state = daemon.state(victim)
    assert (state["Status"], state["Pid"]) == ("running", pid) or "phase.json" in state["Error"]
    assert host.alive(pid)


@pytest.mark.one_runtime
def test_dead_container_stays_dead_until_its_file_is_mended(daemon, neighbours):
    victim = daemon.run("exit 3", name="victim")
    daemon.wait(victim)
    shown = daemon.inspect(victim)
    path = daemon.data / "containers" / victim / "config.json"
    good = path.read_bytes()
    daemon.kill9()
    DAMAGE["truncated"](path)
    for _ in range(2):
        daemon.start()
        assert_dead(daemon, victim, "config.json")
        daemon.kill9()
    path.write_bytes(good)
    daemon.start()
    assert daemon.inspect(victim) == shown
    neighbours()


@pytest.mark.one_runtime
@pytest.mark.parametrize("tail", [b'{"event":"end', b"\0" * 40, b"{"])
def test_torn_last_line_of_the_record_is_no_line(daemon, tail):
    victim = daemon.run(SLEEP)
    shown = daemon.inspect(victim)
    daemon.kill9()
    with open(daemon.data / "containers" / victim / "runs.jsonl", "ab") as f:
        f.write(tail)
    daemon.start()
    assert daemon.inspect(victim) == shown


@pytest.mark.one_runtime
def test_half_written_new_file_is_ignored(daemon):
    """What a crash between write and rename leaves."""
    victim = daemon.create(SLEEP, name="victim")
    shown = daemon.inspect(victim)
    daemon.kill9()
    for file in ("config.json", "state.json"):
        (daemon.data / "containers" / victim / f".{file}.new").write_text('{"half')
    daemon.start()
    assert daemon.inspect(victim) == shown


@pytest.mark.one_runtime
@pytest.mark.parametrize("name", ["f" * 64, "not-an-id", ".hidden", "lost+found"])
def test_strange_directory_is_not_deleted_and_stops_nothing(daemon, neighbours, name):
    """Never delete on doubt. An empty one with a proper id may be shown as dead."""
    daemon.kill9()
    path = daemon.data / "containers" / name
    path.mkdir()
    (path / "precious").write_text("x")
    daemon.start()
    neighbours()
    assert (path / "precious").exists()
    daemon.kill9()
    (path / "precious").unlink()
    path.rmdir()
    daemon.start()


@pytest.mark.one_runtime
def test_strange_file_among_the_containers_stops_nothing(daemon, neighbours):
    daemon.kill9()
    path = daemon.data / "containers" / "stray-file"
    path.write_text("x")
    daemon.start()
    neighbours()
    assert path.exists()
    path.unlink()


@pytest.mark.one_runtime
def test_two_containers_with_one_name(daemon, neighbours):
    """The older keeps it, the other gets a derived name; both are there."""
    older, newer = daemon.create(SLEEP, name="first"), daemon.create(SLEEP, name="second")
    daemon.kill9()
    path = daemon.data / "containers" / newer / "config.json"
    path.write_text(path.read_text().replace("second", "first"))
    daemon.start()
    neighbours()
    assert daemon.inspect("first")["Id"] == older
    assert daemon.inspect(newer)["Name"] != "/first"
    assert "first" in daemon.stderr()


@pytest.mark.one_runtime
def test_unwritable_or_unreadable_container_does_not_stop_the_others(daemon, neighbours):
    """A directory in the place of a file."""
    victim = daemon.create(SLEEP, name="victim")
    daemon.kill9()
    path = daemon.data / "containers" / victim / "config.json"
    path.unlink()
    path.mkdir()
    daemon.start()
    neighbours()
    assert_dead(daemon, victim, "config.json")
