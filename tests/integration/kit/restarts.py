"""Containers between two runs, for long enough to do something to them."""

import contextlib
import json
import os
import signal
import time

from . import host
from .waiting import shim

ENOUGH = 2.5  # seconds; reached by the sixth restart


def due(daemon, cid):
    """When its next run is to begin; 0: nobody says, just now."""
    state = json.loads((daemon.data / "containers" / cid / "state.json").read_text())
    return host.parse_time(state["RestartDue"]) if "RestartDue" in state else 0


def between_two_runs(daemon, command, host_config, **config):
    """One whose runs fail, in a long pause after one of them."""
    cid = daemon.run(command, host_config, **config)
    host.wait_for(lambda: daemon.state(cid)["Status"] == "restarting" and due(daemon, cid) > time.time() + ENOUGH,
                  "a long back-off")
    return cid


@contextlib.contextmanager
def held_there(cid):
    """Its shim is stopped, so the pause does not end; the container must be in one."""
    pid = shim(cid)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
