"""One holdfastd of a test's own: data root, exec root, socket, and all that tests ask of it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from . import leaks
from .api import API, Api, ApiError, demux
from .hijack import Hijacked
from .host import PATIENCE, MountNamespace, is_held_back, wait_for, wait_quiet

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build")).resolve()
PEERS = ROOT / "build" / "peers"


# A shim with sanitizers has memory of its own.
SANITIZED = b"__asan_init" in (BUILD / "holdfast-shim").read_bytes()


class DaemonFailed(AssertionError):
    pass


class Daemon:
    def __init__(self, runtime="runc", namespace=None, args=()):
        # Short: an address of a unix socket holds 108 bytes, and shims have sockets of their own.
        self.root = Path(tempfile.mkdtemp(prefix="hf.", dir="/tmp"))
        self.data, self.exec, self.sock = self.root / "data", self.root / "exec", self.root / "d.sock"
        self.stderr_path = self.root / "stderr"
        self.mark = f"HOLDFAST_TEST={self.root}"
        self.runtime, self.namespace, self.args = runtime, namespace, list(args)
        self.binary = BUILD / "holdfastd"
        self.host_config = {}  # of each container, where a test does not say otherwise
        self.api = Api(self.sock)
        self.ids = set()
        self.process = None
        self.detect_leaks = True  # but not of what ends under strace, where LeakSanitizer fails
        self.rebooted = []  # mount namespaces of its own, with another boot id or the like
        self.netns = None  # path of the network namespace that is its host's; None: this host's

    # --- its life

    def command(self, *extra):
        enter = []
        if self.netns:
            enter = ["nsenter", f"--net={self.netns}", "--"]
        if self.namespace:
            enter += ["nsenter", f"--mount=/proc/{self.namespace.pid}/ns/mnt", "--"]
        return [*enter, str(self.binary),
                "--data-root", str(self.data), "--exec-root", str(self.exec),
                "-H", f"unix://{self.sock}", "--pidfile", str(self.root / "pid"),
                "--default-runtime", self.runtime, *self.args, *extra]

    def environment(self):
        """Sanitizer reports of the daemon and all its children go to files of their own."""
        where = f"log_path={self.root}/sanitizer"
        name, value = self.mark.split("=")
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            name: value,
            "ASAN_OPTIONS": f"{where}:detect_leaks={int(self.detect_leaks)}",
            "UBSAN_OPTIONS": f"{where}:print_stacktrace=1:halt_on_error=1",
            "TSAN_OPTIONS": f"{where}:exitcode=0:second_deadlock_stack=1",
        }

    def spawn(self, *extra, command=None):
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                command or self.command(*extra), stdin=subprocess.DEVNULL, stdout=stderr,
                stderr=stderr, env=self.environment(), start_new_session=True)
        return self.process

    def start(self, *extra):
        assert not self.running, "already started"
        self.spawn(*extra)
        self.wait_ready()
        return self

    def wait_ready(self, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None:
                raise DaemonFailed(f"holdfastd ended with {self.process.returncode}:\n{self.stderr()}")
            try:
                if self.api.get("/_ping", version="").status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise DaemonFailed(f"holdfastd answers no /_ping after {timeout} s:\n{self.stderr()}")
            time.sleep(0.01)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    @property
    def kept_pid(self):
        """Below a keeper, which is then our process: of the daemon that serves, or is about to; 0: of none yet."""
        return int((self.data / "holdfast.lock").read_text() or 0)

    def stop(self, timeout=PATIENCE):
        """SIGTERM, once it is heard: of a process that has only been started it is the end. Returns the exit status."""
        wait_for(lambda: not self.running or is_held_back(self.pid, signal.SIGTERM), "signals to be taken")
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill9(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def restart(self, *extra):
        """The crash this engine is made for: SIGKILL, then start again."""
        self.kill9()
        return self.start(*extra)

    def reboot_host(self):
        """What a reboot of the host leaves behind: the data root. The daemon is dead, every process
        and cgroup of its containers is gone, the exec root is empty, and the kernel has another boot id."""
        if self.running:
            self.kill9()
        ids = leaks.container_ids(self)
        leaks.end_processes(self, ids)
        for point in reversed(leaks.mounts(self)):
            enter = ["nsenter", f"--mount=/proc/{self.namespace.pid}/ns/mnt"] if self.namespace else []
            subprocess.run([*enter, "umount", "-l", point], check=True)
        shutil.rmtree(self.exec)
        leaks.remove_cgroups(ids)
        boot = self.root / "boot_id"
        boot.write_text(f"{uuid.uuid4()}\n")
        self.rebooted.append(MountNamespace(f"mount --bind {boot} /proc/sys/kernel/random/boot_id",
                                            inside=self.namespace))
        self.namespace = self.rebooted[-1]

    def stderr(self, tail=None):
        text = self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""
        return "\n".join(text.splitlines()[-tail:]) if tail else text

    def sanitizer_reports(self):
        return "\n".join(p.read_text(errors="replace") for p in self.root.glob("sanitizer.*"))

    def close(self, failed=False):
        """After a good test nothing may be left; after a failed one everything is swept."""
        try:
            if failed:
                self._quietly_remove_all()
            else:
                if not self.running:
                    self.start()
                self.remove_all()
                status = self.stop()
                assert status == 0, (
                    f"holdfastd ended with {status} after SIGTERM:\n{self.stderr()}\n{self.sanitizer_reports()}")
                leaks.check(self)
            assert not self.sanitizer_reports(), self.sanitizer_reports()
        finally:
            if self.running:
                self.kill9()
            leaks.sweep(self)
            for namespace in self.rebooted:
                namespace.close()

    def remove_all(self):
        for one in self.list(all=True):
            self.ids.add(one["Id"])
            self.api.delete(f"/containers/{one['Id']}", force=True, v=True, expect=(204, 404))

    def _quietly_remove_all(self):
        if self.running:
            try:
                self.remove_all()
                self.stop(10)
            except (OSError, ValueError, ApiError, subprocess.TimeoutExpired):
                pass  # the test has failed already; the sweep does the rest

    # --- its containers

    def body(self, cmd=None, host=None, image="busybox", **config):
        if isinstance(cmd, str):
            cmd = ["sh", "-c", cmd]
        body = {"Image": image, "HostConfig": {"NetworkMode": "none", **self.host_config, **(host or {})}, **config}
        if cmd is not None:
            body["Cmd"] = cmd
        return body

    def create(self, cmd=None, host=None, name=None, image="busybox", **config):
        query = {"name": name} if name else {}
        answer = self.api.post("/containers/create", self.body(cmd, host, image, **config),
                               expect=201, **query).json
        self.ids.add(answer["Id"])
        return answer["Id"]

    def refuse(self, cmd="true", host=None, image="busybox", **config):
        """The answer to a create that must not succeed."""
        answer = self.api.post("/containers/create", self.body(cmd, host, image, **config))
        assert answer.status >= 400, f"accepted: {answer}"
        return answer

    def start_container(self, cid, **kw):
        return self.api.post(f"/containers/{cid}/start", **{"expect": 204, **kw})

    def run(self, cmd=None, host=None, name=None, image="busybox", **config):
        cid = self.create(cmd, host, name, image, **config)
        self.start_container(cid)
        return cid

    def wait(self, cid, **kw):
        return self.api.post(f"/containers/{cid}/wait", expect=200, **kw).json["StatusCode"]

    def output(self, cmd, host=None, exit_code=0, **config):
        """Runs to the end; the standard output. Says what went wrong if the exit code is another."""
        cid = self.run(cmd, host, **config)
        code = self.wait(cid)
        out, err = self.logs(cid)
        assert code == exit_code, f"exit code {code}, stdout {out!r}, stderr {err!r}"
        return out

    def logs(self, cid, **query):
        answer = self.api.get(f"/containers/{cid}/logs", expect=200,
                              **{"stdout": True, "stderr": True, **query})
        if answer.headers["Content-Type"].endswith("raw-stream"):
            return answer.body.decode(), ""  # a terminal's
        out, err = demux(answer.body)
        return out.decode(), err.decode()

    def inspect(self, cid):
        return self.api.get(f"/containers/{cid}/json", expect=200).json

    def state(self, cid):
        return self.inspect(cid)["State"]

    def container_pid(self, cid):
        pid = self.state(cid)["Pid"]
        assert pid > 0, f"no process of {cid}"
        return pid

    def wait_quiet(self):
        """Until neither the daemon nor a shim has anything in hand: who was to be answered has been."""
        found = leaks.processes(self, set())
        wait_quiet(self.pid, *(pid for pid, command in found.items() if "holdfast-shim" in command))

    def list(self, **query):
        return self.api.get("/containers/json", expect=200, **query).json

    def stop_container(self, cid, **query):
        return self.api.post(f"/containers/{cid}/stop", **query)

    def wait_state(self, cid, status, timeout=PATIENCE):
        wait_for(lambda: self.state(cid)["Status"] == status, f"{cid[:12]} to be {status}", timeout)

    def wait_log(self, cid, text, timeout=PATIENCE):
        """Until the container has said this: it is up, its traps are set."""
        wait_for(lambda: text in "".join(self.logs(cid)), f"{text!r} in the log", timeout)

    def wait_released(self, cid):
        """Until nothing is left of its run: it says "exited" before that, with its exit code."""
        wait_for(lambda: not (self.exec / "containers" / cid).exists(), f"{cid[:12]} to be released")

    def wait_swept(self):
        """Until the last restore has come to its end: its sweep comes before its report."""
        self.api.get("/holdfast/restore", expect=200)

    def events(self, **query):
        return self.api.stream("GET", "/events", **query)

    def past_events(self, since, until=None, **filters):
        answer = self.api.get("/events", expect=200, since=f"{since:.9f}",
                              until=f"{until or time.time():.9f}",
                              **({"filters": filters} if filters else {}))
        return answer.json_lines()

    def wait_event(self, cid, action, since=0):
        """Until this has been told of it: an end is, when a client that waits knows of it already."""
        wait_for(lambda: self.past_events(since, event=[action], container=[cid]), f"{action} of {cid[:12]}")

    def attach(self, cid, **kw):
        """Attached to all streams of it."""
        return Hijacked(self.sock, f"/containers/{cid}/attach",
                        **{"stream": True, "stdin": True, "stdout": True, "stderr": True, **kw})

    # --- its images and clients

    def load(self, archive, expect_error=False):
        """POST /images/load; returns what it said, line by line."""
        answer = self.api.post("/images/load", archive, timeout=120,
                               headers={"Content-Type": "application/x-tar"})
        lines = answer.json_lines() if answer.status == 200 else [{"error": answer.message}]
        errors = [line["error"] for line in lines if "error" in line]
        if expect_error:
            assert errors, f"loaded: {lines}"
            return errors[0]
        assert not errors, errors
        return "".join(line.get("stream", "") for line in lines)

    def cli(self, *args, check=True, **kw):
        """Our own client, holdfast."""
        env = {**self.environment(), "HOLDFAST_HOST": f"unix://{self.sock}", "HOME": str(self.root)}
        done = subprocess.run([str(BUILD / "holdfast"), *args], env=env, text=True,
                              capture_output=True, timeout=60, **kw)
        assert not check or done.returncode == 0, f"holdfast {args}: {done.returncode} {done.stderr}"
        return done

    def curl(self, method, path, *args, body=None):
        """The real curl: (status, body)."""
        command = ["curl", "-sS", "--max-time", "30", "--unix-socket", str(self.sock), "-X", method,
                   "-w", "\n%{http_code}", f"http://d{API}{path}", *args]
        if method == "HEAD":
            command[command.index("-X"):command.index("-X") + 2] = ["-I"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def docker_py(self):
        import docker
        return docker.DockerClient(base_url=f"unix://{self.sock}", version="auto", timeout=60)


def namespace_for(runtime, cgroup=None):
    if cgroup == "v2":
        return MountNamespace(MountNamespace.CGROUP_V2)
    return MountNamespace() if MountNamespace.needed_for(runtime) else None
