#!/usr/bin/python3
"""An ensemble that changes while clients write: one server becomes three, the leader is replaced by a fourth in one step, and all
are killed and started again with the files that they began with. Nothing acknowledged is lost, and no session.

    members.py --synod build/synod
"""
import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Failed, free_base_port, wait_for  # noqa: E402
from rolling import Writer, check_all  # noqa: E402
from servers import Server, demand, print_logs, wait_until_served  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import BadVersionError, KazooException, NewConfigNoQuorumError, NoAuthError  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

DIGEST = base64.b64encode(hashlib.sha1(b'super:secret').digest()).decode()
KEYS = f'reconfigEnabled=true\nstandaloneEnabled=false\nDigestAuthenticationProvider.superDigest=super:{DIGEST}\n'


class Ensemble:
    def __init__(self, synod, directory):
        self.synod, self.base = synod, free_base_port()
        # Each file lists the servers that were there before it, and itself.
        self.servers = [Server(synod, directory, self.base, n, n, snapshots=60, more=KEYS) for n in (1, 2, 3, 4)]

    def line(self, server):
        n = server.number
        return f'server.{n}=127.0.0.1:{self.base + 10 + n}:{self.base + 20 + n}:participant;127.0.0.1:{self.base + n}'

    def command(self, through, *words):
        return subprocess.run([self.synod, 'zk', *words, '--zk', f'zk://{through.client}'], capture_output=True, text=True)


def agreed(members):
    """True once all of them vote, follow one leader and show the same configuration."""
    return all(s.votes() for s in members) and sum(s.leads() for s in members) == 1


def written(writers, more=30):
    marks = [len(w.moments) for w in writers]
    wait_for('writes go on', lambda: all(len(w.moments) > m + more for w, m in zip(writers, marks)))


def reconfig(client, **what):
    """Until the joiners have caught up, which is seen by the answer."""
    request = {'joining': None, 'leaving': None, 'new_members': None, **what}

    def done():
        try:
            return client.reconfig(**request)
        except NewConfigNoQuorumError:
            return None
    return wait_for(f'reconfig {what}', done, timeout=60, interval=0.1)


def grow(ensemble, client, writers):
    one, two, three, _ = ensemble.servers
    joining = ','.join(ensemble.line(s) for s in (two, three))
    try:
        client.reconfig(joining, None, None)
        raise Failed('servers that do not run were let in')
    except NewConfigNoQuorumError:
        pass
    events = []
    client.get('/zookeeper/config', watch=events.append)
    two.start()
    three.start()
    text, stat = reconfig(client, joining=joining)
    demand(text.decode().endswith(f'version={stat.mzxid:x}') and text.decode().count('server.') == 3, text)
    wait_for('three voters', lambda: agreed([one, two, three]))
    wait_for('the event', lambda: [e.type for e in events] == ['CHANGED'])
    try:
        client.reconfig(None, '3', None, from_config=1)
        raise Failed('a change for another version was made')
    except BadVersionError:
        pass
    written(writers)
    print(f'one server became three at {stat.mzxid:x}', flush=True)


def stranger_may_not(ensemble):
    client = KazooClient(hosts=ensemble.servers[0].client)
    client.start(timeout=30)
    try:
        client.reconfig(None, '2', None)
        raise Failed('anybody may change the members')
    except NoAuthError:
        pass
    finally:
        client.stop()
        client.close()


def replace_leader(ensemble, writers):
    """In one step, by the command line, through a server that stays."""
    four = ensemble.servers[3]
    leader = next(s for s in ensemble.servers[:3] if s.leads())
    stays = [s for s in ensemble.servers[:3] if s is not leader]
    four.start()
    answer = wait_for('reconfig of the leader', lambda: [
        r for r in [ensemble.command(stays[0], 'reconfig', '--auth', 'digest:super:secret', '--add', ensemble.line(four),
                                     '--remove', str(leader.number))] if r.returncode == 0], timeout=60, interval=0.2)[0]
    demand(f'server.{leader.number}=' not in answer.stdout and 'server.4=' in answer.stdout, answer.stdout)
    members = [*stays, four]
    wait_for('three voters again', lambda: agreed(members))
    demand(not leader.votes() and not leader.leads(), 'the one that left does not vote')
    written(writers)
    demand(leader.stop() == 0, 'an orderly end of the one that left')
    written(writers)
    print(f'server {leader.number}, which led, left, and server 4 joined', flush=True)
    return members


def all_again(ensemble, members, writers):
    """Their files still name the servers of the beginning; the log counts."""
    before = ensemble.command(members[0], 'config').stdout
    for server in members:
        server.kill()
    for server in members:
        server.start()
    wait_until_served(members)
    wait_for('the same voters', lambda: agreed(members))
    after = ensemble.command(members[-1], 'config').stdout
    demand(before == after and 'server.4=' in after, f'before: {before}, after: {after}')
    written(writers)
    print('killed and started again: the same members', flush=True)


def run(ensemble):
    one = ensemble.servers[0]
    one.start()
    wait_until_served([one])
    writers = [Writer(n, [one] + ensemble.servers[1:]) for n in range(2)]
    client = KazooClient(hosts=','.join(s.client for s in ensemble.servers), timeout=10.0,
                         auth_data=[('digest', 'super:secret')])
    client.start(timeout=30)
    try:
        for writer in writers:
            writer.start()
        written(writers)
        stranger_may_not(ensemble)
        grow(ensemble, client, writers)
        members = replace_leader(ensemble, writers)
        all_again(ensemble, members, writers)
        for writer in writers:
            writer.end()
        for writer in writers:
            writer.check()
        for server in members:
            check_all(server, writers)
        print(f'{sum(len(w.moments) for w in writers)} writes acknowledged, all there; no session lost')
    finally:
        client.stop()
        client.close()
        for writer in writers:
            writer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix='synod_members_')
    ensemble = Ensemble(os.path.abspath(options.synod), directory)
    try:
        run(ensemble)
    except (Failed, KazooException, KazooTimeoutError) as error:
        print(f'FAILED: {type(error).__name__} {error}')
        print_logs([s for s in ensemble.servers if os.path.exists(s.log)], lines=30)
        return 1
    finally:
        for server in ensemble.servers:
            server.kill()
    shutil.rmtree(directory)
    return 0


if __name__ == '__main__':
    sys.exit(main())
