#!/usr/bin/python3
"""`./dev bench failover`: how long clients wait when a coordinator is killed, stopped, told to end, or loaded; what a
million znodes cost a restart, a snapshot and a new member.

    failover.py --synod build/synod --driver build/bench/coordination_bench [--only NAME,...] [--trials N] [--minutes N]

Three servers with default settings (tickTime 2000) on loopback and the file system of $TMPDIR. One client at each server
writes all the time, one small setData after the other, on a socket of its own. A gap is the longest time between the
acknowledgements of one client around the event; "to next write" runs from the event to the acknowledgement of the first write that was
begun after it.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, 'test', 'system'))
from cluster import Failed, free_base_port, wait_for  # noqa: E402
from servers import Server, demand, print_logs, wait_until_served  # noqa: E402

AROUND_SECONDS = 0.5
WAIT_SECONDS = 60.0
HELLO = struct.Struct('>iiqiqi16sb')
REPLY = struct.Struct('>iqi')
CREATE, SET, CLOSE = 1, 5, -11


def sized(data):
    return struct.pack('>i', len(data)) + data


class Writer(threading.Thread):
    """One session. It stays at its server for as long as that has the connection, then takes the next."""

    def __init__(self, number, ports):
        super().__init__(daemon=True)
        self.ports, self.at, self.path = ports, 0, b'/writer-%d' % number
        self.session, self.password, self.xid, self.received = 0, bytes(16), 0, b''
        self.acks, self.lost, self.expired = [], [], False  # acks: (begin, end); lost: connections, when
        self.stopping = self.homing = False
        self.connect()
        self.call(CREATE, sized(self.path) + sized(b'') + struct.pack('>ii', 1, 31) + sized(b'world') + sized(b'anyone') +
                  struct.pack('>i', 0))

    def connect(self):
        while not self.stopping:
            try:
                self.socket = socket.create_connection(('127.0.0.1', self.ports[self.at]), timeout=WAIT_SECONDS)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.received = b''
                self.socket.sendall(HELLO.pack(HELLO.size - 4, 0, 0, 30_000, self.session, 16, self.password, 0))
                answer = self.frame()
                session = struct.unpack_from('>q', answer, 8)[0]
                self.expired = self.expired or self.session not in (0, session)
                self.session, self.password = session, answer[20:36]
                return
            except OSError:
                self.at = (self.at + 1) % len(self.ports)
                time.sleep(0.001)

    def take(self, size):
        while len(self.received) < size:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError()
            self.received += part
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def frame(self):
        return self.take(struct.unpack('>i', self.take(4))[0])

    def call(self, opcode, body):
        self.xid += 1
        self.socket.sendall(sized(struct.pack('>ii', self.xid, opcode) + body))
        xid, _, error = REPLY.unpack_from(self.frame())
        demand(xid == self.xid and error in (0, -110), f'reply {xid} to {self.xid}, error {error}')

    def run(self):
        body = sized(self.path) + sized(b'x' * 16) + struct.pack('>i', -1)
        while not self.stopping:
            if self.homing:
                self.homing = False
                self.socket.close()
                self.at = 0
                self.connect()
            begin = time.monotonic()
            try:
                self.call(SET, body)
                self.acks.append((begin, time.monotonic()))
            except OSError:
                self.lost.append(time.monotonic())
                self.socket.close()
                self.connect()

    def next_write(self, since):
        """Milliseconds until the first write begun after the moment was acknowledged; None before that."""
        for begin, end in reversed(self.acks):
            if begin < since:
                break
            found = end
        else:
            return None
        return None if self.acks[-1][0] < since else 1000 * (found - since)

    def gap(self, begin, end):
        ends = [begin, *[e for _, e in self.acks if begin < e < end], end]
        return 1000 * max(b - a for a, b in zip(ends, ends[1:]))

    def end(self):
        self.stopping = True
        self.join(timeout=WAIT_SECONDS)
        self.socket.close()


class Ensemble:
    def __init__(self, options):
        self.directory = tempfile.mkdtemp(prefix='synod_failover_')
        base = free_base_port()
        self.servers = [Server(os.path.abspath(options.synod), self.directory, base, n, 3, tick_ms=2000, snapshots=100_000)
                        for n in (1, 2, 3)]
        self.ports = [int(s.client.split(':')[1]) for s in self.servers]
        self.options = options
        self.writers = []

    def __enter__(self):
        try:
            for server in self.servers:
                server.start()
            wait_until_served(self.servers)
        except BaseException:
            self.__exit__(Failed, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.stop_writers()
        if kind is not None:
            print_logs(self.servers)
        for server in self.servers:
            if server.process is not None:
                server.resume()
            server.kill()
        shutil.rmtree(self.directory)

    def start_writers(self):
        """One at each server."""
        self.writers = [Writer(n, self.ports[n:] + self.ports[:n]) for n in range(len(self.ports))]
        for writer in self.writers:
            writer.start()
        wait_for('writes', lambda: all(len(w.acks) > 50 for w in self.writers))

    def stop_writers(self):
        for writer in self.writers:
            writer.end()
        self.writers = []

    def leader(self):
        return wait_for('a leader', lambda: next((s for s in self.servers if s.process and s.leads() and s.serves()), None),
                        timeout=WAIT_SECONDS)

    def writers_elsewhere(self, server):
        return [w for w in self.writers if w.ports[w.at] != int(server.client.split(':')[1])]

    def whole(self):
        wait_until_served(self.servers)
        for server in self.servers:
            wait_for('a vote', server.votes, timeout=WAIT_SECONDS)
        leader = self.leader()

        def caught_up():
            slot = int(leader.mntr().get('zk_synod_slot_applied', 0))
            return all(int(s.mntr().get('zk_synod_slot_applied', -1)) + 100 > slot for s in self.servers)
        wait_for('all have caught up', caught_up, timeout=WAIT_SECONDS)
        for writer in self.writers:
            writer.homing = writer.at != 0
        wait_for('every writer at its own server', lambda: all(w.at == 0 for w in self.writers))
        marks = [len(w.acks) for w in self.writers]
        wait_for('writes', lambda: all(len(w.acks) > m + 50 for w, m in zip(self.writers, marks)))

    def rss_mib(self, server, field='VmRSS'):
        with open(f'/proc/{server.process.pid}/status') as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith(field + ':'))

    def drive(self, *flags, ports=None):
        """The load generator, as a process."""
        return subprocess.Popen([self.options.driver, '--drive=' + ','.join(map(str, ports or self.ports)), *flags],
                                stdout=subprocess.PIPE, text=True)


def finish(driver):
    out, _ = driver.communicate(timeout=600)
    demand(driver.returncode == 0, f'the load generator: {out}')
    return json.loads(out.splitlines()[-1])


def tell(name, values, unit='ms'):
    values = sorted(values)
    print(f' {name:54} {len(values):4} times, median {statistics.median(values):7.1f} {unit}, '
          f'p90 {values[len(values) * 9 // 10 if len(values) > 1 else 0]:7.1f}, worst {values[-1]:7.1f}', flush=True)


def trials(e, count, choose, strike, name):
    """strike(server) is the event; it returns what has to be done afterwards. Gaps of the clients of the other servers."""
    first, every, gaps, kept, usual = [], [], [], 0, []
    for number in range(count):
        server = choose()
        witnesses = [w for w in e.writers_elsewhere(server)]
        if number % 10 == 0:
            before = time.monotonic()
            time.sleep(AROUND_SECONDS)  # what is usual
            usual += [w.gap(before, time.monotonic()) for w in witnesses]
        lost = [len(w.lost) for w in witnesses]
        begin = time.monotonic()
        afterwards = strike(server)
        wait_for('writes go on', lambda: all(w.next_write(begin) is not None for w in witnesses), timeout=WAIT_SECONDS)
        left = begin + AROUND_SECONDS - time.monotonic()
        time.sleep(max(0.0, left))  # the picture ends here
        times = [w.next_write(begin) for w in witnesses]
        first.append(min(times))
        every.append(max(times))
        gaps.append(max(w.gap(begin, time.monotonic()) for w in witnesses))
        kept += all(len(w.lost) == n for w, n in zip(witnesses, lost))
        afterwards()
        e.whole()
    tell(f'{name}: to next write of any', first)
    tell(f'{name}: to next write of all', every)
    tell(f'{name}: longest gap', gaps)
    print(f' {name}: clients of the others kept their connections in {kept} of {count}; '
          f'longest gap in {AROUND_SECONDS} s without event: median {statistics.median(usual):.1f}, worst {max(usual):.1f} ms', flush=True)
    demand(not any(w.expired for w in e.writers), 'a session expired')


def follower(e):
    leader = e.leader()
    return next(s for s in e.servers if s is not leader)


def leader_killed(options):
    with Ensemble(options) as e:
        e.start_writers()

        def strike(server):
            server.kill()
            return server.start
        trials(e, options.trials, e.leader, strike, 'leader killed')


def leader_paused(options):
    with Ensemble(options) as e:
        e.start_writers()

        def strike(server):
            server.pause()
            return server.resume
        trials(e, max(1, options.trials // 10), e.leader, strike, 'leader paused')


def follower_lost(options):
    with Ensemble(options) as e:
        e.start_writers()

        def strike(server):
            server.kill()
            return server.start
        trials(e, max(1, options.trials // 5), lambda: follower(e), strike, 'follower lost')


def hand_over(options):
    with Ensemble(options) as e:
        e.start_writers()

        def strike(server):
            server.process.terminate()

            def afterwards():
                demand(server.process.wait(timeout=WAIT_SECONDS) == 0, 'an orderly end')
                server.start()
            return afterwards
        trials(e, max(1, options.trials // 5), e.leader, strike, 'SIGTERM to the leader')


def full_load(options):
    with Ensemble(options) as e:
        e.start_writers()
        ballot = e.leader().mntr()['zk_ballot']
        loops = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(options.loops)]
        try:
            begin = time.monotonic()
            time.sleep(options.minutes * 60)
            gaps = [w.gap(begin, time.monotonic()) for w in e.writers]
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        writes = sum(len(w.acks) for w in e.writers)
        elections = int(e.leader().mntr()['zk_ballot']) - int(ballot)
        print(f' {options.loops} busy loops for {options.minutes:g} minutes, load {os.getloadavg()[1]:.1f}: {elections} new ballots, {writes} writes, '
              f'longest gap {max(gaps):.0f} ms', flush=True)


def million(options):
    """A million znodes of 100 bytes: restart, snapshots, a new member."""
    with Ensemble(options) as e:
        begin = time.monotonic()
        finish(e.drive(f'--fill={options.znodes}', '--seconds=0'))
        print(f' {options.znodes} znodes made in {time.monotonic() - begin:.1f} s', flush=True)
        restarts(e)
        load_beside(e, 15)
        load_beside(e, 50)  # so many writes that a snapshot is due
        new_member(e)


def restarts(e):
    times = []
    for server in sorted(e.servers, key=lambda s: s.leads()):
        server.kill()
        begin = time.monotonic()
        server.start()
        wait_for('it serves', server.serves, timeout=WAIT_SECONDS, interval=0.002)
        times.append(time.monotonic() - begin)
    tell('restart to serving, one of three', [1000 * t for t in times])
    for server in e.servers:
        server.kill()
    begin = time.monotonic()
    for server in e.servers:
        server.start()
    for server in e.servers:
        wait_for('it serves', server.serves, timeout=WAIT_SECONDS, interval=0.002)
    tell('restart to serving, all three at once', [1000 * (time.monotonic() - begin)])


def tell_load(name, got, e):
    print(f' {name:40} {got["rate"]:6.0f}/s, p50 {got["p50_us"] / 1000:.2f} ms, p99 {got["p99_us"] / 1000:.2f}, '
          f'p99.9 {got["p999_us"] / 1000:.2f}, worst {got["max_us"] / 1000:.1f}; resident '
          f'{max(e.rss_mib(s) for s in e.servers):.0f} MiB, at most {max(e.rss_mib(s, "VmHWM") for s in e.servers):.0f}',
          flush=True)


def snapshot_count(e):
    count = 0
    for server in e.servers:
        with open(server.log, errors='replace') as f:
            count += sum('snapshot of slot' in line and 'written' in line for line in f)
    return count


def load_beside(e, seconds):
    before = snapshot_count(e)
    for server in e.servers:
        with open(f'/proc/{server.process.pid}/clear_refs', 'w') as f:
            f.write('5')  # the peak of memory begins anew
    got = finish(e.drive('--prepared', '--rate=5000', '--points=16x4', '--warm=2', f'--seconds={seconds}'))
    tell_load(f'{seconds} s, {snapshot_count(e) - before} snapshots', got, e)


def new_member(e):
    """A server with an empty disk, beside 5,000 writes a second at the others."""
    server = follower(e)
    server.kill()
    shutil.rmtree(server.directory)
    os.makedirs(server.directory)
    server.write_id()
    others = [p for s, p in zip(e.servers, e.ports) if s is not server]
    driver = e.drive('--prepared', '--rate=5000', '--points=16x4', '--warm=3', '--seconds=25', ports=others)
    time.sleep(5)  # the load is warm and measured
    begin = time.monotonic()
    server.start()
    wait_for('it serves', server.serves, timeout=WAIT_SECONDS)
    served = time.monotonic() - begin
    wait_for('it votes', server.votes, timeout=WAIT_SECONDS)
    print(f' a new member: serves after {served:.1f} s, votes after {time.monotonic() - begin:.1f} s', flush=True)
    tell_load('beside it', finish(driver), e)


MEASUREMENTS = [leader_killed, leader_paused, follower_lost, hand_over, full_load, million]


def main():
    parser = argparse.ArgumentParser(description='how long clients wait when a coordinator fails')
    parser.add_argument('--synod', required=True)
    parser.add_argument('--driver', required=True, help='coordination_bench')
    parser.add_argument('--only', default='', help=', '.join(m.__name__ for m in MEASUREMENTS))
    parser.add_argument('--trials', type=int, default=100, help='of leader_killed; the others take a fifth or a tenth')
    parser.add_argument('--loops', type=int, default=2 * os.cpu_count(), help='of full load, two a core')
    parser.add_argument('--minutes', type=float, default=10, help='of full load')
    parser.add_argument('--znodes', type=int, default=1_000_000)
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)
    print(f' {os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}, files in {tempfile.gettempdir()}')
    for measure in MEASUREMENTS:
        if not options.only or measure.__name__ in options.only.split(','):
            measure(options)
    return 0


if __name__ == '__main__':
    sys.exit(main())
