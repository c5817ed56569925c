"""Honest archives: what goes in is what a container sees, and what comes out again."""

import io
import json
import os
import random
import stat
import subprocess
import tarfile

import pytest

from archives import Docker, Oci, compressed, directory, entry, file, hardlink, sha, symlink, tar
from conftest import Refused

LAYER = tar(directory("bin"), file("bin/sh", b"#!" * 5000, mode=0o755), file("etc/passwd", b"root"))


@pytest.mark.parametrize("how", [None, "gzip", "zstd", "xz", "bzip2"])
def test_docker_archive(store, how):
    archive = Docker([LAYER], ["a/b:1", "c"], how)
    assert store.load(archive.bytes()) == [archive.id]
    assert store.tags(archive.id) == "a/b:1,c:latest"
    assert (store.layer(sha(LAYER)) / "bin/sh").read_bytes() == b"#!" * 5000
    assert list((store.image / "staging").iterdir()) == []


@pytest.mark.parametrize("how", ["gzip", "zstd", "xz", "bzip2"])
def test_whole_archive_compressed(store, how):
    archive = Docker([LAYER])
    assert store.load(compressed(archive.bytes(), how)) == [archive.id]


def test_manifest_first_and_links_between_members(store):
    archive = Docker([LAYER, LAYER])
    archive.members[1] = symlink(archive.paths[1], "../" + archive.paths[0])
    members = [file("manifest.json", json.dumps(archive.manifest).encode()), *archive.members]
    assert store.load(tar(*members)) == [archive.id]
    assert store.lines("lower", "test") == [[sha(LAYER)[:16] + "/diff"]]


def test_oci_layout(store):
    for how in (None, "gzip", "zstd"):
        oci = Oci()
        layer = tar(file(f"by-{how}"))
        oci.add(oci.image([LAYER, layer], how), f"docker.io/library/oci:{how}")
        id, = store.load(oci.bytes())
        assert store.tags(id) == f"oci:{how}"
        assert (store.layer(sha(layer)) / f"by-{how}").exists()


def test_oci_nested_index_picks_this_host(store):
    oci = Oci()
    other = oci.image([tar(file("foreign"))], architecture="sparc")
    attest = {**oci.image([LAYER]), "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
              "platform": {"os": "unknown", "architecture": "unknown"}}
    mine = oci.image([LAYER], "gzip")
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    nested = oci.nested(attest, {**other, "platform": {"os": "linux", "architecture": "sparc"}},
                        {**mine, "platform": {"os": "linux", "architecture": arch}})
    oci.add(nested, "docker.io/library/multi:1")
    id, = store.load(oci.bytes())
    assert store.tags(id) == "multi:1"
    assert store.lines("lower", "multi:1") == [[sha(LAYER)[:16] + "/diff"]]
    assert not (store.layer(sha(tar(file("foreign"))))).exists()


def test_oci_without_this_platform(store):
    oci = Oci()
    other = {**oci.image([LAYER]), "platform": {"os": "linux", "architecture": "sparc"}}
    oci.add(oci.nested(other, other))
    with pytest.raises(Refused, match="no image for linux/"):
        store.load(oci.bytes())
    assert store.is_empty()


def test_several_images_share_layers(store):
    top = [tar(file(f"top{i}")) for i in range(3)]
    archives = [Docker([LAYER, t], [f"img:{i}"]) for i, t in enumerate(top)]
    for a in archives:
        store.load(a.bytes())
    assert store.ids() == sorted(a.id for a in archives)
    assert len(list((store.image / "layers").iterdir())) == 4


def test_layer_that_exists_is_not_unpacked_again(store):
    """Neither from a docker-archive nor, by its digest alone, from an OCI layout."""
    store.load(Docker([LAYER]).bytes())
    inode = store.layer(sha(LAYER)).stat().st_ino
    for how in (None, "gzip"):
        oci = Oci()
        oci.add(oci.image([LAYER], how, author=str(how)), "docker.io/library/x:" + str(how))
        store.load(oci.bytes())
        store.load(oci.bytes())
    assert store.layer(sha(LAYER)).stat().st_ino == inode
    assert len(list((store.image / "layers").iterdir())) == 1


def test_layer_missing_from_the_archive_but_here(store):
    store.load(Docker([LAYER]).bytes())
    top = tar(file("top"))
    archive = Docker([LAYER, top], ["top:1"])
    del archive.members[0]
    assert store.load(archive.bytes()) == [archive.id]


def test_round_trip_keeps_ids(store, tmp_path):
    """Also for compressed layers, and bytes behind the end of the tar."""
    layers = [LAYER, tar(file("x", random.Random(1).randbytes(300000))) + b"\0" * 5000,
              tar(), b"\0" * 1024, tar(file("y"))[:1024]]
    first = Docker(layers, ["one:1"], "gzip")
    second = Docker(layers[:1], ["two:2", "host:5000/x/two:3"])
    store.load(first.bytes())
    store.load(second.bytes())
    saved = store.run("save", "one:1", "two", "host:5000/x/two:3")
    assert saved == store.run("save", "one:1", "two", "host:5000/x/two:3")

    names = tarfile.open(fileobj=io.BytesIO(saved)).getnames()
    assert names[-4:] == ["index.json", "manifest.json", "oci-layout", "repositories"]
    assert len(names) == len(set(names))

    again = type(store)(tmp_path / "again")
    again.root.mkdir()
    assert sorted(again.load(saved)) == sorted([first.id, second.id])
    assert again.tags(second.id) == "host:5000/x/two:3,two:2"
    assert again.run("save", "one:1", "two", "host:5000/x/two:3") == saved

    # The OCI side of it says the same.
    with tarfile.open(fileobj=io.BytesIO(saved)) as t:
        members = [(m, t.extractfile(m).read() if m.isfile() else None) for m in t]
    oci = type(store)(tmp_path / "oci")
    oci.root.mkdir()
    assert sorted(set(oci.load(tar(*[m for m in members if m[0].name != "manifest.json"])))) == \
        sorted([first.id, second.id])
    assert oci.tags(second.id) == "host:5000/x/two:3,two:2"


def test_save_of_a_repository_and_of_an_id(store):
    archive = Docker([LAYER], ["r:1", "r:2", "other:1"])
    store.load(archive.bytes())

    def tags(*refs):
        saved = tarfile.open(fileobj=io.BytesIO(store.run("save", *refs)))
        return json.load(saved.extractfile("manifest.json"))[0]["RepoTags"]

    assert tags("r") == ["r:1", "r:2"]
    assert tags("r:2") == ["r:2"]
    assert tags(archive.id[:8]) is None
    with pytest.raises(Refused, match="No such image: nope:latest"):
        store.run("save", "nope")


def test_save_refuses_a_damaged_layer(store):
    store.load(Docker([tar(file("x", b"q" * 100000))], how="gzip").bytes())
    config = json.loads(next((store.image / "images").iterdir()).read_text())
    blob = store.image / "blobs/sha256" / config["Layers"][0]["Blob"]
    blob.write_bytes(compressed(tar(file("x", b"r" * 100000)), "gzip"))
    with pytest.raises(Refused, match="is damaged"):
        store.run("save", "test")


def test_every_kind_of_entry(store):
    long = "d" * 200 + "/" + "f" * 200
    odd = b"odd-\xff\xfe-name".decode(errors="surrogateescape")
    nfd = "cafe\u0301"
    entries = [
        directory("dir", mode=0o1770, uid=5, gid=6, mtime=1000),
        file("dir/file", b"data", mode=0o4711, uid=100000, gid=7, mtime=1234567890.5),
        hardlink("dir/hard", "dir/file"),
        symlink("dir/soft", "../../../etc/passwd", uid=3, gid=4, mtime=99),
        symlink("abs", "/etc/shadow"),
        entry("dir/fifo", tarfile.FIFOTYPE, mode=0o600, mtime=5),
        entry("dir/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666, uid=1),
        entry("dir/disk", tarfile.BLKTYPE, devmajor=8, devminor=1, mode=0o660),
        symlink("to-" + nfd, nfd), file("hard-" + nfd), hardlink("hard2-" + nfd, "hard-" + nfd),
        file(long, b"long"), file(odd, b"odd"), file(nfd, b"nfd"),
        file("caps", b"c", pax_headers={"SCHILY.xattr.user.note": "hello",
                                        "SCHILY.xattr.trusted.overlay.opaque": "y",
                                        "SCHILY.xattr.user.overlay.opaque": "y"}),
        file("./dotted/../implicit/parent/x", b"i"), file("/rooted", b"r"),
        file("empty", b""),
    ]
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        layer = tar(*entries, format=format)
        archive = Docker([layer], [f"kinds:{format}"])
        store.load(archive.bytes())
        top = store.layer(sha(layer))
        st = os.lstat(top / "dir")
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime) == (0o1770, 5, 6, 1000)
        st = os.lstat(top / "dir/file")
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o4711, 100000, 7)
        assert st.st_nlink == 2 and st.st_ino == os.lstat(top / "dir/hard").st_ino
        if format == tarfile.PAX_FORMAT:
            assert st.st_mtime == 1234567890.5
            assert os.getxattr(top / "caps", "user.note") == b"hello"
            assert os.listxattr(top / "caps") == ["user.note"]
        st = os.lstat(top / "dir/soft")
        assert os.readlink(top / "dir/soft") == "../../../etc/passwd"
        assert (st.st_uid, st.st_gid, st.st_mtime) == (3, 4, 99)
        assert os.readlink(top / "abs") == "/etc/shadow"
        assert stat.S_ISFIFO(os.lstat(top / "dir/fifo").st_mode)
        st = os.lstat(top / "dir/null")
        assert stat.S_ISCHR(st.st_mode) and st.st_rdev == os.makedev(1, 3) and st.st_uid == 1
        assert stat.S_IMODE(st.st_mode) == 0o666
        st = os.lstat(top / "dir/disk")
        assert stat.S_ISBLK(st.st_mode) and st.st_rdev == os.makedev(8, 1)
        for name, data in ((long, b"long"), (odd, b"odd"), (nfd, b"nfd"), ("rooted", b"r"),
                           ("implicit/parent/x", b"i"), ("empty", b"")):
            assert (top / name).read_bytes() == data
        assert os.readlink(top / ("to-" + nfd)) == nfd
        assert os.lstat(top / ("hard2-" + nfd)).st_nlink == 2
        assert nfd in os.listdir(top), "names are bytes, not to be normalised"


def test_capabilities(store, tmp_path):
    """Set on a file by GNU tar, as builders do; after the owner, for chown takes them away."""
    cap = bytes.fromhex("0100000200040000000000000000000000000000")
    (tmp_path / "ping").write_bytes(b"x")
    os.chown(tmp_path / "ping", 1, 1)
    os.setxattr(tmp_path / "ping", "security.capability", cap)
    layer = subprocess.run(["tar", "-c", "--xattrs", "--xattrs-include=*", "-C", tmp_path, "ping"],
                           check=True, stdout=subprocess.PIPE).stdout
    store.load(Docker([layer]).bytes())
    assert os.getxattr(store.layer(sha(layer)) / "ping", "security.capability") == cap


def test_sparse_file(store, tmp_path):
    with open(tmp_path / "sparse", "wb") as f:
        f.seek(50 << 20)
        f.write(b"middle")
        f.truncate(100 << 20)
    for option in ("--sparse-version=0.1", "--sparse-version=1.0", "--format=gnu"):
        layer = subprocess.run(["tar", "-c", "-S", option, "-C", tmp_path, "sparse"], check=True,
                               stdout=subprocess.PIPE).stdout
        assert len(layer) < 1 << 20
        store.load(Docker([layer]).bytes())
        st = os.stat(store.layer(sha(layer)) / "sparse")
        assert st.st_size == 100 << 20 and st.st_blocks * 512 < 1 << 20
        with open(store.layer(sha(layer)) / "sparse", "rb") as f:
            f.seek(50 << 20)
            assert f.read(6) == b"middle"


def is_whiteout(path):
    st = os.lstat(path)
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0


def test_whiteouts(store):
    layer = tar(
        file("a/.wh.gone", b""), file("b/.wh..wh..opq", b""), file("b/new", b"n"),
        file(".wh..wh.plnk", b""), directory(".wh..wh.aufs"), file(".wh..wh.aufs/x"),
        # Of this layer's own the later says nothing, and it was below that was meant.
        file("c/kept"), file("c/.wh.kept", b""), file("c/.wh.first", b""), file("c/first"),
        directory("c/d"), file("c/d/in"), file("c/.wh.d", b""),
        file("c/.wh.e", b""), directory("c/e"), file("c/.wh.f", b""), file("c/f/in"))
    store.load(Docker([layer]).bytes())
    top = store.layer(sha(layer))
    assert is_whiteout(top / "a/gone")
    assert os.getxattr(top / "b", "trusted.overlay.opaque") == b"y"
    assert os.listdir(top / "b") == ["new"]
    assert not (top / ".wh..wh.plnk").exists()
    assert (top / "c/kept").is_file() and (top / "c/first").is_file()
    for name in ("d", "e", "f"):
        assert os.getxattr(top / "c" / name, "trusted.overlay.opaque") == b"y"
    assert (top / "c/d/in").is_file() and (top / "c/f/in").is_file()
    assert not [p for p in top.rglob(".wh.*") if p.is_file()]


def test_opaque_root_cuts_what_is_below(store):
    layers = [LAYER, tar(file(".wh..wh..opq", b""), file("only")), tar(file("top"))]
    store.load(Docker(layers).bytes())
    assert [l[0] for l in store.lines("lower", "test")] == [sha(l)[:16] + "/diff" for l in layers[:0:-1]]


def test_later_entries_replace_earlier_ones(store):
    layer = tar(file("f2d"), directory("f2d"), file("f2d/in"),
                directory("d2f"), file("d2f/in"), file("d2f", b"file"),
                file("l", b"old"), hardlink("l2", "l"), file("l", b"new"),
                symlink("s", "d"), directory("d"), directory("s"), file("s/in"),
                directory("twice", mode=0o700), file("twice/in"), directory("twice", mode=0o711, mtime=7),
                file("h"), hardlink("h", "h"), file("n"), symlink("n", "x"), symlink("n", "y"))
    store.load(Docker([layer]).bytes())
    top = store.layer(sha(layer))
    assert (top / "f2d/in").is_file() and (top / "d2f").read_bytes() == b"file"
    assert (top / "l").read_bytes() == b"new" and (top / "l2").read_bytes() == b"old"
    assert not (top / "s").is_symlink() and (top / "s/in").is_file() and not (top / "d/in").exists()
    st = os.stat(top / "twice")
    assert stat.S_IMODE(st.st_mode) == 0o711 and st.st_mtime == 7 and (top / "twice/in").exists()
    assert os.readlink(top / "n") == "y" and (top / "h").is_file()


def test_links_inside_the_layer_are_followed_in_it(store):
    layer = tar(directory("usr/lib"), symlink("lib", "usr/lib"), file("lib/x", b"x"),
                symlink("abs", "/usr/lib"), file("abs/y", b"y"))
    store.load(Docker([layer]).bytes())
    assert sorted(os.listdir(store.layer(sha(layer)) / "usr/lib")) == ["x", "y"]


def test_hundred_layers_mount(store, tmp_path):
    layers = [tar(file("same", str(i).encode()), file(f"only{i}")) for i in range(120)]
    archive = Docker(layers, how="gzip")
    store.load(archive.bytes())
    lower = ":".join(l[0] for l in store.lines("lower", "test"))
    assert lower.count(":") == 119 and len(lower) < 4000
    for d in ("up", "work", "merged"):
        (tmp_path / d).mkdir()
    script = (f"cd {store.image}/layers && mount -t overlay overlay -o lowerdir={lower},"
              f"upperdir={tmp_path}/up,workdir={tmp_path}/work {tmp_path}/merged && "
              f"cat {tmp_path}/merged/same && ls {tmp_path}/merged | wc -l")
    out = subprocess.run(["unshare", "-m", "sh", "-c", script], check=True, stdout=subprocess.PIPE)
    assert out.stdout == b"119121\n"


def test_import(store):
    layer = tar(file("hello", b"world"))
    (_, id, name), = store.lines("import", "imp:1", "CMD echo hi", 'ENV a=b c="d e"', "EXPOSE 80",
                                 stdin=compressed(layer, "zstd"))
    assert name == "imp:1"
    config = json.loads(store.run("inspect", "imp:1"))
    assert config["Cmd"] == ["/bin/sh", "-c", "echo hi"] and config["Env"] == ["a=b", "c=d e"]
    assert config["ExposedPorts"] == {"80/tcp": {}} and config["Comment"] == "Imported from -"
    assert (store.layer(sha(layer)) / "hello").read_bytes() == b"world"
    with pytest.raises(Refused, match="FROM is not a valid change command"):
        store.run("import", "x", "FROM y", stdin=layer)
    with pytest.raises(Refused, match="not a tar archive"):
        store.run("import", "x", stdin=b"what")
    store.run("remove", "imp:1")
    assert store.is_empty()
