"""Images: load in every format, import, list, inspect, history, tag, remove, save, prune."""

import io
import json
import re
import tarfile

import pytest

from kit import archives as a
from kit.archives import Image, busybox, on_busybox

pytestmark = pytest.mark.one_runtime


def images(daemon, **query):
    return daemon.api.get("/images/json", expect=200, **query).json


def tags(daemon, **query):
    return sorted(t for i in images(daemon, **query) for t in i["RepoTags"] or [] if t != "<none>:<none>")


def refs(**kw):
    return {"filters": kw}


# --- load

FORMATS = {
    "docker": lambda tag: busybox().docker_archive(tag),
    "docker-25": lambda tag: busybox().docker_25_archive(tag),
    "oci": lambda tag: busybox().oci_layout(tag),
    "oci-gzip": lambda tag: busybox().oci_layout(tag, layer_compression="gzip"),
    "oci-zstd": lambda tag: busybox().oci_layout(tag, layer_compression="zstd"),
}


@pytest.mark.parametrize("whole", [None, "gzip", "zstd"])
@pytest.mark.parametrize("kind", FORMATS)
def test_load(bare_daemon, kind, whole):
    daemon = bare_daemon
    said = daemon.load(a.compress(FORMATS[kind]("loaded:1"), whole))
    assert "Loaded image: loaded:1\n" in said
    assert tags(daemon) == ["loaded:1"]
    assert daemon.api.get("/images/loaded:1/json", expect=200).json["Id"] == busybox().id
    assert daemon.output("echo runs", image="loaded:1") == "runs\n"


def test_load_without_a_tag_says_the_id(bare_daemon):
    said = bare_daemon.load(busybox().docker_archive())
    assert f"Loaded image ID: {busybox().id}\n" in said
    assert bare_daemon.api.get(f"/images/{busybox().id}/json", expect=200).json["RepoTags"] == []


def test_load_of_several_tags_and_images_at_once(bare_daemon):
    one, two = busybox(), on_busybox(Labels={"two": "yes"})
    files = a.unpack(one.docker_archive("one:1", "one:latest"))
    more = a.unpack(two.docker_archive("two:1"))
    manifest = json.loads(files["manifest.json"]) + json.loads(more["manifest.json"])
    bare_daemon.load(a.pack({**files, **more, "manifest.json": json.dumps(manifest).encode()}))
    assert tags(bare_daemon) == ["one:1", "one:latest", "two:1"]


def test_load_of_the_same_again_changes_nothing(daemon):
    before = images(daemon)
    daemon.load(busybox().docker_archive("busybox:latest"))
    assert images(daemon) == before


def test_load_of_another_under_the_same_tag_moves_it(daemon):
    other = on_busybox(Labels={"v": "2"})
    daemon.load(other.docker_archive("busybox:latest"))
    assert daemon.api.get("/images/busybox/json", expect=200).json["Id"] == other.id
    assert daemon.api.get(f"/images/{busybox().id}/json", expect=200).json["RepoTags"] == []


def test_load_chunked_as_the_cli_sends_it(bare_daemon):
    data = busybox().docker_archive("chunked:1")
    pieces = (data[i:i + 50000] for i in range(0, len(data), 50000))
    answer = bare_daemon.api.post("/images/load", pieces, quiet=True, expect=200,
                                  headers={"Transfer-Encoding": "chunked"})
    assert "chunked:1" in answer.text


def test_docker_archive_with_symlinked_layers(bare_daemon):
    """Old `docker save` writes a layer once and links to it from where it is used again."""
    layer = a.busybox_layer()
    empty = a.layer()
    image = Image([layer, empty, empty])
    first, again = "aa/layer.tar", "bb/layer.tar"
    manifest = [{"Config": "c.json", "RepoTags": ["linked:1"],
                 "Layers": ["00/layer.tar", first, again]}]
    archive = a.layer(
        a.file("00/layer.tar", layer), a.file(first, empty), a.symlink(again, "../" + first),
        a.file("c.json", image.config_bytes), a.file("manifest.json", json.dumps(manifest)))
    bare_daemon.load(archive)
    assert bare_daemon.output("echo ok", image="linked:1") == "ok\n"


def test_layers_are_shared_between_images(bare_daemon):
    """Two images on the same base: the base is stored once, and stays until both are gone."""
    daemon = bare_daemon
    daemon.load(on_busybox(Labels={"n": "1"}).docker_archive("one:1"))
    daemon.load(on_busybox(Labels={"n": "2"}).docker_archive("two:1"))
    daemon.api.delete("/images/one:1", expect=200)
    assert daemon.output("echo ok", image="two:1") == "ok\n"
    daemon.remove_all()
    daemon.api.delete("/images/two:1", expect=200)
    assert images(daemon) == []
    stored = sum(p.stat().st_size for p in daemon.data.rglob("*") if p.is_file() and not p.is_symlink())
    assert stored < 200_000, "the layers of removed images are still there"


def test_image_with_100_layers(bare_daemon):
    image = on_busybox(*(a.layer(a.file(f"layer{n}", str(n)), a.file("top", str(n)))
                         for n in range(1, 100)))
    assert len(image.layers) == 100
    bare_daemon.load(image.docker_archive("deep:1"))
    out = bare_daemon.output("ls / | grep -c ^layer; cat /top; cat /layer1 /layer99", image="deep:1")
    assert out == "99\n99199"


def test_load_survives_a_restart_of_the_daemon(daemon):
    before = images(daemon)
    daemon.restart()
    assert images(daemon) == before
    assert daemon.output("echo still") == "still\n"


# --- import

def test_import_makes_an_image_of_a_file_tree(bare_daemon):
    daemon = bare_daemon
    answer = daemon.api.post("/images/create", a.busybox_layer(), fromSrc="-", repo="imported", tag="1",
                             message="by hand", changes=['CMD ["echo", "default"]', "ENV A=b"],
                             expect=200)
    assert re.search("sha256:[0-9a-f]{64}", answer.text)
    assert tags(daemon) == ["imported:1"]
    shown = daemon.api.get("/images/imported:1/json", expect=200).json
    assert shown["Config"]["Cmd"] == ["echo", "default"] and "A=b" in shown["Config"]["Env"]
    assert daemon.output("echo runs", image="imported:1") == "runs\n"


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_import_of_a_compressed_tree(bare_daemon, how):
    bare_daemon.api.post("/images/create", a.compress(a.busybox_layer(), how), fromSrc="-", repo="packed",
                         expect=200)
    assert bare_daemon.output("echo runs", image="packed") == "runs\n"


def test_import_of_nonsense_is_an_error(bare_daemon):
    answer = bare_daemon.api.post("/images/create", b"no tar at all" * 100, fromSrc="-", repo="bad")
    assert answer.status >= 400 or "error" in answer.json_lines()[-1]
    assert images(bare_daemon) == []


def test_import_with_a_bad_change_is_refused(bare_daemon):
    answer = bare_daemon.api.post("/images/create", a.busybox_layer(), fromSrc="-", repo="bad",
                                  changes=["NONSENSE x"])
    assert answer.status >= 400 or "error" in answer.json_lines()[-1]
    assert images(bare_daemon) == []


def test_pull_is_501_so_far(bare_daemon):
    answer = bare_daemon.api.post("/images/create", fromImage="alpine", tag="latest")
    assert answer.status == 501
    assert answer.message


# --- list and inspect

def test_list_has_what_the_cli_shows(daemon):
    [image] = images(daemon)
    assert image["Id"] == busybox().id
    assert image["RepoTags"] == ["busybox:latest"]
    assert image["Created"] == 1709294400
    assert image["Size"] >= len(a.busybox_layer()) * 0.5
    assert image["Labels"] in ({}, None)
    assert {"ParentId", "RepoDigests", "SharedSize", "Containers"} <= set(image)


@pytest.fixture
def several(bare_daemon):
    """one:1 and one:2 of 2020 and 2022, labelled; lib/two:1 of 2024; one without a tag."""
    for tag, year, label in [("one:1", 2020, "a"), ("one:2", 2022, "b"), ("lib/two:1", 2024, "c"),
                             (None, 2023, "d")]:
        image = on_busybox(created=f"{year}-01-01T00:00:00Z", Labels={"label": label, label: ""})
        bare_daemon.load(image.docker_archive(*([tag] if tag else [])))
    return bare_daemon


@pytest.mark.parametrize("filters,shown", [
    ({"reference": ["one"]}, ["one:1", "one:2"]),
    ({"reference": ["one:2"]}, ["one:2"]),
    ({"reference": ["o*:1"]}, ["one:1"]),
    ({"reference": ["*/two"]}, ["lib/two:1"]),
    ({"reference": ["one:1", "lib/two"]}, ["lib/two:1", "one:1"]),
    ({"reference": {"one:1": True}}, ["one:1"]),
    ({"label": ["label=b"]}, ["one:2"]),
    ({"label": ["c"]}, ["lib/two:1"]),
    ({"label": ["label", "a"]}, ["one:1"]),
    ({"before": ["one:2"]}, ["one:1"]),
    ({"since": ["one:2"]}, ["lib/two:1"]),
    ({"dangling": ["false"]}, ["lib/two:1", "one:1", "one:2"]),
    ({"dangling": ["true"]}, []),
    ({}, ["lib/two:1", "one:1", "one:2"]),
])
def test_list_filters(several, filters, shown):
    assert tags(several, **refs(**filters)) == shown


def test_list_dangling_shows_the_one_without_a_tag(several):
    [image] = images(several, **refs(dangling=["true"]))
    assert image["RepoTags"] in (None, [], ["<none>:<none>"])
    assert image["Labels"]["label"] == "d"


@pytest.mark.parametrize("filters", ["{", '{"nonsense":["1"]}', '{"dangling":["perhaps"]}', "[]", '{"label":5}'])
def test_list_with_bad_filters_is_400(daemon, filters):
    assert daemon.api.get("/images/json", filters=filters).status == 400


def test_inspect(daemon):
    shown = daemon.api.get("/images/busybox/json", expect=200).json
    assert shown["Id"] == busybox().id
    assert (shown["Os"], shown["Architecture"]) == ("linux", "amd64")
    assert shown["RootFS"] == {"Type": "layers", "Layers": busybox().document["rootfs"]["diff_ids"]}
    assert shown["Config"]["Cmd"] == ["sh"] and shown["Config"]["Env"] == [a.PATH]
    assert shown["Created"].startswith("2024-03-01T12:00:00")
    assert shown["RepoTags"] == ["busybox:latest"]


@pytest.mark.parametrize("name", [
    "busybox", "busybox:latest", "docker.io/busybox", "docker.io/library/busybox:latest",
    "library/busybox", busybox().id, busybox().id[7:], busybox().id[7:19], busybox().id[:19]])
def test_image_is_found_by_any_of_its_names(daemon, name):
    assert daemon.api.get(f"/images/{name}/json", expect=200).json["Id"] == busybox().id


def test_name_with_registry_port_and_path(daemon):
    daemon.api.post("/images/busybox/tag", repo="reg.example:5000/team/app", tag="v1.0", expect=201)
    assert daemon.api.get("/images/reg.example:5000/team/app:v1.0/json", expect=200)
    assert daemon.output("echo ok", image="reg.example:5000/team/app:v1.0") == "ok\n"


@pytest.mark.parametrize("method,path", [("GET", "/json"), ("GET", "/history"), ("DELETE", ""),
                                         ("POST", "/tag?repo=x"), ("GET", "/get")])
def test_unknown_image_is_404(daemon, method, path):
    answer = daemon.api.request(method, f"/images/nowhere:1{path}")
    assert answer.status == 404
    if not path.startswith("/get"):  # docker: "reference does not exist"
        assert "No such image: nowhere:1" in answer.message


def test_history_begins_at_the_top(bare_daemon):
    image = on_busybox(a.layer(a.file("x")), history=[
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD busybox"},
        {"created": "2024-01-02T00:00:00Z", "created_by": "ENV x", "empty_layer": True},
        {"created": "2024-01-03T00:00:00Z", "created_by": "ADD x", "comment": "hello"}])
    bare_daemon.load(image.docker_archive("hist:1"))
    history = bare_daemon.api.get("/images/hist:1/history", expect=200).json
    assert [h["CreatedBy"] for h in history] == ["ADD x", "ENV x", "ADD busybox"]
    assert history[0]["Id"] == image.id and history[0]["Tags"] == ["hist:1"]
    assert history[0]["Comment"] == "hello"
    assert history[1]["Size"] == 0 < history[2]["Size"]


# --- tag and remove

def test_tag(daemon):
    daemon.api.post("/images/busybox/tag", repo="other", tag="v1", expect=201)
    daemon.api.post("/images/busybox/tag", repo="untagged", expect=201)
    assert tags(daemon) == ["busybox:latest", "other:v1", "untagged:latest"]


@pytest.mark.parametrize("repo,tag", [("UPPER", "1"), ("a b", "1"), ("ok", "not ok"), ("", "1"),
                                      ("ok", "x" * 129), ("sha256:" + "0" * 64, "1"), ("../up", "1")])
def test_bad_tag_is_400(daemon, repo, tag):
    assert daemon.api.post("/images/busybox/tag", repo=repo, tag=tag).status == 400
    assert tags(daemon) == ["busybox:latest"]


def test_remove_untags_and_deletes(daemon):
    daemon.api.post("/images/busybox/tag", repo="second", expect=201)
    assert daemon.api.delete("/images/second", expect=200).json == [{"Untagged": "second:latest"}]
    last = daemon.api.delete("/images/busybox", expect=200).json
    assert {"Untagged": "busybox:latest"} in last
    assert {"Deleted": busybox().id} in last
    assert images(daemon) == []


def test_remove_by_id_with_several_names_needs_force(daemon):
    daemon.api.post("/images/busybox/tag", repo="second", expect=201)
    assert daemon.api.delete(f"/images/{busybox().id}").status == 409
    daemon.api.delete(f"/images/{busybox().id}", force=True, expect=200)
    assert images(daemon) == []


def test_image_in_use_is_not_removed(daemon):
    cid = daemon.create("true")
    answer = daemon.api.delete("/images/busybox")
    assert answer.status == 409
    assert cid[:12] in answer.message
    daemon.api.delete(f"/containers/{cid}", expect=204)
    daemon.api.delete("/images/busybox", expect=200)


def test_image_of_a_running_container_stays_even_with_force(daemon):
    daemon.run("sleep 1000")
    assert daemon.api.delete(f"/images/{busybox().id}", force=True).status == 409


def test_forced_removal_leaves_the_stopped_container_its_files(daemon):
    """Docker untags: the layers stay as long as a container stands on them."""
    cid = daemon.create("echo ok")
    daemon.api.delete("/images/busybox", force=True, expect=200)
    assert tags(daemon) == []
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0


def test_prune_takes_dangling_images_only(several):
    answer = several.api.post("/images/prune", expect=200).json
    assert len([d for d in answer["ImagesDeleted"] if "Deleted" in d]) >= 1
    assert isinstance(answer["SpaceReclaimed"], int)
    assert tags(several) == ["lib/two:1", "one:1", "one:2"]
    assert images(several, **refs(dangling=["true"])) == []


def test_prune_all_leaves_what_containers_use(several):
    several.create("true", image="one:1")
    several.api.post("/images/prune", filters={"dangling": ["false"]}, expect=200)
    assert tags(several) == ["one:1"]


def test_prune_with_until_and_label(several):
    several.api.post("/images/prune", filters={"dangling": ["false"], "label": ["label=a"]}, expect=200)
    assert tags(several) == ["lib/two:1", "one:2"]
    several.api.post("/images/prune", filters={"dangling": ["false"], "until": ["2023-01-01T00:00:00"]},
                     expect=200)
    assert tags(several) == ["lib/two:1"]


def test_prune_with_a_bad_filter_is_400(daemon):
    assert daemon.api.post("/images/prune", filters={"nonsense": ["1"]}).status == 400


# --- save

@pytest.mark.parametrize("by", ["path", "query"])
def test_saved_image_can_be_loaded_again(daemon, new_daemon, by):
    path, query = ("/images/busybox:latest/get", {}) if by == "path" else \
        ("/images/get", {"names": ["busybox:latest"]})
    data = daemon.api.get(path, expect=200, **query).body
    files = a.unpack(data)
    [entry] = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == ["busybox:latest"]
    assert "sha256:" + a.sha256(files[entry["Config"]]) == busybox().id
    other = new_daemon().start()
    other.load(data)
    assert other.api.get("/images/busybox/json", expect=200).json["Id"] == busybox().id
    assert other.output("echo ok") == "ok\n"


def test_save_of_several_images_in_one_archive(several):
    data = several.api.get("/images/get", names=["one:1", "lib/two:1"], expect=200).body
    manifest = json.loads(a.unpack(data)["manifest.json"])
    assert sorted(t for m in manifest for t in m["RepoTags"]) == ["lib/two:1", "one:1"]


def test_saved_layers_have_the_bytes_they_were_loaded_with(daemon):
    data = daemon.api.get("/images/busybox/get", expect=200).body
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
    [entry] = json.loads(files["manifest.json"])
    stored = a.unpack(data)[entry["Layers"][0]]
    assert "sha256:" + a.sha256(stored) == busybox().document["rootfs"]["diff_ids"][0]


# --- a load that is killed

def test_load_killed_in_the_middle_leaves_nothing_after_a_restart(bare_daemon):
    daemon = bare_daemon
    daemon.load(busybox().docker_archive("base:1"))
    before = {p for p in daemon.data.rglob("*")}
    noise = bytes(range(256)) * 4096  # 1 MiB
    big = on_busybox(*(a.layer(*(a.file(f"{n}/{i}", noise) for i in range(8))) for n in range(3)))
    data = big.docker_archive("big:1")

    def slowly():
        yield data[:len(data) * 3 // 4]
        daemon.kill9()
        yield data[len(data) * 3 // 4:]

    with pytest.raises(OSError):
        daemon.api.post("/images/load", slowly(), headers={"Transfer-Encoding": "chunked"})
    daemon.start()
    assert tags(daemon) == ["base:1"]
    daemon.wait_swept()
    leftover = {p for p in daemon.data.rglob("*")} - before
    assert sum(p.stat().st_size for p in leftover if p.is_file()) < 500_000, sorted(map(str, leftover))[:20]
    daemon.load(data)
    assert tags(daemon) == ["base:1", "big:1"]
