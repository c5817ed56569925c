"""The npm package testcontainers, driven by lines of JSON; see testcontainers.js."""

import json
import os
import subprocess
from pathlib import Path

from .daemon import ROOT

MODULES = ROOT / "build/npm/node_modules"


class Failed(Exception):
    pass


class Testcontainers:
    """A node on this host of the test's own, whose testcontainers asks this daemon."""

    __test__ = False  # whatever pytest takes it for

    def __init__(self, daemon, host):
        assert MODULES.is_dir(), f"{MODULES} is missing: run tools/npm"
        env = {
            "PATH": os.environ["PATH"], "HOME": str(daemon.root), "TMPDIR": str(daemon.root), "NODE_PATH": str(MODULES),
            "DOCKER_HOST": f"unix://{daemon.sock}",
            "TESTCONTAINERS_RYUK_DISABLED": "true",  # its image is in no archive of ours
            "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",  # though it may run in a container
        }
        self.errors = open(daemon.root / "node", "w+")
        self.process = host.start("node", str(Path(__file__).with_suffix(".js")), env=env,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.numbers, self.answers = 0, {}

    def begin(self, command, name, **rest):
        """Under way from now on: its number, for end()."""
        self.numbers += 1
        self.process.stdin.write(json.dumps({"number": self.numbers, "command": command, "name": name, **rest}) + "\n")
        self.process.stdin.flush()
        return self.numbers

    def end(self, number):
        """What came of it."""
        while number not in self.answers:
            line = self.process.stdout.readline()
            if not line:
                self.errors.seek(0)
                raise Failed(f"node has ended: {self.errors.read()}")
            answer = json.loads(line)
            self.answers[answer.pop("number")] = answer
        answer = self.answers.pop(number)
        if "fault" in answer:
            raise Failed(answer["fault"])
        return answer["result"]

    def __call__(self, command, name, **rest):
        return self.end(self.begin(command, name, **rest))

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()
        self.errors.close()
