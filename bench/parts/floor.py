"""The floor: bare runc and crun, with their own bundle or with the very one that holdfast made.
What an engine takes above this is the engine's."""

import json
import subprocess
import threading

from . import image
from .api import ApiError
from .engines import CannotRun, Engine, IDLE, TRUE, execute


class Floor:
    peer = restores = False

    def __init__(self, s, runtime, config=None):
        self.s, self.runtime = s, runtime
        if runtime not in s.runtimes:
            raise CannotRun(f"no {runtime} on this host")
        own = config is None
        self.key = f"{runtime}-{'own' if own else 'same'}"
        self.name = f"{runtime}, {'own spec' if own else 'our bundle'}"
        self.program = s.runtimes[runtime]
        self.home = s.work / "floor" / self.key
        self.state = s.run / self.key
        self.log = s.work / f"{self.key}.log"
        self.home.mkdir(parents=True)
        self.config = self._own_spec() if own else config
        self.n = 0
        self.lock = threading.Lock()
        self.ready = {}

    def _own_spec(self):
        subprocess.run([self.program, "spec"], cwd=self.home, env=self.s.env, check=True)
        path = self.home / "config.json"
        config = json.loads(path.read_text())
        path.unlink()
        return config

    def session(self):
        return None

    def _bundle(self, command):
        """A directory with the config.json of one container. Made outside of what is timed."""
        with self.lock:
            self.n += 1
            name = f"{self.key}-{self.n}"
        config = json.loads(json.dumps(self.config))
        config["process"].update(terminal=False, args=command)
        config["root"]["path"] = str(self.s.tree)
        config["linux"]["cgroupsPath"] = f"/{self.s.tag}/floor/{name}"
        (self.home / name).mkdir()
        (self.home / name / "config.json").write_text(json.dumps(config))
        return name

    def prepare(self, command, n=1):
        """Bundles for the next n containers with this command."""
        for _ in range(n):
            self.ready.setdefault(tuple(command), []).append(self._bundle(command))

    def _take(self, command):
        try:
            return self.ready[tuple(command)].pop()
        except (KeyError, IndexError):
            return self._bundle(command)

    def _execute(self, *args, stdout=None):
        status = execute([self.program, "--root", str(self.state), *args], self.s.env,
                         stdout=stdout, stderr=self.log)
        if status != 0:
            raise ApiError(f"{self.runtime} {' '.join(args)}: {status}: {Engine.last_words(self)}")

    def create_start(self, _):
        name = self._take(IDLE)
        self._execute("run", "--detach", "--bundle", str(self.home / name), name)
        return name

    def remove(self, _, name):
        self._execute("delete", "--force", name)

    def cycle(self, _):
        name = self._take(TRUE)
        self._execute("run", "--bundle", str(self.home / name), name)

    def write(self, command, path):
        """Output straight into a file: what the generator alone can do."""
        name = self._bundle(command)
        self._execute("run", "--bundle", str(self.home / name), name, stdout=path)
