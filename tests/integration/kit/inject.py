"""Faults of system calls in a living process: strace attaches, and the n-th call of a name fails."""

import re
import subprocess
import tempfile
from pathlib import Path

from .host import activity, wait_for


class Strace:
    """calls: what is done to each by name, in strace's words (--inject)."""

    def __init__(self, pid, calls, children=False):
        self.out = tempfile.NamedTemporaryFile("r")
        let_go = [] if children else ["-b", "execve"]
        injections = [word for call, what in calls.items() for word in ("-e", f"inject={call}:{what}")]
        self.process = subprocess.Popen(
            ["strace", "-f", *let_go, "-qq", "-o", self.out.name, "-e", f"trace={','.join(calls)}",
             *injections, "-p", str(pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            # All are traced, and it has seen to each: it waits for what they do.
            wait_for(lambda: self.process.poll() is not None or all_traced(pid) and activity(self.process.pid), "strace")
            assert self.process.poll() is None, f"strace ended: {self.process.stderr.read()}"
        except AssertionError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Lets go; self.hits are the calls that failed, as strace shows them."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            # It waits for a thread that waits for its vfork child, which is held by it, too. The
            # kernel lets go of all when it is gone.
            self.process.kill()
            self.process.wait(10)
        self.process.stderr.close()
        self.hits = [line.split(None, 1)[1] for line in self.out.read().splitlines() if "(INJECTED)" in line]
        self.out.close()


class Inject(Strace):
    """The n-th `call` of each thread of `pid` fails with `error`; when: "3", or "3+" for all from there on.
    error "SIGKILL": it is killed before that call instead.

    children: in the programs it starts as well; a shim is never among them, for it is let go when
    it is executed.
    """

    def __init__(self, pid, call, error, when, children=False):
        what = "signal" if error.startswith("SIG") else "error"
        super().__init__(pid, {call: f"{what}={error}:when={when}"}, children)


CONNECT, SENDMSG, MKDIRAT = 42, 46, 258  # of x86-64


def is_in(pid, number):
    """Is a thread of it in this system call, or held before it?"""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "syscall").read_text().split()[0] == str(number):
                return True
        except OSError:
            pass  # it has ended
    return False


def all_traced(pid):
    """Whether somebody traces every thread of it."""
    texts = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/status")]
    return texts and all(re.search(r"^TracerPid:\s+[1-9]", t, re.M) for t in texts)
