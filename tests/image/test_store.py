"""The store over its life: names, removal, crashes."""

import json
import os
import select
import shutil
import signal
import subprocess
import threading

import pytest

import conftest
from archives import Docker, file, sha, tar
from conftest import Refused

LAYER = tar(file("a", b"b" * 1000))


def image(i=0, tags=("x:1",), **how):
    return Docker([LAYER, tar(file(f"top{i}"))], tags, **how)


def test_resolve(store):
    a, b = image(1, ["x:1", "docker.io/library/y"]), image(2, ["quay.io/x/y:2"])
    store.load(a.bytes())
    store.load(b.bytes())
    for ref in ("x:1", "docker.io/library/x:1", "index.docker.io/x:1", "y", "library/y", a.id, a.id[:5],
                "sha256:" + a.id, "sha256:" + a.id[:9], "y@sha256:" + a.id):
        assert json.loads(store.run("inspect", ref))["Id"] == "sha256:" + a.id, ref
    assert json.loads(store.run("inspect", "quay.io/x/y:2"))["Id"] == "sha256:" + b.id
    for ref, words in (("x", "No such image: x:latest"), ("quay.io/x/y", "No such image: quay.io/x/y:latest"),
                       ("0" * 64, "No such image: sha256:" + "0" * 64), ("x:1:2", "invalid reference format"),
                       ("Xy", r"invalid reference format: repository name \(library/Xy\) must be lowercase"),
                       ("y@sha256:" + "0" * 64, "No such image: y@sha256:")):
        with pytest.raises(Refused, match=words):
            store.run("inspect", ref)


def test_tag_moves(store):
    a, b = image(1, ["x:1"]), image(2, ["x:1"])
    store.load(a.bytes())
    store.load(b.bytes())
    assert (store.tags(a.id), store.tags(b.id)) == ("-", "x:1")
    store.run("tag", a.id, "x:1")
    assert (store.tags(a.id), store.tags(b.id)) == ("x:1", "-")
    with pytest.raises(Refused, match="No such image: nope:latest"):
        store.run("tag", "nope", "z")
    with pytest.raises(Refused, match="invalid reference format"):
        store.run("tag", a.id, "z z")


def test_a_tag_cut_off_in_its_move_has_one_owner(store):
    """The new owner's record is written, the old one's is not: the later time wins, also once that is untagged."""
    a, b = image(1, ["x:1"]), image(2, ["y:1"])
    store.load(a.bytes())
    store.load(b.bytes())
    old = (store.image / f"images/{a.id}.json").read_text()
    store.run("tag", b.id, "x:1")
    (store.image / f"images/{a.id}.json").write_text(old)
    assert (store.tags(a.id), store.tags(b.id)) == ("-", "x:1,y:1")
    store.run("remove", "x:1")
    assert (store.tags(a.id), store.tags(b.id)) == ("-", "y:1")


def test_unknown_keys_of_a_record_are_kept(store):
    a = image()
    store.load(a.bytes())
    path = store.image / f"images/{a.id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "Later": {"a": 1}}))
    store.run("tag", a.id, "z")
    assert json.loads(path.read_text())["Later"] == {"a": 1}


def test_remove(store):
    a, b = image(1, ["x:1", "y:1"]), image(2, ["z:1"])
    store.load(a.bytes())
    store.load(b.bytes())
    with pytest.raises(Refused, match=rf"conflict: unable to delete {a.id[:12]} \(must be forced\) - "
                                      "image is referenced in multiple repositories"):
        store.run("remove", a.id)
    assert store.lines("remove", "x:1", "running") == [["untagged", "sha256:" + a.id, "x:1"]]
    with pytest.raises(Refused, match=r'unable to remove repository reference "y:1" \(must force\) - '
                                      f"container 0123456789ab is using its referenced image {a.id[:12]}"):
        store.run("remove", "y:1", "running")
    with pytest.raises(Refused, match=rf"unable to delete {a.id[:12]} \(cannot be forced\) - "
                                      "image is being used by running container 0123456789ab"):
        store.run("force", a.id, "running")
    with pytest.raises(Refused, match=r"\(must be forced\) - image is being used by stopped container"):
        store.run("remove", a.id, "stopped")
    assert store.lines("remove", a.id[:6]) == [["untagged", "sha256:" + a.id, "y:1"],
                                               ["deleted", "sha256:" + a.id, "-"]]
    assert (store.layer(sha(LAYER))).exists(), "the other image has it too"
    store.run("check", "z:1")
    store.run("remove", "z:1")
    assert store.is_empty()


def test_prune(store):
    a, b = image(1, []), image(2, ["z:1"])
    store.load(a.bytes())
    store.load(b.bytes())
    assert store.lines("prune") == [["deleted", "sha256:" + a.id, "-"]]
    assert store.ids() == [b.id]


def test_missing_layer_is_named(store):
    a = image()
    store.load(a.bytes())
    os.rename(store.layer(sha(LAYER)), store.root / "away")
    with pytest.raises(Refused, match=f"its layer .*{sha(LAYER)[:16]}/diff is missing"):
        store.run("check", "x:1")


def test_unreadable_record_stops_all_sweeping(store):
    a, b = image(1, ["x:1"]), image(2, ["y:1"])
    store.load(a.bytes())
    store.load(b.bytes())
    path = store.image / f"images/{a.id}.json"
    whole = path.read_text()
    path.write_text(whole[:-5])
    before = set(p.name for p in (store.image / "layers").iterdir())
    store.run("remove", "y:1")
    assert set(p.name for p in (store.image / "layers").iterdir()) == before
    assert path.exists()
    path.write_text(whole)
    store.run("check", "x:1")
    assert not store.layer(sha(tar(file("top2")))).exists(), "swept once all records can be read"


# Crashes


def big():
    return Docker([tar(file("a", os.urandom(3 << 20)), file("b")), tar(file("c"))])


def feed(p, archive):
    def run():
        try:
            p.stdin.write(archive)
            p.stdin.close()
        except BrokenPipeError:
            pass
    t = threading.Thread(target=run)
    t.start()
    return t


def tool_of(p):
    """A descriptor of the tool that this driver has started."""
    return os.pidfd_open(int(open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()[0]))


def wait_gone(pidfd):
    assert select.select([pidfd], [], [], 60)[0], "still there"
    os.close(pidfd)


@pytest.mark.parametrize("at", [0, 1000, 1 << 20, (3 << 20) + 6000])
def test_killed_in_the_middle(store, at):
    archive = big().bytes()
    p = store.start("load", DRIVER_HANG=str(at))
    t = feed(p, archive)
    assert p.stdout.readline() == b"hang\n"
    tool = tool_of(p)
    p.send_signal(signal.SIGKILL)
    p.wait()
    p.stdin = None
    t.join()
    wait_gone(tool)
    assert store.is_empty()
    assert store.ids() == []


def test_client_gone(store):
    with pytest.raises(Refused, match="read the archive from the client: Connection reset"):
        store.run("load", stdin=big().bytes(), DRIVER_FAIL=str(1 << 20))
    assert list((store.image / "staging").iterdir()) == []
    assert store.content() == []


def test_tool_killed(store):
    p = store.start("load", DRIVER_HANG=str(1 << 20))
    t = feed(p, big().bytes())
    assert p.stdout.readline() == b"hang\n"
    tool = tool_of(p)
    signal.pidfd_send_signal(tool, signal.SIGKILL)
    p.kill()
    p.wait()
    p.stdin = None
    t.join()
    wait_gone(tool)
    assert store.is_empty()


def test_tool_that_is_missing_or_mad(store, tmp_path):
    for text, words in ((None, "No such file"), ("#!/bin/sh\nkill -9 $$", "killed by signal 9"),
                        ("#!/bin/sh\necho boom >&2; exit 3", "failed with status 3: boom"), ("#!/bin/sh\necho nonsense", "nonsense"),
                        ("#!/bin/sh\ncat >/dev/null; echo '{}'", "no answer"),
                        ('#!/bin/sh\necho \'{"Images":[{"Config":"../../x"}]}\'', "no image id")):
        tool = tmp_path / "tool"
        if text:
            tool.write_text(text)
            tool.chmod(0o755)
        saved, conftest.TOOL = conftest.TOOL, tool
        try:
            with pytest.raises(Refused, match=words):
                store.load(big().bytes())
        finally:
            conftest.TOOL = saved
        assert store.is_empty()


def test_tool_ends_with_its_daemon(store):
    p = store.start("load", DRIVER_HANG="1000")
    t = feed(p, big().bytes())
    assert p.stdout.readline() == b"hang\n"
    tool = tool_of(p)
    p.kill()
    p.wait()
    p.stdin = None
    t.join()
    wait_gone(tool)


def published_states(store, archive):
    """What a crash at each rename of publishing leaves: layers and blobs without a record."""
    store.load(archive)
    (record,) = (store.image / "images").iterdir()
    record.unlink()


def test_published_but_without_record(store):
    published_states(store, big().bytes())
    assert store.content() != []
    assert store.is_empty()


STRACE = shutil.which("strace")


def crash(store, call, when, *args, stdin=b""):
    """Runs the driver, killed at its n-th call of this kind; true if it came so far."""
    p = subprocess.run([STRACE, "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={when}",
                        str(conftest.DRIVER), str(store.root), str(conftest.TOOL), *args],
                       input=stdin, capture_output=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert p.returncode in (0, -signal.SIGKILL), p.stderr.decode()
    return p.returncode != 0


@pytest.mark.skipif(not STRACE, reason="no strace")
@pytest.mark.parametrize("verb", ["load", "tag", "remove"])
def test_killed_at_every_step(store, verb):
    """At each call that changes the store: every image is whole or absent after, and a name has one owner."""
    old, new = image(1, ["x:1"]), image(2, ["x:1", "y:1"])
    args = {"load": ["load"], "tag": ["tag", old.id, "x:1"], "remove": ["force", new.id]}[verb]
    both = sorted([old.id, new.id])

    for call in ("renameat2", "renameat", "fsync", "unlinkat", "mkdirat"):
        for n in range(1, 100):
            shutil.rmtree(store.image, ignore_errors=True)
            store.load(old.bytes())
            if verb != "load":
                store.load(new.bytes())
            died = crash(store, call, n, *args, stdin=new.bytes() if verb == "load" else b"")

            ids = store.ids()
            assert ids == both or (verb != "tag" and ids == [old.id]), (call, n)
            for id in ids:
                store.run("check", id)
                store.run("save", id)
            assert len(list((store.image / "layers").iterdir())) == 1 + len(ids), (call, n)
            tags = [t for id in ids for t in store.tags(id).split(",") if t != "-"]
            assert len(tags) == len(set(tags)), (call, n, tags)
            assert verb == "remove" or "x:1" in tags, (call, n, tags)
            assert list((store.image / "staging").iterdir()) == []
            if not died:
                break
        else:
            pytest.fail("never ended")


def test_loads_saves_and_removals_at_once(store):
    """All share a layer, which every removal of the last image takes away and every load brings back."""
    shared = tar(file("s", os.urandom(100000)))
    archives = [Docker([shared, tar(file(f"t{i}"))], [f"t:{i}"], how="gzip" if i % 2 else None)
                for i in range(6)]
    files = []
    for i, a in enumerate(archives):
        files.append(store.root / f"{i}.tar")
        files[-1].write_bytes(a.bytes())
    store.run("storm", *map(str, files))
    assert store.ids() == sorted(a.id for a in archives)
    for a in archives:
        store.run("check", a.id)
    assert len(list((store.image / "layers").iterdir())) == 7
    for a in archives:
        store.run("remove", a.id)
    assert store.is_empty()
