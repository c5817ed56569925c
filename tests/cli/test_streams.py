"""wait, logs and events: what is shown, and how they go on when the daemon goes away in the middle."""

import threading
import time
from datetime import datetime, timezone

import pytest

from fake import Stream

BASE = 1795468604


def stamp(ns):
    seconds, rest = divmod(ns, 10**9)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


class Log:
    """A container's log behind the fake: answers /logs as the daemon does, and breaks off where told."""

    def __init__(self, fake, tty=False, started="2026-11-24T00:00:00Z"):
        self.entries, self.tty, self.running, self.started = [], tty, True, started
        self.fake = fake
        self.plans = []  # for each connection: (entries to send, "break" | an Event to break off at | "end")
        fake.answers["GET /containers/c/json"] = self.inspect
        fake.answers["GET /containers/c/logs"] = self.logs

    def add(self, ns, text, stream=1):
        self.entries.append((BASE * 10**9 + ns, stream, text))

    def inspect(self, request, handler):
        return {"State": {"Running": self.running, "StartedAt": self.started}, "Config": {"Tty": self.tty}}

    def logs(self, request, handler):
        q = request.query
        since = 0
        if "since" in q:
            seconds, _, rest = q["since"].partition(".")
            since = int(seconds) * 10**9 + int((rest + "0" * 9)[:9])
        entries = [e for e in self.entries if e[0] >= since]
        if "tail" in q and q["tail"] != "all":
            entries = entries[-int(q["tail"]):] if int(q["tail"]) else []
        count, how = self.plans.pop(0) if self.plans and "follow" in q else (len(entries), "end")
        kind = "raw" if self.tty else "multiplexed"
        s = Stream(handler, kind=f"application/vnd.docker.{kind}-stream")
        for ns, stream, text in entries[:count]:
            text = (stamp(ns) + " " if q.get("timestamps") == "1" else "") + text
            s.write(text) if self.tty else s.frame(stream, text)
        if how != "end":
            if how != "break":
                how.wait(30)
            s.break_off()
        else:
            if not self.plans:
                self.running = False
            s.end()


def test_logs_go_to_the_descriptors_they_came_from(fake, cli):
    log = Log(fake)
    log.add(1, "out 1\n")
    log.add(2, "err 1\n", stream=2)
    log.add(3, "no newline")
    done = cli.run("logs", "c")
    assert (done.stdout, done.stderr) == ("out 1\nno newline", "err 1\n")
    assert fake.last.query == {"stdout": "1", "stderr": "1"}
    assert cli.ok("logs", "-t", "c").startswith(stamp(BASE * 10**9 + 1) + " out 1\n")
    cli.ok("logs", "-n", "5", "--since", "2026-11-24", "--until", "10m", "c")
    assert fake.last.query["tail"] == "5" and fake.last.query["since"].startswith("1795478400.0")
    assert "invalid time" in cli.run("logs", "--since", "soon", "c").stderr


def test_logs_of_a_tty_are_raw(fake, cli):
    log = Log(fake, tty=True)
    log.add(1, "a\r\n")
    log.add(2, "b")
    assert cli.run("logs", "c", text=False).stdout == b"a\r\nb"


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("timestamps", [False, True])
def test_logs_follow_through_deaths_of_the_daemon_without_a_gap_or_a_double(fake, cli, tty, timestamps):
    log = Log(fake, tty=tty)
    for i in range(1000):
        log.add(i // 3, f"{i}\n")  # three of each time
    log.plans = [(0, "break"), (100, "break"), (1, "break"), (2, "break"), (301, "end"), (50, "break"), (10**6, "end")]
    out = cli.ok("logs", "-f", *["-t"] * timestamps, "c")
    lines = [line.split()[-1] for line in out.splitlines()]
    assert lines == [str(i) for i in range(1000)]
    assert out.startswith(stamp(BASE * 10**9) if timestamps else "0\n")
    if timestamps:
        assert all(len(line.split()) == 2 for line in out.splitlines())


def test_a_raw_stream_with_entries_that_end_anywhere_is_followed(fake, cli):
    log = Log(fake, tty=True)
    log.add(1, "login: ")
    log.add(2, "20")
    log.add(3, "26-11-24T old 2001-01-01T00:00:00.000000000Z x\r\n")
    log.plans = [(1, "break"), (2, "break"), (9, "end")]
    out = cli.run("logs", "-f", "c", text=False).stdout
    assert out == b"login: 2026-11-24T old 2001-01-01T00:00:00.000000000Z x\r\n"


def test_what_came_between_the_end_of_the_daemon_and_of_the_container_is_shown(fake, cli):
    log = Log(fake)
    log.add(1, "one\n")
    log.add(2, "two\n")
    log.plans = [(1, "end")]  # a clean end by the daemon; the container ends before the next question
    assert cli.ok("logs", "-f", "c") == "one\ntwo\n"


def test_logs_follow_of_nothing_ends(fake, cli):
    log = Log(fake)
    log.running = False
    assert cli.ok("logs", "-f", "--tail", "0", "c") == ""


def test_logs_follow_goes_on_while_the_socket_is_gone(fake, cli):
    log = Log(fake)
    log.add(1, "one\n")
    gone = threading.Event()
    log.plans = [(1, gone), (10, "end")]
    started = cli.start("logs", "-f", "c")
    assert started.stdout.readline() == b"one\n"
    fake.stop()
    gone.set()
    time.sleep(0.3)  # so long it tries in vain
    log.add(2, "two\n")
    fake.start()
    assert started.stdout.readline() == b"two\n"
    assert started.wait(60) == 0 and started.stderr.read() == b""


def test_an_error_in_the_log_stream_is_told(fake, cli):
    log = Log(fake)
    log.add(1, "Error grabbing logs", stream=3)
    done = cli.run("logs", "c")
    assert done.returncode == 1 and done.stderr == "holdfast: Error grabbing logs\n"
    fake.answers["GET /containers/c/logs"] = lambda q, h: Stream(h).write(b"garbage that is no frame")
    assert "damaged" in cli.run("logs", "c").stderr


# --- wait

def test_wait_asks_again_until_it_is_answered(fake, cli):
    def broken(request, handler):
        Stream(handler).break_off()

    def ended(request, handler):
        Stream(handler).end()

    def done(request, handler):
        s = Stream(handler)
        s.json({"StatusCode": 7, "Error": None})
        s.end()
    fake.answers["POST /containers/a/wait"] = [broken, ended, broken, done]
    fake.answers["POST /containers/b/wait"] = {"StatusCode": 0}
    assert cli.ok("wait", "a", "b") == "7\n0\n"
    assert len(fake.asked("POST", "/containers/a/wait")) == 4


def test_wait_tells_what_the_daemon_says(fake, cli):
    fake.answers["POST /containers/a/wait"] = {"StatusCode": 0, "Error": {"Message": "it was removed"}}
    done = cli.run("wait", "a", "none")
    assert done.returncode == 1 and "it was removed" in done.stderr and "nothing at" in done.stderr


# --- events

def event(ns, action, **attributes):
    ns += BASE * 10**9
    return {"Type": "container", "Action": action, "Actor": {"ID": "c0", "Attributes": attributes},
            "scope": "local", "time": ns // 10**9, "timeNano": ns}


def test_events_are_dockers_lines(fake, cli):
    def stream(request, handler):
        s = Stream(handler)
        s.json(event(123456789, "die", name="web", exitCode="7"))
        s.end()
    fake.answers["GET /events"] = stream
    assert cli.ok("events", "--since", "10m", "--until", "0s", "-f", "event=die") == (
        f"{stamp(BASE * 10**9 + 123456789)} container die c0 (exitCode=7, name=web)\n")
    assert fake.last.filters == {"event": ["die"]} and set(fake.last.query) == {"since", "until", "filters"}
    assert cli.ok("events", "--until", "0s", "--format", "{{.Action}} {{.Actor.Attributes.name}}") == "die web\n"


def test_events_go_on_after_the_daemons_death_without_a_double(fake, cli):
    journal = [event(i * 10**6, "start", name=str(i)) for i in range(30)]
    plans = [(10, "break"), (10, "end"), (100, "end")]

    def stream(request, handler):
        since = float(request.query.get("since", "0")) * 10**9
        count, how = plans.pop(0) if plans else (0, "end")
        s = Stream(handler)
        told = [e for e in journal if e["timeNano"] >= since]
        for e in told[:count + (10 if since > BASE * 10**9 else 0)]:
            s.json(e)
        s.break_off() if how == "break" else s.end()
    fake.answers["GET /events"] = stream
    started = cli.start("events", "--since", str(BASE - 1), "--format", "{{.Actor.Attributes.name}}")
    got = [started.stdout.readline().strip() for _ in range(30)]
    assert got == [b"%d" % i for i in range(30)]
    started.kill()
    started.wait()
