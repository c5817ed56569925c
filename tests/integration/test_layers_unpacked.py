"""What comes out of layers: whiteouts, links, owners, xattrs, sparse files - and nothing that goes outside."""

import json
import os

import pytest

from kit import archives as a
from kit.archives import on_busybox

pytestmark = pytest.mark.one_runtime


def look(daemon, *layers, cmd, **host):
    daemon.load(on_busybox(*layers).docker_archive("look:1"))
    return daemon.output(cmd, host, image="look:1")


def test_whiteout_hides_what_is_below(bare_daemon):
    out = look(bare_daemon, a.layer(a.folder("d"), a.file("d/a"), a.file("d/b"), a.folder("e"), a.file("e/x")),
               a.layer(a.whiteout("d/a"), a.whiteout("e")), cmd="ls /d; ls -d /e 2>/dev/null || echo gone")
    assert out == "b\ngone\n"


def test_opaque_directory_hides_all_that_is_below(bare_daemon):
    out = look(bare_daemon, a.layer(a.folder("d"), a.file("d/old")),
               a.layer(a.folder("d"), a.opaque("d"), a.file("d/new")), cmd="ls -A /d")
    assert out == "new\n"


def test_opaque_marker_after_the_new_files_keeps_them(bare_daemon):
    out = look(bare_daemon, a.layer(a.folder("d"), a.file("d/old")),
               a.layer(a.folder("d"), a.file("d/new"), a.opaque("d")), cmd="ls -A /d")
    assert out == "new\n"


def test_whiteout_of_what_is_not_there_is_no_error(bare_daemon):
    assert look(bare_daemon, a.layer(a.whiteout("never/was")), cmd="echo ok") == "ok\n"


def test_removed_and_made_again_in_a_higher_layer(bare_daemon):
    out = look(bare_daemon, a.layer(a.folder("d"), a.file("d/x", "1")), a.layer(a.whiteout("d")),
               a.layer(a.folder("d"), a.file("d/y", "3")), cmd="ls -A /d")
    assert out == "y\n"


def test_file_becomes_directory_and_back(bare_daemon):
    out = look(bare_daemon, a.layer(a.file("x", "f"), a.folder("y"), a.file("y/f")),
               a.layer(a.whiteout("x"), a.folder("x"), a.file("x/in"), a.whiteout("y"), a.file("y", "f")),
               cmd="ls -A /x; cat /y")
    assert out == "in\nf"


def test_the_later_entry_of_one_layer_wins(bare_daemon):
    """As containerd has it; dockerd refuses such a layer."""
    assert look(bare_daemon, a.layer(a.file("x", "1"), a.file("x", "2")), cmd="cat /x") == "2"


def test_hard_links(bare_daemon):
    out = look(bare_daemon, a.layer(a.file("one", "data"), a.hardlink("two", "one"), a.hardlink("three", "./one")),
               cmd="stat -c %h /one; cat /three; test /one -ef /two && echo same")
    assert out == "3\ndatasame\n"


def test_owners_and_modes(bare_daemon):
    out = look(bare_daemon, a.layer(
        a.file("x", mode=0o4755, uid=1000, gid=29), a.folder("s", 0o3775, uid=5, gid=6),
        a.file("big", uid=2000000000, gid=2000000001)), cmd="stat -c '%a %u %g' /x /s /big")
    assert out == "4755 1000 29\n3775 5 6\n644 2000000000 2000000001\n"


def test_times_are_kept(bare_daemon):
    out = look(bare_daemon, a.layer(a.folder("d", mtime=1111111111), a.file("d/x", mtime=1234567890)),
               cmd="stat -c %Y /d/x /d")
    assert out == "1234567890\n1111111111\n"


def test_xattrs(bare_daemon):
    """A file capability: it shows when an ordinary user runs the file with more than he has."""
    net_raw = (1 << 13).to_bytes(4, "little")
    value = (0x02000001).to_bytes(4, "little") + net_raw + b"\0" * 12
    daemon = bare_daemon
    busybox = open("/bin/busybox", "rb").read()
    entry = a.file("capable/grep", busybox, 0o755, xattrs={
        "security.capability": value.decode("latin-1"), "user.note": "kept"})
    # PAX values are text to tarfile: binary ones survive as latin-1.
    daemon.load(on_busybox(layer_with_binary_xattrs(entry)).docker_archive("look:1"))
    out = daemon.output(["/capable/grep", "CapPrm", "/proc/self/status"], image="look:1", User="alice")
    assert int(out.split()[1], 16) == 1 << 13


def layer_with_binary_xattrs(entry):
    import io
    import tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="latin-1",
                      pax_headers={"hdrcharset": "BINARY"}) as tar:
        tar.addfile(entry[0], io.BytesIO(entry[1]))
    return out.getvalue()


def test_device_nodes_and_fifos(bare_daemon):
    out = look(bare_daemon, a.layer(a.device("null2", "c", 1, 3), a.device("blk", "b", 7, 99), a.fifo("pipe")),
               cmd="stat -c '%F %t %T' /null2 /blk; test -p /pipe && echo fifo")
    assert out == "character special file 1 3\nblock special file 7 63\nfifo\n"


@pytest.mark.parametrize("format", ["GNU", "PAX"])
def test_long_names(bare_daemon, format):
    import tarfile
    name = "/".join(["d" * 100] * 5) + "/" + "f" * 200
    folders = ["/".join(["d" * 100] * n) for n in range(1, 6)]
    entries = [*map(a.folder, folders), a.file(name, "deep"), a.symlink("l", name)]
    made = a.layer(*entries, format=getattr(tarfile, format + "_FORMAT"))
    assert look(bare_daemon, made, cmd="cat /l; find /" + "d" * 100 + " -type f | wc -c") == f"deep{len(name) + 2}\n"


@pytest.mark.parametrize("format", [["--format=gnu"], ["--format=pax", "--sparse-version=1.0"],
                                    ["--format=pax", "--sparse-version=0.1"]], ids=["gnu", "pax1.0", "pax0.1"])
def test_sparse_files_stay_sparse(bare_daemon, format):
    made = a.sparse_layer("sparse", 64 << 20, b"end", (64 << 20) - 3, format)
    assert len(made) < 1 << 20
    out = look(bare_daemon, made, cmd="stat -c %s /sparse; tail -c 3 /sparse; du -k /sparse | cut -f1")
    size, rest = out.split("\n", 1)
    assert size == str(64 << 20) and rest.startswith("end")
    assert int(rest[3:]) < 1024


def test_odd_names(bare_daemon):
    names = ["with space", "new\nline", "ü", "-dash", "back\\slash", "x" * 255, ".hidden", "wh.not"]
    out = look(bare_daemon, a.layer(a.folder("o"), *(a.file(f"o/{n}", "1") for n in names)),
               cmd="for f in /o/* /o/.h*; do cat \"$f\"; done")
    assert out == "1" * len(names)


def test_missing_parent_directories_are_made(bare_daemon):
    assert look(bare_daemon, a.layer(a.file("not/listed/x", "y")), cmd="cat /not/listed/x") == "y"


# --- hostile layers: whatever they try, nothing outside of the image's own tree changes

@pytest.fixture
def target(bare_daemon):
    """A place outside that attacks aim at."""
    path = bare_daemon.root / "target"
    path.mkdir()
    (path / "precious").write_text("safe\n")
    return path


def ups(path):
    return "../" * 40 + str(path).lstrip("/")


def hostile_layers(target):
    return {
        "dots": [a.layer(a.file(ups(target / "new"), "x"))],
        "dots inside": [a.layer(a.folder("d"), a.file("d/" + ups(target / "new"), "x"))],
        "absolute": [a.layer(a.file(str(target / "new"), "x"))],
        "through an absolute symlink": [a.layer(a.symlink("l", str(target)), a.file("l/new", "x"))],
        "through a relative symlink": [a.layer(a.symlink("l", ups(target)), a.file("l/new", "x"))],
        "through a symlink of the layer below": [
            a.layer(a.symlink("l", str(target))), a.layer(a.file("l/new", "x"))],
        "through two symlinks": [a.layer(a.symlink("a", ".."), a.symlink("b", "a/" + ups(target)),
                                         a.file("b/new", "x"))],
        "over a symlink to a file": [a.layer(a.symlink("l", str(target / "precious")), a.file("l", "x"))],
        "hard link out": [a.layer(a.hardlink("h", ups(target / "precious")), a.file("h", "x"))],
        "hard link through a symlink": [a.layer(a.symlink("l", str(target)), a.hardlink("h", "l/precious"),
                                                a.file("h", "overwritten"))],
        "hard link to a symlink": [a.layer(a.symlink("l", str(target / "precious")), a.hardlink("h", "l"),
                                           a.file("h", "x"))],
        "whiteout outside": [a.layer(a.file(ups(target / ".wh.precious")))],
        "whiteout through a symlink": [a.layer(a.symlink("l", str(target)), a.file("l/.wh.precious"))],
        "whiteout of dots": [a.layer(a.folder("d"), a.file("d/.wh..."))],
        "opaque through a symlink": [a.layer(a.symlink("l", str(target)), a.file("l/.wh..wh..opq"))],
        "folder over a symlink": [a.layer(a.symlink("l", str(target)), a.folder("l", 0o777), a.file("l/new"))],
        "device through a symlink": [a.layer(a.symlink("l", str(target)), a.device("l/new", "c", 1, 3))],
        "chmod through a symlink": [a.layer(a.symlink("l", str(target / "precious")),
                                            a.hardlink("l", "l"))],
        "root replaced": [a.layer(a.symlink(".", str(target)), a.file("new", "x"))],
    }


def image_in_use(target):
    return sorted(os.listdir(target)), (target / "precious").read_text(), oct((target / "precious").stat().st_mode)


@pytest.mark.parametrize("name", hostile_layers(__import__("pathlib").Path("/x")))
def test_hostile_layer_cannot_write_outside(bare_daemon, target, name):
    """Refusing the image and keeping the entry inside are both right."""
    before = image_in_use(target)
    archive = on_busybox(*hostile_layers(target)[name]).docker_archive("hostile:1")
    answer = bare_daemon.api.post("/images/load", archive, timeout=60)
    if answer.status == 200 and "error" not in answer.text:
        cid = bare_daemon.run("true", image="hostile:1")
        bare_daemon.wait(cid)
    assert image_in_use(target) == before
    assert not (bare_daemon.root.parent / "new").exists()
    assert bare_daemon.api.get("/_ping").status == 200


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/../../../evil"])
def test_hostile_archive_names_cannot_write_outside(bare_daemon, name):
    before = {p for p in bare_daemon.root.iterdir()}
    image = a.busybox()
    archive = image.docker_archive("x:1", change=lambda files: files.update({name: b"x"}))
    bare_daemon.api.post("/images/load", archive)
    assert {p for p in bare_daemon.root.iterdir()} == before
    assert not os.path.exists("/evil")


def spoil_manifest(**changes):
    def change(files):
        [entry] = json.loads(files["manifest.json"])
        files["manifest.json"] = json.dumps([{**entry, **changes}]).encode()
    return change


def spoil_config(**changes):
    """Under its old name, so that only the content is wrong."""
    def change(files):
        name = json.loads(files["manifest.json"])[0]["Config"]
        files[name] = json.dumps({**json.loads(files[name]), **changes}).encode()
    return change


BAD_DOCKER = {
    "no manifest": lambda files: files.pop("manifest.json"),
    "manifest no json": lambda files: files.update({"manifest.json": b"{["}),
    "manifest of another shape": lambda files: files.update({"manifest.json": b'{"a": 1}'}),
    "layer missing": spoil_manifest(Layers=["nowhere/layer.tar"]),
    "layer outside": spoil_manifest(Layers=["../../../../../etc/passwd"]),
    "layer absolute": spoil_manifest(Layers=["/etc/passwd"]),
    "config missing": spoil_manifest(Config="nowhere.json"),
    "config outside": spoil_manifest(Config="../../../../../../etc/passwd"),
    "tag nonsense": spoil_manifest(RepoTags=["NOT A TAG"]),
    "wrong diff id": spoil_config(rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}),
    "too many diff ids": spoil_config(rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * 3}),
    "no rootfs": spoil_config(rootfs=None),
    "another system": spoil_config(os="windows"),
}


@pytest.mark.parametrize("name", BAD_DOCKER)
def test_bad_docker_archive_is_refused_and_leaves_nothing(bare_daemon, name):
    bare_daemon.load(a.busybox().docker_archive("x:1", change=BAD_DOCKER[name]), expect_error=True)
    assert bare_daemon.api.get("/images/json", expect=200).json == []


def tamper(kind):
    """Changes one byte of the biggest, or of the smallest, blob of an OCI layout: its digest is then wrong."""
    def change(files):
        blobs = sorted((n for n in files if n.startswith("blobs/")), key=lambda n: len(files[n]))
        name = blobs[-1] if kind == "layer" else blobs[0]
        data = bytearray(files[name])
        data[len(data) // 2] ^= 1
        files[name] = bytes(data)
    return change


BAD_OCI = {
    "layer tampered": tamper("layer"),
    "manifest or config tampered": tamper("small"),
    "index no json": lambda files: files.update({"index.json": b"["}),
    "no index": lambda files: files.pop("index.json"),
    "blob missing": lambda files: files.pop(max((n for n in files if n.startswith("blobs/")),
                                                key=lambda n: len(files[n]))),
    "digest outside": lambda files: files.update({"index.json": json.dumps({
        "schemaVersion": 2, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json",
                                           "digest": "sha256:../../../../../etc/passwd", "size": 5}]}).encode()}),
}


@pytest.mark.parametrize("name", BAD_OCI)
def test_bad_oci_layout_is_refused_and_leaves_nothing(bare_daemon, name):
    bare_daemon.load(a.busybox().oci_layout("x:1", change=BAD_OCI[name]), expect_error=True)
    assert bare_daemon.api.get("/images/json", expect=200).json == []


@pytest.mark.parametrize("how", [None, "gzip", "zstd"])
@pytest.mark.parametrize("part", [0, 0.3, 0.99])
def test_truncated_archive_is_refused_and_leaves_nothing(bare_daemon, how, part):
    data = a.compress(a.busybox().docker_archive("x:1"), how)
    # At 0.99 the tar has lost its manifest, which comes last.
    bare_daemon.load(data[:int(len(data) * part)], expect_error=True)
    assert bare_daemon.api.get("/images/json", expect=200).json == []


def test_noise_is_refused(bare_daemon):
    bare_daemon.load(os.urandom(100000), expect_error=True)


def test_layer_that_is_no_tar_is_refused(bare_daemon):
    bare_daemon.load(on_busybox(b"no tar " * 1000).docker_archive("x:1"), expect_error=True)
    assert bare_daemon.api.get("/images/json", expect=200).json == []


def test_zip_bomb_of_zeros_does_not_eat_the_daemons_memory(bare_daemon):
    """256 MB of zeros in one file, gzip'd to a few hundred KB: unpacked as a stream."""
    made = a.layer(a.file("zeros", bytes(256 << 20)))
    archive = a.on_busybox(made).oci_layout("zeros:1", layer_compression="gzip")
    bare_daemon.load(archive)
    peak = int(next(line for line in open(f"/proc/{bare_daemon.pid}/status")
                    if line.startswith("VmHWM")).split()[1])
    assert peak < 200 << 10, f"{peak} KiB"  # sanitizers have their own share of it
