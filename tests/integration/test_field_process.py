"""What create says of the process, looked at from inside: env, command, user, capabilities, ulimits…"""

import json

import pytest

from kit import host
from kit.archives import PATH, on_busybox

# What docker gives an ordinary container (CHOWN … AUDIT_WRITE), as a mask.
DEFAULT_CAPS = 0x00000000a80425fb
CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_TIME = 12, 13, 25


def status(daemon, field, host=None, **config):
    out = daemon.output(f"grep '^{field}:' /proc/self/status", host, **config)
    return out.split(":", 1)[1].strip()


def caps(daemon, host=None, which="CapEff", **config):
    return int(status(daemon, which, host, **config), 16)


# --- environment and command

def test_env_of_the_image_and_of_the_container(daemon):
    daemon.load(on_busybox(Env=[PATH, "FROM=image", "KEEP=image"]).docker_archive("env:1"))
    out = daemon.output("env", image="env:1", Env=["FROM=container", "NEW=a b=c", "EMPTY="])
    lines = out.splitlines()
    assert {"FROM=container", "KEEP=image", "NEW=a b=c", "EMPTY=", PATH} <= set(lines)
    assert sum(line.startswith("FROM=") for line in lines) == 1


def test_env_without_a_value_takes_the_images_away(daemon):
    daemon.load(on_busybox(Env=[PATH, "GONE=1"]).docker_archive("env:1"))
    assert "GONE" not in daemon.output("env", image="env:1", Env=["GONE"])


def test_env_has_path_hostname_and_home(daemon):
    lines = daemon.output("env", Hostname="here", User="alice").splitlines()
    assert {PATH, "HOSTNAME=here", "HOME=/home/alice"} <= set(lines)


def test_nothing_of_the_daemons_env_comes_through(daemon):
    lines = daemon.output(["env"]).splitlines()
    assert {line.split("=")[0] for line in lines} <= {"PATH", "HOSTNAME", "HOME"}


@pytest.mark.parametrize("image,config,args", [
    ({"Cmd": ["echo", "image"]}, {}, "image"),
    ({"Entrypoint": ["echo"], "Cmd": ["image"]}, {}, "image"),
    ({"Entrypoint": ["echo", "entry"], "Cmd": ["image"]}, {"Cmd": ["own"]}, "entry own"),
    ({"Entrypoint": ["false"], "Cmd": ["lost"]}, {"Entrypoint": ["echo", "mine"]}, "mine"),
    ({"Entrypoint": ["false"]}, {"Entrypoint": [""], "Cmd": ["echo", "bare"]}, "bare"),
    ({"Entrypoint": ["false"]}, {"Entrypoint": ["echo"], "Cmd": ["a", "b c"]}, "a b c"),
])
def test_entrypoint_and_cmd(daemon, image, config, args):
    daemon.load(on_busybox(**image).docker_archive("cmd:1"))
    cid = daemon.create(image="cmd:1", **config)
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0
    assert daemon.logs(cid)[0] == args + "\n"


def test_cmd_may_be_a_plain_string(daemon, api):
    cid = api.post("/containers/create", {"Image": "busybox", "Cmd": "ls", "HostConfig": {
        "NetworkMode": "none"}}, expect=201).json["Id"]
    daemon.start_container(cid)
    assert daemon.wait(cid) == 0


def test_arguments_are_passed_byte_by_byte(daemon):
    arguments = ["", " ", "a\nb", "$HOME", "ü", "\"'\\", "-n", "*", "x" * 100000]
    out = daemon.output(["sh", "-c", 'for a; do printf "%s|" "$a"; done', "sh", *arguments])
    assert out == "".join(a + "|" for a in arguments)


def test_working_dir_is_made_if_it_is_missing(daemon):
    assert daemon.output("pwd", WorkingDir="/new/place") == "/new/place\n"


def test_working_dir_of_the_image(daemon):
    daemon.load(on_busybox(WorkingDir="/etc").docker_archive("wd:1"))
    assert daemon.output("pwd", image="wd:1") == "/etc\n"
    assert daemon.output("pwd", image="wd:1", WorkingDir="/tmp") == "/tmp\n"


# --- user and groups

@pytest.mark.parametrize("user,ids", [
    ("", "0:0"), ("0", "0:0"), ("alice", "1000:1000"), ("1000", "1000:1000"), ("alice:bob", "1000:1001"),
    ("4242", "4242:0"), ("4242:4343", "4242:4343"), (":bob", "0:1001"), ("bob:0", "1001:0")])
def test_user_by_name_or_id(daemon, user, ids):
    assert daemon.output("echo $(id -u):$(id -g)", User=user) == ids + "\n"


def test_user_of_the_image(daemon):
    daemon.load(on_busybox(User="alice").docker_archive("user:1"))
    assert daemon.output("id -un", image="user:1") == "alice\n"
    assert daemon.output("id -un", image="user:1", User="bob") == "bob\n"


def groups(daemon, host=None, **config):
    return {int(g) for g in status(daemon, "Groups", host, **config).split()}


def test_user_gets_his_groups_of_the_image(daemon):
    assert groups(daemon, User="alice") >= {10, 29}
    assert groups(daemon, User="bob") & {10, 29} == {10}


def test_user_with_a_group_gets_no_others(daemon):
    assert not groups(daemon, User="alice:bob") & {10, 29}


def test_group_add_by_name_and_id(daemon):
    assert groups(daemon, {"GroupAdd": ["audio", "777"]}, User="bob") >= {10, 29, 777}


def test_group_add_of_an_unknown_group_is_refused(daemon, api):
    answer = api.post("/containers/create", daemon.body("true", {"GroupAdd": ["nosuchgroup"]}))
    if answer.status == 201:
        answer = api.post(f"/containers/{answer.json['Id']}/start")
    assert answer.status >= 400
    assert "nosuchgroup" in answer.message


def test_image_without_passwd_works_with_numbers(daemon):
    from kit.archives import whiteout, layer
    daemon.load(on_busybox(layer(whiteout("etc/passwd"), whiteout("etc/group"))).docker_archive("np:1"))
    assert daemon.output("id -u", image="np:1", User="7:8") == "7\n"
    assert daemon.output("id -u", image="np:1") == "0\n"


# --- capabilities, privileges, seccomp

def test_default_capabilities(daemon):
    assert caps(daemon) == DEFAULT_CAPS


@pytest.mark.parametrize("add,drop,expected", [
    (["NET_ADMIN"], [], DEFAULT_CAPS | 1 << CAP_NET_ADMIN),
    (["CAP_NET_ADMIN"], ["CAP_NET_RAW"], (DEFAULT_CAPS | 1 << CAP_NET_ADMIN) & ~(1 << CAP_NET_RAW)),
    (["net_admin"], [], DEFAULT_CAPS | 1 << CAP_NET_ADMIN),
    ([], ["ALL"], 0),
    (["SYS_TIME"], ["ALL"], 1 << CAP_SYS_TIME),
])
def test_cap_add_and_drop(daemon, add, drop, expected):
    assert caps(daemon, {"CapAdd": add, "CapDrop": drop}) == expected


def test_cap_add_all_gives_what_the_host_has(daemon):
    mine = int(host.status_field("self", "CapBnd"), 16)
    assert caps(daemon, {"CapAdd": ["ALL"]}) == mine
    assert caps(daemon, {"CapAdd": ["ALL"], "CapDrop": ["NET_RAW"]}) == mine & ~(1 << CAP_NET_RAW)


def test_ordinary_user_has_no_effective_capabilities(daemon):
    assert caps(daemon, User="alice") == 0
    assert caps(daemon, which="CapBnd", User="alice") == DEFAULT_CAPS


def test_privileged_has_all_devices_capabilities_and_no_seccomp(daemon):
    own = {"Privileged": True}
    assert caps(daemon, own) == int(host.status_field("self", "CapBnd"), 16)
    assert status(daemon, "Seccomp", own) == "0"
    assert daemon.output("test -c /dev/kmsg && echo yes", own) == "yes\n"
    assert " rw" in daemon.output("grep ' /sys ' /proc/mounts", own)
    assert daemon.output("mount -t tmpfs none /tmp && echo mounted", own) == "mounted\n"


def test_default_seccomp_filters(daemon):
    assert status(daemon, "Seccomp") == "2"
    daemon.output("unshare -m true", exit_code=1)


def test_seccomp_filters_every_start_alike(daemon):
    """The daemon learns the program of a profile at its first start: later starts get their own profile's, no other."""
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}
    own = {"SecurityOpt": ["seccomp=" + json.dumps(profile)]}
    makes = "grep Seccomp: /proc/self/status; mkdir /x 2>/dev/null && echo made || echo refused"
    for _ in range(3):
        assert daemon.output(makes).split() == ["Seccomp:", "2", "made"]
        assert daemon.output(makes, own).split() == ["Seccomp:", "2", "refused"]


def test_seccomp_unconfined(daemon):
    assert status(daemon, "Seccomp", {"SecurityOpt": ["seccomp=unconfined"]}) == "0"
    assert status(daemon, "Seccomp", {"SecurityOpt": ["seccomp:unconfined"]}) == "0"


def test_seccomp_profile_of_the_user(daemon):
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
    own = {"SecurityOpt": ["seccomp=" + json.dumps(profile)]}
    assert daemon.output("mkdir /x 2>/dev/null || touch /y && echo refused", own) == "refused\n"


def test_default_seccomp_knows_added_capabilities(daemon):
    """The profile allows more system calls to whom SYS_ADMIN was given."""
    assert daemon.output("unshare -m true && echo yes", {"CapAdd": ["SYS_ADMIN"]}) == "yes\n"


@pytest.mark.parametrize("option", ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"])
def test_no_new_privileges(daemon, option):
    assert status(daemon, "NoNewPrivs") == "0"
    assert status(daemon, "NoNewPrivs", {"SecurityOpt": [option]}) == "1"


# --- limits of the process

def test_ulimits(daemon):
    own = {"Ulimits": [{"Name": "nofile", "Soft": 64, "Hard": 128}, {"Name": "core", "Soft": 0, "Hard": 0}]}
    assert daemon.output("ulimit -Sn; ulimit -Hn; ulimit -c", own) == "64\n128\n0\n"


def test_oom_score_adj(daemon):
    assert daemon.output("cat /proc/self/oom_score_adj", {"OomScoreAdj": 500}) == "500\n"


def test_oom_score_adj_that_the_host_refuses_is_an_error_that_names_it(daemon, api):
    if int(host.status_field("self", "CapEff"), 16) >> 24 & 1:
        pytest.skip("this host may lower it (CAP_SYS_RESOURCE)")
    cid = daemon.create("true", {"OomScoreAdj": -900})
    answer = api.post(f"/containers/{cid}/start")
    assert answer.status >= 400
    assert "oom" in answer.message.lower()


# --- standard streams

def test_stdin_is_empty_by_default(daemon):
    assert daemon.output("cat; readlink /proc/self/fd/0; echo end").endswith("end\n")


def test_open_stdin_stays_open(daemon):
    cid = daemon.run("echo ready; cat; echo never", OpenStdin=True)
    daemon.wait_log(cid, "ready")
    assert daemon.state(cid)["Running"]


def test_tty(daemon, api):
    cid = daemon.run("tty; echo err >&2; test -t 0 && echo terminal", Tty=True)
    assert daemon.wait(cid) == 0
    raw = api.get(f"/containers/{cid}/logs", stdout=True, stderr=True, expect=200).body
    assert raw == b"/dev/pts/0\r\nerr\r\nterminal\r\n"


def test_init_is_pid_one_and_reaps(daemon):
    out = daemon.output("cat /proc/1/comm; (sleep 0.01 &) ; echo $$", {"Init": True}).split()
    assert out[0] not in ("sh", "busybox")
    assert int(out[1]) > 1


def test_init_passes_signals_and_exit_codes_on(daemon, api):
    cid = daemon.run(["probe", "trap", "33"], host={"Init": True})
    daemon.wait_log(cid, "ready")
    api.post(f"/containers/{cid}/stop", t=25, expect=204)
    assert daemon.state(cid)["ExitCode"] == 33


def test_labels_are_kept_and_the_images_added(daemon):
    daemon.load(on_busybox(Labels={"a": "image", "b": "image"}).docker_archive("label:1"))
    labels = daemon.inspect(daemon.create("true", image="label:1", Labels={"b": "own", "c": ""}))
    assert labels["Config"]["Labels"] == {"a": "image", "b": "own", "c": ""}


def test_runtime_is_shown_and_used(daemon, runtime):
    assert daemon.inspect(daemon.create("true"))["HostConfig"]["Runtime"] == runtime
    assert daemon.output("echo ok", {"Runtime": runtime}) == "ok\n"
