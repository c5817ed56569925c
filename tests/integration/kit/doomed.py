"""Containers that end on command, at a known moment: the truth to compare the engine's record with."""

import os

from . import host
from .orphans import shim_of


class Doomed:
    """how: 'exit N', 'SIGKILL' or 'SIGSEGV'."""

    CODES = {"SIGKILL": 137, "SIGSEGV": 139}

    def __init__(self, daemon, how, name=None, **own):
        self.daemon, self.how = daemon, how
        self.code = self.CODES.get(how) if how in self.CODES else int(how.split()[1])
        self.place = daemon.root / f"doom{len(list(daemon.root.glob('doom*')))}"
        self.place.mkdir()
        os.mkfifo(self.place / "go")
        command = (["probe", "segv", "/doom/go", "/doom/stamp"] if how == "SIGSEGV" else
                   ["probe", "exit", str(self.code), "/doom/go", "/doom/stamp"])
        self.id = daemon.run(command, {"Binds": [f"{self.place}:/doom"], **own}, name)
        self.pid = daemon.container_pid(self.id)
        # The truth is when it ends, and not when its shim gets one of the processors.
        host.hasten(shim_of(self.pid))

    def strike(self):
        """Ends it now; remembers between which two moments it really ended."""
        if self.how == "SIGKILL":
            self.earliest = host.kill(self.pid)
            self.latest = host.wait_exit(self.pid)
        else:
            (self.place / "go").write_text("\n")
            self.latest = host.wait_exit(self.pid)
            # Written by the process itself as the last thing it did.
            self.earliest = float((self.place / "stamp").read_text())

    def wait_recorded(self):
        """Until its shim has written down how it ended."""
        runs = self.daemon.data / "containers" / self.id / "runs.jsonl"
        host.wait_for(lambda: '"ended"' in runs.read_text(), "its end to be on record")

    def assert_true_time(self, seconds, what):
        """Within 50 ms of the truth, which the issue promises."""
        assert self.earliest - 0.05 <= seconds <= self.latest + 0.05, (
            f"{what} {seconds:.3f} is not within 50 ms of {self.earliest:.3f}..{self.latest:.3f}")
