"""Verbs on volumes, and those on containers that make volumes, fill them, mount them and take them away."""

import os

from kit import leaks

import laws
from image_verbs import KILLED
from verbs import Exit, Remove, Start, Verb, assert_gone, run

WHOLE = {"busybox", "probe", "sh", "sleep"}  # what the image has in /bin


def volumes(scene):
    return {v["Name"] for v in scene.daemon.api.get("/volumes", expect=200).json["Volumes"]}


def anonymous(scene):
    return {name for name in volumes(scene) if len(name) == 64}


def volumes_of(scene, cid):
    return {m["Name"] for m in scene.daemon.inspect(cid)["Mounts"] if m["Type"] == "volume"}


def content(scene, name):
    return set(os.listdir(scene.daemon.data / "volumes" / name / "_data"))


class Volumes(Verb):
    """After each round there are none."""

    def finish(self, scene):
        assert not anonymous(scene), "an anonymous volume is left"
        for name in volumes(scene):
            scene.daemon.api.delete(f"/volumes/{name}", expect=204)
        assert not list((scene.daemon.data / "volumes").iterdir())


class Volume_create(Volumes):
    def prepare(self, scene):
        scene.body = {"Name": "new", "Labels": {"a": "b"}}

    def act(self, scene):
        return scene.daemon.api.post("/volumes/create", scene.body)

    def check(self, scene):
        there = volumes(scene)
        assert there <= {"new"} and (there or not scene.answered(201))
        made = scene.daemon.api.post("/volumes/create", scene.body, expect=201).json
        assert made["Labels"] == {"a": "b"} and "Status" not in made
        assert content(scene, "new") == set()


class Volume_remove(Volumes):
    def prepare(self, scene):
        scene.daemon.api.post("/volumes/create", {"Name": "old"}, expect=201)
        for name in ("one", "two"):
            (scene.daemon.data / "volumes/old/_data" / name).write_text("x")

    def act(self, scene):
        return scene.daemon.api.delete("/volumes/old")

    def check(self, scene):
        """Whole or gone."""
        there = volumes(scene)
        assert not there or not scene.answered(204)
        assert not there or content(scene, "old") == {"one", "two"}


class Volume_prune(Volumes):
    def prepare(self, scene):
        for name in ("one", "two", "used"):
            scene.daemon.api.post("/volumes/create", {"Name": name}, expect=201)
        scene.cid = scene.create("exit 0", {"Binds": ["used:/data"]})

    def act(self, scene):
        return scene.daemon.api.post("/volumes/prune", filters={"all": ["true"]})

    def check(self, scene):
        there = volumes(scene)
        assert "used" in there and (there == {"used"} or not scene.answered(200))


class Create_with_volumes(Volumes):
    """Whole or not at all, and none of its anonymous volumes without it."""
    HOST = {"Binds": ["named:/bin"]}

    def prepare(self, scene):
        scene.before = {one["Id"] for one in scene.daemon.list(all=True)}

    def body(self, scene):
        return scene.daemon.body("exit 0", self.HOST, Volumes={"/data": {}, "/etc": {}})

    def act(self, scene):
        return scene.daemon.api.post("/containers/create", self.body(scene), name="new")

    def check(self, scene):
        made = {one["Id"] for one in scene.daemon.list(all=True)} - scene.before
        assert len(made) <= 1 and (made or not scene.answered(201))
        if not made:
            assert not anonymous(scene)
            assert "named" not in volumes(scene) or content(scene, "named") in (set(), WHOLE)
            made = {scene.daemon.api.post("/containers/create", self.body(scene), expect=201,
                                          name="new").json["Id"]}
        scene.cid, = made
        scene.own |= made
        assert volumes_of(scene, scene.cid) == volumes(scene) and len(volumes(scene)) == 3
        assert content(scene, "named") == WHOLE
        scene.daemon.start_container(scene.cid)  # it runs what was copied
        assert scene.daemon.wait(scene.cid) == 0
        laws.wait_steady(scene.daemon, scene.own)  # and is at rest


class Tool_copy_up(Create_with_volumes):
    """holdfast-image dies: the client is told, and nothing of it is there."""

    def check(self, scene):
        if not scene.answered(201):
            assert KILLED in scene.answer.message
            assert not anonymous(scene) and content(scene, "named") == set()
            laws.check_no_temporary_files(scene.daemon)
        super().check(scene)


class Remove_with_volumes(Volumes, Remove):
    def prepare(self, scene):
        scene.cid = scene.create(["sh", "-c", "exit 7"], {"Binds": ["named:/data"]}, Volumes={"/etc": {}, "/v": {}})
        scene.daemon.start_container(scene.cid)
        scene.daemon.wait(scene.cid)
        scene.daemon.wait_state(scene.cid, "exited")

    def act(self, scene):
        return scene.daemon.api.delete(f"/containers/{scene.cid}", v=True)

    def check(self, scene):
        Remove.check(self, scene)
        assert "named" in volumes(scene)
        if laws.wanted(scene.daemon, scene.cid) is None:
            assert volumes(scene) == {"named"}
        else:
            assert volumes_of(scene, scene.cid) == volumes(scene)


class Auto_remove_with_volumes(Volumes, Exit):
    def prepare(self, scene):
        scene.cid = run(scene, {"AutoRemove": True, "Binds": ["named:/data"]}, Volumes={"/v": {}})

    def check(self, scene):
        assert_gone(scene, scene.cid)
        assert volumes(scene) == {"named"}


class Start_with_a_mount(Volumes, Start):
    """What the volume's options name is mounted while it runs, and only then."""

    def prepare(self, scene):
        scene.daemon.api.post("/volumes/create", {"Name": "data", "DriverOpts": {
            "type": "tmpfs", "device": "tmpfs"}}, expect=201)
        scene.cid = scene.create(["probe", "trap", "5"], {"Binds": ["data:/data"]})

    def mounted(self, scene):
        return [m for m in leaks.mounts(scene.daemon) if m.startswith(f"{scene.daemon.exec}/volumes/")]

    def check(self, scene):
        Start.check(self, scene)
        running = scene.daemon.state(scene.cid)["Status"] == "running"
        assert bool(self.mounted(scene)) == running, f"running: {running}, mounted: {self.mounted(scene)}"

    def finish(self, scene):
        assert not self.mounted(scene)
        Volumes.finish(self, scene)


class Stop_with_a_mount(Start_with_a_mount):
    path = "stop"

    def prepare(self, scene):
        scene.daemon.api.post("/volumes/create", {"Name": "data", "DriverOpts": {
            "type": "tmpfs", "device": "tmpfs"}}, expect=201)
        scene.cid = run(scene, {"Binds": ["data:/data"]})

    def check(self, scene):
        running = scene.daemon.state(scene.cid)["Status"] == "running"
        assert not running or not (scene.answered(204) or scene.begun("stop"))
        assert bool(self.mounted(scene)) == running, f"running: {running}, mounted: {self.mounted(scene)}"


VOLUMES = [cls() for cls in (
    Volume_create, Volume_remove, Volume_prune, Create_with_volumes, Remove_with_volumes,
    Auto_remove_with_volumes, Start_with_a_mount, Stop_with_a_mount)]
