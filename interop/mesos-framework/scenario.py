#!/usr/bin/python3
"""mesos-framework on masters and agents of ours, over our coordinators and over Apache ZooKeeper."""
import json
import os
import queue
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from ensemble import ApacheZooKeeper, Coordinators, Failed  # noqa: E402
from resource_manager import ResourceManager, wait_for  # noqa: E402

SHORT, LONG = 4, 4


class Framework:
    """The node process and what it told."""

    def __init__(self, manager):
        environment = {**os.environ, 'MASTERS': ','.join(reversed(manager.masters)), 'WORK': manager.directory,
                       'SHORT': str(SHORT), 'LONG': str(LONG), 'LONG_SECONDS': '12'}
        self.errors = open(os.path.join(manager.directory, 'framework.log'), 'wb')
        self.process = subprocess.Popen(['node', '--no-deprecation', 'framework.js'], env=environment,
                                        stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL)
        self.told = []
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            try:
                self.lines.put(json.loads(line))
            except ValueError:
                pass  # the package's own log also goes to the console

    def heard(self):
        while not self.lines.empty():
            self.told.append(self.lines.get())
        return self.told

    def in_state(self, state):
        latest = {}
        for line in self.heard():
            if line['event'] == 'update':
                latest[line['task']] = line['state']
        return sorted(task for task, last in latest.items() if last == state)

    def end(self, timeout):
        try:
            code = self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        for line in self.heard():
            self.errors.write((json.dumps(line) + '\n').encode())
        self.errors.close()
        return code


def pids(manager):
    view = manager.cluster()
    return {task['id']: task['pid'] for task in view['tasks'] if task['state'] == 'TASK_RUNNING'} if view else {}


def run(manager):
    framework = Framework(manager)
    try:
        wait_for('all long tasks running', lambda: len([t for t in framework.in_state('TASK_RUNNING') if '.long-' in t]) == LONG
                 and len([t for t in framework.in_state('TASK_FINISHED') if '.short-' in t]) == SHORT, timeout=90)
        before = pids(manager)
        subscribed = len([line for line in framework.heard() if line['event'] == 'subscribed'])
        at = time.monotonic()
        dead = manager.kill_leader()
        wait_for('another master leads', lambda: manager.leader() not in (None, dead))
        elected = time.monotonic() - at
        wait_for('the framework subscribed again',
                 lambda: len([line for line in framework.heard() if line['event'] == 'subscribed']) > subscribed)
        again = time.monotonic() - at
        wait_for('agents back', lambda: manager.active_agents() == len(manager.agents))
        # Agents tell the pids a moment after they are back; a pid that changed never becomes what it was.
        wait_for('tasks kept their pids', lambda: pids(manager) == before)
        code = framework.end(timeout=90)
        ids = {line['framework'] for line in framework.heard() if line['event'] == 'subscribed'}
        if code != 0 or len(ids) != 1:
            raise Failed(f'the framework ended with {code}, ids {ids}')
        print(f'   {SHORT + LONG} tasks finished; leader killed: another leads after {elected * 1000:.0f} ms, '
              f'the framework is back after {again * 1000:.0f} ms, {len(before)} tasks kept their pids')
    except BaseException:
        framework.end(timeout=0)
        raise


def main():
    kinds = {'synod': lambda: Coordinators(3), 'apache': ApacheZooKeeper}
    for name in sys.argv[1:] or list(kinds):
        if name not in kinds:
            print(f'usage: run [{"|".join(kinds)}]...', file=sys.stderr)
            return 2
        try:
            with kinds[name]() as servers, ResourceManager(servers.addresses) as manager:
                print(f'   on {name}:', ','.join(servers.addresses))
                run(manager)
        except Failed as failure:
            print(f'mesos-framework on {name}: {failure}', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
