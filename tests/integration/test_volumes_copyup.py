"""An empty volume begins with what the image has there: content, owners, modes, links, attributes; and
a copy that is cut short is none."""

import os
import stat

import pytest

from kit.archives import device, fifo, file, folder, hardlink, on_busybox, opaque, symlink, whiteout, layer

pytestmark = pytest.mark.one_runtime

CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"


@pytest.fixture
def image(daemon):
    daemon.load(on_busybox(
        layer(folder("srv", uid=33, gid=44, mode=0o1770, xattrs={"user.on": "dir"}),
              file("srv/plain", "hello", uid=5, gid=6, mode=0o640, xattrs={"user.on": "file"}),
              file("srv/setid", "x", mode=0o6755), file("srv/gone", "x"), file("srv/empty"),
              hardlink("srv/again", "srv/plain"), symlink("srv/link", "/etc/passwd"),
              symlink("srv/up", "../../../../etc"), device("srv/null", "c", 1, 3), fifo("srv/pipe"),
              folder("srv/sub", uid=7), folder("srv/sub/deep"), file("srv/sub/deep/file", "deep"),
              folder("srv/hidden"), file("srv/hidden/below", "x"), folder("real"),
              file("real/file", "through a link"), symlink("way", "/real"), file("afile", "x")),
        layer(folder("srv", uid=33, gid=44, mode=0o1770, xattrs={"user.on": "dir"}), whiteout("srv/gone"), opaque("srv/hidden"), file("srv/hidden/above", "y"),
              file("srv/upper", "upper")),
    ).docker_archive("content:1"))
    return daemon


def data(daemon, name="data"):
    return daemon.data / "volumes" / name / "_data"


def test_content_and_attributes_are_those_of_the_image(image):
    image.create("true", {"Binds": ["data:/srv"]}, image="content:1")
    top = data(image)
    assert sorted(p.name for p in top.iterdir()) == sorted([
        "plain", "setid", "empty", "again", "link", "up", "null", "pipe", "sub", "hidden", "upper"])
    at = top.stat()
    assert (at.st_uid, at.st_gid, stat.S_IMODE(at.st_mode)) == (33, 44, 0o1770)
    assert os.getxattr(top, "user.on") == b"dir"
    plain = (top / "plain").stat()
    assert (plain.st_uid, plain.st_gid, stat.S_IMODE(plain.st_mode)) == (5, 6, 0o640)
    assert plain.st_mtime == 1700000000 and plain.st_nlink == 2
    assert plain.st_ino == (top / "again").stat().st_ino
    assert os.getxattr(top / "plain", "user.on") == b"file"
    assert (top / "plain").read_text() == "hello" and (top / "upper").read_text() == "upper"
    assert stat.S_IMODE((top / "setid").stat().st_mode) == 0o6755
    assert os.readlink(top / "link") == "/etc/passwd" and os.readlink(top / "up") == "../../../../etc"
    assert (top / "null").stat().st_rdev == os.makedev(1, 3) and (top / "pipe").is_fifo()
    assert (top / "sub/deep/file").read_text() == "deep" and (top / "sub").stat().st_uid == 7
    assert [p.name for p in (top / "hidden").iterdir()] == ["above"]
    assert not any(x.startswith("trusted.overlay") for x in os.listxattr(top / "hidden"))


def test_capabilities_of_files_are_copied(daemon):
    # Not by the archive: pax headers hold text. As an image's layer has it once it is unpacked.
    daemon.load(on_busybox(layer(folder("srv"), file("srv/ping", "x", mode=0o755))).docker_archive("caps:1"))
    (ping,) = (daemon.data / "image/layers").glob("*/diff/srv/ping")
    os.setxattr(ping, "security.capability", CAPABILITY)
    daemon.create("true", {"Binds": ["data:/srv"]}, image="caps:1")
    assert os.getxattr(data(daemon) / "ping", "security.capability") == CAPABILITY


def test_anonymous_volumes_and_those_of_mounts_are_filled(image):
    cid = image.create("true", {"Mounts": [
        {"Type": "volume", "Source": "named", "Target": "/srv/sub"},
        {"Type": "volume", "Source": "bare", "Target": "/srv", "VolumeOptions": {"NoCopy": True}}]},
        image="content:1", Volumes={"/real": {}})
    sources = {m["Destination"]: m["Source"] for m in image.inspect(cid)["Mounts"]}
    assert os.listdir(sources["/srv/sub"]) == ["deep"] and os.stat(sources["/srv/sub"]).st_uid == 7
    assert os.listdir(sources["/srv"]) == []
    assert os.listdir(sources["/real"]) == ["file"]
    assert not image.list(all=True, filters={"volume": ["nothing"]})


def test_links_of_the_image_lead_to_places_in_the_image(image):
    assert image.output("cat /way/file", {"Binds": ["data:/way"]}, image="content:1") == "through a link"
    image.create("true", {"Binds": ["other:/srv/up"]}, image="content:1")  # its own /etc, not the host's
    assert (data(image, "other") / "passwd").exists()
    assert not (data(image, "other") / "apt").exists()


def test_what_is_in_the_volume_stays(image):
    image.api.post("/volumes/create", {"Name": "data"}, expect=201)
    (data(image) / "mine").write_text("kept")
    image.create("true", {"Binds": ["data:/srv"]}, image="content:1")
    assert [p.name for p in data(image).iterdir()] == ["mine"]
    assert data(image).stat().st_uid == 0


def test_nothing_in_the_image_is_nothing_in_the_volume(image):
    image.create("true", {"Binds": ["data:/no/such", "nocopy:/srv:nocopy"]}, image="content:1")
    assert os.listdir(data(image)) == os.listdir(data(image, "nocopy")) == []


def test_a_file_is_no_place_for_a_volume(image):
    answer = image.refuse(host={"Binds": ["data:/afile"]}, image="content:1", Volumes={"/v": {}})
    assert answer.status == 400
    assert "cannot mount volume over existing file, file exists /afile" in answer.message
    assert sorted(os.listdir(image.data / "volumes")) == ["data"]


def test_a_running_container_sees_what_another_one_brings(image):
    """The directory is filled, and not replaced: it may be mounted already."""
    first = image.run("until [ -e /d/plain ]; do sleep 0.1; done; cat /d/plain", {"Binds": ["data:/d"]})
    image.create("true", {"Binds": ["data:/srv"]}, image="content:1")
    assert image.wait(first) == 0
    assert image.logs(first)[0] == "hello"


def test_a_filling_that_was_cut_short_is_completed_or_forgotten(image):
    image.api.post("/volumes/create", {"Name": "half"}, expect=201)
    image.api.post("/volumes/create", {"Name": "whole"}, expect=201)
    image.kill9()
    volumes = image.data / "volumes"
    (volumes / ".fill-half").mkdir()
    (volumes / ".fill-half/one").write_text("1")
    (volumes / ".filled-whole").mkdir(mode=0o750)  # mkdir's umask does not take from 0750
    for name in ("one", "two"):
        (volumes / ".filled-whole" / name).write_text(name)
    (volumes / "whole/_data/three").write_text("moved before the daemon died")
    (volumes / ".filled-removed").mkdir()
    image.start()
    image.api.get("/holdfast/restore", expect=200)
    assert sorted(os.listdir(volumes)) == ["half", "whole"]
    assert os.listdir(data(image, "half")) == []
    assert sorted(os.listdir(data(image, "whole"))) == ["one", "three", "two"]
    assert stat.S_IMODE(data(image, "whole").stat().st_mode) == 0o750
    image.create("true", {"Binds": ["half:/srv/sub"]}, image="content:1")
    assert os.listdir(data(image, "half")) == ["deep"]


def test_no_mount_is_left(image):
    image.create("true", {"Binds": ["data:/srv"]}, image="content:1")
    with open("/proc/self/mountinfo") as mounts:
        assert str(image.root) not in mounts.read().replace(str(image.exec), "")
