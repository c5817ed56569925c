"""SIGTERM: who needs the daemon gets a clean end of stream, what is in flight is finished first, and who is with a
shim does not notice."""

import http.client
import signal
import threading

import pytest

from kit.api import API, connect
from kit.archives import busybox
from kit.follow import Counter, Follower


def terminate(daemon):
    """Begins the end; wait_end() follows."""
    daemon.process.send_signal(signal.SIGTERM)


def wait_end(daemon):
    assert daemon.process.wait(30) == 0


@pytest.mark.one_runtime
def test_events_end_cleanly(daemon):
    with daemon.events() as stream:
        cid = daemon.create("true")
        assert stream.json()["Action"] == "create"
        terminate(daemon)
        assert stream.read() == b"", "an end that is not clean is IncompleteRead"
        wait_end(daemon)
    daemon.start()
    daemon.api.delete(f"/containers/{cid}", expect=204)


@pytest.mark.one_runtime
def test_events_do_not_end_cleanly_where_the_daemon_is_killed(daemon):
    """Or the test above would say nothing."""
    with daemon.events() as stream:
        daemon.kill9()
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            stream.read()


@pytest.mark.one_runtime
def test_a_stop_in_flight_is_answered(daemon):
    cid = daemon.run("trap '' TERM; echo up; while :; do sleep 0.1; done")
    daemon.wait_log(cid, "up")
    got = []
    asker = threading.Thread(target=lambda: got.append(daemon.stop_container(cid, t=1)))
    with daemon.events(filters={"event": ["kill"]}) as stream:
        asker.start()
        stream.json()  # it is under way
        terminate(daemon)
        asker.join(30)
    wait_end(daemon)
    assert got[0].status == 204
    daemon.start()
    assert daemon.state(cid)["ExitCode"] == 137


@pytest.mark.one_runtime
def test_an_upload_in_flight_is_taken_whole(bare_daemon):
    archive = busybox().docker_archive("busybox:latest")
    conn, half = http.client.HTTPConnection("d"), len(archive) // 2
    conn.sock = connect(bare_daemon.sock)
    conn.putrequest("POST", f"{API}/images/load")
    conn.putheader("Content-Type", "application/x-tar")
    conn.putheader("Content-Length", str(len(archive)))
    conn.endheaders(archive[:half])
    # What is sent is more than sockets and pipes hold: it is being read.
    terminate(bare_daemon)
    conn.send(archive[half:])
    answer = conn.getresponse()
    assert answer.status == 200 and b"Loaded image" in answer.read()
    conn.close()
    wait_end(bare_daemon)


def test_who_is_with_a_shim_does_not_notice(daemon):
    counter = Counter(daemon)
    follower = Follower(daemon, counter.id)
    with daemon.api.stream("POST", f"/containers/{counter.id}/wait", condition="next-exit") as wait:
        counter.tell(10)
        follower.wait_for(b"9\n")
        terminate(daemon)
        wait_end(daemon)
        counter.tell(10)
        counter.end()
        assert follower.result() == counter.all()
        assert wait.json()["StatusCode"] == 0
    daemon.start()
    daemon.wait_state(counter.id, "exited")
