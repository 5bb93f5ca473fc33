#!/usr/bin/python3
"""What an operator does when machines are gone: `synod data recover` after two of three disks are lost for good, and
`synod backup` of a live ensemble with `synod restore` as of an earlier moment. Real processes, and an ordinary client.

    recover.py --synod build/synod --flaky build/test/libflaky.so
"""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Failed, free_base_port, wait_for  # noqa: E402
from flaky import Flaky  # noqa: E402
from members import KEYS  # noqa: E402
from servers import Server, demand, play, print_logs, wait_until_served  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402


def connect(*servers):
    client = KazooClient(hosts=','.join(s.client for s in servers), timeout=10.0)
    client.start(timeout=30)
    return client


def digests(directory):
    """Of the segments of a log, by name."""
    found = {}
    for name in sorted(os.listdir(directory)):
        if name.startswith('segment-'):
            with open(os.path.join(directory, name), 'rb') as f:
                found[name] = hashlib.sha256(f.read()).hexdigest()
    return found


# Of the points at which a recovery may be interrupted the last are all tried, in which new takes the place of old; of those
# before, in which everything is written, some. After so many of them the new cluster is started, too.
TRIED_LAST, TRIED_EVERY, STARTED = 20, 10, 4


class Scene:
    def __init__(self, synod, flaky):
        self.synod, self.flaky = synod, flaky
        self.directory = tempfile.mkdtemp(prefix='synod_recover_')
        self.base = free_base_port()
        self.servers = [Server(synod, self.directory, self.base, n, 3, more=KEYS) for n in (1, 2, 3)]
        self.written = 0

    def run_synod(self, *arguments, code=0):
        out = subprocess.run([self.synod, *arguments], capture_output=True, text=True, timeout=60)
        demand(out.returncode == code, f'synod {" ".join(arguments)} -> {out.returncode}: {out.stdout}{out.stderr}')
        return out.stdout

    def write(self, client, count):
        """The zxid of the last write."""
        for _ in range(count):
            self.written += 1
            client.create(f'/d/n-{self.written}', b'%d' % self.written, makepath=True)
        return client.exists(f'/d/n-{self.written}').czxid

    def all_equal(self):
        """What was acknowledged anywhere is applied everywhere."""
        def same():
            return len({s.mntr().get('zk_last_zxid', s.number) for s in self.servers}) == 1
        wait_for('equal servers', same)

    def check(self, server, count):
        """n-1 .. n-count are there, and nothing behind them."""
        client = connect(server)
        try:
            client.sync('/d')
            there = sorted(int(name[2:]) for name in client.get_children('/d') if name.startswith('n-'))
            demand(there == list(range(1, count + 1)), f'server {server.number} has {len(there)} of {count} nodes')
            demand(client.get('/d/n-1')[0] == b'1', 'n-1 has other data')
        finally:
            client.stop()
            client.close()

    def back_up_and_restore(self):
        """From a live ensemble, twice; then as of the first time, of a zxid between, and of the end."""
        archive = os.path.join(self.directory, 'backup')
        client = connect(*self.servers)
        self.write(client, 50)
        self.all_equal()
        self.run_synod('backup', '--config', self.servers[0].config, '--to', archive)
        with open(os.path.join(archive, 'backup.json')) as f:
            first = json.load(f)
        middle = self.write(client, 30)
        between = self.written
        self.write(client, 120)  # more than a snapshot's worth
        self.all_equal()
        self.run_synod('backup', '--config', self.servers[0].config, '--to', archive)
        client.stop()
        client.close()
        self.restored(archive, ['--zxid', hex(int(first['zxid'], 16))], 50)
        self.restored(archive, ['--zxid', hex(middle)], between)
        self.restored(archive, [], self.written)
        # What is damaged is not restored as if it were whole.
        for name in os.listdir(os.path.join(archive, 'log')):
            path = os.path.join(archive, 'log', name)
            with open(path, 'r+b') as f:
                content = f.read()
                at = content.find(b'n-%d' % (self.written - 1))
                if at >= 0:
                    f.seek(at)
                    f.write(b'N')
        self.run_synod('restore', '--from', archive, '--to', os.path.join(self.directory, 'never'), code=1)

    def restored(self, archive, flags, count):
        """The restored directories as the three servers of a new ensemble."""
        scene = tempfile.mkdtemp(prefix='restored_', dir=self.directory)
        base = free_base_port()
        servers = [Server(self.synod, scene, base, n, 3) for n in (1, 2, 3)]
        to = os.path.join(scene, 'new')
        self.run_synod('restore', '--from', archive, '--to', to, '--id', '1', '--members', '1,2,3', *flags)
        for server, directory in zip(servers, (to, f'{to}.member-2', f'{to}.member-3')):
            shutil.rmtree(server.directory)
            os.rename(directory, server.directory)
        try:
            for server in servers:
                server.start()
            wait_until_served(servers)
            for server in servers:
                self.check(server, count)
            client = connect(*servers)
            demand(client.exists(client.create('/d/after')).czxid >> 32 > 256, 'the zxid_epoch did not rise')
            client.stop()
            client.close()
        except (Failed, KazooException, KazooTimeoutError):
            print_logs(servers)
            raise
        finally:
            for server in servers:
                server.kill()

    def recover(self):
        """Two disks are gone. The third founds a new cluster; the others join it with empty disks."""
        client = connect(*self.servers)
        client.create('/d/ephemeral', ephemeral=True)
        self.write(client, 20)
        client.sync('/d')
        first, second, third = self.servers
        self.all_equal()
        for server in self.servers:
            server.kill()
        client.stop()
        client.close()
        for server in (first, second):
            shutil.rmtree(server.directory)
            os.makedirs(server.directory)
            server.write_id()
        self.interrupted(third.directory)
        told = self.run_synod('data', 'recover', '--dir', third.directory, code=2)
        demand('LOST' in told and 'Nothing was changed' in told, f'recover said: {told}')
        demand(not third.files('*.before-recover-*'), 'recover without --yes changed something')
        told = self.run_synod('data', 'recover', '--dir', third.directory, '--yes')
        demand('recovered' in told, f'recover said: {told}')
        demand(third.files('log.before-recover-1/segment-*'), 'the old log is gone')
        third.start()
        wait_until_served([third])
        self.check(third, self.written)
        for server in (first, second):
            server.start()
        wait_until_served(self.servers)
        self.make_voters(third, first, second)
        client = connect(third)
        demand(client.exists('/d/ephemeral') is None, 'an ephemeral outlived its session')
        demand(client.exists(client.create('/d/after')).czxid >> 32 > 256, 'the zxid_epoch did not rise')
        client.delete('/d/after')
        self.write(client, 20)
        client.stop()
        client.close()
        for server in self.servers:
            self.check(server, self.written)
        # Two of three are enough again.
        third.kill()
        wait_until_served([first, second])
        client = connect(first)
        self.write(client, 5)
        client.stop()
        client.close()

    def make_voters(self, through, *joiners):
        """They have joined as learners: the survivor alone is the ensemble, whatever their files say."""
        for server in joiners:
            demand(not server.votes(), f'server {server.number} votes without having been made a member')
        lines = ','.join(f'server.{s.number}=127.0.0.1:{s.peer_port}:{self.base + 20 + s.number};{s.client}' for s in joiners)

        def done():
            out = subprocess.run([self.synod, 'zk', 'reconfig', '--auth', 'digest:super:secret', '--zk', f'zk://{through.client}',
                                  '--add', lines], capture_output=True, text=True, timeout=60)
            self.told = out.stdout + out.stderr
            return out.returncode == 0
        try:
            wait_for('reconfig', done, timeout=60, interval=0.2)
        except Failed:
            raise Failed(f'reconfig: {self.told}') from None
        for server in self.servers:
            wait_for(f'server {server.number} votes', server.votes)

    def interrupted(self, source):
        """`recover` dies before each change that it makes to files; run again it comes to its end. `source`: a dataDir."""
        base = free_base_port()
        ends = self.recover_until(source, base, None, False)
        demand(ends > 2 * TRIED_LAST, f'only {ends} changes to files were seen')
        tried = [n for n in range(1, ends + 1) if n > ends - TRIED_LAST or n % TRIED_EVERY == 0]
        for i, number in enumerate(tried):
            self.recover_until(source, base, number, i % (len(tried) // STARTED) == 1)
        print(f' recover was interrupted before {len(tried)} of the {ends} changes that it makes', flush=True)

    def recover_until(self, source, base, number, start):
        """Before the change of this number, or to the end; how many it has made."""
        place = tempfile.mkdtemp(prefix='interrupted_', dir=self.directory)
        servers = [Server(self.synod, place, base, n, 3) for n in (1, 2, 3)]
        data = servers[2].directory
        shutil.rmtree(data)
        shutil.copytree(source, data)
        before = digests(os.path.join(data, 'log'))
        flaky = Flaky(self.flaky, os.path.join(place, 'flaky'))
        flaky.set(dies_before=number or 0)
        command = ['data', 'recover', '--dir', data, '--members', '1,2,3', '--yes']
        out = subprocess.run([self.synod, *command], capture_output=True, text=True, timeout=60,
                             env={**os.environ, **flaky.environment()})
        demand(out.returncode == (-9 if number else 0), f'recover until {number} -> {out.returncode}: {out.stdout}{out.stderr}')
        if number and not self.check_half_done(servers[2], before):
            self.run_synod(*command)
        self.check_recovered(servers, before, start)
        shutil.rmtree(place)
        return flaky.get('changes')

    def check_half_done(self, server, before):
        """Either nothing has changed, or no server starts on what lies there, or all was done; True then."""
        if os.path.exists(os.path.join(server.directory, 'recovering')):
            out = subprocess.run([self.synod, 'coordinator', '--config', server.config], capture_output=True, text=True, timeout=60)
            demand(out.returncode == 1 and 'interrupted' in out.stderr, f'a half recovered server: {out.returncode} {out.stderr}')
            return False
        done = bool(server.files('log.before-recover-*'))
        demand(done or digests(os.path.join(server.directory, 'log')) == before, 'the log is another')
        self.run_synod('data', 'verify', '--dir', server.directory)
        return done

    def check_recovered(self, servers, before, start):
        data = servers[2].directory
        kept = [digests(path) for path in servers[2].files('log.before-recover-*')]
        demand(kept == [before], f'of the old log there is {kept}')
        demand(not servers[2].files('*.recovering') and not servers[2].files('recovering'), 'something half done is left')
        for server in servers[:2]:
            shutil.rmtree(server.directory)
            os.rename(f'{data}.member-{server.number}', server.directory)
        for server in servers:
            self.run_synod('data', 'verify', '--dir', server.directory)
        if not start:
            return
        try:
            for server in servers:
                server.start()
            wait_until_served(servers)
            for server in servers:
                self.check(server, self.written)
        finally:
            for server in servers:
                server.kill()

    def run(self):
        for server in self.servers:
            server.start()
        wait_until_served(self.servers)
        for happens in (self.back_up_and_restore, self.recover):
            happens()
            print(f'{happens.__name__}: ok', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    parser.add_argument('--flaky', required=True, help='the library made of flaky.cc')
    options = parser.parse_args()
    return play(Scene(os.path.abspath(options.synod), options.flaky))


if __name__ == '__main__':
    sys.exit(main())
