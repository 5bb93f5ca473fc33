#!/usr/bin/python3
"""Malformed frames and calls, oversized lengths, half-closed and slow peers, random bytes on every port of a real cluster.

Each is closed or told; nobody else is harmed: no process ends, an innocent client's session and writes go on.

    hostile.py --synod build/synod [--seed N]
"""
import argparse
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Failed, wait_for  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402


def connect(address, timeout=3.0):
    host, port = address.rsplit(':', 1)
    return socket.create_connection((host, int(port)), timeout=timeout)


def read_all(s, limit=1 << 20):
    """What comes until the other side closes; None if it does not close in time."""
    answer = b''
    try:
        while len(answer) < limit:
            piece = s.recv(65536)
            if not piece:
                return answer
            answer += piece
    except TimeoutError:
        return None
    except ConnectionError:
        return answer
    return answer


def send_quietly(s, data):
    try:
        s.sendall(data)
    except OSError:
        pass  # closed on us half way: that is an answer too


def zk_connect_request(timeout_ms=10000, session=0):
    body = struct.pack('>iqiqi', 0, 0, timeout_ms, session, 16) + b'\0' * 16 + b'\0'
    return struct.pack('>i', len(body)) + body


def must_close(address, data, what):
    with connect(address) as s:
        send_quietly(s, data)
        if read_all(s) is None:
            raise Failed(f'{address} keeps a connection open after {what}')


class Hostile:
    def __init__(self, cluster, seed):
        self.c = cluster
        self.random = random.Random(seed)
        self.coordinators = cluster.addresses('coordinator')
        self.masters = cluster.addresses('master')
        self.agents = cluster.addresses('agent')
        # zoo.cfg has the peer ports.
        self.peers = []
        with open(os.path.join(cluster.directory, 'c1', 'zoo.cfg')) as f:
            for line in f:
                if line.startswith('server.'):
                    self.peers.append('127.0.0.1:' + line.split('=')[1].split(':')[1])

    def zookeeper_port(self):
        address = self.coordinators[0]
        must_close(address, struct.pack('>i', 0x7fffffff), 'a frame of 2 GiB')
        must_close(address, struct.pack('>i', -1), 'a negative length')
        must_close(address, struct.pack('>i', 4) + b'\0\0\0\0', 'a connect request that is too short')
        must_close(address, b'what?\r\n\r\n', 'an unknown word')
        for header in (b'\0\0\0\2\0\0', b'\0\0\0\0'):
            with connect(address) as s:
                s.sendall(zk_connect_request())
                s.recv(4096)
                send_quietly(s, header)
                if read_all(s) is None:
                    raise Failed('a header that does not decode leaves the connection open')
        # A body that does not decode is told: -5, and the connection stays.
        with connect(address) as s:
            s.sendall(zk_connect_request())
            s.recv(4096)
            body = struct.pack('>ii', 1, 4) + struct.pack('>i', 500) + b'/x'
            s.sendall(struct.pack('>i', len(body)) + body)
            reply = s.recv(4096)
            code = struct.unpack('>i', reply[16:20])[0]
            if code != -5:
                raise Failed(f'a body that does not decode was answered {code}, not -5')
        # Half closed after a word: it is answered all the same.
        with connect(address) as s:
            s.sendall(b'ruok')
            s.shutdown(socket.SHUT_WR)
            if read_all(s) != b'imok':
                raise Failed('ruok from a half-closed connection is not answered')

    def http_ports(self):
        for address in self.masters + self.agents:
            for request, codes in [
                    (b'NONSENSE\r\n\r\n', (b'400',)),
                    (b'GET / HTTP/1.1\r\nHost: x\r\nX: ' + b'a' * 200000 + b'\r\n\r\n', (b'431', b'400')),
                    (b'POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n', (b'413', b'400')),
                    (b'POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', (b'400',))]:
                with connect(address) as s:
                    send_quietly(s, request)
                    answer = read_all(s)
                    if answer is None or (answer and not any(code in answer[:20] for code in codes)):
                        raise Failed(f'{address} answers {answer and answer[:60]} to {request[:40]}')

    def calls(self):
        leader = self.c.status()['leader']['master']['address']
        for body in (b'', b'{', b'[]', b'null', b'{"type":"SUBSCRIBE"}', b'{"type":"ACCEPT","accept":{}}', b'{"type":7}',
                     b'\xff\xfe', b'[' * 100000):
            with connect(leader) as s:
                s.sendall(b'POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n'
                          b'Content-Length: %d\r\n\r\n' % len(body) + body)
                answer = read_all(s)
                if not answer or not answer.startswith(b'HTTP/1.1 400'):
                    raise Failed(f'the call {body[:30]} is answered {answer and answer[:80]}, not 400')

    def random_bytes(self):
        for address in self.peers + self.coordinators + self.masters + self.agents + self.c.addresses('services'):
            for _ in range(20):
                with connect(address) as s:
                    send_quietly(s, self.random.randbytes(self.random.randrange(1, 5000)))

    def slow_and_silent_peers(self):
        """Connections that send a byte now and then, or nothing; they must cost nobody anything."""
        held = []
        for address in self.peers + self.coordinators + self.masters + self.agents:
            for first in (b'', b'\0', b'P'):
                s = connect(address)
                send_quietly(s, first)
                held.append(s)
        return held


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    parser.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(4), 'big'))
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    print(f' hostile: seed {options.seed}')
    try:
        with Cluster(options.synod, keep=options.keep, no_restart='true') as cluster:
            innocent = KazooClient(hosts=','.join(cluster.addresses('coordinator')), timeout=10.0)
            innocent.start(timeout=20)
            session = innocent.client_id[0]
            innocent.create('/innocent', b'0', ephemeral=True)
            before = {p['id']: p['pid'] for p in cluster.file()['processes']}
            hostile = Hostile(cluster, options.seed)
            held = hostile.slow_and_silent_peers()
            for step in ('zookeeper_port', 'http_ports', 'calls', 'random_bytes'):
                getattr(hostile, step)()
                started = time.monotonic()
                innocent.set('/innocent', step.encode())
                print(f' {step:18} done; an innocent write took {(time.monotonic() - started) * 1000:.1f} ms', flush=True)
            for s in held:
                s.close()
            after = {p['id']: p['pid'] for p in cluster.file()['processes']}
            if before != after:
                raise Failed(f'processes ended: {before} -> {after}')
            if innocent.client_id[0] != session or innocent.exists('/innocent') is None:
                raise Failed('the innocent client lost its session')
            wait_for('the cluster to be whole', lambda: cluster.status()['quorum']['alive'] == 3)
            innocent.stop()
            innocent.close()
    except Failed as failure:
        print(f'hostile: FAILED: {failure}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
