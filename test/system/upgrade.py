#!/usr/bin/python3
"""From the last release to this build and back, one server after the other, while ordinary clients write and watch.

    upgrade.py --synod build/synod (--old BINARY | --from COMMIT) [--seed N]

Three servers of the released program; each is replaced by this build, with the phases between held: this build under a leader
of the release, the release under a leader of this build, each taught by the other after a lost disk. Then back, and forth again.
A change of members is refused as long as a server of the release is there, and made afterwards; from then on the release refuses
the data in words, and the others refuse it. No session is lost, what clients were told fits together, states are equal.

The release is built once, from a git worktree, into build/released/: the commit whose subject is the newest heading of
CHANGELOG.md, or the one that --from names.
"""
import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from clients import Load, connect  # noqa: E402
from cluster import Failed, free_base_port, wait_for  # noqa: E402
from servers import Server, demand, play, wait_until_served  # noqa: E402

from kazoo.exceptions import KazooException, NewConfigNoQuorumError, ReconfigInProcessError  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE_SECONDS = 60.0
# More than this is no hand-over, even on a machine that is busy with other things.
GAP_SECONDS_MAX = 6.0
SNAPSHOTS = 2000  # slots or writes between them
DIGEST = base64.b64encode(hashlib.sha1(b'super:secret').digest()).decode()
KEYS = f'reconfigEnabled=true\nDigestAuthenticationProvider.superDigest=super:{DIGEST}\n'


# ---- the released program

def git(*words):
    done = subprocess.run(['git', '-C', ROOT, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f'git {" ".join(words)}: {done.stderr.strip()}')
    return done.stdout.strip()


def released_commit():
    """Its subject is `docs: ` and the newest heading of CHANGELOG.md, `X.Y.Z, NAME`."""
    with open(os.path.join(ROOT, 'CHANGELOG.md')) as f:
        name = re.search(r'^## (\d+\.\d+\.\d+, .*) \(', f.read(), re.M).group(1)
    commits = git('log', '--format=%H', '--fixed-strings', f'--grep=docs: {name}', '--', 'CHANGELOG.md').split()
    if not commits:
        raise Failed(f'this clone has no commit "docs: {name}" (a shallow clone?): name one with --from')
    return commits[0]


def released_program(commit):
    """Built unless it is there: build/released/COMMIT/synod."""
    commit = git('rev-parse', '--verify', f'{commit}^{{commit}}')
    place = os.path.join(ROOT, 'build', 'released', commit[:12])
    program = os.path.join(place, 'synod')
    if os.path.exists(program):
        return program, commit
    source = os.path.join(place, 'source')
    if not os.path.exists(os.path.join(source, '.git')):
        git('worktree', 'prune')
        git('worktree', 'add', '--detach', source, commit)
    print(f'builds {git("log", "-1", "--format=%h %s", commit)} in {source} (once)', flush=True)
    with open(os.path.join(place, 'build.log'), 'w') as log:
        for command in (['cmake', '--preset', 'release'], ['ninja', '-C', 'build', 'synod']):
            if subprocess.run(command, cwd=source, stdout=log, stderr=log).returncode != 0:
                raise Failed(f'{" ".join(command)} failed: {place}/build.log')
    shutil.copy(os.path.join(source, 'build', 'synod'), program + '.new')
    os.rename(program + '.new', program)
    git('worktree', 'remove', '--force', source)
    return program, commit


# ---- what clients do besides

class Watched:
    """One client counts in a node, another hears of each change by a watch alone, set again at each event."""

    def __init__(self, servers):
        self.path = '/upgrade/watched'
        self.seen, self.written, self.failure = [], 0, None
        self.writer, self.watcher = connect(servers), connect(servers[::-1])
        self.writer.create(self.path, b'0', makepath=True)
        self.stopping = threading.Event()
        self.look()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self, event=None):
        """On the watcher's own thread of events, so that it may not wait there."""
        del event
        self.watcher.get_async(self.path, watch=self.look).rawlink(self.looked)

    def looked(self, answer):
        if answer.successful():
            self.seen.append(int(answer.get()[0]))
        elif not self.stopping.is_set():
            self.look()  # the connection ended before the watch was set

    def run(self):
        while not self.stopping.is_set():
            try:
                self.writer.set(self.path, b'%d' % (self.written + 1))
                self.written += 1
            except KazooException:
                pass  # perhaps it was done; the next says the same
            time.sleep(0.02)

    def goes_on(self):
        mark = self.written
        wait_for('events', lambda: self.written > mark + 5 and self.seen and self.seen[-1] > mark, timeout=PATIENCE_SECONDS)

    def check(self):
        self.stopping.set()
        self.thread.join(timeout=60)
        wait_for('the last event', lambda: self.seen[-1] >= self.written, timeout=PATIENCE_SECONDS)
        demand(self.seen == sorted(self.seen), 'events out of order')
        return f'{self.written} changes of a watched node, {len(self.seen)} of them looked at'

    def close(self):
        self.stopping.set()
        for client in (self.writer, self.watcher):
            client.stop()
            client.close()


def fill(servers):
    """Slots, one after the other, until the oldest are in nobody's log (20,000 stay behind a snapshot): who begins anew is
    taught by a snapshot then."""
    stopping = threading.Event()
    clients = [connect([server]) for server in servers]

    def pump(client, number):
        path = f'/upgrade/fill-{number}'
        client.create(path, makepath=True)
        while not stopping.is_set():
            client.set(path, b'')
    threads = [threading.Thread(target=pump, args=(c, n), daemon=True) for n, c in enumerate(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_for('a log that does not begin at its beginning', lambda: not any(
            s.files('log/segment-0000000000000001') for s in servers), timeout=900, interval=0.5)
    finally:
        stopping.set()
        for thread, client in zip(threads, clients):
            thread.join(timeout=60)
            client.stop()
            client.close()


# ---- the scene

class Scene:
    def __init__(self, old, new, seed):
        self.old, self.new, self.seed = old, new, seed
        self.directory = tempfile.mkdtemp(prefix='synod_upgrade_')
        self.base = free_base_port()
        self.servers = [Server(old, self.directory, self.base, n, 3, snapshots=SNAPSHOTS, more=KEYS) for n in (1, 2, 3)]
        self.load = self.watched = self.client = None
        self.moment = 0.0

    def run(self):
        for server in self.servers:
            server.start()
        wait_until_served(self.servers)
        self.load = Load(self.servers, self.seed, pause=0.002)
        self.watched = Watched(self.servers)
        self.client = connect(self.servers, auth_data=[('digest', 'super:secret')])
        try:
            self.goes_on('three servers of the release')
            fill(self.servers)
            self.goes_on('their logs have been shortened')
            self.forth()
            self.whole('everything new')
            self.back()
            self.whole('everything old again')
            for server in in_order(self.servers):
                self.replace(server, self.new)
            self.whole('everything new again')
            self.no_way_back()
            print(f' {self.watched.check()}')
            print(f' {self.load.judge()}; {self.load.lost()} sessions lost', flush=True)
            self.digests_agree()
        finally:
            for one in (self.load, self.watched):
                one.close()
            self.client.stop()
            self.client.close()

    # ---- steps

    def goes_on(self, what):
        """All clients write, and hear of what they watch. The longest silence since the last time is told."""
        begin, self.moment = self.moment, time.monotonic()
        self.load.wait_for_writes(what, PATIENCE_SECONDS)
        self.watched.goes_on()
        gap = self.load.gap(begin, time.monotonic()) if begin else 0.0
        print(f' {what:60} longest without an acknowledged write {1000 * gap:5.0f} ms', flush=True)
        demand(gap < GAP_SECONDS_MAX, f'{what}: a gap of {gap:.1f} s')

    def start(self, server, program):
        server.synod = program
        server.start()
        wait_until_served([server], timeout=PATIENCE_SECONDS)
        if program == self.new:
            wait_for(f'server {server.number} votes', server.votes, timeout=PATIENCE_SECONDS)

    def end(self, server):
        """SIGTERM. Release 0.1.0 just dies of it."""
        code = server.stop()
        demand(code == 0 or server.synod == self.old, f'server {server.number} ended with {code}')

    def replace(self, server, program):
        led = server.leads()
        self.end(server)
        self.start(server, program)
        to, role = 'new' if program == self.new else 'old', 'which led' if led else 'a follower'
        self.goes_on(f'server {server.number}, {role}, is {to} now')

    def said(self, server, words, since):
        with open(server.log, errors='replace') as f:
            f.seek(since)
            return words in f.read()

    def lose_disk(self, server):
        """It is taught again by its leader, of whatever release that is."""
        server.kill()
        before = os.path.getsize(server.log)
        shutil.rmtree(server.directory)
        os.makedirs(server.directory)
        server.write_id()
        self.start(server, server.synod)
        demand(self.said(server, 'takes the snapshot of slot', before), 'a snapshot from the leader')
        self.goes_on(f'server {server.number} came back with an empty disk')

    def leader(self):
        return wait_for('a leader', lambda: next((s for s in self.servers if s.process and s.leads() and s.serves()), None),
                        timeout=PATIENCE_SECONDS)

    def reconfig(self, joining=None, leaving=None):
        def done():
            try:
                return self.client.reconfig(joining, leaving, None)
            except (NewConfigNoQuorumError, ReconfigInProcessError):
                return None
        return wait_for('reconfig', done, timeout=PATIENCE_SECONDS, interval=0.1)

    def reconfig_is_refused(self, said_by, words):
        """Through a server of this build; `said_by` tells why."""
        through = next(s for s in self.servers if s.synod == self.new)
        answer = subprocess.run([self.new, 'zk', 'reconfig', '--remove', '3', '--auth', 'digest:super:secret', '--zk',
                                 f'zk://{through.client}'], capture_output=True, text=True, timeout=60)
        demand(answer.returncode != 0 and 'older release' in answer.stderr, f'reconfig said: {answer.stdout}{answer.stderr}')
        demand(self.said(said_by, words, 0), f'server {said_by.number} does not say "{words}"')

    def forth(self):
        """The leader of the release stays the leader to the end; then one of this build leads with one of the release below."""
        one, two, last = in_order(self.servers)
        self.replace(one, self.new)
        demand(self.leader().synod == self.old, 'the leader is of the release')
        self.reconfig_is_refused(one, 'the leader is of a release without it')
        self.lose_disk(one)
        self.replace(two, self.new)
        demand(last.synod == self.old, 'one is of the release')
        if self.leader() is last:
            last.kill()
            wait_for('another leader', lambda: one.leads() or two.leads(), timeout=PATIENCE_SECONDS)
            self.start(last, self.old)
            self.goes_on(f'server {last.number}, which led and is old, was killed')
        leader = self.leader()
        demand(leader.synod == self.new and leader.mntr()['zk_synod_rules_agreed'] == '1', 'a leader of this build, old rules')
        self.reconfig_is_refused(leader, 'upgrade it first')
        self.lose_disk(last)
        self.replace(last, self.new)
        wait_for('new rules', lambda: self.leader().mntr()['zk_synod_rules_agreed'] == '2', timeout=PATIENCE_SECONDS)

    def back(self):
        for server in in_order(self.servers):
            self.replace(server, self.old)

    def digests_agree(self):
        wait_for('equal digests', lambda: len({s.mntr().get('zk_synod_digest') for s in self.servers}) == 1,
                 timeout=PATIENCE_SECONDS)

    def whole(self, what):
        """Every disk is sound to this build, whoever wrote it."""
        for server in in_order(self.servers):
            self.end(server)
            program, server.synod = server.synod, self.new
            verified = server.data('verify')
            demand(verified.returncode == 0, f'server {server.number}: {verified.stdout}{verified.stderr}')
            self.start(server, program)
        self.goes_on(f'{what}, all restarted and verified')

    # ---- behind the first change of members

    def no_way_back(self):
        began = time.time()
        third = self.servers[2]
        line = f'server.3=127.0.0.1:{third.peer_port}:{self.base + 23}:participant;{third.client}'

        def has_snapshot(server):
            return any(os.path.getmtime(p) > began for p in server.files('snapshots/snapshot-*[0-9a-f]'))
        self.reconfig(joining=line)  # the same members, and the log names their addresses now
        follower = next(s for s in self.servers if not s.leads())
        self.end(follower)
        if has_snapshot(follower):
            self.old_refuses(follower, 'its snapshot holds the change', 'the snapshot names no members')
        else:
            self.old_refuses(follower, 'its log holds the change', 'a slot holds no entry of a known kind')
        self.reconfig(leaving='3')
        text, _ = self.reconfig(joining=line)
        demand(text.count(b'server.') == 3, text)
        for server in self.servers:
            wait_for(f'server {server.number} votes', server.votes, timeout=PATIENCE_SECONDS)
        self.goes_on('a member left and joined')
        wait_for('a snapshot behind the change', lambda: has_snapshot(follower), timeout=2 * PATIENCE_SECONDS, interval=0.2)
        self.end(follower)
        self.old_refuses(follower, 'its snapshot holds the change', 'the snapshot names no members')
        self.old_is_refused(follower)
        self.all_old_at_once()

    def old_refuses(self, server, what, words):
        """It ends with a reason, and has changed nothing that would matter to this build."""
        before = os.path.getsize(server.log)
        server.synod = self.old
        server.start()
        wait_for(f'server {server.number} ends', lambda: server.process.poll() is not None, timeout=PATIENCE_SECONDS)
        demand(server.process.returncode != 0, 'an error')
        demand(self.said(server, words, before), f'the release did not say "{words}"')
        self.start(server, self.new)
        self.goes_on(f'the release refused server {server.number}: {what}')

    def old_is_refused(self, server):
        """With an empty disk there is nothing to misread, but for what others would say."""
        server.kill()
        aside = server.directory + '.aside'
        os.rename(server.directory, aside)
        os.makedirs(server.directory)
        server.write_id()
        before = os.path.getsize(server.log)
        server.synod = self.old
        server.start()
        wait_for('the reason', lambda: self.said(server, 'it cannot read the log of this ensemble', before),
                 timeout=PATIENCE_SECONDS)
        demand(not server.serves(), 'it does not serve')
        server.kill()
        shutil.rmtree(server.directory)
        os.rename(aside, server.directory)
        self.start(server, self.new)
        self.goes_on(f'the release with an empty disk was refused as server {server.number}')

    def all_old_at_once(self):
        for server in self.servers:
            server.kill()
            server.synod = self.old
            server.start()
        for server in self.servers:
            wait_for(f'server {server.number} ends', lambda s=server: s.process.poll() is not None, timeout=PATIENCE_SECONDS)
            demand(server.process.returncode != 0, 'an error')
        for server in self.servers:
            server.synod = self.new
            server.start()
        wait_until_served(self.servers)
        self.goes_on('all three were started as of the release, and then as of this build')


def in_order(servers):
    """Followers first, the leader last: the fewest hand-overs."""
    return sorted(servers, key=lambda s: s.leads())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    parser.add_argument('--old', help='a program of the release')
    parser.add_argument('--from', dest='commit', help='a commit to build it from; else the newest release of CHANGELOG.md')
    parser.add_argument('--seed', type=int, default=int.from_bytes(os.urandom(4), 'little'))
    options = parser.parse_args()
    try:
        old, commit = (os.path.abspath(options.old), options.old) if options.old else released_program(
            options.commit or released_commit())
    except Failed as error:
        print(f'FAILED: {error}')
        return 1
    print(f'from {commit[:12]} to {options.synod}, --seed {options.seed}', flush=True)
    return play(Scene(old, os.path.abspath(options.synod), options.seed))


if __name__ == '__main__':
    sys.exit(main())
