"""Exec sessions of a container."""

import json

from .api import TIMEOUT
from .hijack import Hijacked
from .host import wait_for


class Exec:
    """One session, created and not started."""

    def __init__(self, daemon, cid, cmd, **config):
        self.daemon, self.cid = daemon, cid
        self.tty = config.get("Tty", False)
        if isinstance(cmd, str):
            cmd = ["sh", "-c", cmd]
        body = {"Cmd": cmd, "AttachStdout": True, "AttachStderr": True, **config}
        self.id = daemon.api.post(f"/containers/{cid}/exec", body, expect=201).json["Id"]

    def detached(self, **kw):
        return self.daemon.api.post(f"/exec/{self.id}/start", {"Detach": True, "Tty": self.tty}, **kw)

    def attached(self, body=None, **kw):
        """Its streams."""
        text = json.dumps({"Detach": False, "Tty": self.tty, **(body or {})}).encode()
        return Hijacked(self.daemon.sock, f"/exec/{self.id}/start", text,
                        headers=["Content-Type: application/json"], **kw)

    def inspect(self):
        return self.daemon.api.get(f"/exec/{self.id}/json", expect=200).json

    def code(self):
        """Its exit code, once it has ended."""
        wait_for(lambda: not self.inspect()["Running"], f"exec {self.id[:12]} to end")
        return self.inspect()["ExitCode"]

    def events(self, since):
        """What was told of it: the actions, with the exit code behind exec_die."""
        told = []
        for e in self.daemon.past_events(since, container=[self.cid]):
            if e["Actor"]["Attributes"].get("execID") == self.id:
                code = e["Actor"]["Attributes"].get("exitCode")
                told.append(e["Action"] + (f" {code}" if code else ""))
        return told

    def wait_events(self, since, want):
        wait_for(lambda: self.events(since) == want, f"events {want}, not {self.events(since)}")


def output(daemon, cid, cmd, stdin=None, timeout=TIMEOUT, **config):
    """Runs it to its end: (stdout, stderr, exit code)."""
    one = Exec(daemon, cid, cmd, AttachStdin=stdin is not None, **config)
    with one.attached(timeout=timeout) as streams:
        if stdin is not None:
            streams.send(stdin)
            streams.half_close()
        if one.tty:
            out, err = streams.all(), b""
        else:
            out, err = streams.all_frames()
    return out, err, one.inspect()["ExitCode"]
