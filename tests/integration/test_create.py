"""POST /containers/create: names, answers, and what is refused. The fields: test_field_*.py."""

import re

import pytest

pytestmark = pytest.mark.one_runtime


def test_answer_is_an_id_and_warnings(api, daemon):
    answer = api.post("/containers/create", daemon.body("true"), expect=201).json
    assert re.fullmatch("[0-9a-f]{64}", answer["Id"])
    assert isinstance(answer["Warnings"], list)


def test_created_container_is_created_and_not_running(daemon):
    state = daemon.state(daemon.create("true"))
    assert state["Status"] == "created"
    assert (state["Running"], state["Paused"], state["Restarting"], state["Dead"]) == (False,) * 4
    assert (state["Pid"], state["ExitCode"], state["Error"]) == (0, 0, "")
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"


def test_container_without_a_name_gets_one(daemon):
    first, second = (daemon.inspect(daemon.create("true"))["Name"] for _ in range(2))
    assert re.fullmatch("/[a-zA-Z0-9][a-zA-Z0-9_.-]+", first)
    assert first != second


def test_container_is_found_by_name_id_and_short_id(daemon, api):
    cid = daemon.create("true", name="found")
    for reference in ("found", cid, cid[:12], cid[:5]):
        assert api.get(f"/containers/{reference}/json", expect=200).json["Id"] == cid


def test_name_with_a_slash_in_front_is_the_same_name(daemon, api):
    daemon.create("true", name="/slashed")
    assert api.get("/containers/slashed/json", expect=200).json["Name"] == "/slashed"


def test_name_in_use_is_a_conflict_that_names_the_owner(daemon, api):
    cid = daemon.create("true", name="taken")
    answer = api.post("/containers/create", daemon.body("true"), name="taken")
    assert answer.status == 409
    assert 'The container name "/taken" is already in use' in answer.message
    assert cid in answer.message


def test_name_is_free_again_after_removal(daemon, api):
    api.delete("/containers/" + daemon.create("true", name="again"), expect=204)
    daemon.create("true", name="again")


@pytest.mark.parametrize("name", ["a/b", "-x", "a b", ".x", "x" * 3 + "é", "a$"])
def test_bad_name_is_refused(daemon, api, name):
    answer = api.post("/containers/create", daemon.body("true"), name=name)
    assert answer.status == 400
    assert "Invalid container name" in answer.message


def test_missing_image_is_404_with_the_words_the_cli_waits_for(api, daemon):
    answer = api.post("/containers/create", daemon.body("true", image="nowhere:1"))
    assert answer.status == 404
    assert "No such image: nowhere:1" in answer.message


def test_missing_image_without_tag_is_named_with_latest(api, daemon):
    answer = api.post("/containers/create", daemon.body("true", image="nowhere"))
    assert answer.status == 404
    assert "No such image: nowhere:latest" in answer.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"Image": 5}', b'{"Cmd": {"a": 1}}',
                                  b'{"Image": "busybox", "HostConfig": {"Memory": "much"}}'])
def test_body_that_is_no_container_is_400(api, body):
    answer = api.post("/containers/create", body, headers={"Content-Type": "application/json"})
    assert answer.status == 400, answer
    assert answer.message


def test_deeply_nested_body_does_not_break_the_daemon(api, daemon):
    answer = api.post("/containers/create", b'{"Image":' + b"[" * 100000 + b"]" * 100000 + b"}",
                      headers={"Content-Type": "application/json"})
    assert answer.status == 400
    daemon.create("true")


def test_null_and_missing_and_empty_and_zero_are_equal(daemon, api):
    body = daemon.body("true", Env=None, Labels=None, Entrypoint=None, ExposedPorts=None,
                       Volumes={}, WorkingDir="", User="", OnBuild=None, Healthcheck=None)
    body["HostConfig"].update(
        Binds=None, CapAdd=[], CapDrop=None, Dns=[], DnsOptions=None, DnsSearch=[], Memory=0,
        NanoCpus=0, Devices=None, DeviceRequests=None, Ulimits=[], PidsLimit=None, Sysctls=None,
        LogConfig={"Type": "", "Config": {}}, RestartPolicy={"Name": "", "MaximumRetryCount": 0},
        MemorySwappiness=-1, Mounts=None, PortBindings={}, Links=None, VolumesFrom=None, Init=None,
        BlkioWeight=0, BlkioWeightDevice=[], Isolation="", IpcMode="", PidMode="", UTSMode="")
    cid = api.post("/containers/create", body, expect=201).json["Id"]
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0


def test_unknown_fields_are_tolerated(daemon, api):
    body = daemon.body("true", FromTheFuture={"a": [1]})
    body["HostConfig"]["AlsoNew"] = 1
    api.post("/containers/create", body, expect=201)


def test_image_without_a_command_is_refused_if_none_is_given(daemon, api):
    from kit.archives import on_busybox
    daemon.load(on_busybox(Cmd=None).docker_archive("nocmd:1"))
    answer = api.post("/containers/create", {"Image": "nocmd:1", "HostConfig": {"NetworkMode": "none"}})
    assert answer.status == 400
    assert "no command specified" in answer.message.lower()


def test_create_body_repeated_in_the_query_as_dockerode_does(daemon, api):
    answer = api.post("/containers/create", daemon.body("true"), Image="busybox",
                      Cmd=["sh", "-c", "x" * 20000], Labels={"a": "b"}, name="dockerode")
    assert answer.status == 201


# Fields that come in later issues. Either they work already, or 501 says which one does not:
# what must never happen is that one is accepted and ignored.
@pytest.mark.parametrize("host,field", [
    ({"DeviceRequests": [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}]}, "DeviceRequests"),
    ({"StorageOpt": {"size": "10G"}}, "StorageOpt"),
])
def test_unsupported_host_field_is_501_with_its_name(daemon, host, field):
    answer = daemon.refuse(host=host)
    assert answer.status == 501, answer
    assert field in answer.message


@pytest.mark.parametrize("policy", [{"Name": "always"}, {"Name": "on-failure", "MaximumRetryCount": 3}],
                         ids=["always", "on-failure"])
def test_policy_is_kept_or_refused_by_name(daemon, api, policy):
    answer = api.post("/containers/create", daemon.body("true", {"RestartPolicy": policy}))
    if answer.status == 501:
        assert "RestartPolicy" in answer.message
        return
    shown = api.get(f"/containers/{answer.json['Id']}/json", expect=200).json
    assert shown["HostConfig"]["RestartPolicy"].items() >= policy.items()


@pytest.mark.parametrize("policy", [
    {"Name": "sometimes"},
    {"Name": "always", "MaximumRetryCount": 3},
    {"Name": "on-failure", "MaximumRetryCount": -1},
])
def test_nonsense_restart_policy_is_refused(daemon, policy):
    assert daemon.refuse(host={"RestartPolicy": policy}).status in (400, 501)


def test_auto_remove_with_a_restart_policy_is_refused(daemon):
    answer = daemon.refuse(host={"AutoRemove": True, "RestartPolicy": {"Name": "always"}})
    assert answer.status in (400, 501)


@pytest.mark.parametrize("host,words", [
    ({"Runtime": "nonesuch"}, "nonesuch"),
    ({"CapAdd": ["NO_SUCH_CAP"]}, "NO_SUCH_CAP"),
    ({"CapDrop": ["NO_SUCH_CAP"]}, "NO_SUCH_CAP"),
    ({"SecurityOpt": ["nonsense=1"]}, "security"),
    ({"SecurityOpt": ["seccomp={not json"]}, "seccomp"),
    ({"IpcMode": "strange"}, "IPC"),
    ({"PidMode": "strange"}, "PID"),
    ({"UTSMode": "strange"}, "UTS"),
    ({"CgroupnsMode": "strange"}, "cgroup"),
    ({"Binds": ["./relative:/x"]}, "relative"),
    ({"Binds": ["/tmp:relative"]}, "relative"),
    ({"Binds": ["/tmp:/x:nonsense"]}, "nonsense"),
    ({"Binds": ["/tmp:/"]}, "/"),
    ({"Mounts": [{"Type": "bind", "Source": "/no/such/place", "Target": "/x"}]}, "/no/such/place"),
    ({"Mounts": [{"Type": "strange", "Target": "/x"}]}, "strange"),
    ({"Mounts": [{"Type": "tmpfs", "Source": "/tmp", "Target": "/x"}]}, "tmpfs"),
    ({"Mounts": [{"Type": "tmpfs", "Target": "x"}]}, "x"),
    ({"Tmpfs": {"relative": ""}}, "relative"),
    ({"Binds": ["/tmp:/x"], "Tmpfs": {"/x": ""}}, "/x"),
    ({"Memory": 1024}, "emory"),
    ({"MemorySwap": 1 << 30}, "emory"),
    ({"Memory": 1 << 30, "MemorySwap": 1 << 29}, "emory"),
    ({"NanoCpus": -1}, "CPU"),
    ({"NanoCpus": 10 ** 15}, "CPU"),
    ({"CpusetCpus": "x-y"}, "x-y"),
    ({"CpusetCpus": "4096"}, "4096"),
    ({"CpuPeriod": 1}, "CPU"),
    ({"CpuQuota": 1}, "CPU"),
    ({"NanoCpus": 10 ** 8, "CpuQuota": 10000}, "CPU"),
    ({"OomScoreAdj": 2000}, "2000"),
    ({"BlkioWeight": 5000}, "lkio"),
    ({"ShmSize": -1}, "SHM"),
    ({"LogConfig": {"Type": "json-file", "Config": {"nonsense": "1"}}}, "nonsense"),
    ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "wide"}}}, "wide"),
    ({"Sysctls": {"kernel.panic": "1"}}, "kernel.panic"),
    ({"NetworkMode": "host", "Sysctls": {"net.ipv4.ip_forward": "1"}}, "net.ipv4.ip_forward"),
    ({"Ulimits": [{"Name": "nonsense", "Soft": 1, "Hard": 1}]}, "nonsense"),
    ({"Ulimits": [{"Name": "nofile", "Soft": 2, "Hard": 1}]}, "limit"),
    ({"Dns": ["not-an-address"]}, "not-an-address"),
    ({"ExtraHosts": ["nocolon"]}, "nocolon"),
    ({"NetworkMode": "container:"}, "container"),
    ({"NetworkMode": "container:nosuch"}, "nosuch"),
    ({"Devices": [{"PathOnHost": "/dev/no-such-device", "PathInContainer": "/dev/x",
                   "CgroupPermissions": "rwm"}]}, "/dev/no-such-device"),
    ({"DeviceCgroupRules": ["nonsense"]}, "nonsense"),
])
def test_nonsense_host_field_is_refused_at_create_or_start_by_name(daemon, api, host, words):
    """Docker itself checks some of these only at start: both are good, silence is not."""
    answer = api.post("/containers/create", daemon.body("sleep 100", host))
    if answer.status == 201:
        daemon.ids.add(answer.json["Id"])
        answer = api.post(f"/containers/{answer.json['Id']}/start")
    assert 400 <= answer.status <= 501, answer
    assert words.lower() in answer.message.lower()


@pytest.mark.parametrize("config,words", [
    ({"WorkingDir": "relative"}, "relative"),
    ({"User": "nosuchuser"}, "nosuchuser"),
    ({"User": "alice:nosuchgroup"}, "nosuchgroup"),
    ({"StopSignal": "SIGNONSENSE"}, "SIGNONSENSE"),
    ({"Env": ["=x"]}, "="),
    ({"Hostname": "x" * 100}, "ostname"),
    ({"Volumes": {"relative": {}}}, "olume"),
])
def test_nonsense_field_is_refused_at_create_or_start_by_name(daemon, api, config, words):
    answer = api.post("/containers/create", daemon.body("sleep 100", **config))
    if answer.status == 201:
        daemon.ids.add(answer.json["Id"])
        answer = api.post(f"/containers/{answer.json['Id']}/start")
    assert 400 <= answer.status <= 501, answer
    assert words in answer.message
