"""Containers that say what they are told to, and followers of their logs."""

import os
import threading


class Counter:
    """A container that prints as many further numbers, one a line, as it is told, and ends when told so."""

    SCRIPT = ("i=0; while read n; do j=$((i+n)); while [ $i -lt $j ]; do echo $i; i=$((i+1)); done; done </go; "
              "echo end >&2")

    def __init__(self, daemon, script=SCRIPT, **log_options):
        self.path = daemon.root / f"go{len(daemon.ids)}"
        os.mkfifo(self.path)
        self.told = 0
        self.id = daemon.create(script, {"Binds": [f"{self.path}:/go"],
                                         "LogConfig": {"Type": "json-file", "Config": log_options}})
        daemon.start_container(self.id)
        self.fifo = open(self.path, "w")

    def tell(self, n):
        self.told += n
        self.fifo.write(f"{n}\n")
        self.fifo.flush()

    def end(self):
        self.fifo.close()

    def all(self):
        return numbers(0, self.told), b"end\n"


def numbers(first, end):
    return b"".join(b"%d\n" % n for n in range(first, end))


class Follower(threading.Thread):
    """Reads a log in the background until its end."""

    def __init__(self, daemon, cid, **query):
        super().__init__(daemon=True)
        self.stream = daemon.api.stream("GET", f"/containers/{cid}/logs", timeout=60,
                                        **{"stdout": True, "stderr": True, "follow": True, **query})
        assert self.stream.status == 200
        self.got, self.fault = {1: b"", 2: b""}, None
        self.changed = threading.Condition()
        self.start()

    def run(self):
        try:
            while frame := self.stream.frame():
                with self.changed:
                    self.got[frame[0]] += frame[1]
                    self.changed.notify_all()
        except Exception as fault:
            self.fault = fault
        finally:
            self.stream.close()
            with self.changed:
                self.changed.notify_all()

    def wait_for(self, text, timeout=60):
        with self.changed:
            assert self.changed.wait_for(lambda: text in self.got[1] or self.fault, timeout), self.got[1][-100:]
        assert not self.fault, self.fault

    def result(self):
        """(stdout, stderr); the stream must have come to its right end."""
        self.join(60)
        assert not self.is_alive(), "the stream does not end"
        assert not self.fault, repr(self.fault)
        return self.got[1], self.got[2]
