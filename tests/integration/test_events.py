"""GET /events: live and past, filters, times, and what each verb publishes."""

import time

import pytest

from kit import host
from kit.archives import busybox
from kit.doomed import Doomed

pytestmark = pytest.mark.one_runtime


def actions(events, cid=None):
    """What was done, of one container or of all. Dockerd tells also of networks: that is no matter here."""
    return [e["Action"] for e in events if cid in (None, e["Actor"]["ID"]) and e["Type"] != "network"]


def test_a_whole_life_is_told_in_order(daemon):
    before = time.time()
    cid = daemon.create("exit 3", name="told", Labels={"colour": "red"})
    daemon.start_container(cid)
    daemon.wait(cid)
    daemon.api.delete(f"/containers/{cid}", expect=204)
    events = daemon.past_events(before, type=["container"])
    assert actions(events, cid) == ["create", "start", "die", "destroy"]
    for event in events:
        assert (event["Type"], event["scope"]) == ("container", "local")
        assert (event["status"], event["id"], event["from"]) == (event["Action"], cid, "busybox")
        attributes = event["Actor"]["Attributes"]
        assert (attributes["name"], attributes["image"], attributes["colour"]) == ("told", "busybox", "red")
        assert before <= event["timeNano"] / 1e9 <= time.time()
        assert event["time"] == event["timeNano"] // 10 ** 9
    assert events[2]["Actor"]["Attributes"]["exitCode"] == "3"


@pytest.mark.parametrize("verbs,told", [
    (["pause", "unpause"], ["pause", "unpause"]),
    (["kill"], ["kill", "die"]),
    (["stop?t=0"], ["kill", "die", "stop"]),
    (["restart?t=0"], ["kill", "die", "stop", "start", "restart"]),
    (["rename?name=other"], ["rename"]),
])
def test_what_each_verb_publishes(daemon, verbs, told):
    cid = daemon.run("sleep 1000", name="verbs")
    before = time.time()
    for verb in verbs:
        daemon.api.post(f"/containers/{cid}/{verb}", expect=204)
    host.wait_for(lambda: len(daemon.past_events(before, container=[cid])) >= len(told), "the events")
    got = [a for a in actions(daemon.past_events(before, container=[cid]))]
    # stop sends SIGTERM first: docker publishes a kill for each signal.
    assert list(dict.fromkeys(got)) == told


def test_kill_tells_the_signal_and_rename_the_old_name(daemon):
    cid = daemon.run(["probe", "trap", "0"], name="old")
    before = time.time()
    daemon.wait_log(cid, "ready")
    daemon.api.post(f"/containers/{cid}/kill", signal="SIGUSR1", expect=204)
    daemon.api.post(f"/containers/{cid}/rename", name="new", expect=204)
    kill, rename = daemon.past_events(before, event=["kill", "rename"])
    assert kill["Actor"]["Attributes"]["signal"] == "10"
    assert rename["Actor"]["Attributes"]["oldName"] == "/old"
    assert rename["Actor"]["Attributes"]["name"] == "new"


def test_oom_is_told(daemon):
    before = time.time()
    cid = daemon.run(["probe", "eat", "200"], host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    # Who waits is told by the shim, and may hear it before the daemon does.
    host.wait_for(lambda: "die" in actions(daemon.past_events(before), cid), "its end")
    assert "oom" in actions(daemon.past_events(before), cid)


def test_failed_start_tells_no_start(daemon):
    cid = daemon.create(["/no/such/program"])
    before = time.time()
    daemon.api.post(f"/containers/{cid}/start", expect=400)
    assert "start" not in actions(daemon.past_events(before), cid)


def test_image_events(bare_daemon):
    daemon, before = bare_daemon, time.time()
    daemon.load(busybox().docker_archive("busybox:latest"))
    daemon.api.post("/images/busybox/tag", repo="second", expect=201)
    daemon.api.delete("/images/second", expect=200)
    daemon.api.delete("/images/busybox", expect=200)
    events = daemon.past_events(before, type=["image"])
    assert actions(events) == ["load", "tag", "untag", "untag", "delete"]
    assert events[1]["Actor"]["Attributes"]["name"] in ("second:latest", "second")


def test_live_events_come_as_they_happen(daemon):
    with daemon.events(filters={"type": ["container"]}) as stream:
        assert stream.status == 200
        cid = daemon.run("true")
        assert [stream.json()["Action"] for _ in range(3)] == ["create", "start", "die"]
        assert daemon.wait(cid) == 0


def test_past_and_live_without_gap_or_double(daemon):
    before = time.time()
    first = daemon.create("true")
    with daemon.events(since=f"{before:.9f}", filters={"event": ["create"]}) as stream:
        assert stream.json()["id"] == first
        second = daemon.create("true")
        assert stream.json()["id"] == second


def test_until_in_the_future_ends_the_stream_then(daemon):
    end = time.time() + 0.7
    with daemon.events(until=f"{end:.3f}", filters={"event": ["create"]}) as stream:
        cid = daemon.create("true")
        late = time.time() > end
        told = []
        while event := stream.json():
            told.append(event["id"])
    assert told == [cid] or late
    assert time.time() >= end - 0.001  # the digits we sent


def test_until_in_the_past_without_since_is_empty(daemon):
    daemon.create("true")
    assert daemon.api.get("/events", until=int(time.time()) - 100, expect=200).body == b""


@pytest.mark.parametrize("filters,shown", [
    ({"event": ["start"]}, ["start"]),
    ({"event": {"start": True, "die": True}}, ["start", "die"]),
    ({"type": ["container"]}, ["create", "start", "die"]),
    ({"type": ["image"]}, []),
    ({"type": ["network"]}, []),
    ({"container": ["me"]}, ["create", "start", "die"]),
    ({"container": ["other"]}, []),
    ({"image": ["busybox"]}, ["create", "start", "die"]),
    ({"image": ["nowhere"]}, []),
    ({"label": ["colour"]}, ["create", "start", "die"]),
    ({"label": ["colour=red"]}, ["create", "start", "die"]),
    ({"label": ["colour=blue"]}, []),
    ({"scope": ["local"]}, ["create", "start", "die"]),
    ({"scope": ["swarm"]}, []),
    ({"volume": ["x"]}, []),
    ({"network": ["x"]}, []),
    ({"daemon": ["x"]}, []),
    ({"event": ["start"], "container": ["me"], "label": ["colour"]}, ["start"]),
])
def test_filters(daemon, filters, shown):
    before = time.time()
    cid = daemon.run("true", name="me", Labels={"colour": "red"})
    daemon.wait(cid)
    host.wait_for(lambda: "die" in actions(daemon.past_events(before)), "the die event")
    assert actions(daemon.past_events(before, **filters)) == shown


@pytest.mark.parametrize("query", [{"filters": "{"}, {"filters": '{"type":5}'}, {"since": "once"},
                                   {"until": "then"}, {"since": "20", "until": "10"}])
def test_bad_queries_are_400(daemon, query):
    assert daemon.api.get("/events", **query).status == 400


def test_listeners_that_hang_up_or_sleep_harm_nobody(daemon):
    for _ in range(20):
        daemon.events().close()
    sleepers = [daemon.events() for _ in range(5)]
    with daemon.events(filters={"event": ["create"]}) as stream:
        ids = [daemon.create("true") for _ in range(100)]
        assert [stream.json()["id"] for _ in ids] == ids
    for one in sleepers:
        one.close()


# --- across the daemon's own deaths

def lives(events):
    return [(e["Action"], e["Actor"]["ID"], e["timeNano"]) for e in events if e["Type"] == "container"]


def strike_and_wait(daemon, one):
    """Until its shim has it on disk, so that what comes next comes later for everybody."""
    one.strike()
    runs = daemon.data / "containers" / one.id / "runs.jsonl"
    host.wait_for(lambda: '"ended"' in runs.read_text(), "the record of the end")


def test_what_happened_meanwhile_is_there_with_the_first_answer(daemon):
    """In true order and with true times, however late it is told, and the same after every restart."""
    before = time.time()
    doomed = [Doomed(daemon, how, name=f"n{i}") for i, how in
              enumerate(["exit 0", "SIGKILL", "exit 7", "SIGSEGV", "exit 9", "SIGKILL"])]
    daemon.kill9()
    order = [doomed[i] for i in (3, 0, 5, 1, 4, 2)]
    for one in order:
        strike_and_wait(daemon, one)
    daemon.start()
    told = daemon.past_events(before)
    deaths = [e for e in told if e["Action"] == "die"]
    assert [e["id"] for e in deaths] == [one.id for one in order]
    for one, die in zip(order, deaths):
        one.assert_true_time(die["timeNano"] / 1e9, "the die event")
        assert die["Actor"]["Attributes"]["exitCode"] == str(one.code)
    times = [e["timeNano"] for e in told]
    assert times == sorted(times)
    shown = lives(told)
    for _ in range(3):
        daemon.restart()
        assert lives(daemon.past_events(before)) == shown


def test_a_later_since_still_gets_what_is_told_late(daemon):
    """By the time of the happening: from between two deaths, only the second."""
    first, second = Doomed(daemon, "exit 1"), Doomed(daemon, "exit 2")
    daemon.kill9()
    strike_and_wait(daemon, first)
    between = time.time()
    strike_and_wait(daemon, second)
    daemon.start()
    assert [e["id"] for e in daemon.past_events(between, event=["die"])] == [second.id]


def test_a_death_told_twice_happened_once(daemon):
    """A daemon killed between telling and noting: the next one settles, and tells, again."""
    before = time.time()
    one = Doomed(daemon, "exit 4")
    state = daemon.data / "containers" / one.id / "state.json"
    old = state.read_text()
    one.strike()
    assert daemon.wait(one.id) == 4
    daemon.wait_state(one.id, "exited")
    daemon.kill9()
    state.write_text(old)
    daemon.start()
    assert daemon.state(one.id)["ExitCode"] == 4
    assert (daemon.data / "events.jsonl").read_text().count('"die"') == 2, "the stage is as it was meant"
    assert actions(daemon.past_events(before), one.id) == ["create", "start", "die"]


def test_a_torn_line_costs_that_line_alone(daemon):
    before = time.time()
    first, lost = daemon.create("true"), daemon.create("true")
    daemon.kill9()
    journal = daemon.data / "events.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    daemon.start()
    third = daemon.create("true")
    assert [e["id"] for e in daemon.past_events(before, event=["create"])] == [first, third]
    assert lost in [c["Id"] for c in daemon.list(all=True)], "the event is lost, the container is not"


def test_readers_at_once_all_see_the_same(daemon):
    before = time.time()
    for n in range(30):
        daemon.create("true", name=f"c{n}")
    daemon.restart()
    streams = [daemon.events(since=f"{before:.9f}", filters={"event": ["create"]}) for _ in range(8)]
    late = daemon.create("true")
    seen = [[s.json()["id"] for _ in range(31)] for s in streams]
    assert all(ids == seen[0] for ids in seen) and seen[0][-1] == late and len(set(seen[0])) == 31
    for s in streams:
        s.close()
