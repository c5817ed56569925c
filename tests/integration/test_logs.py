"""Logs: streams, tail, since, until, timestamps, follow, rotation, and no byte lost."""

import json
import os
import re
import time

import pytest

from kit import host


def ended(daemon, script, **kw):
    cid = daemon.run(script, **kw)
    daemon.wait(cid)
    return cid


def test_streams_are_told_apart(daemon):
    cid = ended(daemon, "echo one; echo two >&2; echo three")
    assert daemon.logs(cid) == ("one\nthree\n", "two\n")
    assert daemon.logs(cid, stderr=False) == ("one\nthree\n", "")
    assert daemon.logs(cid, stdout=False) == ("", "two\n")


def test_content_type_of_a_multiplexed_stream(daemon, api):
    cid = ended(daemon, "echo x")
    answer = api.get(f"/containers/{cid}/logs", stdout=True, expect=200)
    assert answer.headers["Content-Type"] == "application/vnd.docker.multiplexed-stream"
    older = api.get(f"/containers/{cid}/logs", stdout=True, expect=200, version="/v1.41")
    assert older.headers["Content-Type"] in ("application/vnd.docker.raw-stream", "application/octet-stream")


def test_no_stream_asked_for_is_400(daemon, api):
    answer = api.get(f"/containers/{ended(daemon, 'true')}/logs")
    assert answer.status == 400
    assert "you must choose at least one stream" in answer.message


@pytest.mark.parametrize("query", [{"since": "soon"}, {"until": "later"}])
def test_bad_times_are_400(daemon, api, query):
    assert api.get(f"/containers/{ended(daemon, 'true')}/logs", stdout=True, **query).status == 400


def test_logs_of_a_created_container_are_empty(daemon):
    assert daemon.logs(daemon.create("echo never")) == ("", "")


@pytest.mark.parametrize("tail,first", [("0", 1000), ("1", 999), ("10", 990), ("999", 1), ("1000", 0),
                                        ("5000", 0), ("all", 0), ("-1", 0), ("", 0)])
def test_tail(daemon, tail, first):
    cid = ended(daemon, "seq 0 999")
    out, _ = daemon.logs(cid, tail=tail)
    assert out == "".join(f"{n}\n" for n in range(first, 1000))


def test_tail_of_one_stream_counts_its_own_lines(daemon):
    cid = ended(daemon, "for i in 1 2 3 4; do echo $i; echo e$i >&2; done")
    assert daemon.logs(cid, tail=2, stderr=False) == ("3\n4\n", "")


def test_timestamps(daemon):
    before = time.time()
    cid = ended(daemon, "echo a; echo b")
    out, _ = daemon.logs(cid, timestamps=True)
    lines = out.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["a", "b"]
    times = [host.parse_time(line.split(" ", 1)[0]) for line in lines]
    assert before - 1 <= times[0] <= times[1] <= time.time() + 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", lines[0].split()[0])


def test_since_and_until(daemon):
    # A fifo for each step: a reader that opens again might meet the writer of before.
    steps = daemon.root / "steps"
    steps.mkdir()
    os.mkfifo(steps / "b")
    os.mkfifo(steps / "c")
    cid = daemon.run("echo a; read x </s/b; echo b; read x </s/c; echo c", {"Binds": [f"{steps}:/s"]})
    daemon.wait_log(cid, "a")
    (steps / "b").write_text("\n")
    daemon.wait_log(cid, "b")
    (steps / "c").write_text("\n")
    daemon.wait(cid)
    out, _ = daemon.logs(cid, timestamps=True)
    stamp = {line.split()[1]: line.split()[0] for line in out.splitlines()}
    b = stamp["b"]
    seconds = seconds_of(b)
    assert daemon.logs(cid, since=seconds)[0] == "b\nc\n"
    assert daemon.logs(cid, until=seconds)[0] in ("a\nb\n", "a\n")  # docker includes the very moment
    assert daemon.logs(cid, since=seconds_of(stamp["c"]), until=seconds_of(stamp["c"]))[0] in ("c\n", "")
    assert daemon.logs(cid, since=int(time.time()) + 100)[0] == ""
    assert daemon.logs(cid, since=0)[0] == "a\nb\nc\n"


def fifo(daemon):
    os.mkfifo(daemon.root / "go")
    return {"host": {"Binds": [f"{daemon.root}/go:/go"]}}


def seconds_of(text):
    """A timestamp as the clients send it: seconds and nine digits, exact."""
    return f"{int(host.parse_time(text.split('.')[0] + 'Z'))}.{text.split('.')[1].rstrip('Z')}"


def test_follow_gives_the_past_and_then_the_rest_until_the_end(daemon, api):
    cid = daemon.run("echo a; read x </go; echo b >&2", **fifo(daemon))
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, stderr=True, follow=True) as stream:
        assert stream.frame() == (1, b"a\n")
        (daemon.root / "go").write_text("\n")
        assert stream.frame() == (2, b"b\n")
        assert stream.frame() is None


def test_follow_with_tail_zero_gives_only_the_new(daemon, api):
    cid = daemon.run("echo a; read x </go; echo b", **fifo(daemon))
    daemon.wait_log(cid, "a")
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, follow=True, tail=0) as stream:
        (daemon.root / "go").write_text("\n")
        assert stream.frame() == (1, b"b\n")


def test_follow_of_an_ended_container_ends(daemon, api):
    cid = ended(daemon, "echo a")
    answer = api.get(f"/containers/{cid}/logs", stdout=True, follow=True, expect=200)
    assert answer.body.endswith(b"a\n")


def test_follow_until_a_time_ends_then(daemon, api):
    cid = daemon.run("echo a; sleep 1000")
    daemon.wait_log(cid, "a")
    answer = api.get(f"/containers/{cid}/logs", stdout=True, follow=True, until=f"{time.time() + 0.5:.3f}",
                     expect=200)
    assert answer.body.endswith(b"a\n")


def test_follower_that_hangs_up_leaves_nothing_behind(daemon, api):
    from kit import leaks
    cid = daemon.run("echo a; sleep 1000")
    daemon.wait_log(cid, "a")
    before = len(leaks.processes(daemon, {cid}))
    streams = [api.stream("GET", f"/containers/{cid}/logs", stdout=True, follow=True) for _ in range(5)]
    for one in streams:
        one.frame()
        one.close()
    host.wait_for(lambda: len(leaks.processes(daemon, {cid})) <= before, "followers to end")


def test_slow_follower_holds_nobody_up(daemon, api):
    cid = daemon.create("read x </go; yes 0123456789012345678901234567890123456789 | head -n 200000; echo end >&2",
                        **fifo(daemon))
    daemon.start_container(cid)
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, stderr=True, follow=True) as slow:
        (daemon.root / "go").write_text("\n")
        assert daemon.wait(cid) == 0  # although nobody reads
        total, err = 0, b""
        while frame := slow.frame():
            if frame[0] == 1:
                total += len(frame[1])
            else:
                err += frame[1]
        assert (total, err) == (200000 * 41, b"end\n")


@pytest.mark.parametrize("script,expected", [
    ("printf 'no newline'", "no newline"),
    ("printf 'a\\n\\n\\nb'", "a\n\n\nb"),
    ("printf 'tab\\there \\\\ \"quoted\" \\033[1m'", "tab\there \\ \"quoted\" \x1b[1m"),
    ("printf '\\303\\274\\360\\237\\230\\200\\n'", "ü😀\n"),
    ("head -c 100000 /dev/zero | tr '\\0' x; echo", "x" * 100000 + "\n"),
    ("head -c 16384 /dev/zero | tr '\\0' y; echo", "y" * 16384 + "\n"),
])
def test_odd_output_comes_back_as_it_was(daemon, script, expected):
    assert daemon.logs(ended(daemon, script))[0] == expected


def test_a_megabyte_of_lines_is_complete_and_in_order(daemon):
    cid = ended(daemon, "seq 1 150000")
    out, _ = daemon.logs(cid)
    assert out == "".join(f"{n}\n" for n in range(1, 150001))


def test_output_before_the_end_is_never_lost(daemon):
    """The last words of a process that dies at once."""
    for n in range(10):
        assert daemon.logs(ended(daemon, ["echo", f"last words {n}"]))[0] == f"last words {n}\n"


# --- the file itself: other programs read it, too

def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def log_files(daemon, cid):
    return sorted((daemon.data / "containers" / cid).glob("json.log*"))


@pytest.mark.one_runtime
def test_log_file_is_dockers_json_file(daemon):
    cid = ended(daemon, "echo out; echo err >&2")
    [file] = log_files(daemon, cid)
    assert daemon.inspect(cid)["LogPath"] == str(file)
    entries = sorted(lines_of(file), key=lambda e: e["stream"])
    assert [(e["log"], e["stream"]) for e in entries] == [("err\n", "stderr"), ("out\n", "stdout")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", e["time"]) for e in entries)


def rotated(daemon, **options):
    return {"host": {"LogConfig": {"Type": "json-file", "Config": options}}}


@pytest.mark.one_runtime
def test_rotation_keeps_the_newest_files(daemon):
    cid = ended(daemon, "seq 1 5000", **rotated(daemon, **{"max-size": "20k", "max-file": "3"}))
    files = log_files(daemon, cid)
    assert len(files) == 3
    assert all(f.stat().st_size <= 20 * 1024 + 200 for f in files)
    numbers = [int(n) for n in daemon.logs(cid)[0].split()]
    assert numbers == list(range(numbers[0], 5001)), "lines are missing, doubled or out of order"
    assert len(numbers) > 300


@pytest.mark.one_runtime
def test_rotation_with_one_file(daemon):
    cid = ended(daemon, "seq 1 3000", **rotated(daemon, **{"max-size": "20k"}))
    assert len(log_files(daemon, cid)) == 1
    numbers = [int(n) for n in daemon.logs(cid)[0].split()]
    assert numbers == list(range(numbers[0], 3001))


@pytest.mark.one_runtime
def test_follow_goes_on_through_rotations(daemon, api):
    # Many rotations, but no file goes before a slow follower has read it.
    cid = daemon.create("read x </go; i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done",
                        host={**fifo(daemon)["host"], **rotated(daemon, **{"max-size": "20k", "max-file": "30"})["host"]})
    daemon.start_container(cid)
    got = b""
    with api.stream("GET", f"/containers/{cid}/logs", stdout=True, follow=True) as stream:
        (daemon.root / "go").write_text("\n")
        while frame := stream.frame():
            got += frame[1]
    assert got.decode() == "".join(f"{n}\n" for n in range(3000))


@pytest.mark.one_runtime
def test_tail_across_rotated_files(daemon):
    cid = ended(daemon, "seq 1 3000", **rotated(daemon, **{"max-size": "20k", "max-file": "9"}))
    assert daemon.logs(cid, tail=700)[0] == "".join(f"{n}\n" for n in range(2301, 3001))


@pytest.mark.one_runtime
def test_torn_or_spoilt_line_does_not_hide_the_others(daemon):
    cid = ended(daemon, "echo good")
    [file] = log_files(daemon, cid)
    with open(file, "ab") as f:
        f.write(b'{"log":"torn')
    assert daemon.logs(cid)[0] == "good\n"


@pytest.mark.one_runtime
def test_logs_of_several_runs_are_one_story(daemon):
    cid = daemon.create("echo run")
    for _ in range(3):
        daemon.start_container(cid)
        daemon.wait(cid)
    assert daemon.logs(cid)[0] == "run\n" * 3
