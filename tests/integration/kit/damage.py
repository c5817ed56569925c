"""What can happen to a file: each kind of damage as a function of (path, foreign).

`foreign` is a path that does not exist yet; a kind that points there makes what a stranger would keep
there, and intact() says whether that is still as it was.
"""

import os
import shutil
import stat


def _bytes(path):
    return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b""


def _write(path, data):
    """In place: who has the file open sees it, as with a disk that lies."""
    with open(path, "r+b") as f:
        f.truncate(len(data))
        f.write(data)


def _away(path):
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _flip(at):
    def flip(path, foreign):
        data = bytearray(_bytes(path))
        place = int(at * (len(data) - 1))
        data[place] ^= 1 << (place % 8)
        _write(path, data)
    return flip


def _directory(path, foreign):
    _away(path)
    path.mkdir()


def _plain_file(path, foreign):
    _away(path)
    path.write_text("not what you think")


def _dangling(path, foreign):
    _away(path)
    path.symlink_to(foreign)


def _to_itself(path, foreign):
    """Cannot be read by anyone, root included."""
    _away(path)
    path.symlink_to(path.name)


def _to_foreign(path, foreign):
    """To a good copy of itself, which somebody else keeps."""
    if path.is_dir():
        foreign.mkdir()
        (foreign / "precious").write_text("theirs")
    else:
        foreign.write_bytes(_bytes(path))
    _away(path)
    path.symlink_to(foreign)


CONTENT = {
    "empty": lambda path, foreign: _write(path, b""),
    "half": lambda path, foreign: _write(path, _bytes(path)[:len(_bytes(path)) // 2]),
    "all but one byte": lambda path, foreign: _write(path, _bytes(path)[:-1]),
    "first byte flipped": _flip(0),
    "middle byte flipped": _flip(0.5),
    "last byte flipped": _flip(1),
}
PLACE = {
    "deleted": lambda path, foreign: _away(path),
    "a directory": _directory,
    "a plain file": _plain_file,
    "a dangling link": _dangling,
    "a link to itself": _to_itself,
    "a foreign link": _to_foreign,
}
KINDS = {**CONTENT, **PLACE}


def kinds_for(path):
    """Those that make sense for what is there."""
    mode = path.lstat().st_mode
    for kind in KINDS:
        if kind in CONTENT and (not stat.S_ISREG(mode) or path.lstat().st_size == 0):
            continue
        if kind == "a directory" and stat.S_ISDIR(mode) or kind == "a plain file" and stat.S_ISREG(mode):
            continue
        yield kind


class Damage:
    """Done to one path; remembers what must not have changed by it."""

    def __init__(self, path, kind, foreign):
        self.path, self.kind, self.foreign = path, kind, foreign
        KINDS[kind](path, foreign)
        self.theirs = self._foreign_now()

    def _foreign_now(self):
        if self.foreign.is_dir():
            return {p: p.read_bytes() for p in self.foreign.iterdir()}
        return self.foreign.read_bytes() if self.foreign.exists() else None

    def assert_foreign_untouched(self):
        assert self._foreign_now() == self.theirs, f"{self}: what it points to was changed"

    def __str__(self):
        return f"{self.path.name}: {self.kind}"


def listing(top):
    """All names below a directory, for a comparison; where a mount begins it ends."""
    return {os.path.relpath(os.path.join(where, name), top)
            for where, folders, files in os.walk(top) for name in folders + files}
