"""Drives holdfast, the command line, against a daemon of straw. Needs no root.

The program is $HOLDFAST_BUILD/holdfast, else build/holdfast.
"""

import os
import subprocess
from pathlib import Path

import pytest

from fake import Fake

TOP = Path(__file__).resolve().parents[2]
HOLDFAST = Path(os.environ.get("HOLDFAST_BUILD", TOP / "build")).resolve() / "holdfast"


class Cli:
    def __init__(self, fake, tmp_path):
        self.fake, self.tmp_path = fake, tmp_path
        self.env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC",
                    "HOLDFAST_HOST": fake.address,
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
                    "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "")}

    def start(self, *args, env=None, **how):
        return subprocess.Popen([str(HOLDFAST), *args], env={**self.env, **(env or {})},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                cwd=self.tmp_path, **{"stdin": subprocess.DEVNULL, **how})

    def run(self, *args, stdin=None, env=None, text=True):
        how = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run([str(HOLDFAST), *args], env={**self.env, **(env or {})}, timeout=60,
                              capture_output=True, cwd=self.tmp_path, text=text, **how)

    def ok(self, *args, **how):
        done = self.run(*args, **how)
        assert done.returncode == 0, (args, done.returncode, done.stderr)
        return done.stdout


@pytest.fixture
def fake(tmp_path):
    fake = Fake(tmp_path / "d.sock")
    yield fake
    fake.stop()


@pytest.fixture
def cli(fake, tmp_path):
    return Cli(fake, tmp_path)
