"""The verbs that the daemon, or a shim, dies in: what each finds, what it does, what may be after.

Each has prepare(scene), act(scene), and check(scene), which asserts what is lawful for this verb
beyond laws.py. A verb that was cut short is either not begun or finished: which of the two, the disk
says at the death (scene.wanted), and an answer that the client has got decides it (scene.answer).
"""

import contextlib
import json
import os
import signal
import time

from kit import host

import laws

CODE = 5  # of a container that is asked to end


def run(scene, host_config=None, **config):
    """A running container that ends with CODE on SIGTERM, ready for it."""
    cid = scene.create(["probe", "trap", str(CODE)], host_config, **config)
    scene.daemon.start_container(cid)
    scene.daemon.wait_log(cid, "ready")
    scene.pid = scene.daemon.container_pid(cid)
    return cid


def exited(scene, code=7):
    cid = scene.create(["sh", "-c", f"exit {code}"])
    scene.daemon.start_container(cid)
    assert scene.daemon.wait(cid) == code
    scene.daemon.wait_state(cid, "exited")
    return cid


class Verb:
    path = None  # of the request, POST
    query = {}
    networked = False  # whether the daemon has a host of its own

    @property
    def name(self):
        return type(self).__name__.lower().replace("_", " ")

    def prepare(self, scene):
        scene.cid = run(scene)

    def act(self, scene):
        return scene.daemon.api.post(f"/containers/{scene.cid}/{self.path}", **self.query)

    def check(self, scene):
        raise NotImplementedError


# --- what each may end in

def assert_running(scene):
    state = scene.daemon.state(scene.cid)
    assert (state["Status"], state["Pid"]) == ("running", scene.pid), f"was {scene.pid}: {state}"


def assert_exited(scene, *codes):
    state = scene.daemon.state(scene.cid)
    assert state["Status"] == "exited" and state["ExitCode"] in codes, f"wanted exited {codes}: {state}"
    assert not host.alive(scene.pid), "exited, but alive"


def assert_gone(scene, cid):
    assert scene.daemon.api.get(f"/containers/{cid}/json").status == 404
    assert not (scene.daemon.data / "containers" / cid).exists()
    assert cid not in [one["Id"] for one in scene.daemon.list(all=True)]


class Create(Verb):
    def prepare(self, scene):
        scene.before = {one["Id"] for one in scene.daemon.list(all=True)}

    def act(self, scene):
        return scene.daemon.api.post("/containers/create", scene.daemon.body("exit 0"), name="new")

    def check(self, scene):
        """Whole or not at all; without an answer either may be, for nobody knows its id."""
        made = {one["Id"] for one in scene.daemon.list(all=True)} - scene.before
        if scene.answered(201):
            assert made == {scene.answer.json["Id"]}
        assert len(made) <= 1
        if not made:
            made = {scene.create("exit 0", name="new")}
        scene.own |= made
        scene.cid, = made
        one = scene.daemon.inspect("new")
        assert (one["Id"], one["State"]["Status"], one["Config"]["Cmd"]) == (
            scene.cid, "created", ["sh", "-c", "exit 0"])


class Start(Verb):
    path = "start"

    def prepare(self, scene):
        scene.cid = scene.create(["probe", "trap", str(CODE)])

    def check(self, scene):
        """A start that was cut short runs where its shim came to it, else it is undone: both are
        lawful, for the shim, once told, goes on by itself. Half of one is not."""
        state = scene.daemon.state(scene.cid)
        started = [r for r in laws.records(scene.daemon, scene.cid) if r["event"] == "started"]
        if scene.answered(204) or started:
            assert state["Status"] == "running" and state["Pid"] == started[-1]["pid"], state
            assert host.alive(state["Pid"])
            assert len(started) == 1, started
        else:
            assert state["Status"] == "created" and state["Pid"] == 0, state


class Start_again(Verb):
    path = "start"

    def prepare(self, scene):
        scene.cid = exited(scene)

    def check(self, scene):
        """It runs `exit 7` again; undone it is as it was: 7 either way."""
        scene.daemon.wait_state(scene.cid, "exited")
        state = scene.daemon.state(scene.cid)
        assert state["ExitCode"] == 7, state
        ended = [r for r in laws.records(scene.daemon, scene.cid) if r["event"] == "ended"]
        assert not scene.answered(204) or len(ended) == 2


class Stop(Verb):
    path = "stop"

    def check(self, scene):
        if scene.answered(204) or scene.begun("stop"):
            assert_exited(scene, CODE)
        else:
            assert_running(scene)


class Stop_paused(Stop):
    def prepare(self, scene):
        scene.cid = run(scene)
        scene.daemon.api.post(f"/containers/{scene.cid}/pause", expect=204)

    def check(self, scene):
        if scene.answered(204) or scene.begun("stop"):
            assert_exited(scene, CODE)
        else:
            assert scene.daemon.state(scene.cid)["Status"] == "paused"


class Stop_stubborn(Stop):
    """It ignores the stop signal: SIGKILL after the seconds that were left."""
    query = {"t": 1}

    def prepare(self, scene):
        scene.cid = run(scene, StopSignal="SIGUSR1")

    def check(self, scene):
        if scene.answered(204) or scene.begun("stop"):
            assert_exited(scene, 137)
        else:
            assert_running(scene)


class Kill(Verb):
    path = "kill"

    def check(self, scene):
        if scene.answered(204) or scene.begun("kill"):
            assert_exited(scene, 137)
        else:
            assert_running(scene)


class Restart(Verb):
    path = "restart"

    def check(self, scene):
        """Begun, it ends in a new run, the old one's end told; else the old run goes on."""
        started = [r for r in laws.records(scene.daemon, scene.cid) if r["event"] == "started"]
        ended = [r for r in laws.records(scene.daemon, scene.cid) if r["event"] == "ended"]
        if scene.answered(204) or scene.begun("restart") or scene.state["Run"] > 1:
            state = scene.daemon.state(scene.cid)
            assert state["Status"] == "running", state
            assert len(started) == 2 and state["Pid"] == started[-1]["pid"], (state, started)
            assert [r["code"] for r in ended] == [CODE]
        else:
            assert_running(scene)


class Pause(Verb):
    path = "pause"

    def check(self, scene):
        """One step of the runtime's, whose outcome counts: without an answer either is lawful."""
        status = scene.daemon.state(scene.cid)["Status"]
        assert status in ("running", "paused")
        assert not scene.answered(204) or status == "paused"
        assert scene.daemon.state(scene.cid)["Pid"] == scene.pid
        assert scene.frozen() == (status == "paused"), f"shown {status}"


class Unpause(Pause):
    path = "unpause"

    def prepare(self, scene):
        scene.cid = run(scene)
        scene.daemon.api.post(f"/containers/{scene.cid}/pause", expect=204)

    def check(self, scene):
        status = scene.daemon.state(scene.cid)["Status"]
        assert status in ("running", "paused")
        assert not scene.answered(204) or status == "running"
        assert scene.daemon.state(scene.cid)["Pid"] == scene.pid
        assert scene.frozen() == (status == "paused"), f"shown {status}"


class Rename(Verb):
    path = "rename"
    query = {"name": "new"}

    def prepare(self, scene):
        scene.cid = run(scene, name="old")

    def check(self, scene):
        """One of the two names, by the one file that says it; the other is free."""
        assert_running(scene)
        name = scene.daemon.inspect(scene.cid)["Name"]
        assert name in ("/old", "/new")
        assert not scene.answered(204) or name == "/new"
        other = {"/old": "new", "/new": "old"}[name]
        assert scene.daemon.api.get(f"/containers/{other}/json").status == 404
        scene.create("exit 0", name=other)


class Update(Verb):
    path = "update"
    was, wish = 100, 50

    def prepare(self, scene):
        scene.cid = run(scene, {"PidsLimit": self.was})

    def act(self, scene):
        return scene.daemon.api.post(f"/containers/{scene.cid}/{self.path}", {"PidsLimit": self.wish})

    def check(self, scene):
        """Not begun or done; and configuration, bundle, from which its shim starts it again, and cgroup agree."""
        place = scene.daemon.exec / "containers" / scene.cid
        host.wait_for(lambda: "Updating" not in (place / "phase.json").read_text(), "the update to be over")
        assert_running(scene)
        shown = scene.daemon.inspect(scene.cid)["HostConfig"]["PidsLimit"]
        assert shown in (self.was, self.wish)
        assert not scene.answered(200) or shown == self.wish
        assert host.cgroup_value(scene.pid, "pids", "pids.max", "pids.max") == str(shown)
        resources = json.loads((place / "bundle/config.json").read_text())["linux"]["resources"]
        assert resources["pids"]["limit"] == shown


class Remove(Verb):
    def prepare(self, scene):
        scene.cid = exited(scene)

    def act(self, scene):
        return scene.daemon.api.delete(f"/containers/{scene.cid}")

    def check(self, scene):
        if scene.answered(204) or scene.wanted in ("gone", None):
            assert_gone(scene, scene.cid)
        else:
            assert scene.daemon.state(scene.cid)["ExitCode"] == 7


class Remove_by_force(Verb):
    def prepare(self, scene):
        scene.cid = run(scene)

    def act(self, scene):
        return scene.daemon.api.delete(f"/containers/{scene.cid}", force=True)

    def check(self, scene):
        if scene.answered(204) or scene.wanted in ("gone", None):
            assert_gone(scene, scene.cid)
            assert scene.ends_told(scene.cid) == ["137"]
        else:
            assert_running(scene)


class Prune(Verb):
    def prepare(self, scene):
        scene.two = [exited(scene), exited(scene)]
        scene.cid = scene.two[0]

    def act(self, scene):
        # The bystander that rests is not of these.
        return scene.daemon.api.post("/containers/prune", filters={"label!": ["bystander"]})

    def check(self, scene):
        """Each by itself: one may be gone and the other not begun."""
        for cid in scene.two:
            if scene.answered(200) or scene.wishes[cid] in ("gone", None):
                assert_gone(scene, cid)
            else:
                assert scene.daemon.state(cid)["ExitCode"] == 7


def end(scene, cid, pid):
    """It ends by itself, and that is on record: its shim has come to it."""
    place = scene.daemon.data / "containers" / cid
    os.kill(pid, signal.SIGTERM)
    host.wait_for(lambda: not place.exists() or "ended" in [r["event"] for r in laws.records(scene.daemon, cid)],
                  "its end to be on record")


class Exit(Verb):
    """Settling what ended by itself."""
    after = CODE

    def prepare(self, scene):
        scene.cid = run(scene)

    def act(self, scene):
        end(scene, scene.cid, scene.pid)

    def check(self, scene):
        assert_exited(scene, CODE)
        assert scene.ends_told(scene.cid) == [str(CODE)]


class Auto_remove(Exit):
    def prepare(self, scene):
        scene.cid = run(scene, {"AutoRemove": True})

    def check(self, scene):
        assert_gone(scene, scene.cid)
        assert scene.ends_told(scene.cid) == [str(CODE)]


class Policy_restart(Verb):
    """The shim starts it again, once, whatever becomes of the daemon."""

    def prepare(self, scene):
        scene.cid = run(scene, {"RestartPolicy": {"Name": "always"}})

    def events(self, scene, event):
        return [r for r in laws.records(scene.daemon, scene.cid) if r["event"] == event]

    def act(self, scene):
        os.kill(scene.pid, signal.SIGTERM)
        host.wait_for(lambda: len(self.events(scene, "started")) == 2, "it to be started again")

    def check(self, scene):
        state = scene.daemon.state(scene.cid)
        started = self.events(scene, "started")
        assert len(started) == 2 and (state["Status"], state["Pid"]) == ("running", started[1]["pid"]), state
        assert [r["code"] for r in self.events(scene, "ended")] == [CODE]
        assert scene.ends_told(scene.cid) == [str(CODE)]
        assert scene.daemon.inspect(scene.cid)["RestartCount"] == 1


class Health_check(Verb):
    """A probe that was running when the daemon died is no failure."""

    def prepare(self, scene):
        scene.cid = run(scene, Healthcheck={"Test": ["CMD", "probe", "eat", "0"], "Interval": 400 * 10 ** 6,
                                            "Timeout": 10 * 10 ** 9, "Retries": 1})

    def act(self, scene):
        time.sleep(1)  # two of them; asking how far they are would add calls of its own

    def check(self, scene):
        assert_running(scene)
        host.wait_for(lambda: scene.daemon.state(scene.cid)["Health"]["Status"] == "healthy", "it to be healthy")
        health = scene.daemon.state(scene.cid)["Health"]
        assert health["FailingStreak"] == 0 and {r["ExitCode"] for r in health["Log"]} == {0}, health


ALL = [cls() for cls in (
    Create, Start, Start_again, Stop, Stop_paused, Stop_stubborn, Kill, Restart, Pause, Unpause, Rename, Update,
    Remove, Remove_by_force, Prune, Exit, Auto_remove, Policy_restart, Health_check)]


# --- restore itself

class Restore(Verb):
    """The daemon dies while it restores one of each kind."""

    def prepare(self, scene):
        daemon = scene.daemon
        self.paused = run(scene)
        self.paused_pid = scene.pid
        daemon.api.post(f"/containers/{self.paused}/pause", expect=204)
        self.removed = exited(scene)
        self.auto = run(scene, {"AutoRemove": True})
        ending = [(self.auto, scene.pid)]
        self.stopping = run(scene, StopSignal="SIGUSR1")
        self.stubborn_pid = scene.pid
        self.ended = scene.cid = run(scene)
        ending.append((self.ended, scene.pid))
        self.begin_stop(scene)
        daemon.kill9()
        for cid, pid in ending:
            end(scene, cid, pid)
        self.want_gone(scene)
        self.leave_litter(scene)

    def begin_stop(self, scene):
        """A stop that waits for its time-out when the daemon dies."""
        with contextlib.suppress(TimeoutError):
            scene.daemon.api.post(f"/containers/{self.stopping}/stop", t=1, timeout=0.1)
        phase = scene.daemon.exec / "containers" / self.stopping / "phase.json"
        # None: on a busy host it may be over before anybody has looked.
        host.wait_for(lambda: (laws.read_json(phase) or {}).get("Phase") in ("stopping", None), "the stop to begin")

    def want_gone(self, scene):
        path = scene.daemon.data / "containers" / self.removed / "state.json"
        path.write_text(json.dumps({**laws.read_json(path), "Wanted": 3}))

    def leave_litter(self, scene):
        top = scene.daemon.data / "containers"
        self.unfinished, self.gone = top / ("c" * 64), top / ".gone-0123456789abcdef"
        for path in (self.unfinished, self.gone):
            path.mkdir()
            (path / "runs.jsonl").touch()
        self.volumes = scene.daemon.data / "volumes"
        for name in (f".pending-{'e' * 64}", f".new-{'1' * 16}", f".gone-{'2' * 16}", ".fill-x1", ".filled-x2"):
            (self.volumes / name / "_data").mkdir(parents=True, exist_ok=True)

    def act(self, scene):
        """Until it has restored all, or has died on the way."""
        def answers():
            try:
                return scene.daemon.api.get("/_ping", version="").status == 200
            except OSError:
                return not scene.reaper.alive()

        host.wait_for(answers, "the daemon to answer")
        laws.wait_steady(scene.daemon, scene.own)

    def check(self, scene):
        daemon = scene.daemon
        assert_exited(scene, CODE)
        assert daemon.state(self.paused)["Status"] == "paused"
        assert daemon.container_pid(self.paused) == self.paused_pid
        assert daemon.state(self.stopping)["ExitCode"] == 137
        assert not host.alive(self.stubborn_pid)
        for cid in (self.removed, self.auto):
            assert_gone(scene, cid)
        for cid, code in ((self.ended, CODE), (self.auto, CODE), (self.stopping, 137)):
            assert scene.ends_told(cid) == [str(code)], f"told of {cid[:12]}: {scene.ends_told(cid)}"
        assert not self.unfinished.exists() and not self.gone.exists()
        assert not list(self.volumes.iterdir())


# --- in which a shim dies

class Shim_start(Start):
    """Whatever the shim came to: what runs is shown running, what does not is not."""

    def check(self, scene):
        alive = [pid for path in host.cgroups_named([scene.cid]) for pid in cgroup_processes(path)]
        state = scene.daemon.state(scene.cid)
        if alive:
            assert state["Status"] == "running" and state["Pid"] in alive, f"{alive} live: {state}"
        else:
            assert state["Status"] in ("created", "exited"), state


def cgroup_processes(path):
    with contextlib.suppress(OSError), open(f"{path}/cgroup.procs") as procs:
        return [int(line) for line in procs]
    return []


def wait_exited(scene, *codes):
    """The daemon lives and learns of it, perhaps a moment after the client has its answer."""
    scene.daemon.wait_state(scene.cid, "exited")
    assert_exited(scene, *codes)


class Shim_stop(Stop):
    def check(self, scene):
        wait_exited(scene, CODE, 255)


class Shim_kill(Kill):
    def check(self, scene):
        wait_exited(scene, 137, 255)


class Shim_exit(Exit):
    def act(self, scene):
        """Its shim may die before it has that on record."""
        os.kill(scene.pid, signal.SIGTERM)
        host.wait_exit(scene.pid)

    def check(self, scene):
        wait_exited(scene, CODE, 255)


class Shim_policy(Policy_restart):
    """What its shim does not start again any more the daemon does, and never both."""
    path = None

    def act(self, scene):
        os.kill(scene.pid, signal.SIGTERM)
        host.wait_exit(scene.pid)
        host.wait_for(lambda: scene.daemon.state(scene.cid)["Pid"] not in (0, scene.pid), "it to be started again")

    def check(self, scene):
        pid = scene.daemon.container_pid(scene.cid)
        assert host.alive(pid) and pid != scene.pid
        alive = {p for path in host.cgroups_named([scene.cid]) for p in cgroup_processes(path)}
        assert alive == {pid}, f"{alive} live, shown {pid}"
        assert len(scene.ends_told(scene.cid)) in (1, 2)  # the new run may have died with the new shim


class Shim_remove(Remove_by_force):
    def check(self, scene):
        assert_gone(scene, scene.cid)
        assert len(scene.ends_told(scene.cid)) == 1


class Shim_rests(Verb):
    """It dies while its container runs: an orphan, which every verb still reaches."""

    def act(self, scene):
        os.kill(scene.death.shim(scene), signal.SIGKILL)

    def check(self, scene):
        assert_running(scene)
        for verb, status in (("pause", "paused"), ("unpause", "running")):
            scene.daemon.api.post(f"/containers/{scene.cid}/{verb}", expect=204)
            scene.daemon.wait_state(scene.cid, status)


SHIM = [cls() for cls in (Shim_start, Shim_stop, Shim_kill, Shim_exit, Shim_policy, Shim_remove, Shim_rests)]
