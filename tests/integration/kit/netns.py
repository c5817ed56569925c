"""Hosts on one machine: network namespaces, with servers and clients in them."""

import subprocess
import uuid

SERVER = """
import socket, sys
kind, family, port = sys.argv[1:4]
s = socket.socket(socket.AF_INET6 if family == '6' else socket.AF_INET,
                  socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', int(port)))
if kind == 'tcp':
    s.listen(100)
print('ready', flush=True)
while True:
    if kind == 'udp':
        data, peer = s.recvfrom(100)
        s.sendto(peer[0].encode() + b' ' + data, peer)
    else:
        c, peer = s.accept()
        c.sendall(peer[0].encode())
        c.close()
"""

CLIENT = """
import socket, sys
kind, host, port = sys.argv[1:4]
timeout = float(sys.argv[4])
family = socket.AF_INET6 if ':' in host else socket.AF_INET
if kind == 'udp':
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.connect((host, int(port)))
    s.send(b'x')
else:
    s = socket.create_connection((host, int(port)), timeout)
print(s.recv(100).decode().split()[0])
"""

# One flow: a packet for each line, which is how long to wait, and who the server says that sent it, or "-". What comes
# late is of no other packet.
FLOW = """
import socket, sys
host, port = sys.argv[1:3]
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((host, int(port)))
for number, line in enumerate(sys.stdin):
    s.settimeout(float(line))
    said = ['-', '']
    try:
        s.send(str(number).encode())
        while said[1] != str(number):
            said = s.recv(100).decode().split()
        print(said[0], flush=True)
    except OSError:
        print('-', flush=True)
"""

PATIENCE = 30  # of who is to be answered


class Failed(Exception):
    pass


class Host:
    """A network namespace with a name."""

    def __init__(self):
        self.name = "hft" + uuid.uuid4().hex[:8]
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.path = "/run/netns/" + self.name
        self.procs = []
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv, **how):
        return subprocess.run(["ip", "netns", "exec", self.name, *argv], check=True, text=True,
                              capture_output=True, **how).stdout

    def start(self, *argv, **how):
        p = subprocess.Popen(["ip", "netns", "exec", self.name, *argv], text=True, **how)
        self.procs.append(p)
        return p

    def serve(self, port, kind="tcp", family=4):
        p = self.start("python3", "-c", SERVER, kind, str(family), str(port), stdout=subprocess.PIPE)
        assert p.stdout.readline() == "ready\n"
        return p

    def ask(self, host, port, kind="tcp", timeout=PATIENCE):
        """Who the server says that we are. timeout: in which nobody who is not to answer must have."""
        try:
            return self.run("python3", "-c", CLIENT, kind, host, str(port), str(timeout)).strip()
        except subprocess.CalledProcessError as e:
            raise Failed(e.stderr.strip().splitlines()[-1]) from None

    def flow(self, host, port):
        """A function that sends a packet of one and the same flow of UDP, and says who the server says
        that we are, or "-" where nothing comes in this time."""
        p = self.start("python3", "-c", FLOW, host, str(port), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def send(timeout=1):
            p.stdin.write(f"{timeout}\n")
            p.stdin.flush()
            return p.stdout.readline().strip()

        return send

    def close(self):
        for p in self.procs:
            p.kill()
            p.wait()
            for f in (p.stdin, p.stdout):
                if f:
                    f.close()
        subprocess.run(["ip", "netns", "del", self.name], check=True)


def join(a, b):
    """Makes neighbours of two hosts: 10.9.0.1 and .2, fd09::1 and ::2, on an interface wan0."""
    subprocess.run(["ip", "link", "add", "wan0", "netns", a.name, "type", "veth", "peer",
                    "name", "wan0", "netns", b.name], check=True)
    for host, n in ((a, 1), (b, 2)):
        host.run("ip", "addr", "add", f"10.9.0.{n}/24", "dev", "wan0")
        host.run("ip", "addr", "add", f"fd09::{n}/64", "dev", "wan0", "nodad")
        host.run("ip", "link", "set", "wan0", "up")


def leftovers(host):
    """Interfaces and firewall tables of a host that an engine has left."""
    links = [line.split(":")[1].strip().split("@")[0] for line in host.run("ip", "-o", "link").splitlines()]
    return [l for l in links if l not in ("lo", "wan0")] + host.run("nft", "list", "tables").splitlines()


LOOKUP = """
import socket, struct, sys
server, name = sys.argv[1:3]
six, name = name.startswith('AAAA '), name.split()[-1]
reverse = name.endswith('.arpa')
question = b''.join(bytes([len(p)]) + p.encode() for p in name.split('.')) + b'\\0'
message = struct.pack('>HHHHHH', 1, 0x100, 1, 0, 0, 0) + question + struct.pack('>HH', 12 if reverse else 28 if six else 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect((server, 53))
s.send(message)
answer = s.recv(1500)
def labels(data):
    words = []
    while data and 0 < data[0] < 192:
        words.append(data[1:1 + data[0]].decode())
        data = data[1 + data[0]:]
    return '.'.join(words)

at, found = len(message), []
for _ in range(struct.unpack('>H', answer[6:8])[0]):
    while answer[at] and answer[at] < 192:
        at += 1 + answer[at]
    at += 2 if answer[at] >= 192 else 1
    size = struct.unpack('>H', answer[at + 8:at + 10])[0]
    data = answer[at + 10:at + 10 + size]
    at += 10 + size
    found.append(labels(data) if reverse else socket.inet_ntop(socket.AF_INET6 if six else socket.AF_INET, data))
print(' '.join(sorted(found)))
"""


def lookup(pid, server, name):
    """What that resolver says to a process: addresses ("AAAA name": of IPv6), or names of ...in-addr.arpa.
    [] for nothing."""
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", "python3", "-c", LOOKUP, server, name],
                          check=True, capture_output=True, text=True)
    return done.stdout.split()
