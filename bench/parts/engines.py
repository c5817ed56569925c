"""The contenders that have a daemon, each behind the same few verbs.

A session is what one client thread holds: a kept connection, or for engines driven by their own
command line nothing at all. Times are taken by the caller, around create_start() and cycle()."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from . import hosts, image
from .api import Api, ApiError

IDLE = ["sleep", "1000000"]
TRUE = ["true"]


class CannotRun(Exception):
    """This contender, or this measure of it, is not possible here; the text says why."""


def execute(argv, env, stdout=None, stderr=None):
    """fork, exec and wait, with as little of Python's own as possible. Exit status."""
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
               (os.POSIX_SPAWN_OPEN, 1, str(stdout or "/dev/null"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
               (os.POSIX_SPAWN_OPEN, 2, str(stderr or "/dev/null"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)]
    pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Surroundings:
    """What all contenders share: directories, cgroup parent, runtime, programs of the peers."""

    def __init__(self, root, work, peers, runtime, runtimes, build):
        self.root, self.work, self.peers, self.build = root, work, peers, build
        self.runtime, self.runtimes = runtime, runtimes
        self.tag = work.name
        self.run = Path("/run/bench")
        self.archive = work / "busybox.tar"
        self.tree = work / "tree"
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        usr = peers / "usr"
        self.peers_env = {
            "PATH": f"{usr}/bin:{usr}/sbin:{usr}/lib/podman:" + self.env["PATH"], "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": f"{usr}/lib/x86_64-linux-gnu:{peers}/lib/x86_64-linux-gnu",
            "HOME": str(work), "TMPDIR": str(work), "XDG_RUNTIME_DIR": "/run"}

    def peer(self, name):
        for folder in ("usr/bin", "usr/sbin", "usr/libexec/podman", "usr/lib/podman"):
            path = self.peers / folder / name
            if path.exists():
                return str(path)
        raise CannotRun(f"{name} is not unpacked in {self.peers} (tools/peers does it)")


class Engine:
    name = version = ""
    peer = True
    shim_name = None  # comm of its per-container helper, 15 characters of it
    copies_stopped = False  # knows how to make stopped containers by copying directories
    restores = True
    netns = None  # of its daemon; None: the bench's own, and no networks are asked for

    def __init__(self, s):
        self.s = s
        self.process = None
        self.data = s.work / "data" / self.key
        self.exec = s.run / self.key
        self.log = s.work / f"{self.key}.log"

    # --- the daemon's life

    def command(self):
        raise NotImplementedError

    def environment(self):
        return self.s.peers_env

    def spawn(self):
        """Starts the daemon; the moment before exec, by the monotonic clock."""
        command = hosts.within(self.netns) + [str(part) for part in self.command()]
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        begun = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env=self.environment(), start_new_session=True)
        os.close(log)
        return begun

    def check_alive(self):
        if self.process.poll() is not None:
            raise CannotRun(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        bad = [line for line in lines if re.search(r"error|fatal|fail", line, re.I)]
        return " | ".join((bad or lines)[-2:])[-400:]

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        self.exec.mkdir(parents=True, exist_ok=True)
        self.spawn()
        self.wait_ready()

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while not self.answers():
            self.check_alive()
            if time.monotonic() > end:
                raise CannotRun(f"{self.name} does not answer: {self.last_words()}")
            time.sleep(0.02)

    def daemon_pids(self):
        return [self.process.pid]

    def kill9(self):
        for pid in self.daemon_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill9()

    def discard(self):
        """No daemon, no data: what a broken or a very full contender leaves."""
        self.kill9()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.exec, ignore_errors=True)


class DockerApi(Engine):
    """dockerd, podman's service and holdfastd."""
    api_version = "/v1.40"
    log_config = {"Type": "json-file", "Config": {"max-size": "100m", "max-file": "2"}}
    name_length = 64

    @property
    def socket(self):
        return self.s.run / f"{self.key}.sock"

    def session(self):
        return Api(self.socket, self.api_version)

    def answers(self):
        try:
            return Api(self.socket, "", timeout=30).request("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def load_image(self):
        api = self.session()
        api.call("POST", "/images/load", self.s.archive.read_bytes(), content="application/x-tar")
        api.call("GET", f"/images/{image.REFERENCE}/json")

    def body(self, command, log=None):
        host = {"NetworkMode": "none", "CgroupParent": f"/{self.s.tag}/{self.key}"}
        if log:
            host["LogConfig"] = log
        return {"Image": image.REFERENCE, "Cmd": command, "HostConfig": host, "NetworkDisabled": False}

    def create(self, api, command, log=None):
        return api.json("POST", "/containers/create", self.body(command, log))["Id"]

    def create_start(self, api, command=IDLE, log=None):
        cid = self.create(api, command, log)
        api.call("POST", f"/containers/{cid}/start")
        return cid

    def wait(self, api, cid):
        return api.json("POST", f"/containers/{cid}/wait")["StatusCode"]

    def remove(self, api, cid):
        api.call("DELETE", f"/containers/{cid}?force=1&v=1")

    def cycle(self, api):
        cid = self.create_start(api, TRUE)
        status = self.wait(api, cid)
        if status != 0:
            raise ApiError(f"`true` ended with {status}")
        # podman answers a wait before its own clean-up has ended: then it wants to be asked again
        end = time.monotonic() + 5
        while True:
            status, reply = api.request("DELETE", f"/containers/{cid}?v=1")
            if status in (200, 204):
                return
            if time.monotonic() > end:
                raise ApiError(f"remove: {status} {reply[:200]}")

    def count(self, api):
        return api.call("GET", "/containers/json?all=1").count(b'"Id":"')

    def count_running(self, api):
        return len(api.json("GET", "/containers/json"))

    def output_bytes(self, api, cid):
        """Bytes of stdout that the log holds."""
        data = api.call("GET", f"/containers/{cid}/logs?stdout=1")
        at = total = 0
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4:at + 8], "big")
            total += size
            at += 8 + size
        return total


class Holdfast(DockerApi):
    name, key, peer = "holdfast", "holdfast", False
    api_version = "/v1.44"
    shim_name = "holdfast-shim"
    copies_stopped = True

    def command(self):
        return [self.s.build / "holdfastd", "--data-root", self.data, "--exec-root", self.exec,
                "-H", f"unix://{self.socket}", "--add-runtime", f"bench-{self.s.runtime}={self.s.runtimes[self.s.runtime]}",
                "--default-runtime", f"bench-{self.s.runtime}"]

    def environment(self):
        return self.s.env

    def bundle_config(self, cid):
        return json.loads((self.exec / "containers" / cid / "bundle/config.json").read_text())

    def copy_stopped(self, cid, n):
        """n containers more, with the directory of an ended one. The daemon must not run."""
        origin = self.data / "containers" / cid
        text = (origin / "config.json").read_text()
        name = json.loads(text)["Name"]
        files = {p.name: p.read_bytes() for p in origin.iterdir() if p.is_file() and p.name != "config.json"}
        folders = [p.name for p in origin.iterdir() if p.is_dir()]
        for i in range(n):
            new = f"{i:08x}" + os.urandom(28).hex()
            path = self.data / "containers" / new
            path.mkdir(mode=0o700)
            (path / "config.json").write_text(text.replace(cid, new).replace(f'"{name}"', f'"copy_{new[:24]}"'))
            for file, data in files.items():
                (path / file).write_bytes(data)
            for folder in folders:
                (path / folder).mkdir()

    def restore_report(self, api):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            status, reply = Api(self.socket, "").request("GET", "/holdfast/restore")
            if status == 200:
                return json.loads(reply)["Milliseconds"]
            time.sleep(0.05)
        return None


class Dockerd(DockerApi):
    name, key = "dockerd + containerd", "dockerd"
    shim_name = "containerd-shim"
    copies_stopped = True

    def command(self):
        args = [self.s.peer("dockerd"), "--data-root", self.data, "--exec-root", self.exec,
                "-H", f"unix://{self.socket}", "-p", self.exec / "pid", "--live-restore",
                "--storage-driver=overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs",
                "--config-file", self.exec / "daemon.json", "--oom-score-adjust=0"]
        if not self.netns:
            args += ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false",
                     "--userland-proxy=false"]
        name = "runc" if self.s.runtime == "runc" else self.s.runtime
        if name == "runc":
            return args
        return [*args, "--add-runtime", f"bench={self.s.runtimes[name]}", "--default-runtime=bench"]

    def start(self):
        self.exec.mkdir(parents=True, exist_ok=True)
        (self.exec / "daemon.json").write_text("{}")
        super().start()

    def daemon_pids(self):
        pids = [self.process.pid]
        try:
            pids.append(int((self.exec / "containerd/containerd.pid").read_text()))
        except (OSError, ValueError):
            pass
        return pids

    def copy_stopped(self, cid, n):
        """Container and layer record; the copies share one layer, which nobody will mount."""
        origin = self.data / "containers" / cid
        layers = self.data / "image/overlay2/layerdb/mounts"
        name = json.loads((origin / "config.v2.json").read_text())["Name"]
        texts = {p.name: p.read_text() for p in origin.iterdir() if p.suffix == ".json" or "resolv" in p.name or p.name.startswith("host")}
        mounts = {p.name: p.read_bytes() for p in (layers / cid).iterdir()}
        for i in range(n):
            new = f"{i:08x}" + os.urandom(28).hex()
            (self.data / "containers" / new).mkdir(mode=0o710)
            for file, text in texts.items():
                text = text.replace(cid, new).replace(f'"{name}"', f'"/copy_{new[:24]}"')
                (self.data / "containers" / new / file).write_text(text)
            (self.data / "containers" / new / "checkpoints").mkdir()
            (layers / new).mkdir()
            for file, data in mounts.items():
                (layers / new / file).write_bytes(data)


class PodmanService(DockerApi):
    name, key = "podman service", "podman"
    shim_name = "conmon"
    log_config = {"Type": "k8s-file", "Config": {"max-size": "100m"}}

    def podman(self):
        return [self.s.peer("podman"), "--root", str(self.data), "--runroot", str(self.exec),
                "--tmpdir", str(self.exec / "tmp"), "--cgroup-manager=cgroupfs", "--events-backend=none",
                "--storage-driver=overlay", "--conmon", self.s.peer("conmon"),
                "--network-config-dir", str(self.exec / "net"),
                "--runtime", self.s.runtimes[self.s.runtime]]

    def environment(self):
        conf, storage = self.s.work / "containers.conf", self.s.work / "storage.conf"
        env = {**self.s.peers_env, "CONTAINERS_CONF": str(conf), "CONTAINERS_STORAGE_CONF": str(storage)}
        if not conf.exists():
            seccomp = self.s.peers / "usr/share/containers/seccomp.json"
            # conmon starts podman again at a container's end, with these variables only; and without
            # that call every wait takes 20 s.
            own = json.dumps([f"{name}={value}" for name, value in env.items()])
            conf.write_text("[containers]\n"
                            + (f'seccomp_profile = "{seccomp}"\n' if seccomp.exists() else "")
                            + 'apparmor_profile = "unconfined"\n'
                            + "[engine]\n"
                            + f"conmon_env_vars = {own}\n"
                            + f'helper_binaries_dir = ["{self.s.peers}/usr/lib/podman"]\n')
            storage.write_text(
                f'[storage]\ndriver = "overlay"\ngraphroot = "{self.data}"\nrunroot = "{self.exec}"\n')
        return env

    def command(self):
        return [*self.podman(), "system", "service", "--time=0", f"unix://{self.socket}"]


class PodmanCli:
    """The command line of the same podman, on the same storage: there is no daemon in its way."""
    name, key, peer = "podman CLI", "podman-cli", True
    restores = False

    def __init__(self, service):
        self.service, self.s = service, service.s
        self.base = service.podman()
        self.log = self.s.work / "podman-cli.log"
        self.n = 0
        self.lock = threading.Lock()

    def session(self):
        return None

    def new_name(self):
        with self.lock:
            self.n += 1
            return f"{self.key}-{self.n}"

    def _execute(self, *args):
        status = execute([*hosts.within(self.service.netns), *self.base, *args], self.service.environment(), stderr=self.log)
        if status != 0:
            raise ApiError(f"podman {' '.join(args)}: {status}: {Engine.last_words(self)}")

    def _run(self, *args, network="none"):
        self._execute("run", f"--network={network}", "--pull=never", "--log-driver=k8s-file",
                      f"--cgroup-parent=/{self.s.tag}/{self.key}", *args)

    def run_on(self, network, ports, *command):
        name = self.new_name()
        self._run("-d", "--name", name, *(f"--publish={port}" for port in ports), image.REFERENCE, *command,
                  network=network)
        return name

    def create_start(self, _):
        name = self.new_name()
        self._run("-d", "--name", name, image.REFERENCE, *IDLE)
        return name

    def remove(self, _, name):
        self._execute("rm", "-f", "-t", "0", name)

    def cycle(self, _):
        self._run("--rm", image.REFERENCE, *TRUE)


class Containerd(Engine):
    name, key = "containerd, ctr", "containerd"
    shim_name = "containerd-shim"

    def __init__(self, s):
        super().__init__(s)
        self.socket = self.exec / "containerd.sock"
        self.n = 0
        self.lock = threading.Lock()

    def command(self):
        return [self.s.peer("containerd"), "--config", self.exec / "config.toml", "--log-level", "warn"]

    def start(self):
        self.exec.mkdir(parents=True, exist_ok=True)
        (self.exec / "config.toml").write_text(
            f'version = 2\nroot = "{self.data}"\nstate = "{self.exec}/state"\noom_score = 0\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{self.socket}"\n')
        super().start()

    def ctr(self, *args, stdout=None):
        return execute([self.s.peer("ctr"), "-a", str(self.socket), *args], self.s.peers_env,
                       stdout=stdout, stderr=self.log)

    def ctr_ok(self, *args):
        status = self.ctr(*args)
        if status != 0:
            raise ApiError(f"ctr {' '.join(args)}: {status}: {self.last_words()}")

    def session(self):
        return None

    def answers(self):
        return self.socket.exists() and self.ctr("version") == 0

    def load_image(self):
        self.ctr_ok("image", "import", str(self.s.archive))

    def new_name(self):
        with self.lock:
            self.n += 1
            return f"ctr-{self.n}"

    def _options(self, name):
        # All others filter system calls by default; it costs more than half of a start.
        return ["--seccomp", "--runc-binary", self.s.runtimes[self.s.runtime], "--cgroup", f"/{self.s.tag}/{self.key}/{name}"]

    def create(self, _, command):
        name = self.new_name()
        self.ctr_ok("container", "create", image.REFERENCE, name, *command)
        return name

    def create_start(self, _, command=IDLE):
        name = self.new_name()
        self.ctr_ok("run", "-d", "--null-io", *self._options(name), image.REFERENCE, name, *command)
        return name

    def remove(self, _, name):
        self.ctr("task", "rm", "-f", name)
        self.ctr_ok("container", "rm", name)

    def cycle(self, _):
        name = self.new_name()
        self.ctr_ok("run", "--rm", "--null-io", *self._options(name), image.REFERENCE, name, *TRUE)

    def _lines(self, *args):
        out = self.s.work / "ctr.out"
        if self.ctr(*args, stdout=out) != 0:
            raise OSError("containerd does not answer")
        return len(out.read_text().split())

    def count(self, _):
        return self._lines("container", "ls", "-q")

    def count_running(self, _):
        return self._lines("task", "ls", "-q")
