#!/usr/bin/python3
"""Clients that ask for too much, each as a process of its own; they speak the protocol themselves.

    greedy.py KIND --at HOST:PORT --path PATH [--rate N]

    outstanding  10,000 small writes under way, always
    multis       twenty multis of a megabyte under way, always
    offered      writes at a rate (--rate), whatever comes back; what the socket does not take is given up
    silent       asks for a hundred megabytes and reads nothing
    deaf         watches a path and reads no event

Lines of JSON on its output: first its own address, then, at SIGTERM, once all that it asked for is answered, what came of it.
"""
import argparse
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Failed  # noqa: E402

CREATE, GET, SET, PING, MULTI, ADD_WATCH, CLOSE = 1, 4, 5, 11, 14, 106, -11
HELLO = struct.Struct('>iiqiqi16sb')
REPLY = struct.Struct('>iqi')  # xid, zxid, error
NODE_EXISTS = -110
# What the kernel keeps for one that does not read is not the server's to count.
SMALL_BUFFER = 4096
SILENT_NODE = 500_000
SILENT_REQUESTS = 200
MULTI_PARTS, MULTI_PART = 10, 100_000
WAIT_SECONDS = 120.0


def sized(data):
    return struct.pack('>i', len(data)) + data


def text(value):
    return sized(value.encode())


def create_body(path, data=b''):
    return text(path) + sized(data) + struct.pack('>ii', 1, 31) + text('world') + text('anyone') + struct.pack('>i', 0)


def set_body(path, data):
    return text(path) + sized(data) + struct.pack('>i', -1)


def multi_body(parts):
    return b''.join(struct.pack('>i?i', op, False, -1) + body for op, body in parts) + struct.pack('>i?i', -1, True, -1)


class Raw:
    """One session on one socket, with nothing between it and the server."""

    def __init__(self, address, timeout_ms=8000, buffer=None):
        host, port = address.rsplit(':', 1)
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # before connect, or it counts for nothing
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input, self.xid = b'', 0
        self.socket.sendall(HELLO.pack(HELLO.size - 4, 0, 0, timeout_ms, 0, 16, bytes(16), 0))
        self.session = struct.unpack_from('>q', self.frame(), 8)[0]

    def frame(self):
        while len(self.input) < 4 or len(self.input) < 4 + struct.unpack_from('>i', self.input)[0]:
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise Failed('the server closed the connection of a client')
            self.input += piece
        size = 4 + struct.unpack_from('>i', self.input)[0]
        frame, self.input = self.input[4:size], self.input[size:]
        return frame

    def request(self, op, body):
        self.xid += 1
        return sized(struct.pack('>ii', self.xid, op) + body)

    def call(self, op, body):
        """The error code of the reply."""
        self.socket.sendall(self.request(op, body))
        return REPLY.unpack_from(self.frame())[2]

    def close(self):
        self.call(CLOSE, b'')
        self.socket.close()


class Pourer:
    """Writes as many as it may, or at a rate, until it is told to stop; then takes what is still to come."""

    def __init__(self, client, requests, window, rate=None):
        self.client, self.requests, self.window, self.rate = client, requests, window, rate
        self.output, self.sent, self.answered, self.failed = memoryview(b''), 0, 0, 0
        self.stopping = False
        self.began = time.monotonic()

    def stop(self, *_):
        self.stopping = True

    def wanted(self):
        if self.rate is None:
            return self.window - (self.sent - self.answered)
        return int((time.monotonic() - self.began) * self.rate) - self.sent

    def fill(self):
        if self.output or self.stopping:
            return
        count = min(self.wanted(), max(1, (1 << 20) // len(self.requests[0])))
        if count > 0:
            self.output = memoryview(b''.join(self.requests[(self.sent + i) % len(self.requests)] for i in range(count)))
            self.sent += count

    def run(self):
        self.client.socket.setblocking(False)
        while not self.stopping or self.output or self.answered < self.sent:
            self.fill()
            readable, writable, _ = select.select([self.client.socket], [self.client.socket] if self.output else [], [], 0.005)
            if writable:
                self.output = self.output[self.client.socket.send(self.output[:1 << 20]):]
            if readable:
                self.take()

    def take(self):
        piece = self.client.socket.recv(1 << 20)
        if not piece:
            raise Failed('the server closed the connection')
        data, at = self.client.input + piece, 0
        while len(data) - at >= 20:
            size, _, _, error = struct.unpack_from('>iiqi', data, at)
            if len(data) - at < 4 + size:
                break
            self.answered += 1
            self.failed += error != 0
            at += 4 + size
        self.client.input = data[at:]


def say(**what):
    print(json.dumps(what), flush=True)


def requests_of(kind, client, path):
    if kind == 'multis':
        names = [f'{path}-{i}' for i in range(MULTI_PARTS)]
        for name in names:
            client.call(CREATE, create_body(name))
        return [client.request(MULTI, multi_body([(SET, set_body(name, bytes(MULTI_PART))) for name in names]))]
    client.call(CREATE, create_body(path))
    return [client.request(SET, set_body(path, bytes(20))) for _ in range(256)]


def be(kind, address, path, rate):
    reads = kind not in ('silent', 'deaf')
    client = Raw(address, buffer=None if reads else SMALL_BUFFER)
    say(address='%s:%d' % client.socket.getsockname(), session=client.session)
    if reads:
        pourer = Pourer(client, requests_of(kind, client, path), 20 if kind == 'multis' else 10_000, rate)
        signal.signal(signal.SIGTERM, pourer.stop)
        pourer.run()
        client.socket.settimeout(WAIT_SECONDS)
        client.close()  # of its own will: it was still there
        say(sent=pourer.sent, answered=pourer.answered, failed=pourer.failed)
        return
    if kind == 'silent':
        client.call(CREATE, create_body(path, bytes(SILENT_NODE)))
        client.socket.sendall(b''.join(client.request(GET, text(path) + b'\0') for _ in range(SILENT_REQUESTS)))
    else:
        client.call(ADD_WATCH, text(path) + struct.pack('>i', 1))
    try:
        while True:  # it is alive, and says so
            client.socket.sendall(sized(struct.pack('>ii', -2, PING)))
            time.sleep(1)
    except OSError:
        signal.pause()  # cut


class Greedy:
    """One of them, as a process."""

    def __init__(self, kind, server, path, rate=None):
        self.kind, self.told = kind, None
        self.process = subprocess.Popen(
            [sys.executable, '-B', os.path.abspath(__file__), kind, '--at', server.client, '--path', path,
             *([] if rate is None else ['--rate', str(rate)])], stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.process.stdout.readline())['address']

    def ask_to_end(self):
        self.process.send_signal(signal.SIGTERM)

    def finish(self):
        """All that it asked for was answered, and its session lived to the end."""
        out, _ = self.process.communicate(timeout=WAIT_SECONDS)
        if self.process.returncode != 0:
            raise Failed(f'{self.kind}: ended with {self.process.returncode}: {out}')
        self.told = json.loads(out.splitlines()[-1])
        return self.told

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('kind', choices=['outstanding', 'multis', 'offered', 'silent', 'deaf'])
    parser.add_argument('--at', required=True)
    parser.add_argument('--path', required=True)
    parser.add_argument('--rate', type=float)
    options = parser.parse_args()
    be(options.kind, options.at, options.path, options.rate)
    return 0


if __name__ == '__main__':
    sys.exit(main())
