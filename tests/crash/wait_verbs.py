"""Clients of wait, who outlive the daemon, and the verbs on what they wait for."""

import os
import signal

from kit import waiting

from verbs import CODE, Auto_remove, Start, Verb, assert_gone, assert_running, exited


class Wait_before_start(Start):
    """Its client sees the connection end before anything has happened, or is told the code at last."""

    def act(self, scene):
        scene.waiting = waiting.begin(scene.daemon, scene.cid)
        return super().act(scene)

    def check(self, scene):
        super().check(scene)
        end_and_hear(scene)


def end_and_hear(scene):
    """Runs it to its end, if it is not there yet; who waits hears of that."""
    if scene.daemon.state(scene.cid)["Status"] == "created":
        scene.daemon.start_container(scene.cid)
    if scene.daemon.state(scene.cid)["Status"] == "running":
        scene.daemon.wait_log(scene.cid, "ready")
        os.kill(scene.daemon.container_pid(scene.cid), signal.SIGTERM)
    scene.daemon.wait_state(scene.cid, "exited")
    if scene.waiting:
        assert waiting.code(scene.waiting) == CODE


class Start_waited(Start):
    """The start takes a shim that was there."""

    def prepare(self, scene):
        super().prepare(scene)
        scene.waiting = waiting.begin(scene.daemon, scene.cid)
        scene.shim = waiting.shim(scene.cid)

    def check(self, scene):
        super().check(scene)
        assert waiting.shim(scene.cid) == scene.shim
        end_and_hear(scene)


class Wait(Verb):
    def act(self, scene):
        scene.waiting = waiting.begin(scene.daemon, scene.cid, "not-running")

    def check(self, scene):
        assert_running(scene)
        end_and_hear(scene)


class Remove_waited(Verb):
    """Who waits for a container that rests is told of its removal."""

    def prepare(self, scene):
        scene.cid = exited(scene)
        scene.clients = [waiting.begin(scene.daemon, scene.cid, condition) for condition in ("next-exit", "removed")]

    def act(self, scene):
        return scene.daemon.api.delete(f"/containers/{scene.cid}")

    def check(self, scene):
        gone = scene.answered(204) or scene.wanted in ("gone", None)
        if gone:
            assert_gone(scene, scene.cid)
        else:
            assert scene.daemon.state(scene.cid)["ExitCode"] == 7
            scene.daemon.api.delete(f"/containers/{scene.cid}", expect=204)
        assert [waiting.code(one) for one in scene.clients] == [7, 7]


class Auto_remove_waited(Auto_remove):
    """run --rm: its client is told once it is gone."""

    def prepare(self, scene):
        super().prepare(scene)
        scene.waiting = waiting.begin(scene.daemon, scene.cid, "removed")

    def check(self, scene):
        super().check(scene)
        assert waiting.code(scene.waiting) == CODE
        waiting.wait_no_shim(scene.cid)


WAITS = [cls() for cls in (Wait, Wait_before_start, Start_waited, Remove_waited, Auto_remove_waited)]
