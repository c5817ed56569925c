"""The reaper, driven from here; see reaper.c."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from kit.daemon import BUILD
from kit.host import wait_for

REAPER = BUILD / "tests/crash/reaper"


class Reaper:
    """Watches a process and kills it at the entry of its at-th call; at 0: only tells the calls."""

    def __init__(self, *args, at=0, **how):
        # A file, not a pipe: who is watched must not wait for us. Appended to, wherever we read.
        self.out = tempfile.TemporaryFile("ab")
        self.process = subprocess.Popen([REAPER, "--at", str(at), *map(str, args)],
                                        stdin=subprocess.DEVNULL, stdout=self.out, **how)
        try:
            self.pid = int(wait_for(self._first, "the reaper", 60).split()[1])
        except AssertionError as fault:
            where = Path(f"/proc/{self.process.pid}/stack")
            stack = where.read_text() if where.exists() else "it has ended"
            self.close()
            raise AssertionError(f"{fault}: {stack}") from None

    def _first(self):
        assert self.process.poll() is None or self._lines(), "the reaper ended"
        return next((line for line in self._lines() if line.startswith("ready ")), None)

    def _lines(self):
        fd = self.out.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace").splitlines()

    def alive(self):
        return self.process.poll() is None

    def calls(self):
        return [line.split(" ", 1)[1] for line in self._lines() if re.match(r"\d+ \w+\(", line)]

    def wait_quiet(self, seconds=0.15):
        """Until no call has come for a while."""
        seen, since = len(self.calls()), time.monotonic()
        while time.monotonic() < since + seconds:
            time.sleep(0.02)
            if len(self.calls()) != seen:
                seen, since = len(self.calls()), time.monotonic()

    def wait_end(self, seconds):
        """True once who is watched has ended."""
        try:
            self.process.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def close(self):
        """Lets go of who is watched."""
        self.process.kill()
        self.process.wait(60)
        calls = self.calls()
        self.out.close()
        return calls
