#!/usr/bin/python3
"""Three coordinators whose disks lose what they were given: a flipped bit between restarts, a damaged snapshot, a wiped
disk, and, where a small file system can be mounted, a full one. What was acknowledged is there afterwards, on every server.

    disks.py --synod build/synod
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import four_letter_word, free_base_port, wait_for  # noqa: E402
from servers import Server, demand, play, wait_until_served  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402


def flip(path, offset):
    with open(path, 'r+b') as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ 8]))


def spoil(server, text):
    """One bit wherever the text stands in the server's log."""
    places = 0
    for path in server.files('log/segment-*'):
        with open(path, 'rb') as f:
            content = f.read()
        at = content.find(text)
        while at >= 0:
            flip(path, at + 1)
            places += 1
            at = content.find(text, at + 1)
    return places


class Scene:
    def __init__(self, synod):
        self.directory = tempfile.mkdtemp(prefix='synod_disks_')
        base = free_base_port()
        self.servers = [Server(synod, self.directory, base, n, 3) for n in (1, 2, 3)]
        self.written = 0

    def client(self, *servers):
        client = KazooClient(hosts=','.join(s.client for s in servers), timeout=10.0)
        client.start(timeout=30)
        return client

    def write(self, count, *servers):
        client = self.client(*(servers or self.servers))
        try:
            for _ in range(count):
                self.written += 1
                client.create(f'/d/n-{self.written}', self.data(self.written), makepath=True)
        finally:
            client.stop()
            client.close()

    @staticmethod
    def data(number):
        return f'what was written as number {number};'.encode()

    def check(self, server):
        """All that was acknowledged, as this server has it."""
        client = self.client(server)
        try:
            client.sync('/d')
            for number in range(1, self.written + 1):
                content, _ = client.get(f'/d/n-{number}')
                demand(content == self.data(number), f'server {server.number} has lost n-{number}')
        finally:
            client.stop()
            client.close()

    def wait(self, *servers):
        wait_until_served(servers or self.servers)

    def digests_agree(self):
        def same():
            return len({s.mntr().get('zk_synod_digest') for s in self.servers}) == 1
        wait_for('equal digests', same)

    # ---- what happens

    def a_flipped_bit(self):
        second = self.servers[1]
        self.digests_agree()
        second.kill()
        number = self.written - 3
        demand(spoil(second, self.data(number)) > 0, 'nothing to spoil')
        found = second.data('verify')
        demand(found.returncode == 1 and 'damaged: segment-' in found.stdout, f'verify said: {found.stdout}')
        report = json.loads(second.data('verify', '--output', 'json').stdout)
        demand(report['sound'] is False and report['damage'], 'verify in JSON')
        self.write(20, self.servers[0], self.servers[2])
        second.start()
        self.wait()
        self.check(second)
        second.kill()
        found = second.data('verify')
        demand(found.returncode == 0, f'after the repair verify said: {found.stdout}{found.stderr}')
        demand(second.files('log.damaged-*'), 'the damaged files are gone')
        second.start()
        self.wait()

    def damage_that_the_snapshot_covers(self):
        third = self.servers[2]
        third.kill()
        demand(spoil(third, self.data(2)) > 0, 'nothing to spoil')
        demand(third.data('verify').returncode == 1, 'verify of old damage')
        done = third.data('repair')
        demand(done.returncode == 0, f'repair said: {done.stdout}{done.stderr}')
        demand(third.data('verify').returncode == 0, 'verify after repair')
        third.start()
        self.wait()
        self.check(third)

    def damaged_snapshots(self):
        third = self.servers[2]
        third.kill()
        snapshots = third.files('snapshots/snapshot-*')
        demand(snapshots, 'no snapshots')
        for path in snapshots:
            if not path.endswith('.damaged'):
                flip(path, 150)
        self.write(10, self.servers[0], self.servers[1])
        third.start()
        self.wait()
        self.check(third)

    def a_wiped_disk(self):
        first = self.servers[0]
        first.kill()
        shutil.rmtree(first.directory)
        os.makedirs(first.directory)
        first.write_id()
        self.write(10, self.servers[1], self.servers[2])
        first.start()
        self.wait()
        self.check(first)
        # It votes again once the log says so: then the others may go one at a time.
        wait_for('the wiped server votes again', first.votes, timeout=40)
        self.servers[2].kill()
        self.write(10, self.servers[0], self.servers[1])
        self.servers[2].start()
        self.wait()

    def a_full_disk(self):
        """A small file system for one server; the others serve, it says why it does not, and comes back by itself."""
        second = self.servers[1]
        second.kill()
        kept = second.directory + '.kept'
        os.rename(second.directory, kept)
        os.makedirs(second.directory)
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', second.directory],
                                 capture_output=True).returncode == 0
        if not mounted:
            os.rmdir(second.directory)
            os.rename(kept, second.directory)
            second.start()
            return False
        try:
            shutil.copytree(kept, second.directory, dirs_exist_ok=True)
            second.start()
            self.wait()
            filler = os.path.join(second.directory, 'filler')
            with open(filler, 'wb') as f:
                try:
                    while True:
                        f.write(bytes(1 << 16))
                        f.flush()
                except OSError:
                    pass
            self.write(60, self.servers[0], self.servers[2])
            demand(second.process.poll() is None, 'the server with the full disk ended')
            demand(four_letter_word(second.client, 'ruok') == 'imok', 'a full disk is no reason to be silent')
            os.remove(filler)
            self.write(20, self.servers[0], self.servers[2])
            self.wait()
            self.check(second)
            self.digests_agree()
        finally:
            second.kill()
            subprocess.run(['umount', '-l', second.directory], check=True)
            os.rmdir(second.directory)
            os.rename(kept, second.directory)
        return True

    def run(self):
        for server in self.servers:
            server.start()
        self.wait()
        self.write(60)
        for happens in (self.a_flipped_bit, self.damage_that_the_snapshot_covers, self.damaged_snapshots,
                        self.a_wiped_disk):
            started = time.monotonic()
            happens()
            self.write(5)
            self.digests_agree()
            for server in self.servers:
                self.check(server)
            print(f'{happens.__name__}: {time.monotonic() - started:.1f} s', flush=True)
        # Last: the server comes back from it with an older disk.
        print('a_full_disk:', 'ok' if self.a_full_disk() else 'no small file system can be mounted here')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    options = parser.parse_args()
    return play(Scene(os.path.abspath(options.synod)))


if __name__ == '__main__':
    sys.exit(main())
