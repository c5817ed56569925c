"""A runtime that takes its time, so that something can happen in the middle of a start."""

import shutil
import tempfile
from pathlib import Path


class WrappedRuntime:
    """A runtime that does other things first where a shell's `case` of its arguments says so; $place is a
    directory of its own, $real the real one. A daemon gets it by options(), as "held"."""

    def __init__(self, runtime, cases):
        self.place = Path(tempfile.mkdtemp(prefix="hf-slow."))
        self.wrapper = self.place / runtime
        self.wrapper.write_text(f"""#!/bin/sh
place={self.place} real={shutil.which(runtime)}
await() {{ until [ -e $place/$1 ]; do sleep 0.02; done; }}
case " $* " in
{cases}
esac
exec $real "$@"
""")
        self.wrapper.chmod(0o755)

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


class HeldRuntime(WrappedRuntime):
    """Its `run` waits for go(), from the first on or from the second, before its work or after it;
    has_begun() says that one does."""

    def __init__(self, runtime, first=True, done=False):
        before, after = ('$real "$@"; code=$?', "exit $code") if done else ("", "")
        super().__init__(runtime, f"""*" run "*)
	if [ -e $place/armed ]; then
		{before}
		: >$place/begun
		await go
		{after}
	fi
	: >$place/armed;;""")
        if first:
            (self.place / "armed").touch()
