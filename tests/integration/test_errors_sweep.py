"""Every verb on a disk that is full or fails: the n-th call of a kind returns ENOSPC or EIO.

The client gets a success or a clear error; the daemon goes on; no state is lost; and what the daemon
shows after that is what the next daemon shows.
"""

import os
import shutil
import signal
import subprocess

import pytest

from kit import host
from kit.archives import Image, busybox, file, layer
from kit.inject import Inject

STAY = ["sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 1000 & wait; done"]
CALLS = ["write", "fsync", "renameat", "mkdirat", "unlinkat", "openat"]
ERRORS = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}
# The whole sweep of a verb takes minutes.
pytestmark = pytest.mark.timeout(900)
# Far more than a verb makes: there a sweep has gone wrong.
MANY = 400


def look(daemon, cid):
    """What is shown of it in one answer, for it may go at any time; None: it is gone."""
    answer = daemon.api.get(f"/containers/{cid}/json")
    return None if answer.status == 404 else answer.json


def state(daemon, cid):
    return (look(daemon, cid) or {"State": {"Status": "gone", "Error": ""}})["State"]


def status(daemon, cid):
    return state(daemon, cid)["Status"]


# --- verbs on one container: how it is made, what is done, and what it then may be

def at_rest(daemon, n):
    return daemon.create(STAY, name=f"v{n}")


def awake(daemon, n):
    cid = daemon.run(STAY, name=f"v{n}")
    daemon.wait_log(cid, "up")
    return cid


def frozen(daemon, n):
    cid = awake(daemon, n)
    daemon.api.post(f"/containers/{cid}/pause", expect=204)
    return cid


def over(daemon, n):
    cid = daemon.run("exit 3", name=f"v{n}")
    daemon.wait(cid)
    daemon.wait_released(cid)
    return cid


def post(what, **query):
    def act(daemon, cid, n):
        return daemon.api.post(f"/containers/{cid}/{what}", **query)
    return act


def delete(**query):
    def act(daemon, cid, n):
        return daemon.api.delete(f"/containers/{cid}", **query)
    return act


def rename(daemon, cid, n):
    answer = daemon.api.post(f"/containers/{cid}/rename", name=f"renamed{n}")
    name = f"/renamed{n}" if answer.status == 204 else f"/v{n}"
    assert daemon.inspect(cid)["Name"] == name
    return answer


def end(daemon, cid, n):
    """No verb, a fact: it ends, which is no matter of errors for anybody. Nobody waits for it, who
    would be told by an eventfd: that takes a write as well, but is on no disk."""
    os.kill(daemon.container_pid(cid), signal.SIGKILL)
    daemon.wait_state(cid, "exited")
    return daemon.api.get(f"/containers/{cid}/json")


# name: (prepare, act, what it is after success, what else after an error)
VERBS = {
    "start": (at_rest, post("start"), {"running"}, {"created", "exited"}),
    "stop": (awake, post("stop", t=5), {"exited"}, {"running", "exited"}),
    "kill": (awake, post("kill"), {"exited"}, {"running", "exited"}),
    "restart": (awake, post("restart", t=5), {"running"}, {"running", "exited"}),
    "pause": (awake, post("pause"), {"paused"}, {"running"}),
    "unpause": (frozen, post("unpause"), {"running"}, {"paused"}),
    "rename": (at_rest, rename, {"created"}, {"created"}),
    "rm": (over, delete(), {"gone"}, {"exited", "removing", "gone"}),
    "rm -f": (awake, delete(force=True), {"gone"}, {"running", "exited", "removing", "gone"}),
    "end": (awake, end, {"exited"}, set()),
}


def check_answer(answer, text, point):
    """A success; or an error that is ours to tell, with the system's words or ours."""
    if answer.status < 400:
        return True
    assert answer.status in (500, 409), f"{point}: {answer}"
    # Where the pipe to holdfast-image failed nobody could say what did.
    assert text in answer.message or "holdfast-image failed" in answer.message or answer.status == 409, f"{point}: does not say what failed: {answer}"
    return False


def points(whole, turn):
    """(call, error, n): every n until it hits nothing, or a few."""
    for i, call in enumerate(CALLS):
        for j, error in enumerate(ERRORS):
            if not whole and (i + j + turn) % 2:
                continue
            for n in range(1, MANY) if whole else (1, 2, 3, 6, 10, 15):
                hit = yield call, error, n
                if not hit:
                    break
            else:
                assert not whole, f"{call} never ended"


def each_point(whole, turn, attempt):
    """Runs attempt(n-th attempt, point, fault) for each; says how many faults were met."""
    sweep, tried = points(whole, turn), 0
    point = next(sweep)
    while True:
        call, error, n = point
        hits = attempt(tried, f"{call} {error} {n}", Inject, (call, error, n))
        tried += 1
        try:
            point = sweep.send(bool(hits))
        except StopIteration:
            return tried


@pytest.mark.one_runtime
@pytest.mark.parametrize("verb", VERBS)
def test_verb_on_a_failing_disk(daemon, verb, whole):
    prepare, act, after, otherwise = VERBS[verb]
    told = {}

    def attempt(i, point, inject, fault):
        cid = prepare(daemon, i)
        with inject(daemon.pid, *fault) as faults:
            answer = act(daemon, cid, i)
        good = check_answer(answer, ERRORS[fault[1]], f"{verb}, {point}")
        told[cid] = (point, answer, after if good else after | otherwise if verb != "start" else otherwise)
        return faults.hits

    each_point(whole, list(VERBS).index(verb), attempt)
    check_told(daemon, told)
    # A kill whose signal could not be sent, and was told so, is gone on with by the next daemon.
    same = [cid for cid, (_, answer, _) in told.items() if verb != "kill" or answer.status < 400]
    shown = steady(daemon, same)
    daemon.restart()
    check_told(daemon, told)
    assert_shown_as(steady(daemon, same), shown)


def check_told(daemon, told):
    """Each is, or soon comes to be, what its client was told."""
    for cid, (point, answer, may_be) in told.items():
        assert daemon.running
        try:
            host.wait_for(lambda: status(daemon, cid) in may_be, "what was told", 60)
        except AssertionError:
            raise AssertionError(f"{point}: told {answer}, {cid[:12]} is {state(daemon, cid)}, not {may_be}") from None
        now = state(daemon, cid)
        if "exited" in may_be and now["Status"] == "exited":
            assert now["ExitCode"] in (3, 137, 143, 128), (point, now)


def assert_shown_as(shown, was):
    """As before, and if not then says what is not."""
    others = [f"{cid[:12]}: {key}: was {one.get(key)}, is {shown.get(cid, {}).get(key)}"
              for cid, one in was.items() for key in one if one.get(key) != shown.get(cid, {}).get(key)]
    assert not others and shown.keys() == was.keys(), "\n".join(others)


def steady(daemon, cids):
    """What is shown when clean-ups and removals have come to their end."""
    def restless(cid):
        # Held first: what is gone by then holds nothing any more.
        held = (daemon.exec / "containers" / cid).exists()
        now = state(daemon, cid)
        return (now["Status"] == "removing" or "clean-up pending" in now["Error"]
                or (now["Status"] in ("exited", "created", "gone") and held))

    try:
        host.wait_for(lambda: not any(map(restless, cids)), "clean-ups to end", 60)
    except AssertionError:
        left = [c for c in cids if restless(c)]
        said = [line for line in daemon.stderr().splitlines() if any(c[:12] in line for c in left)]
        raise AssertionError("not clean: " + "\n".join(str(state(daemon, c)) for c in left)
                             + "\n" + "\n".join(said)) from None
    return {c: shown for c in cids if (shown := look(daemon, c))}


@pytest.mark.one_runtime
def test_create_on_a_failing_disk(daemon, whole):
    made = {}

    def attempt(i, point, inject, fault):
        with inject(daemon.pid, *fault) as faults:
            answer = daemon.api.post("/containers/create", daemon.body(STAY), name=f"made{i}")
        if check_answer(answer, ERRORS[fault[1]], f"create, {point}"):
            made[f"/made{i}"] = answer.json["Id"]
            daemon.ids.add(answer.json["Id"])
        return faults.hits

    each_point(whole, 0, attempt)
    for _ in range(2):
        assert {c["Names"][0]: c["Id"] for c in daemon.list(all=True)} == made
        assert {p.name for p in (daemon.data / "containers").iterdir()} == set(made.values())
        daemon.restart()
    for cid in made.values():
        daemon.start_container(cid)


@pytest.mark.one_runtime
def test_create_with_volumes_on_a_failing_disk(daemon, whole):
    """A container comes with all of its volumes, filled; without it no anonymous one is there."""
    made = {}
    content = {"Binds": ["named:/bin"]}

    def attempt(i, point, inject, fault):
        body = daemon.body("exit 0", content, Volumes={"/etc": {}})
        with inject(daemon.pid, *fault) as faults:
            answer = daemon.api.post("/containers/create", body, name=f"made{i}")
        if check_answer(answer, ERRORS[fault[1]], f"create, {point}"):
            made[answer.json["Id"]] = point
            daemon.ids.add(answer.json["Id"])
        return faults.hits

    each_point(whole, 0, attempt)
    for _ in range(2):
        assert {c["Id"] for c in daemon.list(all=True)} == set(made)
        names = {m["Name"] for cid in made for m in daemon.inspect(cid)["Mounts"]}
        assert {v["Name"] for v in daemon.api.get("/volumes").json["Volumes"]} | {"named"} == names | {"named"}
        daemon.restart()
    daemon.wait_swept()
    assert not [p for p in (daemon.data / "volumes").iterdir() if p.name.startswith(".")]
    for cid, point in made.items():
        daemon.start_container(cid)
        assert daemon.wait(cid) == 0, point


@pytest.mark.one_runtime
def test_volume_verbs_on_a_failing_disk(daemon, whole):
    def attempt(i, point, inject, fault):
        with inject(daemon.pid, *fault) as faults:
            answer = daemon.api.post("/volumes/create", {"Name": f"v{i}"})
        check_answer(answer, ERRORS[fault[1]], f"volume create, {point}")
        daemon.api.post("/volumes/create", {"Name": f"v{i}"}, expect=201)
        with inject(daemon.pid, *fault) as more:
            answer = daemon.api.delete(f"/volumes/v{i}")
        gone = check_answer(answer, ERRORS[fault[1]], f"volume rm, {point}")
        assert daemon.api.get(f"/volumes/v{i}").status == (404 if gone else 200), point
        daemon.api.delete(f"/volumes/v{i}", force=True, expect=204)
        return faults.hits + more.hits

    each_point(whole, 1, attempt)
    daemon.restart()
    daemon.wait_swept()
    assert list((daemon.data / "volumes").iterdir()) == []


@pytest.mark.one_runtime
def test_prune_on_a_failing_disk(daemon, whole):
    def attempt(i, point, inject, fault):
        cid = over(daemon, i)
        with inject(daemon.pid, *fault) as faults:
            answer = daemon.api.post("/containers/prune")
        pruned = check_answer(answer, ERRORS[fault[1]], f"prune, {point}") and answer.json["ContainersDeleted"] or []
        # What was not pruned is there, or was meant to go and goes.
        now = status(daemon, cid)
        assert now == "gone" or cid not in pruned and now in ("exited", "removing"), point
        return faults.hits

    each_point(whole, 1, attempt)
    daemon.restart()
    daemon.api.post("/containers/prune", expect=200)
    host.wait_for(lambda: not daemon.list(all=True), "all to be pruned")


# --- images

def tiny(n):
    return Image([layer(file(f"f{n}", f"{n}" * 100))])


def image_names(daemon):
    return sorted(t for i in daemon.api.get("/images/json", expect=200).json for t in i["RepoTags"] or [i["Id"]])


def load(daemon, n):
    """Answers 200 before it knows how it goes: the error is in its stream."""
    answer = daemon.api.post("/images/load", tiny(n).docker_archive(f"tiny:{n}"), headers={"Content-Type": "application/x-tar"})
    if answer.status == 200 and any("error" in line for line in answer.json_lines()):
        answer.status = 500
        answer.body = b'{"message":' + answer.body.split(b'"message":', 1)[1].split(b"}", 1)[0] + b"}"
        answer.headers = {"Content-Type": "application/json"}
    return answer


IMAGE_VERBS = {
    "load": (lambda d, n: None, load, "tiny:{}"),
    "tag": (lambda d, n: d.load(tiny(n).docker_archive(f"tiny:{n}")),
            lambda d, n: d.api.post(f"/images/tiny:{n}/tag", repo="other", tag=str(n)), "other:{}"),
    "rm": (lambda d, n: d.load(tiny(n).docker_archive(f"tiny:{n}")),
           lambda d, n: d.api.delete(f"/images/tiny:{n}"), "tiny:{}"),
}


@pytest.mark.one_runtime
@pytest.mark.parametrize("verb", IMAGE_VERBS)
def test_image_verb_on_a_failing_disk(new_daemon, verb, whole):
    daemon = new_daemon()
    daemon.detect_leaks = False
    daemon.start()
    prepare, act, name = IMAGE_VERBS[verb]

    def attempt(i, point, inject, fault):
        prepare(daemon, i)
        with inject(daemon.pid, *fault, children=True) as faults:
            answer = act(daemon, i)
        good = check_answer(answer, ERRORS[fault[1]], f"image {verb}, {point}")
        assert (name.format(i) in image_names(daemon)) == (good if verb != "rm" else not good), (point, answer)
        return faults.hits

    each_point(whole, 2, attempt)
    shown = image_names(daemon)
    daemon.restart()
    assert image_names(daemon) == shown
    daemon.wait_swept()
    assert not list((daemon.data / "image" / "staging").iterdir())
    # And what is there is whole.
    for image in daemon.api.get("/images/json", expect=200).json:
        answer = daemon.api.get(f"/images/{image['Id']}/get", timeout=60)
        assert answer.status == 200 and answer.body, image
    layers = {p.name for p in (daemon.data / "image" / "layers").iterdir()}
    assert len(layers) == len({n.split(":")[1] for n in shown})


# --- a disk that really is full

@pytest.fixture
def small_disk(new_daemon):
    """A daemon whose data root is a file system of 64 MB."""
    daemon = new_daemon()
    daemon.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "holdfast-test", daemon.data], check=True)
    yield daemon
    if daemon.running:
        daemon.remove_all()
        daemon.stop()
    saved = daemon.root / "saved"
    saved.mkdir()
    for place in daemon.data.iterdir():
        if place.name != "image":
            shutil.move(place, saved)
    subprocess.run(["umount", "-l", daemon.data], check=True)


@pytest.mark.one_runtime
def test_full_disk(small_disk):
    """Nothing new can be made, and says so; what is there can be stopped, and removed; exits are recorded."""
    daemon = small_disk.start()
    daemon.load(busybox().docker_archive("busybox:latest"))
    running = [awake(daemon, n) for n in range(3)]
    asleep = at_rest(daemon, 9)
    filler = daemon.data / "filler"
    with open(filler, "wb", buffering=0) as f:
        for size in (1 << 16, 1 << 12):
            try:
                while f.write(b"x" * size) == size:
                    pass
            except OSError:
                pass
    for answer in (daemon.api.post("/containers/create", daemon.body(STAY)),
                   daemon.api.post(f"/containers/{asleep}/start"),
                   daemon.api.post(f"/containers/{asleep}/rename", name="other")):
        assert answer.status == 500 and "No space left on device" in answer.message, answer
    # Its end finds the room that was reserved for it.
    os.kill(daemon.container_pid(running[0]), signal.SIGKILL)
    daemon.wait_state(running[0], "exited")
    assert daemon.state(running[0])["ExitCode"] == 137
    shown = {c: daemon.inspect(c) for c in running[1:] + [asleep]}
    daemon.restart()
    again = {c: daemon.inspect(c) for c in shown}
    for one in shown, again:  # why a start failed is told to its client, and kept only where there is room
        one[asleep]["State"].update(Error="", ExitCode=0)
    assert_shown_as(again, shown)
    assert daemon.state(running[0])["ExitCode"] == 137
    assert daemon.stop_container(running[1], t=60, timeout=90).status == 204
    assert daemon.api.delete(f"/containers/{running[0]}").status == 204
    filler.unlink()
    daemon.start_container(asleep)
    assert daemon.state(running[1])["ExitCode"] == 3
