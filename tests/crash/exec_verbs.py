"""Exec sessions, while the daemon dies."""

from kit import host
from kit.execs import Exec

from verbs import Verb, assert_running


def exec_events(scene):
    """What was told of sessions of the scene's container, by the session: what was done to it."""
    told = {}
    for e in scene.daemon.past_events(scene.since, container=[scene.cid]):
        if "execID" in e["Actor"]["Attributes"]:
            told.setdefault(e["Actor"]["Attributes"]["execID"], []).append(
                e["Action"].split(":")[0] + (" " + e["Actor"]["Attributes"].get("exitCode", "")).rstrip())
    return told


class Exec_create(Verb):
    path = "exec"

    def act(self, scene):
        return scene.daemon.api.post(f"/containers/{scene.cid}/exec", {"Cmd": ["probe", "eat", "0"]})

    def check(self, scene):
        """Whole or not at all; what has an answer can be started."""
        assert_running(scene)
        ids = scene.daemon.inspect(scene.cid)["ExecIDs"] or []
        place = scene.daemon.exec / "containers" / scene.cid / "execs"
        assert sorted(p.name for p in place.glob("*")) == sorted(ids) and len(ids) <= 1
        if scene.answered(201):
            assert ids == [scene.answer.json["Id"]]
        for id in ids:
            shown = scene.daemon.api.get(f"/exec/{id}/json", expect=200).json
            assert (shown["Running"], shown["ExitCode"]) == (False, None)
            assert shown["ProcessConfig"]["entrypoint"] == "probe"
        assert all(told == ["exec_create"] for told in exec_events(scene).values())


class Exec_start(Verb):
    """With a client: a clean failure before anything has happened, or all of it."""
    code = 4
    cmd = ["sh", "-c", "cat; echo said; exit 4"]

    def prepare(self, scene):
        super().prepare(scene)
        scene.exec = Exec(scene.daemon, scene.cid, self.cmd, AttachStdin=True)
        scene.got = None

    def act(self, scene):
        try:
            streams = scene.exec.attached()
        except AssertionError:
            return None  # no head: it has died before it gave the client away
        with streams:
            scene.got = streams.status
            streams.send(b"heard ")
            streams.half_close()
            scene.got = streams.all_frames()
        return None

    def check(self, scene):
        scene.daemon.wait_quiet()  # its shim may have got it, and not come to it yet
        assert_running(scene)
        code = scene.exec.code()
        if scene.got is not None:  # a head: then all the rest
            assert scene.got == (b"heard said\n", b""), scene.got
            assert code == self.code, "the client has seen all of it"
        # Never begun, it can be; its code is never made up.
        assert code in (None, self.code)
        if code is None:
            assert scene.daemon.inspect(scene.cid)["ExecIDs"] == [scene.exec.id]
            assert scene.exec.detached().status == 200
            host.wait_for(lambda: scene.exec.inspect()["ExitCode"] == self.code, "it to run after all")
        end = f"exec_die {self.code}"
        host.wait_for(lambda: end in exec_events(scene)[scene.exec.id], "its end to be told")
        assert exec_events(scene)[scene.exec.id].count(end) in (1, 2)  # twice with the same time, at worst
        host.wait_for(lambda: not scene.daemon.inspect(scene.cid)["ExecIDs"], "it to be taken up")


class Exec_start_detached(Exec_start):
    cmd = ["sh", "-c", "exit 4"]

    def act(self, scene):
        return scene.exec.detached()

    def check(self, scene):
        if scene.answered(200):
            host.wait_for(lambda: scene.exec.inspect()["ExitCode"] == self.code, "it to end")
        super().check(scene)


EXECS = [Exec_create(), Exec_start(), Exec_start_detached()]
