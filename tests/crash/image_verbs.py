"""Verbs on images, in which the daemon dies, or holdfast-image, which does the work for it."""

import io
import tarfile

from kit.archives import Image, file, folder, layer

import laws
from verbs import Verb


def other_image():
    return Image([layer(folder("etc"), file("etc/one", "1")), layer(folder("etc"), file("etc/two", "2"))])


class Image_load(Verb):
    """All of an image or nothing; without an answer either is lawful."""
    whole = None

    def prepare(self, scene):
        scene.empty = scene.image_files()

    def act(self, scene):
        return scene.daemon.api.post("/images/load", other_image().docker_archive("other:1", "other:2"),
                                     headers={"Content-Type": "application/x-tar"})

    def there(self, scene):
        return scene.daemon.api.get("/images/other:1/json").status == 200

    def check(self, scene):
        there = self.there(scene)
        assert not scene.answered(200) or there
        assert (scene.daemon.api.get("/images/other:2/json").status == 200) == there
        if there:
            scene.create(["x"], image="other:2")
            self.whole = self.whole or scene.image_files()  # of the undisturbed round
            scene.wait_image_files(self.whole)
        else:
            scene.wait_image_files(scene.empty)

    def finish(self, scene):
        scene.daemon.api.delete("/images/other:1", expect=(200, 404))
        scene.daemon.api.delete("/images/other:2", expect=(200, 404))
        scene.wait_image_files(scene.empty)


class Image_remove(Image_load):
    def prepare(self, scene):
        super().prepare(scene)
        scene.daemon.load(other_image().docker_archive("other:1", "other:2"))
        scene.daemon.api.delete("/images/other:2", expect=200)

    def act(self, scene):
        return scene.daemon.api.delete("/images/other:1")

    def check(self, scene):
        there = self.there(scene)
        assert not scene.answered(200) or not there
        if there:
            scene.create(["x"], image="other:1")
        else:
            scene.wait_image_files(scene.empty)


class Image_tag(Image_load):
    def prepare(self, scene):
        super().prepare(scene)
        scene.daemon.load(other_image().docker_archive("other:1"))

    def act(self, scene):
        return scene.daemon.api.post("/images/other:1/tag", repo="other", tag="2")

    def check(self, scene):
        assert self.there(scene)
        status = scene.daemon.api.get("/images/other:2/json").status
        assert status == 200 or not scene.answered(201)


IMAGES = [Image_load(), Image_remove(), Image_tag()]


# --- in which holdfast-image dies

KILLED = "holdfast-image was killed by signal 9"


class Tool_load(Image_load):
    """The daemon lives, says what became of it, and keeps nothing of it."""

    def said(self, scene):
        """The fault that the client is told, or None."""
        assert scene.answer is not None, "no answer"
        if scene.answer.status != 200:
            return scene.answer.message
        return next((line["error"] for line in scene.answer.json_lines() if "error" in line), None)

    def check(self, scene):
        fault = self.said(scene)
        assert self.there(scene) == (fault is None), f"told {fault}"
        if fault is not None:
            assert KILLED in fault
            scene.wait_image_files(scene.empty)
            laws.check_no_temporary_files(scene.daemon)
            scene.answer = self.act(scene)
            assert self.said(scene) is None, f"not a second time: {scene.answer}"
        self.whole = self.whole or scene.image_files()
        scene.wait_image_files(self.whole)


class Tool_import(Tool_load):
    def act(self, scene):
        return scene.daemon.api.post("/images/create", layer(folder("etc"), file("etc/one", "1")), fromSrc="-",
                                     repo="other", tag="1", headers={"Content-Type": "application/x-tar"})

    def said(self, scene):
        """Each import makes an image of its own: its configuration tells the time."""
        self.whole = None
        return super().said(scene)


class Tool_save(Tool_load):
    """What the client has got is an error, or cut off for all to see, or whole."""

    def prepare(self, scene):
        super().prepare(scene)
        scene.daemon.load(other_image().docker_archive("other:1"))

    def act(self, scene):
        return scene.daemon.api.get("/images/other:1/get")

    def check(self, scene):
        if scene.answer is None:
            assert scene.died
        elif scene.answer.status != 200:
            assert KILLED in scene.answer.message
        again = self.act(scene)
        assert again.status == 200 and len(tarfile.open(fileobj=io.BytesIO(again.body)).getnames()) >= 4
        assert not scene.answered(200) or scene.answer.body == again.body
        assert self.there(scene)
        laws.check_no_temporary_files(scene.daemon)


TOOL = [cls() for cls in (Tool_load, Tool_import, Tool_save)]
