"""Debian's docker-compose 1.29, unchanged, on a project of a test's own."""

import subprocess

from .dockercli import DEBIAN

COMPOSE = ["/usr/bin/docker-compose", "--ansi", "never"]


class Compose:
    """The project `shop` of the text of a docker-compose.yml."""

    def __init__(self, daemon, text):
        self.daemon, self.name = daemon, "shop"
        self.folder = daemon.root / self.name
        self.folder.mkdir()
        (self.folder / "docker-compose.yml").write_text(text)

    def env(self):
        """Its `exec` and `run` call a docker CLI: Debian's."""
        return {
            "PATH": f"{DEBIAN.parent}:/usr/bin:/bin",
            "HOME": str(self.daemon.root),
            "LANG": "C.UTF-8",
            "COMPOSE_HTTP_TIMEOUT": "200",
            "DOCKER_HOST": f"unix://{self.daemon.sock}",
        }

    def begin(self, *args):
        """It in the background; what it says on either stream comes from one pipe."""
        return subprocess.Popen([*COMPOSE, *args], cwd=self.folder, env=self.env(), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, *args, check=True):
        done = subprocess.run([*COMPOSE, *args], cwd=self.folder, env=self.env(), text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
        assert not check or done.returncode == 0, (
            f"docker-compose {' '.join(args)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def __call__(self, *args, **kw):
        """The standard output without its last newline."""
        return self.run(*args, **kw).stdout.rstrip("\n")
