"""Every file of containers and images, damaged in every way, and all of it met by one restart of the daemon.

Either the file did not matter, or its container is `dead` (or runs on) with the file named. Nothing
else is deleted, nobody is killed, what a link points to is left alone, and `rm -f` removes all.
"""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit import host
from kit.archives import file as entry, layer as layer_of, on_busybox, pack
from kit.damage import Damage, kinds_for, listing

# What the container's own life does not need, or what is written anew at each start.
SAYS = ["sh", "-c", "echo words; trap 'exit 3' TERM; while :; do sleep 1000 & wait; done"]
DATA = ["config.json", "state.json", "runs.jsonl", "json.log", "upper", "work", "hostname", "hosts",
        "resolv.conf"]
EXEC = ["phase.json", "shim.conf", "alive", "shim.sock", "pid", "shim.log", "bundle/config.json",
        "bundle"]
# What inspect shows only where the file is there, and what the loop compares by itself.
FILES_SHOWN = ("LogPath", "HostnamePath", "HostsPath", "ResolvConfPath", "State")


class Victim:
    def __init__(self, daemon, cid, top, file, kind, n):
        self.daemon, self.id, self.file, self.kind = daemon, cid, file, kind
        self.before = daemon.inspect(cid)
        self.pid = self.before["State"]["Pid"]
        self.place = {t: t / "containers" / cid for t in (daemon.data, daemon.exec)}
        self.path = self.place[top] / file
        self.foreign = daemon.root / f"foreign{n}"

    def strike(self):
        self.kept = self.names() - {self.file}
        self.damage = Damage(self.path, self.kind, self.foreign)

    def names(self):
        return {p.name for top in self.place.values() if top.exists() for p in top.iterdir()
                if not p.name.startswith(".")}

    def problem(self):
        """What is wrong with how the daemon took it; "" if nothing is."""
        shown = self.daemon.inspect(self.id)
        state, was = shown["State"], self.before["State"]
        if self.pid and not host.alive(self.pid):
            return "its process was killed"
        if missing := {n for n in self.kept - self.names() if not n.startswith(self.file)}:
            return f"was deleted with it: {missing}"
        self.damage.assert_foreign_untouched()
        named = os.path.basename(self.file) in state["Error"] or self.file.split("/")[0] in state["Error"]
        if state["Status"] == "dead":
            return "" if named else f"dead, but its error does not name the file: {state['Error']!r}"
        if state["Status"] != was["Status"]:
            return f"was {was['Status']}, is {state['Status']} ({state['Error']!r})"
        if "flipped" in self.kind:
            return ""  # a flipped bit may make other good words: it is as its file now says
        if others := {k: v for k, v in shown.items() if k not in FILES_SHOWN and v != self.before[k]}:
            return f"is shown otherwise: {others}"
        if others := {k: v for k, v in state.items() if k != "Error" and v != was[k]}:
            return f"is shown otherwise: {others}"
        return "" if state["Error"] == was["Error"] or named else f"an error without the file: {state['Error']!r}"

    def end_problem(self):
        """After its process has ended by SIGKILL: is that told as it was, or the loss admitted?"""
        state = self.daemon.state(self.id)
        if state["Status"] == "dead":
            return ""
        if state["Status"] != "exited":
            return f"its process is gone, it is {state['Status']} ({state['Error']!r})"
        if state["ExitCode"] == 137:
            return ""
        lost = state["ExitCode"] == 255 and "lost" in state["Error"]
        return "" if lost else f"exit code {state['ExitCode']} was invented ({state['Error']!r})"


def created(daemon):
    return daemon.create(SAYS)


def exited(daemon):
    cid = daemon.run("echo words; exit 3")
    daemon.wait(cid)
    daemon.wait_released(cid)
    return cid


def running(daemon):
    cid = daemon.run(SAYS)
    daemon.wait_log(cid, "words")
    return cid


def some(points, whole):
    """All of them, or a third that has every file and every kind."""
    points = list(points)
    return points if whole else points[::3]


def make_victims(daemon, make, files, whole):
    """One for each file and kind of damage that make sense in this state."""
    model = make(daemon)
    paths = [(top, file, top / "containers" / model / file) for top, file in files]
    points = some(((top, file, kind) for top, file, path in paths if os.path.lexists(path)
                   for kind in kinds_for(path)), whole)
    if make is created:  # a create that was cut short looks the same
        points = [p for p in points if p[1:] != ("config.json", "deleted")]
    with ThreadPoolExecutor(4) as pool:
        ids = pool.map(lambda _: make(daemon), points)
        return [Victim(daemon, cid, *point, n) for n, (cid, point) in enumerate(zip(ids, points))]


def complain(problems):
    told = [f"{v.damage}: {what}" for v, what in problems.items() if what]
    assert not told, "\n  ".join([f"{len(told)} of {len(problems)} damages are taken ill:", *told])


def sweep(daemon, make, files, whole):
    neighbours = [created(daemon), exited(daemon), running(daemon)]
    victims = make_victims(daemon, make, files, whole)
    shown = {cid: daemon.inspect(cid) for cid in neighbours}
    daemon.kill9()
    for v in victims:
        v.strike()
    daemon.start()
    assert len(daemon.list(all=True)) == len(victims) + 4
    complain({v: v.problem() for v in victims})
    for cid, was in shown.items():
        assert daemon.inspect(cid) == was
    assert host.alive(shown[neighbours[2]]["State"]["Pid"])
    return victims


def remove(daemon, victims):
    for v in victims:
        answer = daemon.api.delete(f"/containers/{v.id}", force=True)
        assert answer.status == 204, f"{v.damage}: {answer}"
        v.damage.assert_foreign_untouched()
        assert not any(os.path.lexists(top) for top in v.place.values()), f"{v.damage}: something is left"


@pytest.mark.one_runtime
@pytest.mark.parametrize("make", [created, exited])
def test_files_of_a_container_at_rest(daemon, make, whole):
    """And what a start then makes of them: it works, or says why not."""
    victims = sweep(daemon, make, [(daemon.data, f) for f in DATA], whole)
    for v in victims:
        answer = daemon.api.post(f"/containers/{v.id}/start")
        assert answer.status == 204 or answer.message, f"{v.damage}: {answer}"
        v.damage.assert_foreign_untouched()
        assert daemon.api.get(f"/containers/{v.id}/logs", stdout=True).status in (200, 409, 500)
    remove(daemon, victims)


@pytest.mark.one_runtime
@pytest.mark.parametrize("where", ["data", "exec"])
def test_files_of_a_running_container(daemon, where, whole):
    """Its process lives on; then it ends, and that is told."""
    top = getattr(daemon, where)
    victims = sweep(daemon, running, [(top, f) for f in (DATA if where == "data" else EXEC)], whole)
    for v in victims:
        os.kill(v.pid, signal.SIGKILL)

    def all_told():
        return not any(v.end_problem() for v in victims)

    try:
        host.wait_for(all_told, "all ends to be told")
    except AssertionError:
        complain({v: v.end_problem() for v in victims})
    remove(daemon, victims)


# --- images

def image_files(daemon, image):
    """Its record, the directory of its own layer, and what is in the blobs for it."""
    top = daemon.data / "image"
    record = top / "images" / f"{image.id.removeprefix('sha256:')}.json"
    layer = json.loads(record.read_text())["Layers"][-1]
    place = top / "layers" / layer["Dir"]
    return {"record": record, "layer": place, "diff": place / "diff", "layer.json": place / "layer.json",
            "blob": top / "blobs" / "sha256" / layer["Blob"], "config blob": top / "blobs" / "sha256" / record.stem}


def victim_image(n):
    return on_busybox(layer_of(entry(f"mine{n}", f"{n}")))


def load_at_once(daemon, images):
    """One archive of all: what they share is read once."""
    files, manifest = {}, []
    for tag, image in images.items():
        image.docker_archive(tag, change=files.update)
        manifest += json.loads(files["manifest.json"])
    daemon.load(pack({**files, "manifest.json": json.dumps(manifest).encode()}))


class ImageVictim:
    def __init__(self, daemon, file, kind, n):
        self.daemon, self.file, self.kind = daemon, file, kind
        self.image = victim_image(n)
        self.asleep = daemon.create("true", image=f"victim:{n}")
        self.awake = daemon.run(SAYS, image=f"victim:{n}")
        self.pid = daemon.container_pid(self.awake)
        self.path = image_files(daemon, self.image)[file]
        self.foreign = daemon.root / f"foreign-image{n}"

    def strike(self):
        self.damage = Damage(self.path, self.kind, self.foreign)

    def problem(self):
        asleep, awake = self.daemon.state(self.asleep), self.daemon.state(self.awake)
        self.damage.assert_foreign_untouched()
        if not host.alive(self.pid) or (awake["Status"], awake["Pid"]) != ("running", self.pid):
            return f"its running container is {awake['Status']} ({awake['Error']!r})"
        # By its path, or where that is gone by the id that the path had.
        names = [n for n in self.path.parts[-2:]] + [self.image.id[:19]]
        for state in asleep, awake:
            if state["Error"] and not any(n in state["Error"] for n in names):
                return f"the error names no file: {state['Error']!r}"
        if asleep["Status"] == "dead":
            return "" if asleep["Error"] and awake["Error"] else "dead without a reason, or told to one only"
        return "" if asleep["Status"] == "created" else f"its created container is {asleep['Status']}"


@pytest.mark.one_runtime
def test_files_of_an_image(daemon, whole):
    """What still needs them is not swept with them; another image does not notice."""
    model = on_busybox(layer_of(entry("model", "m")))
    daemon.load(model.docker_archive("model:1"))
    points = some(((file, kind) for file, path in image_files(daemon, model).items()
                   for kind in kinds_for(path)), whole)
    load_at_once(daemon, {f"victim:{n}": victim_image(n) for n in range(len(points))})
    victims = [ImageVictim(daemon, file, kind, n) for n, (file, kind) in enumerate(points)]
    before = listing(daemon.data / "image")
    daemon.kill9()
    for v in victims:
        v.strike()
    daemon.start()
    complain({v: v.problem() for v in victims})
    daemon.wait_swept()
    gone = {str(v.path.relative_to(daemon.data / "image")) for v in victims}
    lost = {p for p in before - listing(daemon.data / "image") if not any((p + "/").startswith(g + "/") for g in gone)}
    assert not lost, "nothing else is deleted"
    assert daemon.output("echo fine", image="model:1") == "fine\n"
    assert daemon.api.get("/images/json", expect=200).json
    for v in victims:
        answer = daemon.api.post(f"/containers/{v.asleep}/start")
        assert answer.status == 204 or answer.message, answer
        for cid in v.asleep, v.awake:
            daemon.api.delete(f"/containers/{cid}", force=True, expect=204)
        v.damage.assert_foreign_untouched()
    for v in victims:
        assert daemon.api.delete(f"/images/{v.image.id}", force=True).status in (200, 404, 409, 500)
    assert daemon.output("echo fine", image="model:1") == "fine\n"


@pytest.mark.one_runtime
@pytest.mark.parametrize("lost", ["the image's record", "the container's config.json"])
def test_what_a_container_may_need_is_not_swept(daemon, lost):
    """No record names the layers any more: they are all that is left for who lives on them."""
    image = on_busybox(layer_of(entry("mine", "precious")))
    daemon.load(image.docker_archive("mine:1"))
    awake = daemon.run(SAYS, image="mine:1")
    pid = daemon.container_pid(awake)
    before = listing(daemon.data / "image")
    record = image_files(daemon, image)["record"]
    paths = [record] + [daemon.data / "containers" / awake / "config.json"] * (lost != "the image's record")
    good = {path: path.read_bytes() for path in paths}
    daemon.kill9()
    for path in paths:
        path.unlink()
    for _ in range(2):
        daemon.start()
        daemon.wait_swept()
        assert host.alive(pid)
        assert before - listing(daemon.data / "image") == {str(record.relative_to(daemon.data / "image"))}
        daemon.kill9()
    for path, data in good.items():
        path.write_bytes(data)
    daemon.start()
    state = daemon.state(awake)
    assert (state["Status"], state["Pid"], state["Error"]) == ("running", pid, "")


# --- the daemon's own

@pytest.mark.one_runtime
def test_files_of_the_daemon(daemon):
    """The journal and the lock file: each kind of damage costs what was in the file, no more."""
    shown = {cid: daemon.inspect(cid) for cid in (created(daemon), exited(daemon), running(daemon))}
    for n, (name, kind) in enumerate((name, kind) for name in ("events.jsonl", "holdfast.lock")
                                     for kind in kinds_for(daemon.data / name)):
        daemon.kill9()
        damage = Damage(daemon.data / name, kind, daemon.root / f"foreign-own{n}")
        if name == "holdfast.lock" and (damage.path.is_symlink() or damage.path.is_dir()):
            # Without a lock two daemons could meet: it says so and does nothing.
            assert daemon.spawn().wait(host.PATIENCE) != 0
            assert name in daemon.stderr(tail=3), damage
        else:
            daemon.start()
            for cid, was in shown.items():
                assert daemon.inspect(cid) == was, damage
            assert isinstance(daemon.past_events(0), list)
            daemon.kill9()
        damage.assert_foreign_untouched()
        if damage.path.is_symlink():
            damage.path.unlink()
        elif damage.path.is_dir():
            damage.path.rmdir()
        daemon.start()
