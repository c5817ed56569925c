"""The daemon dies again and again while clients run random verbs: nothing is lost, doubled or leaked."""

import http.client
import random
import threading
import time

VERBS = ["stop", "start", "kill", "restart", "pause", "unpause", "remove"]
COMMANDS = {"sleep 1000": {137, 143}, "exit 7": {7, 137, 143}, "sleep 0.3; exit 9": {9, 137, 143}}
CLIENTS, SECONDS = 6, 8


class Client(threading.Thread):
    def __init__(self, daemon, number, stop):
        super().__init__()
        self.daemon_, self.stop = daemon, stop
        self.number, self.random = number, random.Random(number)
        self.made, self.gone, self.faults = {}, set(), []

    def run(self):
        while not self.stop.is_set():
            try:
                self.one_verb()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # the daemon is away

    def one_verb(self):
        api = self.daemon_.api
        if self.random.random() < 0.3 or not self.made:
            command = self.random.choice(list(COMMANDS))
            answer = api.post("/containers/create", self.daemon_.body(command))
            if answer.status == 201:
                cid = answer.json["Id"]
                self.made[cid] = command
                self.judge("start", api.post(f"/containers/{cid}/start"))
            else:
                self.judge("create", answer)
            return
        cid, verb = self.random.choice(list(self.made)), self.random.choice(VERBS)
        if verb == "remove":
            del self.made[cid]  # from here on it may be there or not, until the answer says so
            answer = api.delete(f"/containers/{cid}", force=True)
            if answer.status == 204:
                self.gone.add(cid)
        else:
            query = {"t": 1} if verb in ("stop", "restart") else {}
            answer = api.post(f"/containers/{cid}/{verb}", **query)
        self.judge(verb, answer)

    def judge(self, verb, answer):
        if answer.status >= 500 and answer.status != 503:
            self.faults.append((verb, answer))


def test_clients_run_verbs_while_the_daemon_dies(daemon):
    stop = threading.Event()
    clients = [Client(daemon, n, stop) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    dice, deaths, end = random.Random(1), 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.05, 0.5))
        daemon.restart()
        deaths += 1
    stop.set()
    for client in clients:
        client.join()
    daemon.restart()

    made = {cid: command for client in clients for cid, command in client.made.items()}
    gone = set().union(*(client.gone for client in clients))
    there = {one["Id"]: one for one in daemon.list(all=True)}
    assert deaths > 5
    assert not [fault for client in clients for fault in client.faults]
    assert not set(made) - set(there), "containers were lost"
    assert not gone & set(there), "removed containers came back"
    names = [one["Names"][0] for one in there.values()]
    assert len(names) == len(set(names))
    for cid, command in made.items():
        state = daemon.state(cid)
        assert state["Status"] in ("created", "running", "paused", "exited"), state
        if state["Status"] == "exited":
            assert state["ExitCode"] in COMMANDS[command], f"{command}: {state}"
