"""What the daemon says of its last restore: for people, for machines, and in its log."""

import json
import os
import re
import shutil

import pytest

from kit.archives import busybox
from kit.doomed import Doomed

pytestmark = pytest.mark.one_runtime
SLEEP = ["sleep", "1000"]


def report(daemon):
    return daemon.api.get("/holdfast/restore", version="", expect=200).json


@pytest.fixture
def restored(daemon):
    """One of each kind, and litter, through a crash of the daemon."""
    daemon.of = {"running": daemon.run(SLEEP, name="running"), "rested": daemon.run("exit 3", name="rested"),
                 "created": daemon.create(SLEEP, name="created"), "damaged": daemon.create(SLEEP, name="damaged")}
    doomed = Doomed(daemon, "exit 5", name="doomed")
    daemon.of["doomed"] = doomed.id
    daemon.wait(daemon.of["rested"])
    daemon.wait_released(daemon.of["rested"])
    daemon.kill9()
    doomed.strike()
    doomed.wait_recorded()
    (daemon.data / "containers" / daemon.of["damaged"] / "config.json").write_text("{")
    stray = "ab" * 32
    (daemon.exec / "containers" / stray).mkdir()
    (daemon.data / "containers" / f".gone-{stray[:16]}").mkdir()
    (daemon.data / "containers" / "a-note").write_text("a user's own")
    daemon.start()
    yield daemon
    os.unlink(daemon.data / "containers" / "a-note")


def test_each_container_with_work_has_its_row(restored):
    got = report(restored)
    rows = {row["Name"]: row for row in got["Containers"]}
    assert set(rows) == {"running", "doomed", f"dead_{restored.of['damaged'][:12]}"}
    assert got["Resting"] == 2, "those at rest are counted and not listed"

    def row(name):
        return {key: rows[name][key] for key in ("Id", "Written", "Seen", "Verdict", "Now")}

    assert row("running") == {"Id": restored.of["running"], "Written": "running", "Seen": "alive",
                              "Verdict": "adopt", "Now": "running"}
    now = rows["doomed"]["Now"]
    assert now in ("over", "exited"), "its shim may still be at its end when the report is made"
    assert row("doomed") == {"Id": restored.of["doomed"], "Written": "running", "Seen": "ended, with record",
                             "Verdict": "settle", "Now": now}
    assert rows["running"]["Why"] and rows["doomed"]["Why"] == "record of run 1"
    dead = rows[f"dead_{restored.of['damaged'][:12]}"]
    assert (dead["Written"], dead["Seen"], dead["Verdict"], dead["Now"]) == ("", "", "dead", "dead")
    assert "config.json" in dead["Why"]


def test_phases_and_litter(restored):
    got = report(restored)
    assert list(got["Milliseconds"]) == ["Load", "Open", "Handle", "Sweep"]
    assert all(ms >= 0 for ms in got["Milliseconds"].values())
    assert sorted(got["Swept"]) == ["exec directory " + "ab" * 6, "removed container's files .gone-" + "ab" * 8]
    assert got["Left"] == ["a-note: not ours by its name"]
    on_disk = json.loads((restored.exec / "restore-report.json").read_text())
    assert on_disk == got
    line = [x for x in restored.stderr().splitlines() if " restored " in x][-1]
    assert re.search(r"restored 5 containers in [\d.]+ ms .*: 2 resting, 1 adopt, 1 settle; swept 2, left 1$", line), line


def test_for_people_and_for_machines(restored):
    table = restored.cli("restore-report").stdout
    assert re.match(r"Restored 5 containers in [\d.]+ ms \([\d.]+ load, [\d.]+ open, [\d.]+ handle, [\d.]+ sweep\), "
                    r".* ago; 2 of them at rest, with nothing to do\n", table), table
    assert re.search(rf"^{restored.of['doomed'][:12]} +doomed +running +ended, with record +settle +(exited|over) +record of run 1$",
                     table, re.M), table
    assert re.search(r"^\w{12} +dead_\w{12} +- +- +dead +dead +config.json: ", table, re.M), table
    assert "Left in place:\n  a-note: not ours by its name\n" in table
    assert json.loads(restored.cli("restore-report", "--json").stdout) == report(restored)
    assert restored.cli("restore-report", "--format", "{{.Resting}}").stdout == "2\n"


def test_a_first_start_has_a_report_too(bare_daemon):
    got = report(bare_daemon)
    assert (got["Containers"], got["Resting"], got["Swept"], got["Left"]) == ([], 0, [], [])
    assert bare_daemon.cli("restore-report").stdout.startswith("Restored 0 containers in ")


def test_what_is_odd_about_a_running_one_is_said_too(daemon):
    running, asleep = daemon.run(SLEEP), daemon.create(SLEEP)
    daemon.kill9()
    images, away = daemon.data / "image", daemon.data / "image.away"
    images.rename(away)
    daemon.start()
    why = {row["Id"]: (row["Verdict"], row["Why"]) for row in report(daemon)["Containers"]}
    assert why[running][0] == "adopt" and re.match(r"its shim lives; No such image: sha256:", why[running][1])
    assert why[asleep][0] == "dead" and why[asleep][1].startswith("No such image: sha256:")
    daemon.load(busybox().docker_archive("busybox:latest"))
    daemon.restart()
    assert (daemon.state(running)["Error"], daemon.state(asleep)["Status"]) == ("", "created"), "the image is back"
    shutil.rmtree(away)
