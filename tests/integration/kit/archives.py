"""Builds images in Python: layers, docker archives, OCI layouts. No registry, no network."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# --- entries of a layer: functions that give (TarInfo, data)

def _info(path, kind, mode, uid=0, gid=0, xattrs=None, mtime=1700000000):
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, uid, gid, mtime
    for name, value in (xattrs or {}).items():
        info.pax_headers[f"SCHILY.xattr.{name}"] = value
    return info


def folder(path, mode=0o755, **kw):
    return _info(path, tarfile.DIRTYPE, mode, **kw), None


def file(path, data=b"", mode=0o644, **kw):
    data = data.encode() if isinstance(data, str) else data
    info = _info(path, tarfile.REGTYPE, mode, **kw)
    info.size = len(data)
    return info, data


def symlink(path, target):
    info = _info(path, tarfile.SYMTYPE, 0o777)
    info.linkname = target
    return info, None


def hardlink(path, target):
    info = _info(path, tarfile.LNKTYPE, 0o644)
    info.linkname = target
    return info, None


def device(path, kind, major, minor, mode=0o666):
    info = _info(path, tarfile.CHRTYPE if kind == "c" else tarfile.BLKTYPE, mode)
    info.devmajor, info.devminor = major, minor
    return info, None


def fifo(path, mode=0o644):
    return _info(path, tarfile.FIFOTYPE, mode), None


def whiteout(path):
    parent, _, name = path.rpartition("/")
    return file(f"{parent}/.wh.{name}".lstrip("/"))


def opaque(path):
    return file(f"{path}/.wh..wh..opq")


def layer(*entries, format=tarfile.PAX_FORMAT):
    """The bytes of one layer's tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def sparse_layer(path, size, data, at, format):
    """A layer with one sparse file, made by the real tar, in one of its sparse formats."""
    with tempfile.TemporaryDirectory() as tmp:
        whole = Path(tmp) / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        with open(whole, "wb") as f:
            f.truncate(size)
            f.seek(at)
            f.write(data)
        return subprocess.run(["tar", "-C", tmp, "-S", *format, "--owner=0", "--group=0", "-cf", "-",
                               path], check=True, capture_output=True).stdout


# --- images

def sha256(data):
    return hashlib.sha256(data).hexdigest()


def compress(data, how):
    if how is None:
        return data
    if how == "gzip":
        return gzip.compress(data, 1, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, check=True, capture_output=True).stdout
    raise ValueError(how)


MEDIA = {None: "application/vnd.oci.image.layer.v1.tar",
         "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
         "zstd": "application/vnd.oci.image.layer.v1.tar+zstd"}


class Image:
    def __init__(self, layers, created="2024-03-01T12:00:00Z", history=None, **config):
        self.layers = list(layers)
        self.document = {
            "architecture": "amd64", "os": "linux", "created": created,
            "config": {"Env": [PATH], "Cmd": ["sh"], **config},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(x) for x in self.layers]},
            "history": history or [{"created": created, "created_by": f"layer {n}"}
                                   for n in range(len(self.layers))],
        }

    @property
    def config_bytes(self):
        return json.dumps(self.document).encode()

    @property
    def id(self):
        """An image's id is the digest of its configuration."""
        return "sha256:" + sha256(self.config_bytes)

    def docker_archive(self, *tags, change=None):
        """As `docker save` wrote it up to version 24. change(files) may spoil it."""
        files, names = {}, []
        for data in self.layers:
            name = f"{sha256(data)}/layer.tar"
            files[name] = data
            names.append(name)
        config = sha256(self.config_bytes) + ".json"
        files[config] = self.config_bytes
        files["manifest.json"] = json.dumps(
            [{"Config": config, "RepoTags": list(tags) or None, "Layers": names}]).encode()
        if change:
            change(files)
        return pack(files)

    def oci_files(self, *tags, layer_compression=None):
        files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

        def blob(data, media):
            files["blobs/sha256/" + sha256(data)] = data
            return {"mediaType": media, "digest": "sha256:" + sha256(data), "size": len(data)}

        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(self.config_bytes, "application/vnd.oci.image.config.v1+json"),
            "layers": [blob(compress(x, layer_compression), MEDIA[layer_compression])
                       for x in self.layers],
        }
        main = blob(json.dumps(manifest).encode(), manifest["mediaType"])
        entries = []
        for tag in tags or [None]:
            notes = {} if tag is None else {"annotations": {
                "io.containerd.image.name": "docker.io/library/" + tag,
                "org.opencontainers.image.ref.name": tag.split(":")[-1]}}
            entries.append({**main, **notes})
        files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        return files

    def oci_layout(self, *tags, layer_compression=None, change=None):
        files = self.oci_files(*tags, layer_compression=layer_compression)
        if change:
            change(files)
        return pack(files)

    def docker_25_archive(self, *tags):
        """As `docker save` writes it since version 25: both formats over the same blobs."""
        files = self.oci_files(*tags)
        blobs = "blobs/sha256/"
        files["manifest.json"] = json.dumps([{
            "Config": blobs + sha256(self.config_bytes), "RepoTags": list(tags),
            "Layers": [blobs + sha256(x) for x in self.layers]}]).encode()
        return pack(files)


def pack(files):
    return layer(*(file(name, data) for name, data in files.items()))


def unpack(data):
    """name -> bytes of the plain files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


# --- the image that most tests run

PASSWD = ("root:x:0:0:root:/root:/bin/sh\n"
          "alice:x:1000:1000:Alice:/home/alice:/bin/sh\n"
          "bob:x:1001:1001:Bob:/home/bob:/bin/sh\n")
GROUP = "root:x:0:\nwheel:x:10:alice,bob\nalice:x:1000:\nbob:x:1001:\naudio:x:29:alice\n"


def build_program(name):
    """Of kit/NAME.c a static program; compiled once per run of the tests. musl-gcc is there for the shim's sake."""
    from .daemon import BUILD
    BUILD.mkdir(parents=True, exist_ok=True)
    source, target = HERE / f"{name}.c", BUILD / f"test-{name}"
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        new = target.with_suffix(f".{os.getpid()}")  # several workers may do this at once
        subprocess.run(["musl-gcc", "-static", "-O1", "-Wall", "-s", "-o", new, source], check=True)
        new.rename(target)
    return target


@lru_cache(maxsize=None)
def busybox_layer():
    busybox = Path("/bin/busybox").read_bytes()
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True,
                             text=True).stdout.split()
    return layer(
        folder("bin"), folder("etc"), folder("root", 0o700), folder("tmp", 0o1777), folder("var"),
        folder("home"), folder("home/alice", uid=1000, gid=1000), folder("proc"), folder("sys"),
        folder("dev"),
        file("bin/busybox", busybox, 0o755), file("bin/probe", build_program("probe").read_bytes(), 0o755),
        *(symlink(f"bin/{a}", "busybox") for a in applets if a != "busybox"),
        file("etc/passwd", PASSWD), file("etc/group", GROUP))


@lru_cache(maxsize=None)
def busybox():
    return Image([busybox_layer()])


def on_busybox(*layers, **config):
    """An image of these layers above busybox, so that its contents can be looked at."""
    return Image([busybox_layer(), *layers], **config)
