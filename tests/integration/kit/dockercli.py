"""The stock docker CLI: Debian's, unpacked into build/peers/, and the machine's own if it has one."""

import subprocess
from pathlib import Path

from .daemon import PEERS
from .hijack import Terminal

DEBIAN = PEERS / "usr/bin/docker"
NEWER = Path("/usr/local/bin/docker")


def found():
    """name -> path. Debian's is always there: tools/check unpacks it."""
    clis = {"docker-debian": DEBIAN}
    if NEWER.exists():
        clis["docker-newer"] = NEWER
    return clis


class DockerCli:
    def __init__(self, path, daemon):
        assert path.exists(), f"{path} is missing: run tools/peers docker.io"
        self.path, self.daemon = path, daemon

    def env(self):
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.daemon.root),
            "DOCKER_CONFIG": str(self.daemon.root / "docker-config"),
            "DOCKER_HOST": f"unix://{self.daemon.sock}",
        }

    def command(self, *args):
        return [str(self.path), *map(str, args)]

    def run(self, *args, check=True, stdin=None, binary=False):
        done = subprocess.run(self.command(*args), env=self.env(), capture_output=True,
                              input=stdin, timeout=60, text=not binary)
        assert not check or done.returncode == 0, (
            f"docker {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def begin(self, *args, **kw):
        """It in the background, with pipes for its streams."""
        return subprocess.Popen(self.command(*args), env=self.env(), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)

    def terminal(self, *args, **kw):
        """It on a terminal of its own."""
        return Terminal(self.command(*args), {**self.env(), "TERM": "xterm"}, **kw)

    def __call__(self, *args, **kw):
        """The standard output without its last newline."""
        return self.run(*args, **kw).stdout.rstrip("\n")

    def create_and_run(self, *args, image="busybox", cmd=()):
        """docker run -d, on the network this engine has so far."""
        return self("run", "-d", "--network", "none", *args, image, *cmd)
