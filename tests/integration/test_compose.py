"""docker-compose, Debian's 1.29: a shop of three services, two networks and a volume, through deaths of the daemon."""

import os
import re
import signal
from pathlib import Path

import pytest

from kit.archives import busybox
from kit.compose import Compose
from kit.host import wait_for
from kit.nethost import daemon, endpoint, host  # noqa: F401

# Of many clients, each some seconds on a busy machine.
pytestmark = pytest.mark.timeout(600)

# A shell as init ends at SIGTERM only if it wants to. What api waits for is the server and `ready`, which is there from
# run to run.
SHOP = """
services:
  db:
    image: busybox
    command: |
      sh -c 'trap "echo the database closes; exit 0" TERM
        echo one more >> /data/starts; cp /data/starts /srv; httpd -p 80 -h /srv; touch /ready
        echo the database is open; sleep 1000 & wait'
    volumes: [data:/data, /srv]
    networks: {back: {aliases: [store]}}
    healthcheck: {test: test -e /ready && wget -qO /dev/null http://127.0.0.1/starts, interval: 100ms, retries: 5000}
  api:
    image: busybox
    command: |
      sh -c 'trap "exit 0" TERM
        mkdir /srv; wget -qO /srv/starts http://store/starts && httpd -p 80 -h /srv && echo the api is open && sleep 1000 & wait'
    networks: [front, back]
    healthcheck: {test: wget -qO /dev/null http://127.0.0.1/starts, interval: 100ms, retries: 5000}
    depends_on: {db: {condition: service_healthy}}
  web:
    image: busybox
    command: |
      sh -c 'trap "exit 0" TERM
        mkdir /srv; wget -qO /srv/index.html http://api/starts && httpd -p 80 -h /srv && echo the web is open && sleep 1000 & wait'
    networks: [front]
    ports: ["8080:80"]
    depends_on: {api: {condition: service_healthy}}
networks:
  front:
  back: {internal: true}
volumes:
  data:
"""


@pytest.fixture
def compose(daemon):
    made = Compose(daemon, SHOP)
    made("up", "-d")
    return made


def page(host):
    return host.run("curl", "-sS", "-m", "30", "http://127.0.0.1:8080/")


def states(compose):
    """What `ps` says of each container."""
    rows = [re.split(r"\s{2,}", line) for line in compose("ps").splitlines() if line.startswith("shop_")]
    return {row[0]: row[2] for row in rows}


OPEN = {"shop_db_1": "Up (healthy)", "shop_api_1": "Up (healthy)", "shop_web_1": "Up"}


def said(compose, *services):
    return compose("logs", "--no-color", *services)


def end(client):
    client.kill()
    client.wait()
    client.stdout.close()


def test_up_ps_logs_top_exec_run_and_down(compose, daemon, host):
    daemon.wait_log("shop_web_1", "the web is open")
    assert page(host) == "one more\n"
    daemon.restart()
    assert page(host) == "one more\n"
    assert states(compose) == OPEN
    logs = said(compose)
    assert all(f"{line} is open" in logs for line in ("db_1   | the database", "api_1  | the api", "web_1  | the web"))
    top = compose("top")
    assert all(f"shop_{service}_1" in top for service in ("db", "api", "web")) and top.count("sleep 1000") >= 3

    daemon.restart()
    assert compose("exec", "-T", "api", "cat", "/srv/starts") == "one more"
    assert compose.run("exec", "-T", "db", "sh", "-c", "exit 7", check=False).returncode == 7
    assert compose("run", "--rm", "-T", "api", "wget", "-qO-", "http://store/starts") == "one more"
    done = compose.run("run", "--rm", "-T", "--no-deps", "web", "wget", "-qO-", "http://db/starts", check=False)
    assert done.returncode == 1 and "bad address" in done.stderr  # it is not on that network

    daemon.restart()
    compose("down", "-v")
    assert daemon.list(all=True) == []
    assert [n["Name"] for n in daemon.api.get("/networks", expect=200).json if n["Name"].startswith("shop")] == []
    assert daemon.api.get("/volumes", expect=200).json["Volumes"] == []


@pytest.mark.one_runtime
def test_restart_scale_stop_and_start(compose, daemon, host):
    compose("restart", "-t", "50", "db")
    daemon.restart()
    daemon.wait_log("shop_db_1", "the database closes\nthe database is open")
    wait_for(lambda: daemon.state("shop_db_1")["Health"]["Status"] == "healthy", "the database's health")
    assert compose("exec", "-T", "db", "cat", "/data/starts") == "one more\none more"
    assert "the database closes" in said(compose, "db")

    compose("up", "-d", "--scale", "api=3")
    daemon.restart()
    compose("scale", "api=2")
    assert set(states(compose)) == {"shop_db_1", "shop_api_1", "shop_api_2", "shop_web_1"}
    pages = compose("exec", "-T", "web", "nslookup", "api")
    for name in ("shop_api_1", "shop_api_2"):
        assert endpoint(daemon, name, "shop_front")["IPAddress"] in pages

    # Until then it has no trap.
    daemon.wait_log("shop_api_2", "the api is open")
    compose("stop", "-t", "50")
    daemon.restart()
    assert set(states(compose).values()) == {"Exit 0"}
    compose("start")
    daemon.restart()
    daemon.wait_log("shop_web_1", "the web is open\nthe web is open")
    assert set(states(compose)) == {"shop_db_1", "shop_api_1", "shop_api_2", "shop_web_1"}
    assert page(host) == 3 * "one more\n"
    compose("down", "-v", "-t", "5")


@pytest.mark.one_runtime
def test_followed_logs_go_on_while_the_daemon_is_dead(compose, daemon):
    init = daemon.container_pid("shop_db_1")
    follower = compose.begin("logs", "-f", "--no-color")
    try:
        wait_for(lambda: "the database is open" in follower.stdout.readline(), "what was said before")
        daemon.kill9()
        os.kill(init, signal.SIGTERM)
        wait_for(lambda: "the database closes" in follower.stdout.readline(), "what is said now")
    finally:
        end(follower)
    daemon.start()
    assert states(compose) == {**OPEN, "shop_db_1": "Exit 0"}


@pytest.mark.one_runtime
def test_up_that_waits_for_health_does_not_notice_deaths_of_the_daemon(host, new_daemon):
    daemon = new_daemon("--keeper")
    daemon.netns = host.path
    daemon.start().load(busybox().docker_archive("busybox:latest"))
    compose = Compose(daemon, SHOP.replace("touch /ready", "true"))
    up = compose.begin("up", "-d")
    try:
        wait_for(lambda: "shop_db_1" in [n["Names"][0][1:] for n in daemon.list()], "the database")
        database = Path(f"/proc/{daemon.container_pid('shop_db_1')}/root")
        for _ in range(3):
            os.kill(daemon.kept_pid, signal.SIGKILL)
            assert daemon.state("shop_db_1")["Health"]["Status"] == "starting"
        (database / "ready").touch()
        assert up.wait(300) == 0, up.stdout.read()
    finally:
        end(up)
    daemon.wait_log("shop_web_1", "the web is open")
    assert page(host) == "one more\n"
    compose("down", "-v", "-t", "5")
