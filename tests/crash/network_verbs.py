"""Verbs on networks, and those on containers that are in some: on a host of the sweep's own."""

from kit import netns

from verbs import Start, Stop, Verb, run

BRIDGE = {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}


def networks(scene):
    return {n["Name"]: n for n in scene.daemon.api.get("/networks", expect=200).json}


def is_published(scene):
    return ". 8080 :" in scene.host.run("nft", "list", "ruleset")


def veths(scene):
    return [name for name in netns.leftovers(scene.host) if name.startswith("hv")]


def addresses(scene):
    return {name: n["IPAddress"] for name, n in
            scene.daemon.inspect(scene.cid)["NetworkSettings"]["Networks"].items()}


class Networked(Verb):
    networked = True

    def finish(self, scene):
        """What was published and plugged in has gone with the containers; nothing keeps a network."""
        assert not is_published(scene) and not veths(scene), netns.leftovers(scene.host)
        for name in set(networks(scene)) - {"bridge", "host", "none"}:
            scene.daemon.api.delete(f"/networks/{name}", expect=204)


class Start_on_bridge(Networked, Start):
    def prepare(self, scene):
        scene.cid = scene.create(["probe", "trap", "5"], BRIDGE)

    def check(self, scene):
        Start.check(self, scene)
        running = scene.daemon.state(scene.cid)["Status"] == "running"
        seen = (bool(addresses(scene)["bridge"]), is_published(scene), len(veths(scene)))
        assert seen == (running, running, int(running)), f"address, ports, interfaces: {seen}"


class Stop_on_bridge(Networked, Stop):
    def prepare(self, scene):
        scene.cid = run(scene, BRIDGE)

    def check(self, scene):
        Stop.check(self, scene)
        running = scene.daemon.state(scene.cid)["Status"] == "running"
        seen = (bool(addresses(scene)["bridge"]), is_published(scene), len(veths(scene)))
        assert seen == (running, running, int(running)), f"address, ports, interfaces: {seen}"


class Network_create(Networked):
    def prepare(self, scene):
        scene.body = {"Name": "new", "IPAM": {"Config": [{"Subnet": "10.44.0.0/24"}]}}

    def act(self, scene):
        return scene.daemon.api.post("/networks/create", scene.body)

    def check(self, scene):
        """Whole or not at all: and then it can be made."""
        there = networks(scene)
        assert "new" in there or not scene.answered(201)
        if "new" not in there:
            scene.daemon.api.post("/networks/create", scene.body, expect=201)
        scene.cid = scene.create(["probe", "trap", "5"], {"NetworkMode": "new"})
        scene.daemon.start_container(scene.cid)
        assert addresses(scene) == {"new": "10.44.0.2"}


class Network_remove(Networked):
    def prepare(self, scene):
        scene.daemon.api.post("/networks/create", {"Name": "old"}, expect=201)

    def act(self, scene):
        return scene.daemon.api.delete("/networks/old")

    def check(self, scene):
        assert "old" not in networks(scene) or not scene.answered(204)


class Connect(Networked):
    def prepare(self, scene):
        scene.daemon.api.post("/networks/create", {"Name": "net"}, expect=201)
        scene.cid = run(scene, BRIDGE)

    def act(self, scene):
        return scene.daemon.api.post("/networks/net/connect", {"Container": scene.cid})

    def check(self, scene):
        """One that is only meant is made at the next start; one that is not meant is not there."""
        there = addresses(scene)
        assert "net" in there or not scene.answered(200)
        assert there.get("net") or not scene.answered(200)
        if not there.get("net"):
            scene.daemon.api.post(f"/containers/{scene.cid}/restart", t=0, expect=204)
        assert set(addresses(scene)) == set(there) and all(addresses(scene).values())
        assert len(veths(scene)) == len(there)


class Disconnect(Connect):
    def prepare(self, scene):
        Connect.prepare(self, scene)
        Connect.act(self, scene)

    def act(self, scene):
        return scene.daemon.api.post("/networks/net/disconnect", {"Container": scene.cid})

    def check(self, scene):
        there = addresses(scene)
        assert "net" not in there or not scene.answered(200)
        scene.daemon.api.post(f"/containers/{scene.cid}/restart", t=0, expect=204)
        assert set(addresses(scene)) == set(there) and all(addresses(scene).values())
        assert len(veths(scene)) == len(there)


class Disconnect_leader(Disconnect):
    """It leaves the network at which its ports are published: another has them then, at the next start at the latest."""

    def act(self, scene):
        return scene.daemon.api.post("/networks/bridge/disconnect", {"Container": scene.cid})

    def check(self, scene):
        there = addresses(scene)
        assert "net" in there
        assert "bridge" not in there and is_published(scene) or not scene.answered(200)
        scene.daemon.api.post(f"/containers/{scene.cid}/restart", t=0, expect=204)
        assert set(addresses(scene)) == set(there) and all(addresses(scene).values())
        assert len(veths(scene)) == len(there) and is_published(scene)


NETWORKS = [Start_on_bridge(), Stop_on_bridge(), Network_create(), Network_remove(), Connect(), Disconnect(),
            Disconnect_leader()]
