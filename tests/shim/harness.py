"""One shim with a container of busybox, and the daemon's end of its connection."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SHIM = os.environ.get("HOLDFAST_SHIM", str(TOP / "build" / "holdfast-shim"))
APPLETS = "sh echo sleep cat true false yes seq head kill dd mount stty tty printf ls mkdir id reboot env usleep touch".split()
SANITIZED = b"__asan_init" in Path(SHIM).read_bytes()
PATIENCE = 60  # a machine with too much to do holds anybody up for seconds
CGROUP = f"hf-shim-test.{os.getpid()}"  # of this worker: others have theirs


def make_layer(path):
    """A root file system with busybox."""
    for name in "bin proc sys dev etc tmp".split():
        (path / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", path / "bin" / "busybox")
    for name in APPLETS:
        (path / "bin" / name).symlink_to("busybox")


def kv_escape(value):
    return str(value).replace("\\", "\\\\").replace("\n", "\\n")


def kv_unescape(value):
    out, chars = [], iter(value)
    for c in chars:
        out.append({"n": "\n", "\\": "\\"}[next(chars)] if c == "\\" else c)
    return "".join(out)


def eventually(condition, what="condition", seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextlib.contextmanager
def eager():
    """Within it, this thread runs as soon as it can: one who reads, however busy the machine."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:  # there are hosts that give nobody real time
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def memory_kib(pid, field="Private_Dirty"):
    """A line of its memory as a whole."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


class Gate:
    """A runtime that makes nothing as long as its gate is closed."""

    def __init__(self, place, runtime):
        self.open = place / f"gate.{secrets.token_hex(4)}"
        self.runtime = f"{self.open}.{Path(runtime).name}"
        Path(self.runtime).write_text(f'#!/bin/sh\ncase " $* " in *" create "*|*" run "*) until test -e {self.open}; '
                                      f'do sleep 0.02; done;; esac\nexec {runtime} "$@"\n')
        os.chmod(self.runtime, 0o755)


class Conn:
    """A connection to a shim."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.events = []

    def send(self, msg, fds=(), **pairs):
        lines = [f"msg={msg}"] + [f"{k}={kv_escape(v)}" for k, v in pairs.items()]
        socket.send_fds(self.sock, ["".join(line + "\n" for line in lines).encode()], fds)

    def hand_over(self, msg, *files, head="", **pairs):
        """Asks with a client: (the answer, the client's own end of the connection)."""
        mine, its = socket.socketpair()
        mine.settimeout(PATIENCE)
        fds = [its.fileno(), *(f.fileno() for f in files)]
        answer = self.ask(msg, fds, head=head, **{k.replace("_", "-"): v for k, v in pairs.items()})
        its.close()
        return answer, mine

    def recv(self):
        """The next packet; None at the end."""
        data = self.sock.recv(1 << 17)
        if not data:
            return None
        return {k: kv_unescape(v) for k, v in (line.split("=", 1) for line in data.decode().splitlines())}

    def ask(self, msg, fds=(), **pairs):
        """Sends and returns the answer; events that come before it are kept."""
        self.send(msg, fds, **pairs)
        while True:
            m = self.recv()
            assert m, "the shim hung up"
            if m["msg"] in ("ok", "error", "hello"):
                return m
            self.events.append(m)

    def event(self, name):
        """The next event, which must be `name`."""
        m = self.events.pop(0) if self.events else self.recv()
        assert m and m["msg"] == name, (m, name)
        return m

    def end(self):
        """Waits for the shim to hang up; events that come until then."""
        rest = self.events
        while m := self.recv():
            rest.append(m)
        return rest

    def close(self):
        self.sock.close()


class Shim:
    def __init__(self, place, runtime, *args, spec=None, born=True, lower=("busybox",), **config):
        self.id = secrets.token_hex(32)
        self.runtime = runtime
        self.exec = place / "exec" / self.id
        self.data = place / "data" / self.id
        self.root = place / "runtime" / Path(runtime).name
        self.layers = place / "layers"
        self.bundle = self.exec / "bundle"
        self.cgroup = f"/{CGROUP}/{self.id}"
        self.pid = self.conn = None
        for d in (self.bundle / "rootfs", self.data / "upper", self.data / "work", self.root):
            d.mkdir(parents=True, exist_ok=True)
        self.write_spec(args or ("/bin/true",), config.get("tty"), spec)
        self.write_config(lower, config)
        if born:
            self.be_born()

    def write_spec(self, args, tty, change):
        spec = json.loads(subprocess.run(
            ["sh", "-c", "cd $(mktemp -d) && runc spec && cat config.json && rm config.json && rmdir $PWD"],
            check=True, stdout=subprocess.PIPE).stdout)
        spec["process"]["args"] = list(args)
        spec["process"]["terminal"] = bool(tty)
        spec["root"]["readonly"] = False
        spec["linux"]["cgroupsPath"] = self.cgroup
        if change:
            change(spec)
        (self.bundle / "config.json").write_text(json.dumps(spec))

    def write_config(self, lower, config):
        pairs = {
            "version": 1, "id": self.id, "runtime": self.runtime, "runtime-root": self.root,
            "cgroup": self.cgroup, "layers-dir": self.layers, "tty": 0, "open-stdin": 0, "stdin-once": 0,
            "log-file": 1, "log-max-size": 0, "log-max-files": 1,
            "restart": "no", "restart-max": 0, "restart-count": 0,
        } | {k.replace("_", "-"): v for k, v in config.items()}
        lines = [f"{k}={kv_escape(int(v) if isinstance(v, bool) else v)}\n" for k, v in pairs.items()]
        lines += [f"lower={kv_escape(name)}\n" for name in lower]
        (self.exec / "shim.conf").write_text("".join(lines))

    def be_born(self, answers=True):
        """As the daemon does it: the pulse is locked before the fork."""
        import fcntl

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        alive = os.open(self.exec / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fds = [alive, theirs.fileno(), os.open(self.data, os.O_RDONLY), os.open(self.exec, os.O_RDONLY)]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in fds]
                for i, fd in enumerate(high):
                    os.dup2(fd, 3 + i)
                os.execv(SHIM, ["holdfast-shim", "--id", self.id])
            finally:
                os._exit(127)
        for fd in (alive, fds[2], fds[3]):
            os.close(fd)
        theirs.close()
        self.conn = Conn(ours)
        if answers:
            assert self.conn.ask("hello", version=1)["msg"] == "hello"

    def connect(self):
        """A further connection, as a new daemon makes it."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        d = os.open(self.exec, os.O_RDONLY)
        try:
            s.connect(f"/proc/self/fd/{d}/shim.sock")
        finally:
            os.close(d)
        return Conn(s)

    def start(self, run=1, fds=()):
        answer = self.conn.ask("start", fds, run=run)
        assert answer["msg"] == "ok", answer
        return self.conn.event("started")

    def wait_end(self):
        """The shim hangs up and ends well."""
        rest = self.conn.end()
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        assert status == 0, (status, self.shim_log())
        return rest

    def records(self):
        path = self.data / "runs.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log_files(self):
        """Oldest first."""
        files = list(self.data.glob("json.log.*"))
        files.sort(key=lambda p: -int(p.name.rsplit(".", 1)[1]))
        return files + [p for p in [self.data / "json.log"] if p.exists()]

    def log(self):
        """Whole lines: one may be half written."""
        return [json.loads(line) for p in self.log_files() for line in p.read_bytes().split(b"\n")[:-1]]

    def log_text(self, stream="stdout"):
        return "".join(e["log"] for e in self.log() if e["stream"] == stream)

    def shim_log(self):
        path = self.exec / "shim.log"
        return path.read_text() if path.exists() else ""

    def pulse(self):
        """Does the shim live? As the daemon finds out."""
        import fcntl

        fd = os.open(self.exec / "alive", os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(fd)

    def cgroups(self):
        found = Path("/sys/fs/cgroup").glob(f"*{self.cgroup}")
        return [p for p in found if not str(p).startswith("/sys/fs/cgroup/unified")]

    def children(self):
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(p) for p in text.split()]

    def zombies(self):
        found = []
        for pid in self.children():
            try:
                found += [pid] if ") Z " in Path(f"/proc/{pid}/stat").read_text() else []
            except FileNotFoundError:
                pass  # buried meanwhile
        return found

    def wait_tidy(self, descriptors=None):
        """Until it has buried the dead, and has no more open than that: what it tells it tells first."""
        eventually(lambda: not self.zombies(), "the dead to be buried")
        eventually(lambda: descriptors is None or self.descriptors() <= descriptors, "its descriptors to be closed")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def remove(self):
        """Whatever the test left."""
        complaints = self.shim_log()
        assert "Sanitizer" not in complaints and "runtime error" not in complaints, complaints
        if self.conn:
            self.conn.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if os.path.exists(self.runtime):
            subprocess.run([self.runtime, "--root", self.root, "delete", "--force", self.id], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.exec, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
