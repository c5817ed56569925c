"""Builds layers and image archives, honest and hostile ones, in memory."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile


def sha(data):
    return hashlib.sha256(data).hexdigest()


def file(name, data=b"x", **attributes):
    return entry(name, tarfile.REGTYPE, data, **{"mode": 0o644, **attributes})


def directory(name, **attributes):
    return entry(name, tarfile.DIRTYPE, **{"mode": 0o755, **attributes})


def symlink(name, target, **attributes):
    return entry(name, tarfile.SYMTYPE, linkname=target, **{"mode": 0o777, **attributes})


def hardlink(name, target, **attributes):
    return entry(name, tarfile.LNKTYPE, linkname=target, **attributes)


def entry(name, kind, data=None, **attributes):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data) if data is not None else 0
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def tar(*entries, format=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format, errors="surrogateescape") as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def compressed(data, how):
    if how is None:
        return data
    if how == "gzip":
        return gzip.compress(data, 1)
    return subprocess.run([how, "-c", "-1"], input=data, stdout=subprocess.PIPE, check=True).stdout


def configuration(layers, **more):
    diff_ids = ["sha256:" + sha(layer) for layer in layers]
    return json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05.678Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": f"layer {i}"} for i in range(len(layers))],
        **more}).encode()


class Docker:
    """A docker-archive as docker before 25 wrote it. Members may be changed before bytes() is called."""

    def __init__(self, layers, tags=("test:latest",), how=None, **config):
        self.config = configuration(layers, **config)
        self.id = sha(self.config)
        self.paths = [f"{i:064x}/layer.tar" for i in range(len(layers))]
        self.members = [file(p, compressed(layer, how)) for p, layer in zip(self.paths, layers)]
        self.members.append(file(self.id + ".json", self.config))
        self.manifest = [{"Config": self.id + ".json", "RepoTags": list(tags) or None,
                          "Layers": self.paths}]

    def bytes(self):
        return tar(*self.members, file("manifest.json", json.dumps(self.manifest).encode()))


OCI = "application/vnd.oci.image."


class Oci:
    """An OCI layout; blobs may be changed by name."""

    def __init__(self):
        self.blobs = {}
        self.index = []

    def blob(self, data, media_type, **more):
        self.blobs[sha(data)] = data
        return {"mediaType": media_type, "digest": "sha256:" + sha(data), "size": len(data), **more}

    def image(self, layers, how=None, **config):
        """A manifest's descriptor."""
        suffix = {None: "", "gzip": "+gzip", "zstd": "+zstd"}[how]
        manifest = {
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": self.blob(configuration(layers, **config), OCI + "config.v1+json"),
            "layers": [self.blob(compressed(layer, how), OCI + "layer.v1.tar" + suffix)
                       for layer in layers]}
        return self.blob(json.dumps(manifest).encode(), OCI + "manifest.v1+json")

    def nested(self, *descriptors, **more):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
                 "manifests": list(descriptors)}
        return self.blob(json.dumps(index).encode(), OCI + "index.v1+json", **more)

    def add(self, descriptor, name=None):
        if name:
            descriptor = {**descriptor, "annotations": {"io.containerd.image.name": name}}
        self.index.append(descriptor)
        return self

    def bytes(self):
        return tar(file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
                   file("index.json", json.dumps({"schemaVersion": 2,
                                                  "manifests": self.index}).encode()),
                   *[file("blobs/sha256/" + name, data) for name, data in self.blobs.items()])
