"""Attach: the daemon dies while it hands the client over. The client sees the connection closed
before anything happened, or is served, by the shim alone where need be."""

from verbs import Verb, assert_running

ANSWERS = "trap 'exit 5' TERM; echo ready; while read x; do echo \"got $x\"; done"


class Attach(Verb):
    config = {"OpenStdin": True}

    def prepare(self, scene):
        scene.cid = scene.create(["sh", "-c", ANSWERS], **self.config)
        scene.daemon.start_container(scene.cid)
        scene.pid = scene.daemon.container_pid(scene.cid)
        if not self.config.get("Tty"):
            scene.daemon.wait_log(scene.cid, "ready")

    def act(self, scene):
        try:
            scene.client = scene.daemon.attach(scene.cid, early=b"early\n")
        except AssertionError as closed:  # without a word
            raise ConnectionResetError from closed
        return scene.client

    def hears(self, client, text):
        client.hear(text)

    def check(self, scene):
        assert_running(scene)
        if scene.answer:
            assert scene.answer.status == 101
            with scene.client as client:
                self.hears(client, b"got early")
                client.send(b"later\n")
                self.hears(client, b"got later")
        with scene.daemon.attach(scene.cid) as another:
            another.send(b"again\n")
            self.hears(another, b"got again")


class Attach_tty(Attach):
    config = {"OpenStdin": True, "Tty": True}

    def hears(self, client, text):
        client.until(text)


class Attach_before_start(Attach):
    def prepare(self, scene):
        scene.cid = scene.create(["sh", "-c", ANSWERS], **self.config)

    def check(self, scene):
        assert scene.daemon.state(scene.cid)["Status"] == "created"
        scene.daemon.start_container(scene.cid)
        scene.pid = scene.daemon.container_pid(scene.cid)
        super().check(scene)


ATTACHES = [Attach(), Attach_tty(), Attach_before_start()]
