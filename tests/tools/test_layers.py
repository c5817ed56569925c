"""tools/layers.py on tiny trees: each fault is found and named, and clean trees pass."""

import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = Path(__file__).resolve().parents[2] / "tools" / "layers.py"


def run(tmp_path, tree):
    """tree: file -> list of includes, as written between the quotes (or <> when so given)."""
    src = tmp_path / "src"
    for file, includes in tree.items():
        path = src / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(
            f"#include {i}\n" if i.startswith("<") else f'#include "{i}"\n' for i in includes))
    done = subprocess.run([sys.executable, LAYERS, src], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


CLEAN = {
    "daemon/main.c": ["api/api.h", "engine/engine.h", "base/err.h", "<stdio.h>", "version.h"],
    "api/api.h": ["engine/engine.h"],
    "api/api.c": ["api/docker/routes.h", "http/http.h"],
    "api/docker/routes.h": [],
    "api/docker/routes.c": ["api/docker/routes.h", "engine/engine.h"],
    "engine/engine.h": ["container/container.h"],
    "engine/start.c": ["engine/engine.h", "spec/spec.h", "image/layout.h", "wire/runs.h"],
    "spec/spec.h": ["container/container.h"],
    "container/container.h": ["base/err.h"],
    "container/store.c": ["container/private.h"],
    "container/private.h": ["container/container.h"],
    "image/image.h": ["base/err.h"],
    "image/layout.h": [],
    "http/http.h": ["base/err.h"],
    "wire/runs.h": ["base/err.h"],
    "config/config.h": ["base/err.h"],
    "base/err.h": ["<errno.h>"],
    "shim/main.c": ["shim/shim.h", "wire/runs.h", "base/err.h"],
    "shim/shim.h": [],
    "cli/main.c": ["config/config.h", "wire/runs.h"],
    "imagetool/main.c": ["image/layout.h", "base/err.h"],
}


def test_clean_tree_passes(tmp_path):
    assert run(tmp_path, CLEAN) == (0, [])


# file, the include added to it, words of the fault
FAULTS = [
    ("base/str.c", "wire/runs.h", "goes upward"),
    ("container/phase.c", "engine/engine.h", "goes upward"),
    ("image/pull.c", "container/container.h", "goes upward"),
    ("http/conn.c", "image/image.h", "goes upward"),
    ("config/read.c", "wire/runs.h", "goes upward"),
    ("logs/logs.c", "image/image.h", "goes sideways"),
    ("engine/stop.c", "container/private.h", "private header of container"),
    ("daemon/wire.c", "api/docker/routes.h", "private header of api"),
    ("shim/log.c", "config/config.h", "shim may include only base, wire"),
    ("shim/log.c", "container/container.h", "shim may include only base, wire"),
    ("cli/ps.c", "http/http.h", "cli may include only"),
    ("imagetool/tar.c", "image/image.h", "may see of image only image/layout.h"),
    ("engine/spawn.c", "shim/shim.h", "program of its own"),
    ("engine/gone.c", "container/gone.h", "does not exist"),
    ("container/names.c", "private.h", "not written relative to src/"),
    ("api/x.c", "../engine/engine.h", "not written relative to src/"),
]


@pytest.mark.parametrize("file,include,words", FAULTS, ids=[f"{f}-{i}" for f, i, _ in FAULTS])
def test_fault_is_found_and_named_on_one_line(tmp_path, file, include, words):
    status, lines = run(tmp_path, {**CLEAN, file: [include]})
    assert status == 1
    assert len(lines) == 1, lines
    assert words in lines[0] and lines[0].startswith(f"src/{file}:1: ")


def test_angle_brackets_are_no_way_around(tmp_path):
    status, lines = run(tmp_path, {**CLEAN, "base/str.c": ["<wire/runs.h>"]})
    assert status == 1 and "goes upward" in lines[0]


def test_cycle_inside_a_module_is_found(tmp_path):
    status, lines = run(tmp_path, {
        **CLEAN,
        "base/a.h": ["base/b.h"], "base/b.h": ["base/c.h"], "base/c.h": ["base/a.h"]})
    assert status == 1
    assert lines == ["src: include cycle among base/a.h, base/b.h, base/c.h"]


def test_header_that_includes_itself_is_a_cycle(tmp_path):
    status, lines = run(tmp_path, {**CLEAN, "base/a.h": ["base/a.h"]})
    assert (status, lines) == (1, ["src: include cycle among base/a.h"])


def test_commented_include_does_not_count(tmp_path):
    src = tmp_path / "src" / "base"
    src.mkdir(parents=True)
    (src / "a.c").write_text('/*\n#include "engine/engine.h"\n*/\nint a;\n')
    done = subprocess.run([sys.executable, LAYERS, tmp_path / "src"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_unknown_module_is_a_fault(tmp_path):
    status, lines = run(tmp_path, {**CLEAN, "misc/a.c": []})
    assert status == 1 and "in no module" in lines[0]


def test_empty_tree_is_a_fault(tmp_path):
    (tmp_path / "src").mkdir()
    assert run(tmp_path, {})[0] == 1


def test_our_own_tree_is_clean():
    src = LAYERS.parents[1] / "src"
    done = subprocess.run([sys.executable, LAYERS, src], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
