"""A runtime that takes its time, so that something can happen in the middle of a start."""

import shutil
import tempfile
from pathlib import Path


class HeldRuntime:
    """Its `run` waits for go(), from the first on or from the second, before its work or after it;
    has_begun() says that one does. A daemon gets it by options()."""

    def __init__(self, runtime, first=True, done=False):
        self.place = Path(tempfile.mkdtemp(prefix="hf-slow."))
        self.wrapper, self.armed = self.place / runtime, self.place / "armed"
        wait = f": >{self.place}/begun; until [ -e {self.place}/go ]; do sleep 0.02; done"
        self.wrapper.write_text(f"""#!/bin/sh
case " $* " in *" run "*)
	if [ -e {self.armed} ]; then
		{f"{shutil.which(runtime)} "'"$@"; code=$?; ' if done else ""}{wait}
		{"exit $code" if done else ""}
	fi
	: >{self.armed};;
esac
exec {shutil.which(runtime)} "$@"
""")
        self.wrapper.chmod(0o755)
        if first:
            self.armed.touch()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.place)

    def options(self):
        return "--add-runtime", f"held={self.wrapper}"

    def has_begun(self):
        return (self.place / "begun").exists()

    def go(self):
        (self.place / "go").touch()
