#!/usr/bin/python3
"""Kills and stops the leaders of a real cluster, again and again, while clients work; then checks the promises.

    chaos.py --synod build/synod [--rounds N] [--stop-seconds S] [--kinds LIST] [--zk zk://...]

A ZooKeeper client (kazoo, unmodified) appends; ten tasks run; a framework on the v1 API launches short tasks. The leading
coordinator and the leading master are ended by SIGKILL and stopped by SIGSTOP. At the end: nothing acknowledged is
missing or doubled, the ten tasks kept their pids, the framework heard a terminal status of every task, nothing was given
out twice. Prints the gap of each kind.
"""
import argparse
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Failed, leading_coordinator, wait_for  # noqa: E402
from v1_framework import Framework  # noqa: E402

import logging  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import ConnectionLoss, KazooException, OperationTimeoutError, SessionExpiredError  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

KINDS = ['kill-coordinator', 'kill-master', 'stop-coordinator', 'stop-master']


class Appender:
    """Appends numbers below one node, one at a time. Remembers which were acknowledged and which are in doubt."""

    def __init__(self, hosts):
        self.client = KazooClient(hosts=hosts, timeout=10.0, connection_retry={'max_tries': -1, 'delay': 0.01,
                                                                               'backoff': 1, 'max_jitter': 0.01},
                                  randomize_hosts=True)
        self.client.start(timeout=20)
        self.client.ensure_path('/chaos/log')
        self.acknowledged, self.doubtful = [], []
        self.acks = []  # times
        self.stopping = False
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        number = 0
        while not self.stopping:
            number += 1
            try:
                self.client.create('/chaos/log/e-', str(number).encode(), sequence=True)
                self.acknowledged.append(number)
                self.acks.append(time.monotonic())
            except (ConnectionLoss, OperationTimeoutError, SessionExpiredError, KazooTimeoutError):
                self.doubtful.append(number)
                time.sleep(0.002)
            except KazooException as error:
                self.doubtful.append(number)
                print(f' appender: {type(error).__name__} at {number}')
                time.sleep(0.02)

    def longest_gap(self, since):
        times = [t for t in self.acks if t >= since]
        before = [t for t in self.acks if t < since][-1:]
        times = before + times
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def stop(self):
        self.stopping = True
        self.thread.join(timeout=60)

    def check(self):
        self.client.sync('/chaos/log')
        counts = {}
        for child in self.client.get_children('/chaos/log'):
            value = int(self.client.get(f'/chaos/log/{child}')[0])
            counts[value] = counts.get(value, 0) + 1
        missing = [n for n in self.acknowledged if n not in counts]
        doubled = [n for n, count in counts.items() if count > 1]
        strangers = set(counts) - set(self.acknowledged) - set(self.doubtful)
        if missing or doubled or strangers:
            raise Failed(f'appended numbers: missing {missing[:5]}, doubled {doubled[:5]}, strangers {list(strangers)[:5]}')
        return len(self.acknowledged), len(self.doubtful)


def task_pids(cluster, prefix):
    status = cluster.try_status()
    if status is None:
        return {}
    return {t['id']: t['pid'] for t in status['tasks']
            if t['name'].startswith(prefix) and t['state'] == 'TASK_RUNNING' and t.get('pid')}


def check_ledger(status):
    """Nothing is given out twice: no agent above its total, no port with two owners."""
    for agent in status['agents']:
        for resource in ('cpus', 'mem', 'disk'):
            given = agent['allocated'][resource] + agent['offered'][resource]
            if given > agent['total'][resource] + 1e-6:
                raise Failed(f'{agent["name"]} gives {given} of {agent["total"][resource]} {resource}')
        ports = [p for t in status['tasks'] if t['agent_id'] == agent['id'] and t['state'] == 'TASK_RUNNING'
                 for p in t['ports']]
        if len(ports) != len(set(ports)):
            raise Failed(f'{agent["name"]}: a port with two owners among {sorted(ports)}')


class Chaos:
    def __init__(self, cluster, options):
        self.cluster, self.options = cluster, options
        self.coordinators = cluster.addresses('coordinator') or options.zk.split('//')[1].split('/')[0].split(',')
        self.gaps = {}

    def pid_of(self, address):
        return next(p['pid'] for p in self.cluster.file()['processes'] if p['address'] == address)

    def leader(self, role):
        if role == 'coordinator':
            return wait_for('a leading coordinator', lambda: leading_coordinator(self.coordinators))
        return wait_for('a leading master', lambda: (self.cluster.try_status() or {}).get('leader', {})
                        .get('master', {}).get('address'))

    def strike(self, kind, appender, framework):
        action, role = kind.split('-')
        address = self.leader(role)
        pid = self.pid_of(address)
        epoch = (self.cluster.try_status() or {'leader': {'master': {'epoch': 0}}})['leader']['master']['epoch']
        start = time.monotonic()
        offers = framework.offers_seen
        os.kill(pid, signal.SIGKILL if action == 'kill' else signal.SIGSTOP)
        try:
            if role == 'coordinator':
                acks = len(appender.acks)
                wait_for('the next acknowledged write', lambda: len(appender.acks) > acks + 5, timeout=60)
                if action == 'stop':
                    self.sleep_out(start)
            else:
                if action == 'stop':
                    self.sleep_out(start)
        finally:
            if action == 'stop':
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        if role == 'coordinator':
            self.note(kind, appender.longest_gap(start))
        else:
            wait_for('a new epoch', lambda: ((self.cluster.try_status() or {}).get('leader', {}).get('master', {})
                                             .get('epoch', 0)) > epoch, timeout=60)
            wait_for('offers from the new master', lambda: framework.offers_seen > offers, timeout=60)
            lost = [g for g in framework.gaps if g[1] >= start]
            self.note(kind, lost[0][1] - start if lost else 0.0)
        self.settle()

    def sleep_out(self, start):
        # The fault itself has this length; nothing is waited for here.
        time.sleep(max(0.0, start + self.options.stop_seconds - time.monotonic()))

    def note(self, kind, seconds):
        self.gaps.setdefault(kind, []).append(seconds * 1000)
        print(f' {kind:18} gap {seconds * 1000:7.0f} ms', flush=True)

    def settle(self):
        want = {'coordinator': len(self.cluster.of_role('coordinator')), 'agent': len(self.cluster.of_role('agent'))}

        def whole():
            status = self.cluster.try_status()
            return status and status['quorum']['leader'] and status['quorum']['alive'] >= want['coordinator'] and \
                sum(a['state'] == 'active' for a in status['agents']) == want['agent'] and \
                len(status['masters']) == len(self.cluster.of_role('master'))
        wait_for('the whole cluster back', whole, timeout=60, interval=0.1)

    def run(self):
        cluster = self.cluster
        appender = Appender(','.join(self.coordinators))
        cluster.run('run', '--name', 'steady', '--instances', '10', '--cpus', '0.05', '--mem', '16', '--',
                    'exec sleep 100000')
        pids = wait_for('ten tasks with pids', lambda: (lambda p: p if len(p) == 10 else None)(
            task_pids(cluster, 'steady.')))
        framework = Framework(cluster.addresses('master')).start()
        wait_for('the framework to launch', lambda: len(framework.states) >= 2)
        for number in range(self.options.rounds):
            for kind in self.options.kinds.split(','):
                self.strike(kind, appender, framework)
        appender.stop()
        framework.launching = False

        def quiet():
            framework.reconcile()
            return not framework.open_tasks()
        wait_for('a terminal status of every task', quiet, timeout=60, interval=0.5)
        framework.stop()
        now = task_pids(cluster, 'steady.')
        if now != pids:
            raise Failed(f'tasks changed: before {pids}, now {now}')
        for pid in pids.values():
            os.kill(pid, 0)
        check_ledger(cluster.status())
        acknowledged, doubtful = appender.check()
        finished = sum('TASK_FINISHED' in s for s in framework.states.values())
        print(f' {acknowledged} appends acknowledged, all there once; {doubtful} in doubt, none twice')
        print(f' 10 tasks kept their pids; {len(framework.launched)} short tasks, each with a terminal status '
              f'({finished} finished)')
        for kind, gaps in self.gaps.items():
            gaps.sort()
            print(f' {kind:18} {len(gaps)} times, gap median {gaps[len(gaps) // 2]:.0f} ms, worst {gaps[-1]:.0f} ms')


def main():
    parser = argparse.ArgumentParser(description='kill and stop the leaders of a real cluster while clients work')
    parser.add_argument('--synod', required=True)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--stop-seconds', type=float, default=30)
    parser.add_argument('--kinds', default=','.join(KINDS))
    parser.add_argument('--zk', default='', help='existing ZooKeeper servers in place of our coordinators')
    parser.add_argument('--keep', action='store_true', help='keep the folder with logs and state')
    options = parser.parse_args()
    # Lost connections are what this is about; the client need not tell each of them.
    logging.getLogger('kazoo').setLevel(logging.CRITICAL)
    if options.zk:
        options.kinds = ','.join(k for k in options.kinds.split(',') if k.endswith('master'))
    extra = {'zk': options.zk} if options.zk else {}
    started = time.monotonic()
    try:
        with Cluster(options.synod, keep=options.keep, **extra) as cluster:
            Chaos(cluster, options).run()
    except Failed as failure:
        print(f'chaos: FAILED: {failure}', file=sys.stderr)
        return 1
    print(f' chaos: every promise held, {time.monotonic() - started:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
