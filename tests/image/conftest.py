"""Drives holdfast-image, alone and through the image store (image-driver), without a daemon. Needs root.

The programs are in $HOLDFAST_BUILD, else build/.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HOLDFAST_BUILD", TOP / "build")).resolve()
TOOL = BUILD / "holdfast-image"
DRIVER = BUILD / "tests/image/image-driver"


class Refused(Exception):
    pass


class Store:
    def __init__(self, root):
        self.root = root
        self.image = root / "image"

    def start(self, *args, **env):
        return subprocess.Popen([str(DRIVER), str(self.root), str(TOOL), *args],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, **env})

    def run(self, *args, stdin=b"", **env):
        p = self.start(*args, **env)
        out, err = p.communicate(stdin, timeout=120)
        assert "Sanitizer" not in err.decode(errors="replace"), err.decode(errors="replace")
        if p.returncode == 1:
            raise Refused(err.decode().strip().splitlines()[-1])
        assert p.returncode == 0, err.decode()
        return out

    def lines(self, *args, **how):
        return [line.split(" ") for line in self.run(*args, **how).decode().splitlines()]

    def load(self, archive, **env):
        """The ids of what was loaded, without doubles."""
        return list(dict.fromkeys(l[1][7:] for l in self.lines("load", stdin=archive, **env)))

    def ids(self):
        return sorted(line[0][7:] for line in self.lines("list"))

    def tags(self, id):
        return [l[1] for l in self.lines("list") if l[0] == "sha256:" + id][0]

    def layer(self, diff_id):
        return self.image / "layers" / diff_id[:16] / "diff"

    def content(self):
        """Every path below the store, but the directories that are always there."""
        fixed = {"blobs", "blobs/sha256", "layers", "images", "staging"}
        return sorted(str(p.relative_to(self.image)) for p in self.image.rglob("*")
                      if str(p.relative_to(self.image)) not in fixed)

    def is_empty(self):
        self.run("sweep")
        return self.content() == []


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def tool(tmp_path):
    """Runs holdfast-image load with options; the answer's Images, or Refused with its error."""
    def run(archive, *options):
        staging = tmp_path / "staging/x"
        staging.mkdir(parents=True)
        p = subprocess.run([str(TOOL), "load", "--root", str(tmp_path), "--staging", str(staging),
                            *options], input=archive, capture_output=True, timeout=120)
        assert b"Sanitizer" not in p.stderr, p.stderr.decode(errors="replace")
        answer = json.loads(p.stdout)
        if "Error" in answer:
            raise Refused(answer["Error"]["Kind"] + ": " + answer["Error"]["Text"])
        return answer["Images"]
    return run
