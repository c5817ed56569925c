"""Clients that ask and ask, while the daemon dies or changes under them."""

import json
import threading

from .api import API, UnixConnection


class Asker(threading.Thread):
    """What goes wrong is kept; after ten failures it is enough."""

    def __init__(self, ask):
        super().__init__()
        self.ask, self.over, self.asked, self.failures = ask, threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.over.is_set() and len(self.failures) < 10:
            try:
                self.ask()
            except Exception as failure:
                self.failures.append(f"{type(failure).__name__}: {failure}")
            self.asked += 1

    def end(self):
        self.over.set()
        self.join(60)
        assert not self.is_alive()


def end_and_check(askers, record_property):
    """No request of theirs has failed."""
    for asker in askers:
        asker.end()
    record_property("asked", sum(a.asked for a in askers))
    failures = [f for a in askers for f in a.failures]
    assert not failures, failures


def one_connection(daemon):
    """A function that makes its requests on one connection, without any second try, which
    http.client makes of its own accord where it can. Returns the body."""
    conn = UnixConnection(daemon.sock)
    conn.auto_open = 0
    conn.connect()

    def request(method, path, body=None, expect=200):
        conn.request(method, API + path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = conn.getresponse()
        text = answer.read()
        assert answer.status == expect, f"{method} {path}: {answer.status} {text}"
        return text

    return request
