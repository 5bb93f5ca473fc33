#!/usr/bin/python3
"""Three voters and an observer: it serves reads, passes writes on, keeps its clients over a change of leader, is missed by nobody,
catches up after an absence, by a snapshot too, and never counts for a quorum.

    observers.py --synod build/synod
"""
import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clients import Load, connect  # noqa: E402
from cluster import four_letter_word, free_base_port, wait_for  # noqa: E402
from servers import Server, demand, play, wait_until_served  # noqa: E402

from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

PATIENCE_SECONDS = 30.0
# Beyond what an ensemble with a quorum needs to serve, on a machine that is busy.
NO_SERVICE_SECONDS = 6.0
OBSERVER = 4


class Own:
    """A client that knows the observer only."""

    def __init__(self, observer):
        self.client, self.told, self.values = connect([observer]), [], 0
        self.client.add_listener(self.told.append)
        self.session = self.client.client_id[0]
        self.client.create('/own', b'', ephemeral=True)

    def write(self):
        """Passed on to the leader, applied here, and read here."""
        self.values += 1
        value = b'%d' % self.values
        stat = self.client.set_async('/own', value).get(timeout=PATIENCE_SECONDS)
        data, seen = self.client.get_async('/own').get(timeout=PATIENCE_SECONDS)
        demand(data == value and seen.mzxid == stat.mzxid, f'wrote {value} and read {data}')

    def check(self, what):
        demand(not self.told, f'{what}: the observer\'s client was told {self.told}')
        demand(self.client.client_id[0] == self.session, f'{what}: the session is another')

    def close(self):
        self.client.remove_listener(self.told.append)
        self.client.stop()
        self.client.close()


class Scene:
    def __init__(self, synod, seed):
        self.synod, self.seed = synod, seed
        self.directory = tempfile.mkdtemp(prefix='synod_observers_')
        self.servers = self.make(self.directory)
        self.load = None

    def make(self, directory):
        base = free_base_port()
        return [Server(self.synod, directory, base, n, 4, observers=(OBSERVER,)) for n in (1, 2, 3, OBSERVER)]

    @property
    def observer(self):
        return self.servers[-1]

    @property
    def voters(self):
        return self.servers[:-1]

    def leader(self):
        return wait_for('a leader', lambda: next((s for s in self.voters if s.process and s.leads()), None),
                        timeout=PATIENCE_SECONDS)

    def run(self):
        for server in self.servers:
            server.start()
        wait_until_served(self.servers)
        mntr = self.observer.mntr()
        demand(mntr.get('zk_server_state') == 'observer', f'it calls itself {mntr.get("zk_server_state")}')
        # Each begins at another server, so one is the observer's.
        self.load = Load(self.servers, self.seed, clients=len(self.servers))
        self.load.wait_for_writes('the beginning', PATIENCE_SECONDS)
        try:
            for happens in (self.change_of_leader, self.observer_is_gone):
                happens()
                print(f' {happens.__name__}: ok', flush=True)
            print(f' {self.load.judge()}', flush=True)
        finally:
            self.load.close()
        for happens in (self.no_quorum_with_it, self.it_takes_a_snapshot):
            happens()
            print(f' {happens.__name__}: ok', flush=True)

    def change_of_leader(self):
        own = Own(self.observer)
        own.write()
        leader = self.leader()
        leader.kill()
        own.write()
        self.load.wait_for_writes('without the leader', PATIENCE_SECONDS)
        own.check('a change of leader')
        demand(not self.observer.leads() and not self.observer.votes(), 'the observer leads or votes')
        leader.start()
        wait_until_served([leader])
        wait_for('its vote', leader.votes, timeout=PATIENCE_SECONDS)
        own.close()

    def observer_is_gone(self):
        """No election, no pause; its own clients go elsewhere. Back, it has all that it missed."""
        ballot = self.leader().mntr()['zk_ballot']
        self.observer.kill()
        self.load.wait_for_writes('without the observer', PATIENCE_SECONDS)
        mark = int(self.leader().mntr()['zk_synod_slot_applied'])
        wait_for('a snapshot\'s worth of slots', lambda: self.applied(self.leader()) > mark + 100, timeout=PATIENCE_SECONDS)
        demand(self.leader().mntr()['zk_ballot'] == ballot, 'an election over the loss of an observer')
        self.observer.start()
        wait_until_served([self.observer])
        goal = self.applied(self.leader())
        wait_for('it has caught up', lambda: self.applied(self.observer) >= goal, timeout=PATIENCE_SECONDS)

    @staticmethod
    def applied(server):
        return int(server.mntr().get('zk_synod_slot_applied', -1))

    def no_quorum_with_it(self):
        """One voter and the observer of three voters: nothing is acknowledged. A second voter, and it is."""
        client = connect([self.observer])
        client.create('/before')
        client.stop()
        client.close()
        stays, *others = self.voters
        for server in others:
            server.kill()
        begin = time.monotonic()
        wait_for('nobody serves', lambda: not any(s.serves() for s in (stays, self.observer)), timeout=PATIENCE_SECONDS)
        try:
            refused = connect([stays, self.observer], timeout=4.0, patience=NO_SERVICE_SECONDS)
            refused.create('/never')
            demand(False, 'one voter of three and an observer have acknowledged a write')
        except (KazooException, KazooTimeoutError):
            pass
        demand(time.monotonic() - begin >= NO_SERVICE_SECONDS, 'gave up too early')
        demand(not any(s.serves() for s in (stays, self.observer)), 'one voter of three and an observer serve')
        others[0].start()
        wait_until_served([stays, others[0], self.observer])
        client = connect([self.observer])
        demand(client.exists('/before') is not None and client.exists('/never') is None, 'what was there is not')
        client.create('/after')
        client.stop()
        client.close()

    def it_takes_a_snapshot(self):
        """An ensemble that was restored has no log before its snapshot: an observer with an empty disk needs it."""
        source = self.leader()
        archive, to = os.path.join(self.directory, 'backup'), os.path.join(self.directory, 'new')
        for flags in (['backup', '--config', source.config, '--to', archive],
                      ['restore', '--from', archive, '--to', to, '--id', '1', '--members', '1,2,3']):
            done = subprocess.run([self.synod, *flags], capture_output=True, text=True)
            demand(done.returncode == 0, f'{flags[0]}: {done.stdout}{done.stderr}')
        for server in self.servers:
            server.kill()
        new = os.path.join(self.directory, 'restored')
        os.makedirs(new)
        self.servers = self.make(new)
        for server, directory in zip(self.voters, (to, f'{to}.member-2', f'{to}.member-3')):
            shutil.rmtree(server.directory)
            os.rename(directory, server.directory)
            server.start()
        wait_until_served(self.voters)
        self.observer.start()
        wait_until_served([self.observer])
        with open(self.observer.log, errors='replace') as f:
            demand('takes the snapshot of slot' in f.read(), 'it has come without a snapshot')
        client = connect([self.observer])
        client.sync('/')
        demand(client.exists('/after') is not None, 'a node of before is not there')
        client.create('/again')
        client.stop()
        client.close()
        demand('observer' in four_letter_word(self.observer.client, 'srvr'), 'srvr does not call it an observer')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    parser.add_argument('--seed', type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    logging.getLogger('kazoo').setLevel(logging.CRITICAL)
    return play(Scene(os.path.abspath(options.synod), options.seed))


if __name__ == '__main__':
    sys.exit(main())
