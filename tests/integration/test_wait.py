"""POST /containers/{id}/wait: all three conditions, and its head at once."""

import json

import pytest

from kit import host
from kit.doomed import Doomed


def test_head_comes_at_once_and_the_body_at_the_end(daemon, api):
    """The Go client sends start only after it has seen the head of wait."""
    cid = daemon.create("exit 5")
    with api.stream("POST", f"/containers/{cid}/wait", condition="next-exit") as waiting:
        assert waiting.status == 200
        daemon.start_container(cid)
        assert waiting.json()["StatusCode"] == 5


def test_not_running_answers_at_once_for_an_ended_container(daemon, api):
    cid = daemon.run("exit 6")
    daemon.wait(cid)
    for query in ({}, {"condition": "not-running"}):
        assert api.post(f"/containers/{cid}/wait", expect=200, **query).json["StatusCode"] == 6


def test_not_running_answers_at_once_for_a_created_container(daemon, api):
    cid = daemon.create("true")
    assert api.post(f"/containers/{cid}/wait", expect=200).json["StatusCode"] == 0


def test_next_exit_waits_for_a_new_end(daemon, api):
    cid = daemon.create("test -e /again && exit 8; touch /again; exit 7")
    daemon.start_container(cid)
    assert daemon.wait(cid) == 7
    with api.stream("POST", f"/containers/{cid}/wait", condition="next-exit") as waiting:
        daemon.start_container(cid)
        assert waiting.json()["StatusCode"] == 8


def test_removed_waits_for_the_removal(daemon, api):
    cid = daemon.create("exit 9")
    with api.stream("POST", f"/containers/{cid}/wait", condition="removed") as waiting:
        daemon.start_container(cid)
        assert daemon.wait(cid) == 9
        waiting.set_timeout(0.3)
        with pytest.raises(TimeoutError):
            waiting.json()
    with api.stream("POST", f"/containers/{cid}/wait", condition="removed") as waiting:
        api.delete(f"/containers/{cid}", expect=204)
        assert waiting.json()["StatusCode"] == 9


def test_removed_with_auto_remove_tells_the_exit_code(daemon, api):
    cid = daemon.create("exit 10", host={"AutoRemove": True})
    with api.stream("POST", f"/containers/{cid}/wait", condition="removed") as waiting:
        daemon.start_container(cid)
        assert waiting.json()["StatusCode"] == 10
    assert api.get(f"/containers/{cid}/json").status == 404


def test_many_waiters_all_learn_the_end(daemon, api):
    cid = daemon.create("exit 11")
    waiting = [api.stream("POST", f"/containers/{cid}/wait", condition="next-exit") for _ in range(20)]
    daemon.start_container(cid)
    assert [w.json()["StatusCode"] for w in waiting] == [11] * 20
    for one in waiting:
        one.close()


def test_waiter_that_hangs_up_harms_nobody(daemon, api):
    cid = daemon.run("sleep 1000")
    api.stream("POST", f"/containers/{cid}/wait").close()
    with api.stream("POST", f"/containers/{cid}/wait") as waiting:
        api.post(f"/containers/{cid}/kill", expect=204)
        assert waiting.json()["StatusCode"] == 137


@pytest.mark.one_runtime
def test_unknown_condition_is_400(daemon, api):
    answer = api.post(f"/containers/{daemon.create('true')}/wait", condition="bored")
    assert answer.status == 400
    assert "bored" in answer.message


@pytest.mark.parametrize("how,code", [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", 0)])
def test_exit_codes(daemon, how, code):
    # An init cannot kill itself: the shell's kill has no effect and it ends with 0.
    assert daemon.wait(daemon.run(how)) == code


# --- containers that removed themselves

def code_of(api, ref, **query):
    return api.post(f"/containers/{ref}/wait", expect=200, **query).json["StatusCode"]


def gone(daemon, cid):
    host.wait_for(lambda: daemon.api.get(f"/containers/{cid}/json").status == 404, "the auto-remove")


@pytest.mark.parametrize("condition", [None, "not-running", "next-exit", "removed"])
def test_who_asks_late_for_an_auto_removed_one_gets_its_code(daemon, api, condition):
    query = {"condition": condition} if condition else {}
    cid = daemon.run("exit 12", host={"AutoRemove": True}, name="brief")
    gone(daemon, cid)
    for ref in (cid, cid[:12], "brief"):
        assert code_of(api, ref, **query) == 12
    daemon.restart()
    daemon.restart()
    assert code_of(api, cid, **query) == 12 and code_of(api, "brief") == 12
    assert api.get(f"/containers/{cid}/json").status == 404, "gone it is"


def test_it_ended_while_the_daemon_was_away(daemon, api):
    one = Doomed(daemon, "exit 13", name="away", AutoRemove=True)
    daemon.kill9()
    one.strike()
    daemon.start()
    assert code_of(api, "away") == 13
    gone(daemon, one.id)
    assert code_of(api, one.id) == 13


def test_a_name_used_again_means_the_new_one(daemon, api):
    gone(daemon, daemon.run("exit 14", host={"AutoRemove": True}, name="again"))
    cid = daemon.run("sleep 1000", name="again")
    with api.stream("POST", "/containers/again/wait") as waiting:
        api.post(f"/containers/{cid}/kill", expect=204)
        assert waiting.json()["StatusCode"] == 137


def test_removed_by_the_user_is_404(daemon, api):
    """Also one that would have removed itself."""
    ended = daemon.run("exit 15")
    daemon.wait(ended)
    living = daemon.run("sleep 1000", host={"AutoRemove": True})
    for cid in (ended, living):
        api.delete(f"/containers/{cid}", force=True, expect=204)
        assert api.post(f"/containers/{cid}/wait").message == f"No such container: {cid}"


def test_after_five_minutes_it_is_404(daemon, api):
    cid = daemon.run("exit 16", host={"AutoRemove": True})
    gone(daemon, cid)
    file = daemon.data / "departed.jsonl"
    [line] = [json.loads(text) for text in file.read_text().splitlines() if text]
    assert (line["Id"], line["ExitCode"]) == (cid, 16)
    line["Time"] -= 301 * 10 ** 9
    file.write_text(json.dumps(line) + "\n")
    assert api.post(f"/containers/{cid}/wait").status == 404


def test_an_unreadable_record_is_no_trouble(daemon, api):
    (daemon.data / "departed.jsonl").mkdir()
    cid = daemon.run("exit 17", host={"AutoRemove": True})
    gone(daemon, cid)
    assert api.post(f"/containers/{cid}/wait").status == 404
