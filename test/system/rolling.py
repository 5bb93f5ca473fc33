#!/usr/bin/python3
"""Three coordinators are restarted one after the other with SIGTERM, the leader last, while clients write through each of
them. No session is lost, no acknowledged write is, and every server exits 0. The largest gap in each client's writes is printed.

    rolling.py --synod build/synod [--rounds 2]
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Failed, free_base_port, wait_for  # noqa: E402
from servers import Server, demand, print_logs, wait_until_served  # noqa: E402

from kazoo.client import KazooClient, KazooState  # noqa: E402
from kazoo.exceptions import ConnectionLoss, KazooException, NodeExistsError, SessionExpiredError  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

# More than this is no hand-over, even on a machine that is busy with other things.
GAP_MAX = 3.0


class Writer(threading.Thread):
    """An ordinary client that creates one node after the other, and notes when each was acknowledged."""

    def __init__(self, number, servers):
        super().__init__(name=f'writer-{number}')
        self.number = number
        self.client = KazooClient(hosts=','.join(s.client for s in servers), timeout=10.0, randomize_hosts=False)
        self.lost = False
        self.client.add_listener(self.listen)
        self.stopping = threading.Event()
        self.moments = []
        self.error = None
        self.client.start(timeout=30)
        self.session = self.client.client_id[0]
        self.client.create(f'/rolling/ephemeral-{number}', ephemeral=True, makepath=True)

    def listen(self, state):
        self.lost |= state == KazooState.LOST and not self.stopping.is_set()

    def path(self, count):
        return f'/rolling/w{self.number}-{count}'

    def run(self):
        try:
            while not self.stopping.is_set():
                self.write(len(self.moments))
                self.moments.append(time.monotonic())
        except Exception as error:  # told by check()
            self.error = error

    def write(self, count):
        while True:
            try:
                self.client.create(self.path(count), b'%d' % count)
                return
            except NodeExistsError:
                return  # its answer was lost with the connection
            except ConnectionLoss:
                # kazoo connects again by itself and knows when.
                time.sleep(0.001)

    def end(self):
        self.stopping.set()
        self.join(timeout=60)

    def check(self):
        demand(self.error is None, f'writer {self.number}: {type(self.error).__name__} {self.error}')
        demand(not self.lost, f'writer {self.number} lost its session')
        demand(self.client.client_id[0] == self.session, f'writer {self.number} has another session')
        stat = self.client.exists(f'/rolling/ephemeral-{self.number}')
        demand(stat is not None and stat.ephemeralOwner == self.session, f'the ephemeral of writer {self.number} is gone')

    def gap(self, begin, end):
        """The longest time without an answer, between two moments."""
        moments = [begin, *[m for m in self.moments if begin < m < end], end]
        return max(b - a for a, b in zip(moments, moments[1:]))

    def close(self):
        self.stopping.set()
        self.client.stop()
        self.client.close()


def check_all(server, writers):
    client = KazooClient(hosts=server.client, timeout=10.0)
    client.start(timeout=30)
    try:
        client.sync('/rolling')
        there = set(client.get_children('/rolling'))
        for writer in writers:
            for count in range(len(writer.moments)):
                demand(f'w{writer.number}-{count}' in there, f'server {server.number} has lost w{writer.number}-{count}')
    finally:
        client.stop()
        client.close()


def page(server, path):
    """Status and body of a page of the server's admin server; (0, '') if it does not answer."""
    try:
        with urllib.request.urlopen(server.admin + path, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ''


def check_pages(server):
    demand(page(server, '/health')[0] == 200, 'liveness')
    wait_for('readiness', lambda: page(server, '/ready')[0] == 200)
    monitor = json.loads(page(server, '/commands/monitor')[1])
    demand(monitor['znode_count'] > 3 and monitor['command'] == 'monitor', f'monitor said: {monitor}')
    metrics = page(server, '/metrics')[1]
    demand('synod_stage_flush_seconds_bucket{le="+Inf"}' in metrics and '\nznode_count ' in metrics, 'metrics')
    demand(page(server, '/nothing')[0] == 404, 'a page that is not there')


def why_alone(servers):
    """With the others gone the last one tells why it does not serve."""
    last = servers[0]
    for server in servers[1:]:
        demand(server.stop() == 0, 'an orderly end')
    wait_for('no longer ready', lambda: page(last, '/ready')[0] == 503)
    wait_for('the reason', lambda: 'no quorum' in last.mntr().get('zk_synod_reason', ''))
    demand('no quorum' in page(last, '/ready')[1], 'the reason of readiness')
    demand(page(last, '/health')[0] == 200, 'liveness without a quorum')
    demand(last.stop() == 0, 'an orderly end without a quorum')


def in_order(servers):
    """Followers first, the leader last: the fewest hand-overs, and one is what is to be seen."""
    return sorted(servers, key=lambda s: s.leads())


def restart(server, servers, writers):
    """SIGTERM, exit, start, and back in the quorum with all that it missed."""
    begin = time.monotonic()
    led = server.leads()
    code = server.stop()
    stopped = time.monotonic()
    demand(code == 0, f'server {server.number} ended with {code}')
    demand(any(s.leads() for s in servers if s is not server) or wait_for(
        'a leader', lambda: any(s.leads() for s in servers if s is not server)), 'nobody leads')
    server.start()
    wait_until_served([server])

    def caught_up():
        behind = [int(s.mntr().get('zk_synod_slot_applied', 0)) for s in servers if s is not server]
        return int(server.mntr().get('zk_synod_slot_applied', -1)) + 50 >= min(behind)
    wait_for(f'server {server.number} has caught up', caught_up)
    # A little of the ordinary belongs to the picture.
    marks = [len(w.moments) for w in writers]
    wait_for('writes go on', lambda: all(len(w.moments) > m + 5 for w, m in zip(writers, marks)))
    gaps = [1000 * w.gap(begin, time.monotonic()) for w in writers]
    print(f'server {server.number} ({"leader" if led else "follower"}): ended in {1000 * (stopped - begin):.0f} ms, '
          f'largest gap of each writer {", ".join(f"{g:.0f}" for g in gaps)} ms', flush=True)
    return max(gaps) / 1000


def run(servers, rounds):
    for server in servers:
        server.start()
    wait_until_served(servers)
    # Each begins at another server.
    writers = [Writer(n, servers[n:] + servers[:n]) for n in range(len(servers))]
    try:
        for writer in writers:
            writer.start()
        wait_for('first writes', lambda: all(len(w.moments) > 20 for w in writers))
        worst = max(restart(server, servers, writers) for _ in range(rounds) for server in in_order(servers))
        for writer in writers:
            writer.end()
        for writer in writers:
            writer.check()
        for server in servers:
            check_all(server, writers)
            check_pages(server)
        print(f'{sum(len(w.moments) for w in writers)} writes acknowledged, all there; no session lost; '
              f'largest gap {1000 * worst:.0f} ms')
        demand(worst < GAP_MAX, f'a gap of {worst:.1f} s')
    finally:
        for writer in writers:
            writer.close()
    why_alone(servers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    parser.add_argument('--rounds', type=int, default=1)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix='synod_rolling_')
    base = free_base_port()
    servers = [Server(os.path.abspath(options.synod), directory, base, n, 3, snapshots=1000,
                      more=f'admin.serverPort={base + 30 + n}\n') for n in (1, 2, 3)]
    for n, server in enumerate(servers, start=1):
        server.admin = f'http://127.0.0.1:{base + 30 + n}'
    try:
        run(servers, options.rounds)
    except (Failed, KazooException, KazooTimeoutError, SessionExpiredError) as error:
        print(f'FAILED: {type(error).__name__} {error}')
        print_logs(servers)
        return 1
    finally:
        for server in servers:
            server.kill()
    shutil.rmtree(directory)
    return 0


if __name__ == '__main__':
    sys.exit(main())
