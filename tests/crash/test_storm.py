"""The daemon dies again and again while clients run random verbs: nothing is lost, doubled or leaked."""

import http.client
import random
import threading
import time

import pytest

from kit.host import wait_for

import laws
from sweep import Stage

VERBS = ["stop", "start", "kill", "restart", "pause", "unpause", "rename", "remove"]
COMMANDS = {"sleep 1000": {137, 143}, "exit 7": {7, 137, 143}, "sleep 0.3; exit 9": {9, 137, 143}}
CLIENTS, CONTAINERS_EACH = 8, 4


class Client(threading.Thread):
    def __init__(self, daemon, number, stop):
        super().__init__()
        self.daemon_, self.stop = daemon, stop
        self.number, self.random = number, random.Random(number)
        self.made, self.gone, self.faults, self.verbs = {}, set(), [], 0

    def run(self):
        while not self.stop.is_set():
            try:
                self.one_verb()
                self.verbs += 1
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # the daemon is away

    def one_verb(self):
        if len(self.made) < CONTAINERS_EACH and (not self.made or self.random.random() < 0.5):
            self.create()
            return
        cid, verb = self.random.choice(list(self.made)), self.random.choice(VERBS)
        if verb == "remove":
            self.remove(cid)
            return
        query = {"t": 1} if verb in ("stop", "restart") else {}
        if verb == "rename":
            query = {"name": f"c{self.number}.{self.random.randrange(6)}"}
        self.judge(verb, self.daemon_.api.post(f"/containers/{cid}/{verb}", **query))

    def create(self):
        command = self.random.choice(list(COMMANDS))
        answer = self.daemon_.api.post("/containers/create", self.daemon_.body(command))
        self.judge("create", answer)
        if answer.status == 201:
            cid = answer.json["Id"]
            self.made[cid] = command
            self.judge("start", self.daemon_.api.post(f"/containers/{cid}/start"))

    def remove(self, cid):
        """From here on it may be there or not, until the answer says so."""
        del self.made[cid]
        answer = self.daemon_.api.delete(f"/containers/{cid}", force=True)
        if answer.status == 204:
            self.gone.add(cid)
        self.judge("remove", answer)

    def judge(self, verb, answer):
        if answer.status >= 500 and answer.status != 503:
            self.faults.append((verb, answer))


def let_die(daemon, clients, stop, seconds):
    """Returns how often the daemon died."""
    dice, deaths, end = random.Random(1), 0, time.monotonic() + seconds
    least = 6  # on a host where a restart takes long
    for client in clients:
        client.start()
    try:
        while deaths < least or time.monotonic() < end:
            time.sleep(dice.uniform(0.05, 0.5))
            daemon.restart()
            deaths += 1
    finally:
        stop.set()
        for client in clients:
            client.join()
    return deaths


def check_containers(daemon, clients, since):
    made = {cid: command for client in clients for cid, command in client.made.items()}
    gone = set().union(*(client.gone for client in clients))
    there = {one["Id"] for one in daemon.list(all=True)}
    assert not set(made) - there, "containers were lost"
    assert not gone & there, "removed containers came back"
    laws.check_names(daemon)
    for cid in gone:
        laws.check_events(daemon, cid, since)
    for cid, command in made.items():
        laws.check_exit(daemon, cid, set())
        laws.check_events(daemon, cid, since)
        state = daemon.state(cid)
        assert state["Status"] != "exited" or state["ExitCode"] in COMMANDS[command], f"{command}: {state}"


@pytest.mark.timeout(1200)
def test_clients_run_verbs_while_the_daemon_dies(runtime, namespace, request, record_property):
    since, stage, stop = time.time(), Stage(runtime, namespace), threading.Event()
    failed = True
    try:
        daemon, clients = stage.daemon, [Client(stage.daemon, n, stop) for n in range(CLIENTS)]
        deaths = let_die(daemon, clients, stop, request.config.getoption("--seconds"))
        daemon.restart()
        made = {cid for client in clients for cid in client.made}
        laws.wait_steady(daemon, made)
        assert not [fault for client in clients for fault in client.faults]
        wait_for(lambda: not [c for client in clients for c, command in client.made.items()
                              if command != "sleep 1000" and daemon.state(c)["Status"] == "running"],
                 "what ends by itself to end")
        laws.wait_steady(daemon, made)
        stage.check_bystanders()
        check_containers(daemon, clients, since)
        before = laws.snapshot(daemon)
        daemon.restart()
        laws.check_same(before, laws.snapshot(daemon))
        laws.check_no_temporary_files(daemon)
        record_property("deaths under load", deaths)
        failed = False
    finally:
        stage.daemon.close(failed)
