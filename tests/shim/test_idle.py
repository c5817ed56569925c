"""A shim that has nothing to run: it takes a start, with what was written since its birth, or ends."""

from harness import eventually


def test_an_idle_shim_starts_what_was_written_since_its_birth(new_shim):
    shim = new_shim("/bin/sh", "-c", "exit 3")
    shim.write_spec(["/bin/sh", "-c", "test -e /again && exit 5; touch /again; exit 4"], False, None)
    shim.write_config(("busybox",), {"restart": "on-failure", "restart_max": 1})
    assert shim.conn.ask("start", run=1, anew=1)["msg"] == "ok"
    shim.conn.event("started")
    assert shim.conn.event("ended")["code"] == "4"
    # The policy is of the new file; the one of its birth has none.
    assert shim.conn.event("restart")["run"] == "2"
    shim.conn.event("started")
    assert shim.conn.event("ended")["code"] == "5"
    assert "maximum" in shim.conn.event("gave-up")["text"]
    shim.wait_end()


def test_a_damaged_file_is_refused_and_loses_nothing(new_shim):
    shim = new_shim("/bin/sh", "-c", "exit 6")
    good = (shim.exec / "shim.conf").read_text()
    (shim.exec / "shim.conf").write_text("version=1\n")
    answer = shim.conn.ask("start", run=1, anew=1)
    assert answer["msg"] == "error" and "shim.conf" in answer["text"]
    assert shim.conn.ask("hello")["state"] == "idle" and shim.records() == []
    (shim.exec / "shim.conf").write_text(good)
    assert shim.conn.ask("start", run=1, anew=1)["msg"] == "ok"
    shim.conn.event("started")
    assert shim.conn.event("ended")["code"] == "6"
    shim.wait_end()


def test_a_running_shim_keeps_its_configuration(new_shim):
    shim = new_shim("/bin/sh", "-c", "sleep 1000")
    pid = shim.start()["pid"]
    (shim.exec / "shim.conf").write_text("damaged")
    assert "running" in shim.conn.ask("start", run=2, anew=1)["text"]
    assert shim.conn.ask("hello")["pid"] == pid


def test_quit_that_keeps_clients_ends_a_shim_without(new_shim):
    shim = new_shim("/bin/true")
    assert shim.conn.ask("quit", **{"keep-clients": 1})["msg"] == "ok"
    shim.wait_end()
    assert not shim.pulse() and not (shim.exec / "shim.sock").exists()


def test_an_idle_shim_ends_by_itself(new_shim):
    shim = new_shim("/bin/true")
    shim.connect().ask("hello")
    shim.wait_end()
    assert not (shim.exec / "shim.sock").exists()
    assert eventually(lambda: not shim.pulse())
