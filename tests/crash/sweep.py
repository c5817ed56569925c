"""A sweep: one verb, tried with a death before each of its state-changing system calls.

The first round is undisturbed and tells which calls there are. Each round after it makes a scene, lets
the verb act while the reaper counts, and after the death looks at everything: at once after the
restart, and after one more, which must change nothing. Then the container must still work and go
without a trace.
"""

import contextlib
import http.client
import os
import shutil
import signal
import time
import traceback
import zlib

from kit import host, leaks, netns
from kit.archives import Image, build_program, file, folder, layer, symlink
from kit.daemon import Daemon
from kit.orphans import shim_of

import laws
from reaper import Reaper


def small_image():
    """Less than the kit's busybox, for it is looked at often."""
    busybox = open("/bin/busybox", "rb").read()
    return Image([layer(folder("bin"), folder("etc"), folder("proc"), folder("sys"), folder("dev"),
                        file("bin/busybox", busybox, 0o755), file("bin/probe", build_program("probe").read_bytes(), 0o755),
                        symlink("bin/sh", "busybox"), symlink("bin/sleep", "busybox"))])


MAX_FAULTS = 12  # of one sweep: then it has said enough


class Scene:
    """One round: the containers it has made, and what is known of the death."""

    def __init__(self, daemon):
        self.daemon, self.own, self.since = daemon, set(), time.time()
        self.cid = self.pid = self.answer = self.waiting = None

    def create(self, *args, **kw):
        cid = self.daemon.create(*args, **kw)
        self.own.add(cid)
        return cid

    def answered(self, status):
        """The client was told that it is done."""
        return self.answer is not None and self.answer.status == status

    def note_death(self):
        """What the disk says at this moment; whatever comes after must agree with it."""
        self.wishes = {cid: laws.wanted(self.daemon, cid) for cid in self.own}
        self.wanted = self.wishes.get(self.cid)
        self.state = laws.read_json(self.daemon.data / "containers" / str(self.cid) / "state.json") or {}
        self.phase = laws.read_json(self.daemon.exec / "containers" / str(self.cid) / "phase.json") or {}

    def begun(self, verb):
        """The intent was on disk: the wish, or the verb in progress."""
        return self.wanted in ("stopped", "restart") or self.phase.get("Verb") == verb

    def frozen(self):
        return "FROZEN" in host.cgroup_value(self.pid, "freezer", "freezer.state", "cgroup.freeze") or (
            not host.has_cgroup_v1("freezer") and
            host.cgroup_value(self.pid, "freezer", "", "cgroup.freeze") == "1")

    def ends_told(self, cid):
        return [e["Actor"]["Attributes"]["exitCode"]
                for e in self.daemon.past_events(self.since, container=[cid], event=["die"])]

    def wait_image_files(self, wanted):
        host.wait_for(lambda: self.image_files() == wanted, f"{wanted}, not {self.image_files()}", 60)

    def image_files(self):
        top = self.daemon.data / "image"
        return {str(p.relative_to(top)) for d in ("layers", "blobs", "images") for p in (top / d).glob("*")}


class Stage:
    """A daemon with two bystanders, whom no death of the daemon may touch."""

    def __init__(self, runtime, namespace, own_host=None):
        self.daemon = Daemon(runtime, namespace)
        self.daemon.netns = own_host and own_host.path
        self.daemon.start()
        self.daemon.load(small_image().docker_archive("busybox:latest"))
        mark = {"Labels": {"bystander": "1"}}
        self.busy = self.daemon.run(["probe", "trap", "5"], **mark)
        self.done = self.daemon.run(["sh", "-c", "exit 9"], **mark)
        self.daemon.wait(self.done)
        self.daemon.wait_state(self.done, "exited")
        self.pid = self.daemon.container_pid(self.busy)
        self.known = set(leaks.processes(self.daemon, self.daemon.ids))

    def check_bystanders(self):
        state = self.daemon.state(self.busy)
        assert (state["Status"], state["Pid"]) == ("running", self.pid), f"bystander: {state}"
        assert host.alive(self.pid), "the bystander was killed"
        state = self.daemon.state(self.done)
        assert (state["Status"], state["ExitCode"]) == ("exited", 9), f"bystander: {state}"


class DaemonDies:
    """The death of the daemon in a verb."""
    name = "daemon"

    def watch(self, scene, at):
        return Reaper("--pid", scene.daemon.pid, at=at)

    def die(self, scene):
        """Where no call was the last one: after all of them."""
        if scene.daemon.running:
            scene.daemon.kill9()

    def come_back(self, scene):
        scene.daemon.start()


class DaemonRestores(DaemonDies):
    """The death of the daemon in its restore: it is started by the reaper."""

    def watch(self, scene, at):
        command = scene.daemon.command()
        with open(scene.daemon.stderr_path, "ab") as stderr:
            return Reaper("--", shutil.which(command[0]), *command[1:], at=at, stderr=stderr,
                          env=scene.daemon.environment(), start_new_session=True)

    def die(self, scene):
        if scene.reaper.alive():
            os.kill(scene.reaper.pid, signal.SIGKILL)
            scene.reaper.wait_end(60)


def has_shim(pid):
    with contextlib.suppress(OSError):  # it ends just now
        return host.status_field(host.status_field(pid, "PPid"), "Name") == "holdfast-shim"
    return False


class ShimDies:
    """The death of a shim in a verb, the daemon alive."""
    name = "shim"

    def __init__(self, verb):
        self.in_birth = verb.path == "start"

    def shim(self, scene):
        """The parent of the container's first process."""
        return shim_of(scene.pid)

    def watch(self, scene, at):
        if self.in_birth:
            return Reaper("--pid", scene.daemon.pid, "--child", "holdfast-shim", at=at)
        return Reaper("--pid", self.shim(scene), at=at)

    def die(self, scene):
        scene.died = not scene.reaper.alive()

    def come_back(self, scene):
        """The daemon, which lives, has noticed it."""
        def noticed():
            answer = scene.daemon.api.get(f"/containers/{scene.cid}/json")
            state = answer.json.get("State", {})  # none: it is removed
            return not state.get("Running") or "shim is gone" in state["Error"] or has_shim(state["Pid"])

        if scene.died:
            host.wait_for(noticed, "the daemon to notice")


class ToolDies:
    """The death of holdfast-image, which the daemon has started for a verb; the daemon lives."""
    name = "tool"

    def watch(self, scene, at):
        return Reaper("--pid", scene.daemon.pid, "--child", "holdfast-image", at=at)

    def die(self, scene):
        scene.died = not scene.reaper.alive()

    def come_back(self, scene):
        assert scene.daemon.running, "the daemon died with it"


class Sweep:
    def __init__(self, verb, death, runtime, namespace):
        self.verb, self.death, self.runtime, self.namespace = verb, death, runtime, namespace
        self.stage, self.faults = None, []
        self.host = None  # of a verb on networks: the daemon's own

    @property
    def name(self):
        return f"{self.verb.name}" if self.death.name == "daemon" else f"{self.verb.name} ({self.death.name})"

    # --- which calls

    def record(self):
        """A round to its good end, which is checked like the others."""
        return self.round(0)

    def choose(self, calls, every):
        """Each call by its number; of a shortened sweep each N-th and the first of each kind."""
        last = len(calls) + 1  # after the last one
        if every <= 1:
            return list(range(1, last + 1))
        offset = zlib.crc32(self.verb.name.encode()) % every
        kinds, chosen = set(), {last}
        for n, call in enumerate(calls, 1):
            kind = call.split("(")[0]
            if kind not in kinds or n % every == offset:
                chosen.add(n)
            kinds.add(kind)
        return sorted(chosen)

    def run(self, every=1, only=None):
        """Returns how many points were tried."""
        if self.verb.networked:
            self.host = netns.Host()
        try:
            return self.run_all(every, only)
        finally:
            if self.host:
                self.host.close()

    def run_all(self, every, only):
        calls = []
        try:
            self.set_up()
            calls = self.record()
            points = [only] if only else self.choose(calls, every)
            for at in points:
                self.guarded_round(at, calls)
                if len(self.faults) >= MAX_FAULTS:
                    break
            self.stage.daemon.close(failed=bool(self.faults))
            assert self.faults or not self.host or not netns.leftovers(self.host), netns.leftovers(self.host)
        except BaseException:
            if self.stage:
                self.stage.daemon.close(failed=True)
            raise
        assert not self.faults, f"{len(self.faults)} of {len(points)} points:\n" + "\n".join(self.faults)
        return len(points)

    def set_up(self):
        self.stage = Stage(self.runtime, self.namespace, self.host)

    def guarded_round(self, at, calls):
        """A fault is told with its point; the next one finds a new stage."""
        mark = len(self.stage.daemon.stderr())
        try:
            self.round(at)
        except Exception as fault:
            where = calls[at - 1] if at <= len(calls) else "the end"
            said = self.stage.daemon.stderr()[mark:].splitlines()
            lines = [line for line in traceback.format_exc().splitlines()[-6:]]
            self.faults.append(f"--- {self.name} at {at}, {where}: {type(fault).__name__}: {fault}\n"
                               + "\n".join(lines) + "\n" + "\n".join(said[-40:]))
            self.stage.daemon.close(failed=True)
            self.set_up()

    # --- one round

    def round(self, at):
        scene = Scene(self.stage.daemon)
        scene.host = self.host
        self.verb.prepare(scene)
        scene.death, scene.reaper = self.death, self.death.watch(scene, at)
        try:
            with contextlib.suppress(OSError, http.client.HTTPException):  # it dies before the answer
                scene.answer = self.verb.act(scene)
            if at == 0:
                scene.reaper.wait_quiet()
            else:
                scene.reaper.wait_end(0.3)
            self.death.die(scene)
        finally:
            calls = scene.reaper.close()
        scene.note_death()
        self.death.come_back(scene)
        self.look(scene)
        return calls

    def look(self, scene):
        daemon = scene.daemon
        laws.wait_steady(daemon, scene.own)
        self.verb.check(scene)
        self.check_laws(scene)
        before = laws.snapshot(daemon)
        daemon.restart()
        laws.wait_steady(daemon, scene.own)
        laws.check_same(before, laws.snapshot(daemon))
        self.check_laws(scene)
        self.use_and_remove(scene)

    def check_laws(self, scene):
        daemon = scene.daemon
        self.stage.check_bystanders()
        laws.check_names(daemon)
        for cid in scene.own:
            laws.check_events(daemon, cid, scene.since)
            if laws.wanted(daemon, cid) is not None:
                laws.check_exit(daemon, cid, {5, 7, 137})
        laws.check_no_temporary_files(daemon)

    def use_and_remove(self, scene):
        """What is there still works, and goes without a trace."""
        daemon = scene.daemon
        for cid in scene.own:
            if cid == scene.cid and laws.wanted(daemon, cid) is not None:
                daemon.start_container(cid, expect=(204, 304) if daemon.state(cid)["Status"] != "paused" else 409)
            daemon.api.delete(f"/containers/{cid}", force=True, v=True, expect=(204, 404))
        if hasattr(self.verb, "finish"):
            self.verb.finish(scene)
        laws.check_nothing_left(daemon, scene.own, self.stage.known | {daemon.pid})
