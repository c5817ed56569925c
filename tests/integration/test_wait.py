"""POST /containers/{id}/wait: all three conditions, and its head at once."""

import json
import socket

import pytest

from kit import host
from kit.doomed import Doomed
from kit.waiting import CONDITIONS, begin, code, shim, shims, wait_no_shim


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


# --- with the daemon dying

@pytest.mark.parametrize("condition, before_start", [
    *((condition, False) for condition in CONDITIONS), ("next-exit", True), ("removed", True)])
def test_it_outlives_the_daemon(daemon, condition, before_start):
    one = Doomed(daemon, "exit 21", AutoRemove=True) if not before_start else None
    if one:
        cid, waiting = one.id, begin(daemon, one.id, condition)
    else:
        cid = daemon.create("exit 21", host={"AutoRemove": True})
        waiting = begin(daemon, cid, condition)
        daemon.start_container(cid)
    daemon.kill9()
    if one:
        one.strike()
    if condition != "removed":
        assert code(waiting) == 21, "the shim knows it, and no daemon is needed"
        daemon.start()
    else:
        daemon.start()
        assert code(waiting) == 21
    wait_no_shim(cid)


@pytest.mark.parametrize("state", ["restarting", "paused"])
def test_in_other_states(daemon, state):
    host_config = {"RestartPolicy": {"Name": "always"}} if state == "restarting" else {}
    cid = daemon.run("exit 3" if state == "restarting" else "sleep 1000", host=host_config)
    if state == "paused":
        daemon.api.post(f"/containers/{cid}/pause", expect=204)
    else:
        daemon.wait_state(cid, "restarting")
    waiting = begin(daemon, cid, "not-running")
    daemon.kill9()
    if state == "paused":
        daemon.start()
        daemon.api.post(f"/containers/{cid}/unpause", expect=204)
        daemon.api.post(f"/containers/{cid}/kill", expect=204)
        assert code(waiting) == 137
    else:
        assert code(waiting) == 3, "at the end of the next run, as docker has it"
        daemon.start()


def test_a_hundred_through_ten_deaths(daemon):
    """Who waits needs no daemon; each learns the code of its own container."""
    doomed = [Doomed(daemon, f"exit {30 + i}") for i in range(10)]
    waiting = [(one, begin(daemon, one.id, CONDITIONS[i % 2])) for i in range(10) for one in doomed]
    for one in doomed:
        daemon.kill9()
        one.strike()
        daemon.start()
    for one, stream in waiting:
        assert code(stream) == one.code


def test_a_lingering_shim_waits_for_the_removal(daemon):
    """Its container ends, is started again in another shim, and goes at last."""
    cid = daemon.run("test -e /again && exit 8; touch /again; exit 7")
    assert daemon.wait(cid) == 7
    waiting = begin(daemon, cid, "removed")
    daemon.start_container(cid)
    assert daemon.wait(cid) == 8
    daemon.wait_state(cid, "exited")
    host.wait_for(lambda: not (daemon.exec / "containers" / cid).exists(), "the release")
    lingers = shim(cid)
    assert cid not in open(f"/proc/{lingers}/mountinfo").read(), "it holds a mount of the container's"
    daemon.restart()
    daemon.start_container(cid)
    assert daemon.wait(cid) == 8
    host.wait_for(lambda: shims(cid) == [lingers], "the second shim to end")
    daemon.api.delete(f"/containers/{cid}", expect=204)
    assert code(waiting) == 8
    wait_no_shim(cid)


def test_a_lingering_shim_goes_with_its_client(daemon):
    cid = daemon.run("exit 5")
    waiting = begin(daemon, cid, "removed")
    assert daemon.wait(cid) == 5
    daemon.wait_state(cid, "exited")
    waiting.close()
    wait_no_shim(cid)


def test_who_is_told_of_a_removal_may_use_the_name(daemon):
    for i in range(10):
        cid = daemon.create(f"exit {i}", host={"AutoRemove": True}, name="taken")
        waiting = begin(daemon, cid, "removed")
        daemon.start_container(cid)
        assert code(waiting) == i


def test_who_is_told_of_an_end_finds_it(daemon):
    """The shim tells clients itself, perhaps before the daemon has looked."""
    for i in range(10):
        cid = daemon.create(f"exit {i}")
        waiting = begin(daemon, cid)
        daemon.start_container(cid)
        assert code(waiting) == i
        if i % 2:
            assert daemon.state(cid)["ExitCode"] == i and not daemon.state(cid)["Running"]
        daemon.api.delete(f"/containers/{cid}", expect=204)


def test_a_killed_shim_tells_no_code(daemon):
    cid = daemon.run("sleep 1000")
    waiting = begin(daemon, cid)
    host.kill(shim(cid))
    assert code(waiting) is None


@pytest.mark.one_runtime
def test_http_1_0(daemon):
    """No chunks: the body ends with the connection."""
    cid = daemon.create("exit 6")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(daemon.sock))
        s.sendall(f"POST /containers/{cid}/wait?condition=next-exit HTTP/1.0\r\n\r\n".encode())
        got = s.recv(4096)
        daemon.start_container(cid)
        while piece := s.recv(4096):
            got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    assert b" 200 " in head and b"chunked" not in head.lower()
    assert json.loads(body) == {"StatusCode": 6, "Error": None}


@pytest.mark.one_runtime
def test_words_of_an_error_come_with_it(daemon):
    """A restart in place that fails: 128, and why."""
    # Not the first one: then the back-off, of more than three seconds, is long enough to be waited in.
    cid = daemon.run("echo x >> /n; wc -l < /n; [ $(wc -l < /n) -lt 6 ] || rm /bin/sh; exit 1",
                     host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 6}})
    daemon.wait_log(cid, "6\n")
    daemon.wait_state(cid, "restarting")
    with begin(daemon, cid) as waiting:
        answer = waiting.json()
    assert answer["StatusCode"] == 128 and "sh" in answer["Error"]["Message"]
