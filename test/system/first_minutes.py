#!/usr/bin/python3
"""A newcomer's first minutes, as docs/operating.md promises them, against the real binary.

    first_minutes.py --synod build/synod
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Failed, wait_for  # noqa: E402


def expect(what, text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.M):
            raise Failed(f'{what}: no /{pattern}/ in:\n{text}')


class Session:
    def __init__(self, cluster):
        self.c = cluster

    def runs_a_service(self):
        out = self.c.run('run', '--name', 'web', '--instances', '2', '--ports', '1', '--',
                         'exec python3 -m http.server $PORT0').stdout
        expect('run web', out, r'web: 2 wanted   offer \d+ ms   launched( a\d:\d+){2}   running 2/2   \d+\.\d+ s',
               r'logs: synod logs -f web')
        out = self.c.run('ps').stdout
        expect('ps', out, r'TASK +STATE +AGENT +CPU +MEM +PORTS +RESTARTS +AGE +LAST', r'web\.1 +running', r'web\.2 +running')
        port = re.search(r'web\.1 +running +a\d +\S+ of \S+ +\S+ MiB +(\d+)', out).group(1)
        body = wait_for('the service to answer', lambda: self.fetch(f'http://127.0.0.1:{port}/'))
        expect('the service', body, 'Directory listing')
        # The server tells its requests on stderr; each stream of the task goes to the same one here.
        expect('logs web.1', wait_for('log lines', lambda: self.c.run('logs', 'web.1').stderr), r'GET / HTTP')

    @staticmethod
    def fetch(url):
        try:
            return urllib.request.urlopen(url, timeout=2).read().decode()
        except OSError:
            return None

    def shows_the_output_of_a_short_run(self):
        for i in range(5):
            self.c.status()  # the masters' picture is fresh, and will not know the run when it has ended
            out = self.c.run('run', '--foreground', '--', f'echo out {i}; echo err {i} >&2')
            if (out.stdout, out.stderr) != (f'out {i}\n', f'err {i}\n'):
                raise Failed(f'run --foreground printed {out.stdout!r} and {out.stderr!r}')

    def tells_why_a_task_fails(self):
        self.c.status()
        out = self.c.run('run', '--name', 'bad', '--', 'sh', '-c', 'echo no such table >&2; exit 3', check=False)
        if out.returncode != 1:
            raise Failed(f'a failing task should give exit code 1, not {out.returncode}: {out.stdout}{out.stderr}')
        expect('run bad', out.stdout,
               r'bad\.1 failed after .*: exit status 3 \(TASK_FAILED, from the executor\)   last line of stderr: no such table',
               r'restarting in 1 s \(1 of 5\)')
        expect('explain bad', self.c.run('explain', 'bad').stdout, r'exit status 3')
        self.c.run('kill', 'bad')

    def tells_why_a_task_waits(self):
        process = subprocess.Popen([self.c.synod, 'run', '--name', 'huge', '--cpus', '99', '--', 'sleep 1'],
                                   stdout=subprocess.PIPE, text=True, env={**os.environ, 'SYNOD_DIR': self.c.directory})
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        expect('run --cpus 99', line, r'waiting: no agent has 99 cpus \(largest: a\d, [\d.]+, of which [\d.]+ free\)',
               r'of 2 agents fit by cpus', 'Ctrl-C leaves it queued')
        self.c.run('kill', 'huge')

    def pids(self):
        """Of the running tasks; a new master hears of them a moment after the tasks themselves."""
        def known():
            pids = {t['id']: t['pid'] for t in self.c.status()['tasks'] if t['state'] == 'TASK_RUNNING'}
            return pids if all(pids.values()) else None
        return wait_for('the pids of all tasks', known)

    def survives_the_leading_master(self):
        before = self.pids()
        pid = int(self.c.run('status', '-q', 'leader.master.pid').stdout)
        os.kill(pid, signal.SIGKILL)

        def recovered():
            status = self.c.try_status()
            f = status and status.get('failover')
            return f and f['agents_back'] == 2 and f.get('first_offer_ms') is not None and self.c.run('status').stdout
        out = wait_for('the next master', recovered)
        expect('status after the kill', out, r'masters  m\d leads, epoch 2 \(m\d died .* ago; elected after \d+ ms; 2/2 agents '
               r'back after \d+ ms; first offer .*\)', r'tasks    2 running, 0 lost, pids unchanged')
        if self.pids() != before:
            raise Failed(f'pids changed: {before} -> {self.pids()}')

    def survives_the_leading_coordinator(self):
        self.c.run('zk', 'set', '-c', '/config/limit', '100')
        os.kill(int(self.c.run('status', '-q', 'leader.coordinator.pid').stdout), signal.SIGKILL)
        out = self.c.run('zk', 'get', '/config/limit')
        expect('zk get after the kill', out.stdout, r'^100$')

    def survives_a_silent_master(self):
        status = self.c.status()
        pid, epoch = status['leader']['master']['pid'], status['leader']['master']['epoch']
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for('a master after the silent one', lambda: (self.c.try_status() or {}).get('leader', {})
                     .get('master', {}).get('epoch', 0) > epoch)
        finally:
            os.kill(pid, signal.SIGCONT)

        def gone():
            try:
                with open(f'/proc/{pid}/stat') as f:
                    return f.read().split(')')[1].split()[0] == 'Z'
            except OSError:
                return True
        wait_for('the deposed master to end', gone)

    def wrong_commands_are_told_apart(self):
        for arguments, code, words in [
                (['rnu'], 2, 'did you mean "run"'), (['run', '--cpu=1', '--', 'x'], 2, 'did you mean --cpus'),
                (['run'], 2, 'no command given'), (['kill', 'nobody'], 1, 'there is no app "nobody"'),
                (['zk', 'get', '/none'], 1, 'no node'), (['logs', 'nobody'], 1, 'nobody'),
                (['status', '--master=127.0.0.1:1'], 3, 'refused'), (['status', '--dir=/none'], 1, 'synod up')]:
            out = self.c.run(*arguments, check=False)
            if out.returncode != code or words not in out.stdout + out.stderr:
                raise Failed(f'synod {" ".join(arguments)}: {out.returncode}, wanted {code} and "{words}": '
                             f'{out.stdout}{out.stderr}')

    def shows_a_page(self):
        master = self.c.status()['leader']['address' if 'address' in self.c.status()['leader'] else 'master']
        address = master if isinstance(master, str) else master['address']
        expect('the page', self.fetch(f'http://{address}/') or '', '<title>Synod</title>')

    def goes_down(self):
        out = self.c.run('down').stdout
        expect('down', out, r'\d+ tasks stopped, \d+ processes ended, nothing left behind')
        if self.c.processes_left():
            raise Failed('down left something behind')

    def comes_back(self):
        started = time.monotonic()
        self.c.up()
        expect('zk get after a restart', self.c.run('zk', 'get', '/config/limit').stdout, r'^100$')
        wait_for('the service to run again', lambda: ' running ' in self.c.run('ps').stdout, timeout=60)
        print(f' back with its state after {time.monotonic() - started:.1f} s')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--synod', required=True)
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    try:
        with Cluster(options.synod, keep=options.keep) as cluster:
            session = Session(cluster)
            for step in ['runs_a_service', 'shows_the_output_of_a_short_run', 'tells_why_a_task_fails', 'tells_why_a_task_waits',
                         'survives_the_leading_master', 'survives_the_leading_coordinator', 'survives_a_silent_master',
                         'wrong_commands_are_told_apart', 'shows_a_page', 'goes_down', 'comes_back']:
                started = time.monotonic()
                getattr(session, step)()
                print(f' {step.replace("_", " "):34} {time.monotonic() - started:5.1f} s', flush=True)
    except Failed as failure:
        print(f'first_minutes: FAILED: {failure}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
