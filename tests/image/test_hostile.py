"""Hostile and damaged archives: refused in words that name the culprit, nothing written outside, nothing left."""

import gzip
import io
import json
import os
import tarfile

import pytest

from archives import Docker, Oci, directory, entry, file, hardlink, sha, symlink, tar
from conftest import Refused

LAYER = tar(file("a", b"b" * 1000))


def refuse(store, archive, words):
    with pytest.raises(Refused, match=words):
        store.load(archive)
    assert list((store.image / "staging").iterdir()) == []
    assert store.is_empty()


@pytest.mark.parametrize("bad, words", [
    ([file("../evil")], r"entry \.\./evil: its name leads out of the layer"),
    ([file("a/../../evil")], r"entry a/\.\./\.\./evil: its name leads out"),
    ([file("/../evil")], r"leads out"),
    ([file("..")], r"leads out"),
    ([directory("a/../..")], r"leads out"),
    ([file("../.wh.evil")], r"leads out"),
    ([hardlink("x", "../../evil")], r"entry x: its link leads out of the layer: \.\./\.\./evil"),
    ([hardlink("x", "/etc/passwd")], r"entry x: link to /etc/passwd: .*No such file"),
    ([directory("d"), hardlink("x", "d")], r"entry x: link to d: "),
    ([symlink("out", "/"), hardlink("x", "out/etc/passwd")], r"entry x: link to out/etc/passwd"),
    ([symlink("l", "l"), file("l/x")], r"entry l/x: open its directory"),
    ([symlink("l", "nowhere"), file("l/x")], r"entry l/x: open its directory"),
    ([file("f"), file("f/x")], r"entry f/x: open its directory: Not a directory"),
    ([file(".")], r"the layer's root must be a directory"),
    ([symlink("./", "/tmp")], r"the layer's root must be a directory"),
    ([hardlink(".", "a")], r"the layer's root must be a directory"),
    ([file("n" * 300)], r"entry n+.*: create: File name too long"),
    ([file("d/" * 3000 + "x")], r"is too long"),
    ([file(".wh.", b"")], r"a whiteout of nothing"),
    ([file(".wh...", b"")], r"a whiteout of nothing"),
])
def test_entries(store, tmp_path, bad, words):
    refuse(store, Docker([tar(file("before"), *bad)]).bytes(), words)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("target", ["/", "/tmp", "../../../../../..", "/proc/self/root", "/proc/self/cwd"])
def test_write_through_a_symlink_stays_inside(store, tmp_path, target):
    """A link leads where it would in the container: to somewhere in the layer, or nowhere."""
    probe = f"holdfast-evil-{os.getpid()}"
    layer = tar(directory("tmp"), directory("proc/self/root"), directory("proc/self/cwd"),
                symlink("out", target), file(f"out/{probe}", b"evil"))
    store.load(Docker([layer]).bytes())
    for where in ("/", "/tmp", "/proc/self/root", os.getcwd()):
        assert not os.path.exists(os.path.join(where, probe))
    assert [p for p in store.layer(sha(layer)).rglob(probe)]


def test_file_over_a_symlink_replaces_it(store, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("good")
    layer = tar(symlink("x", str(victim)), file("x", b"evil"))
    store.load(Docker([layer]).bytes())
    assert victim.read_text() == "good"
    assert (store.layer(sha(layer)) / "x").read_bytes() == b"evil"


def test_chmod_through_links_is_not_possible(store, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    layer = tar(symlink("x", str(victim)), hardlink("y", "x"), directory("y", mode=0o777, uid=5))
    store.load(Docker([layer]).bytes())
    assert victim.stat().st_mode & 0o777 == 0o700 and victim.stat().st_uid == 0


def test_wrong_diff_id(store):
    archive = Docker([LAYER])
    archive.members[0] = file(archive.paths[0], tar(file("other")))
    refuse(store, archive.bytes(), "layer 0+/layer.tar does not match the image's configuration")


def test_wrong_digest_of_a_blob(store):
    oci = Oci()
    oci.add(oci.image([LAYER], "gzip"))
    for name in list(oci.blobs):
        changed = Oci()
        changed.blobs, changed.index = dict(oci.blobs), oci.index
        changed.blobs[name] = changed.blobs[name][:-1] + bytes([changed.blobs[name][-1] ^ 1])
        refuse(store, changed.bytes(), f"blobs/sha256/{name} does not match its digest")


def test_wrong_size_in_a_descriptor(store):
    oci = Oci()
    d = oci.image([LAYER])
    oci.add({**d, "size": d["size"] + 1})
    refuse(store, oci.bytes(), f"has {d['size']} bytes, not the {d['size'] + 1}")


def test_blob_that_is_a_link_to_another(store):
    oci = Oci()
    oci.add(oci.image([LAYER, tar(file("b", b"c" * 1000))]))
    a, b = "blobs/sha256/" + sha(LAYER), "blobs/sha256/" + sha(tar(file("b", b"c" * 1000)))
    members = [(symlink(m.name, os.path.basename(b)) if m.name == a else (m, data))
               for m, data in members_of(oci.bytes())]
    refuse(store, tar(*members), "does not match its digest")


def members_of(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as t:
        return [(m, t.extractfile(m).read()) for m in t]


def test_missing_parts(store):
    archive = Docker([LAYER])
    refuse(store, tar(*archive.members), "neither manifest.json nor index.json")
    refuse(store, tar(file("manifest.json", b"[]")), "no image in the archive")
    refuse(store, b"", "neither manifest.json nor index.json")
    refuse(store, b"this is no archive" * 100, "not an image archive|read the archive")
    full = archive.members
    archive.members = full[1:]
    refuse(store, archive.bytes(), "is not in the archive")
    archive.members = full[:1]
    refuse(store, archive.bytes(), "manifest.json names .*, which is not in the archive")
    oci = Oci()
    oci.add(oci.image([LAYER]))
    del oci.blobs[sha(LAYER)]
    refuse(store, oci.bytes(), "is not in the archive")


@pytest.mark.parametrize("text", [
    b"{", b"null", b"[1]", b'[{"Config":1}]', b'[{"Config":"x","Layers":"y"}]', b'[{"Config":"../../x"}]',
    b'[{"Config":"c","Layers":[1]}]', b"[" * 100000, b'{"manifests":3}', b"\xff\xfe", b'[{"Config":"a\\u0000b"}]'])
def test_broken_json(store, text):
    for name in ("manifest.json", "index.json"):
        refuse(store, tar(file("c", b"{}"), file(name, text)), ".")


@pytest.mark.parametrize("config", [
    b"[]", b"{", b'{"rootfs":3}', b'{"rootfs":{"diff_ids":3}}', b'{"rootfs":{"diff_ids":["sha256:zz"]}}',
    b'{"rootfs":{"diff_ids":[3]}}', b'{"rootfs":{"diff_ids":["sha512:00"]}}', b'{"rootfs":{"diff_ids":[]}}'])
def test_broken_configuration(store, config):
    archive = Docker([LAYER])
    archive.members[-1] = file(archive.id + ".json", config)
    refuse(store, archive.bytes(), "configuration")


def test_configuration_with_wrong_types_is_refused_whole(store):
    for bad in ({"config": 3}, {"config": {"Env": {"a": 1}}}, {"history": "x"}, {"created": "yesterday"}):
        refuse(store, Docker([LAYER], **bad).bytes(), "must be|created|time")


def test_bad_name(store):
    refuse(store, Docker([LAYER], ["x/UPPER:1"]).bytes(), "x/UPPER:1: invalid reference format: repository name")
    refuse(store, Docker([LAYER], ["ok:1", "not ok"]).bytes(), "not ok: invalid reference format")


def test_truncated_anywhere(store):
    for how in (None, "gzip"):
        archive = Docker([tar(file("a", os.urandom(20000)))], how=how).bytes()
        end = archive.rindex(b"manifest.json") + 600
        for cut in (1, 511, 600, 5000, 15000, end - 300):
            refuse(store, archive[:cut], ".")
    whole = gzip.compress(Docker([tar(file("a", os.urandom(20000)))]).bytes())
    refuse(store, whole[:len(whole) // 2], "truncated|Truncated")


def test_member_that_looks_like_a_layer_but_is_not_needed(store):
    archive = Docker([LAYER])
    archive.members += [file("junk.gz", gzip.compress(b"not a tar at all" * 1000)),
                        file("junk.tar", tar(file("../../evil"))), file("cut.gz", gzip.compress(LAYER)[:50])]
    assert store.load(archive.bytes()) == [archive.id]
    assert len(list((store.image / "layers").iterdir())) == 1


def test_limits(tool):
    many = tar(*[file(f"f{i}") for i in range(50)])
    with pytest.raises(Refused, match="too large: .*more than 49 entries in the archive"):
        tool(Docker([many]).bytes(), "--max-entries", "49")


def test_bomb(tool):
    bomb = tar(file("zeros", b"\0" * (50 << 20)))
    archive = Docker([bomb], how="gzip").bytes()
    assert len(archive) < 1 << 20
    with pytest.raises(Refused, match="too large: .*unpacks to more than 10000000 bytes"):
        tool(archive, "--max-bytes", "10000000")


def test_large_json(store):
    refuse(store, tar(file("manifest.json", b"[" + b" " * (5 << 20) + b"]")), "larger than 4 MiB")
    refuse(store, Docker([LAYER], author="x" * (5 << 20)).bytes(), "larger than 4 MiB")
    small = [file(f"s{i}", b"{" + b"x" * (4 << 20 - 1)) for i in range(3)]
    assert store.load(tar(*small, *members_of(Docker([LAYER]).bytes())))


def test_too_many_layers(store):
    oci = Oci()
    oci.add(oci.image([LAYER] * 501))
    refuse(store, oci.bytes(), "501 layers")


def test_deep_and_recursive_indexes(store):
    oci = Oci()
    d = oci.image([LAYER])
    for _ in range(8):
        d = oci.nested(d)
    oci.add(d)
    refuse(store, oci.bytes(), "too deep")


def test_not_a_container_image(store):
    oci = Oci()
    manifest = {"schemaVersion": 2, "layers": [],
                "config": oci.blob(b"{}", "application/vnd.cncf.helm.config.v1+json")}
    oci.add(oci.blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json"))
    refuse(store, oci.bytes(), "not a container image")


def test_control_characters_in_messages(store):
    with pytest.raises(Refused) as e:
        store.load(Docker([tar(file("../\x1b[31m\nevil"))]).bytes())
    assert "\x1b" not in str(e.value) and "??" not in str(e.value)[:3]


def test_layers_with_colliding_directories_are_not_mixed_up(store):
    """A layer's directory with another diff id in it is not taken for the layer."""
    store.load(Docker([LAYER]).bytes())
    d = store.image / "layers" / sha(LAYER)[:16]
    j = json.loads((d / "layer.json").read_text())
    j["DiffId"] = sha(LAYER)[:16] + "0" * 48
    (d / "layer.json").write_text(json.dumps(j))
    with pytest.raises(Refused, match="another one"):
        store.load(Docker([LAYER], author="me").bytes())
