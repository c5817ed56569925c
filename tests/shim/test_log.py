"""The log: every byte of every line, once, in docker's format."""

import os
import re
import time

import pytest

from harness import SANITIZED, eventually, memory_kib

# date: RFC 3339 with up to nine digits, no zeros at the end
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$")


def run_to_end(shim):
    shim.start()
    ended = shim.conn.event("ended")
    shim.wait_end()
    return int(ended["code"])


def test_format_is_dockers(new_shim):
    shim = new_shim("/bin/printf", r'a "b" \\ <&> \t\r\001\177 \303\251 \360\237\230\200 \342\200\250 \377 \303\nnext')
    assert run_to_end(shim) == 0
    raw = (shim.data / "json.log").read_bytes().split(b"\n")
    assert raw[0].startswith(
        rb'{"log":"a \"b\" \\ \u003c\u0026\u003e \u0009\r\u0001' + b"\x7f \xc3\xa9 \xf0\x9f\x98\x80 "
        + rb'\u2028 \ufffd \ufffd\n","stream":"stdout","time":"')
    assert raw[1].startswith(b'{"log":"next","stream":"stdout","time":"')
    assert raw[2:] == [b""]
    assert all(TIME.match(e["time"]) for e in shim.log())


@pytest.mark.parametrize("length", [16383, 16384, 16385, 50000])
def test_long_lines_come_in_pieces(new_shim, length):
    shim = new_shim("/bin/sh", "-c", f"head -c {length} /dev/zero | busybox tr '\\0' x; echo; printf end")
    assert run_to_end(shim) == 0
    pieces = [e["log"] for e in shim.log()]
    line = "x" * length + "\n"
    # A whole piece is passed on at once, so its newline comes alone where they meet.
    want = [line[i:i + 16384] for i in range(0, len(line), 16384)] if length != 16383 else None
    if length == 16383:
        assert "".join(pieces) == line + "end" and len(pieces[0]) >= 16383
    else:
        assert pieces == want + ["end"]


def test_a_character_is_not_cut_in_two(new_shim):
    shim = new_shim("/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do printf 'x\\303\\251'; i=$((i+1)); done; echo")
    assert run_to_end(shim) == 0
    assert shim.log_text() == "xé" * 20000 + "\n"
    assert max(len(e["log"].encode()) for e in shim.log()) <= 16384


def test_a_fast_writer_loses_nothing(new_shim):
    shim = new_shim("/bin/sh", "-c", "seq 1 500000")
    assert run_to_end(shim) == 0
    assert shim.log_text() == "".join(f"{i}\n" for i in range(1, 500001))


def test_print_then_exit_loses_nothing(new_shim):
    """200 lines and an exit at once, while nobody looks."""
    for _ in range(5):
        shim = new_shim("/bin/sh", "-c", "seq 1 200; seq 1 200 >&2; exit 3")
        shim.start()
        shim.conn.close()
        shim.conn = None
        os.waitpid(shim.pid, 0)
        shim.pid = None
        want = "".join(f"{i}\n" for i in range(1, 201))
        assert shim.log_text() == want and shim.log_text("stderr") == want
        assert shim.records()[-1]["code"] == 3


@pytest.mark.parametrize("files", [1, 3])
def test_rotation(new_shim, files):
    shim = new_shim("/bin/sh", "-c", "seq 1 20000", log_max_size=100000, log_max_files=files)
    assert run_to_end(shim) == 0
    paths = shim.log_files()
    assert [p.name for p in paths] == ["json.log.2", "json.log.1", "json.log"][3 - files:]
    assert all(100000 <= p.stat().st_size < 100200 for p in paths[:-1])
    numbers = [int(e["log"]) for e in shim.log()]
    assert numbers == list(range(numbers[0], 20001))
    assert files == 1 or len(numbers) > 2000


def test_rotation_counts_what_an_earlier_shim_wrote(new_shim):
    shim = new_shim("/bin/sh", "-c", "seq 1 10", log_max_size=10000, log_max_files=2, born=False)
    line = b'{"log":"old\\n","stream":"stdout","time":"2020-01-01T00:00:00Z"}\n'
    (shim.data / "json.log").write_bytes(line * (9950 // len(line)) + line[:20])
    shim.be_born()
    assert run_to_end(shim) == 0
    assert [p.name for p in shim.log_files()] == ["json.log.1", "json.log"]
    assert [e["log"] for e in shim.log()][-10:] == [f"{i}\n" for i in range(1, 11)]


def test_driver_none_reads_and_drops(new_shim):
    shim = new_shim("/bin/sh", "-c", "seq 1 100000; exit 5", log_file=0)
    assert run_to_end(shim) == 5
    assert shim.log_files() == []


def test_a_full_disk_does_not_stop_the_container(new_shim, place):
    import subprocess

    shim = new_shim("/bin/sh", "-c", "seq 1 200000; sleep 0.3; echo after; exit 9", born=False)
    upper = shim.data
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", upper], check=True)
    try:
        for d in ("upper", "work"):
            (upper / d).mkdir()
        shim.be_born()
        shim.start()
        eventually(lambda: "lines are being lost" in shim.shim_log())
        assert all(e["log"].endswith("\n") for e in shim.log())
        (upper / "json.log").write_bytes(b"")  # somebody makes room
        ended = shim.conn.event("ended")
        assert ended["code"] == "9"
        shim.wait_end()
        assert [r["event"] for r in shim.records()] == ["started", "ended"]
    finally:
        subprocess.run(["umount", "-l", upper], check=True)


def test_memory_goes_back_when_idle(new_shim):
    if SANITIZED:
        pytest.skip("a sanitizer keeps what is freed: CI runs tests/shim on the release build")
    shim = new_shim("/bin/sh", "-c", "seq 1 300000; sleep 60")
    shim.start()

    eventually(lambda: "300000\n" in shim.log()[-1]["log"] if shim.log() else False)
    eventually(lambda: memory_kib(shim.pid, "Pss_Anon") <= 64, "memory given back")


def test_terminal(new_shim):
    shim = new_shim("/bin/sh", "-c", "tty; echo err >&2; sleep 0.1; exit 4", tty=True)
    assert run_to_end(shim) == 4
    assert shim.log_text() == "/dev/pts/0\r\nerr\r\n"
    assert not (shim.exec / "console.sock").exists()


def test_a_terminal_may_be_closed_and_opened_again(new_shim):
    shim = new_shim("/bin/sh", "-c", "echo 1; exec <&- >&- 2>&-; usleep 300000; exec >/dev/console; echo 2; seq 1 300", tty=True)
    assert run_to_end(shim) == 0
    assert shim.log_text() == "1\r\n2\r\n" + "".join(f"{i}\r\n" for i in range(1, 301))


def test_stdin_is_null_or_open(new_shim):
    shim = new_shim("/bin/cat")
    assert run_to_end(shim) == 0
    shim = new_shim("/bin/cat", open_stdin=1)
    shim.start()
    time.sleep(0.2)
    assert shim.conn.ask("hello")["state"] == "running"
