#!/usr/bin/python3
"""Faults on coordinators that are real processes, while ordinary clients work; then their histories are judged.

    faults.py --synod build/synod --flaky build/test/libflaky.so [--long] [--seed N] [--only NAME,...]

Processes are killed and stopped, the network between them is cut in all the ways that stop systems of this kind, loses and
delays; disks are slow, fail, fill up, are wiped and come back as they were earlier; clocks jump and drift; ten thousand
sessions return at once. While a quorum has paths to each other, all clients go on within a bound; no session that could be
kept is lost. --long is the same for longer.
"""
import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Failed, four_letter_word, wait_for  # noqa: E402
from ensemble import PATIENCE_SECONDS, Ensemble  # noqa: E402
from returning import Crowd  # noqa: E402
from servers import demand, print_logs  # noqa: E402

import logging  # noqa: E402

from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

HOUR_MS = 3_600_000
# An election takes a second and a half; a machine that is busy with other things more.
GAP_SECONDS_MAX = 6.0
# Their sessions live for 60 s.
RETURN_SECONDS_MAX = 60.0


class Times:
    """How long things last: `fault` is beyond an election timeout. How many sessions return."""
    fault, loss, flapping, pauses, drift, load = 2.0, 4.0, 3.0, (1.0, 8.0), 3.0, 1.0
    sessions = 10_000

    @classmethod
    def lengthen(cls):
        cls.fault, cls.loss, cls.flapping, cls.pauses, cls.drift, cls.load = 15.0, 60.0, 30.0, (1.0, 10.0, 60.0), 60.0, 10.0


def last(seconds):
    """The length of a fault; nothing is waited for."""
    time.sleep(seconds)


# ---- processes

def leader_killed(e):
    leader = e.leader()
    e.kill(leader)
    took = e.progress('without the leader')
    e.start(leader)
    return f'all clients after {1000 * took:.0f} ms'


def follower_killed(e):
    follower = e.others(e.leader())[0]
    e.kill(follower)
    took = e.progress('without a follower')
    e.start(follower)
    return f'all clients after {1000 * took:.0f} ms'


def paused(e, server):
    """Clients of the others go on after an election at most; its own when they have noticed."""
    told = []
    for seconds in Times.pauses:
        e.load.spread(server)
        elsewhere, begin = e.load.elsewhere(server), time.monotonic()
        server.pause()
        try:
            last(seconds)
        finally:
            server.resume()
        gap = e.load.gap(begin, time.monotonic(), elsewhere)
        demand(gap < GAP_SECONDS_MAX, f'the clients of the others waited for {gap:.1f} s')
        told.append(f'{seconds:.0f} s: gap of the {len(elsewhere)} clients elsewhere {1000 * gap:.0f} ms')
        e.whole()
        e.progress('after a pause')
    return ', '.join(told)


def leader_paused(e):
    return paused(e, e.leader())


def follower_paused(e):
    return paused(e, e.others(e.leader())[0])


# ---- the network

def during(e, what):
    """All clients go on while it lasts."""
    begin = time.monotonic()
    took = e.progress(f'while {what}')
    last(max(0.0, begin + Times.fault - time.monotonic()))
    return f'all clients after {1000 * took:.0f} ms'


def leader_cut_off(e):
    """It does not know of its successor, and lets its clients go when that is likely to be there."""
    leader = e.leader()
    there = e.load.some_at(leader)
    begin = time.monotonic()
    e.network.cut_between([leader.number], [s.number for s in e.others(leader)])
    took = e.load.wait_for_writes('of the clients of the leader that is cut off', GAP_SECONDS_MAX, since=begin, workers=there)
    return f'its own {len(there)} clients after {1000 * took:.0f} ms, {during(e, "the leader is cut off")}'


def leader_mute(e):
    leader = e.leader()
    e.network.cut(*[(leader.number, s.number) for s in e.others(leader)])
    return during(e, 'nothing from the leader arrives')


def leader_deaf(e):
    leader = e.leader()
    e.network.cut(*[(s.number, leader.number) for s in e.others(leader)])
    return during(e, 'nothing arrives at the leader')


def leader_mute_to_one(e):
    leader = e.leader()
    e.network.cut((leader.number, e.others(leader)[0].number))
    return during(e, 'the leader does not reach one')


def chained(e):
    """Omni-Paxos' chain: the leader and one other do not see each other, the third sees both."""
    leader = e.leader()
    before = e.ballot()
    e.network.cut_between([leader.number], [e.others(leader)[0].number])
    told = during(e, 'chained')
    return f'{told}, {e.ballot() - before} ballots'


def flapping(e):
    leader = e.leader()
    other = e.others(leader)[0]
    before, begin = e.ballot(), time.monotonic()
    while time.monotonic() < begin + Times.flapping:
        e.network.cut_between([leader.number], [other.number])
        last(0.3)
        e.network.mend()
        last(0.2)
    return f'{e.ballot() - before} ballots'


def loss_and_jitter(e):
    e.network.worsen(jitter=0.2, loss=0.05)
    begin = time.monotonic()
    while time.monotonic() < begin + Times.loss:
        e.progress('with loss and jitter')
    return ''


def quorum_loss(e):
    """Omni-Paxos' quorum loss: all see one follower, and nobody else. That one has to lead."""
    leader = e.leader()
    hub = e.others(leader)[0]
    e.network.only(*[(hub.number, s.number) for s in e.others(hub)])
    told = during(e, 'all see only one')
    demand(hub.leads(), f'server {hub.number} sees all others and does not lead')
    return told


def constrained_election(e):
    """Omni-Paxos' constrained election: the leader is cut off, the rest see only one, and that one lags."""
    leader = e.leader()
    hub = e.others(leader)[-1]
    e.network.cut_between([hub.number], [s.number for s in e.others(hub)])
    e.progress('while one lags')
    e.network.mend()
    e.network.only(*[(hub.number, s.number) for s in e.others(leader, hub)])
    told = during(e, 'the rest see only one that lags')
    demand(hub.leads(), f'server {hub.number} sees a quorum and does not lead')
    return told


# ---- clocks

def clocks_jump(e):
    leader = e.leader()
    for server in (leader, e.others(leader)[0]):
        for offset in (HOUR_MS, -HOUR_MS, 0):
            server.flaky.set(wall_offset_ms=offset)
            e.progress('after a jump')
    return 'an hour ahead and back, leader and follower'


def clocks_drift(e):
    """For the rest of the run."""
    leader = e.leader()
    leader.flaky.drift(50_000)
    e.others(leader)[0].flaky.drift(-50_000)
    begin = time.monotonic()
    while time.monotonic() < begin + Times.drift:
        e.progress('with drifting clocks')
    return 'the leader 5 % fast, a follower 5 % slow'


# ---- disks

def leader_disk_slow(e):
    leader = e.leader()
    begin = time.monotonic()
    leader.flaky.set(flush_delay_us=300_000)
    wait_for('leadership moves off', lambda: e.leader() is not leader, timeout=PATIENCE_SECONDS)
    took = time.monotonic() - begin
    e.progress('with a slow disk')
    last(Times.load)
    demand(not leader.leads(), 'the slow one leads again')
    leader.flaky.well()
    return f'flushes of 300 ms, leadership moved off after {1000 * took:.0f} ms'


def follower_disk_slow(e):
    leader = e.leader()
    follower = e.others(leader)[0]
    follower.flaky.set(flush_delay_us=300_000)
    begin = time.monotonic()
    e.progress('with a slow follower')
    last(Times.load)
    gap = e.load.gap(begin, time.monotonic())
    demand(leader.leads(), 'a slow follower is no reason for an election')
    follower.flaky.well()
    return f'flushes of 300 ms there, gap {1000 * gap:.0f} ms'


def flush_fails(e, server):
    """The flush that fails is not tried again: the process ends, says why, and takes part again once started."""
    with open(server.log, errors='replace') as f:
        said = len(f.read())
    server.flaky.set(flush_errors=1)
    code = e.ended(server)
    with open(server.log, errors='replace') as f:
        reason = f.read()[said:]
    demand(code != 0 and 'flush' in reason, f'ended with {code} after a failed flush and said: {reason[-300:]}')
    took = e.progress('without the server whose flush failed')
    server.flaky.well()
    e.start(server)
    return f'exit code {code}, all clients after {1000 * took:.0f} ms'


def leader_flush_fails(e):
    return flush_fails(e, e.leader())


def follower_flush_fails(e):
    return flush_fails(e, e.others(e.leader())[0])


def disk_comes_back_older(e):
    """The machine of a follower is restarted, and its disk is the copy of an earlier moment."""
    server = e.others(e.leader())[0]
    e.kill(server)
    copy = server.directory + '.earlier'
    shutil.copytree(server.directory, copy)
    e.start(server)
    e.whole()
    slot = int(server.mntr()['zk_synod_slot_applied'])
    wait_for('more slots', lambda: int(server.mntr().get('zk_synod_slot_applied', 0)) > slot + 50, timeout=PATIENCE_SECONDS)
    e.kill(server)
    shutil.rmtree(server.directory)
    os.rename(copy, server.directory)
    new_boot(e, server)
    e.start(server)


def new_boot(e, server):
    path = os.path.join(e.directory, f'boot{server.number}')
    with open(path, 'w') as f:
        f.write(f'{uuid.uuid4()}\n')
    server.environment['SYNOD_BOOT_ID'] = path


def leader_disk_full(e):
    """On file systems of 48 MiB."""
    leader = e.leader()
    filler = os.path.join(leader.directory, 'filler')
    begin = time.monotonic()
    with open(filler, 'wb', buffering=0) as f:
        try:
            while True:
                f.write(bytes(1 << 16))
        except OSError:
            pass
    wait_for('it tells of its full disk', lambda: leader.mntr().get('zk_synod_disk_full') == '1', timeout=PATIENCE_SECONDS)
    told = during(e, 'the disk of the leader is full')
    gap = e.load.gap(begin, time.monotonic())
    demand(leader.process.poll() is None, 'the server with the full disk ended')
    demand(four_letter_word(leader.client, 'ruok') == 'imok', 'a full disk is no reason to be silent')
    led = leader.leads()
    os.remove(filler)
    return f'{told}, gap {1000 * gap:.0f} ms, {"it led on" if led else "leadership moved off"}'


def disk_is_wiped(e):
    server = e.others(e.leader())[0]
    e.kill(server)
    e.progress('without the server that is wiped')
    shutil.rmtree(server.directory)
    os.makedirs(server.directory)
    server.write_id()
    e.start(server)


# ---- very many sessions

def sessions_return(e):
    """Ten thousand sessions of the leader return at once when it is killed; then of all servers, after all are killed."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    leader = e.leader()
    e.load.workers[0].client.create('/returning', makepath=True)
    crowd = Crowd([int(s.client.split(':')[1]) for s in e.servers], min(Times.sessions, files - 1000), '/returning')
    thread = threading.Thread(target=crowd.run, args=(e.servers.index(leader),), daemon=True)
    begin = time.monotonic()
    thread.start()
    try:
        told = [f'{crowd.count} opened in {crowd_is_back(e, crowd, begin)}']
        begin = time.monotonic()
        e.kill(leader)
        told.append(f'back after the leader in {crowd_is_back(e, crowd, begin)}')
        e.start(leader)
        e.whole()
        begin = time.monotonic()
        for server in e.servers:
            e.kill(server)
        for server in e.servers:
            e.start(server)
        told.append(f'back after all servers in {crowd_is_back(e, crowd, begin)}')
        demand(crowd.losses >= 2 * crowd.count, f'only {crowd.losses} connections were lost')
    finally:
        crowd.ending = True
        thread.join(timeout=PATIENCE_SECONDS)
    return ', '.join(told)


def crowd_is_back(e, crowd, begin):
    wait_for('the crowd is back', crowd.everybody_is_back, timeout=RETURN_SECONDS_MAX)
    took = time.monotonic() - begin
    # As many ephemerals as sessions, beside those of the load.
    want = crowd.count + len(e.load.workers)
    wait_for('all ephemerals', lambda: e.leader().mntr().get('zk_ephemerals_count') == str(want), timeout=PATIENCE_SECONDS)
    return f'{took:.1f} s'


# ---- all of them

OF_THREE = [leader_killed, follower_killed, leader_paused, follower_paused, leader_cut_off, leader_mute, leader_deaf,
            leader_mute_to_one, chained, flapping, loss_and_jitter, clocks_jump, leader_disk_slow, follower_disk_slow,
            leader_flush_fails, follower_flush_fails, disk_comes_back_older, disk_is_wiped, clocks_drift]
ON_SMALL_DISKS = [leader_disk_full]
IN_GREAT_NUMBER = [sessions_return]
OF_FIVE = [quorum_loss, constrained_election]


def may_mount():
    directory = tempfile.mkdtemp(prefix='synod_mount_')
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], capture_output=True)
    if done.returncode == 0:
        subprocess.run(['umount', directory], check=True)
    os.rmdir(directory)
    return done.returncode == 0


def play(options, size, scenarios, **more):
    chosen = [s for s in scenarios if not options.only or s.__name__ in options.only.split(',')]
    if not chosen:
        return
    ensemble = Ensemble(options, size, **more)
    try:
        ensemble.begin(options.seed)
        ensemble.play(*chosen)
        ensemble.judge()
    except BaseException:
        print_logs(ensemble.servers, lines=25)
        print(f'kept: {ensemble.directory}')
        raise
    finally:
        ensemble.end()
    shutil.rmtree(ensemble.directory)


def main():
    parser = argparse.ArgumentParser(description='faults on real coordinators while ordinary clients work')
    parser.add_argument('--synod', required=True)
    parser.add_argument('--flaky', required=True, help='the library made of flaky.cc')
    parser.add_argument('--long', action='store_true', help='each fault for longer; pauses of a minute')
    parser.add_argument('--seed', type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument('--only', default='', help='names of faults, as they are printed')
    parser.add_argument('--sessions', type=int, default=Times.sessions, help='that return at once')
    options = parser.parse_args()
    names = [s.__name__ for s in OF_THREE + OF_FIVE + IN_GREAT_NUMBER + ON_SMALL_DISKS]
    unknown = [name for name in options.only.split(',') if name and name not in names]
    if unknown:
        parser.error(f'no such fault: {", ".join(unknown)}; there are {", ".join(names)}')
    Times.sessions = options.sessions
    # Lost connections are what this is about; the client need not tell each of them.
    logging.getLogger('kazoo').setLevel(logging.CRITICAL)
    if options.long:
        Times.lengthen()
    begin = time.monotonic()
    print(f' seed {options.seed}', flush=True)
    try:
        play(options, 3, OF_THREE)
        play(options, 5, OF_FIVE)
        play(options, 3, IN_GREAT_NUMBER, tick_ms=3000, more='maxClientCnxns=0\n')
        if may_mount():
            play(options, 3, ON_SMALL_DISKS, disks='48m')
        else:
            print(' no small file system can be mounted here: the leader\'s disk was not filled')
    except (Failed, KazooException, KazooTimeoutError) as error:
        print(f'faults: FAILED: {type(error).__name__} {error}', file=sys.stderr)
        return 1
    print(f' faults: every promise held, {time.monotonic() - begin:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
