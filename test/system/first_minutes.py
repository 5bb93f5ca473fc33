#!/usr/bin/python3
"""A newcomer's first minutes, as docs/operating.md promises them, against the real binary.

    first_minutes.py --synod build/synod
"""
import argparse
import json
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
        self.env = {**os.environ, 'SYNOD_DIR': cluster.directory,
                    'PATH': os.path.dirname(cluster.synod) + ':' + os.environ['PATH']}

    def type(self, line, code=0, timeout=60):
        """A line as a user types it, in a shell that has synod on its path; (stdout, stderr)."""
        out = subprocess.run(['sh', '-c', line], capture_output=True, text=True, timeout=timeout, env=self.env)
        if out.returncode != code:
            raise Failed(f'$ {line}\n-> {out.returncode}, not {code}: {out.stdout}{out.stderr}')
        return out.stdout, out.stderr

    def says_what_came_up(self):
        wanted = (r'^ coordinators +(c\d( leader)? +){3}127\.0\.0\.1:\d+-\d+ +quorum 3/3, ballot \d+$',
                  r'^ masters +(m\d( leader)? +){2}127\.0\.0\.1:\d+-\d+ +epoch 1$',
                  r'^ agents +a1  a2 +[\d.]+ cpus?, [\d.]+ GiB, ports \d+-\d+ \| \d+-\d+   '
                  r'\((cgroups v[12]|no cgroups: )[^,]*, (runc [\d.]+|crun [\d.]+|no runc or crun)\)$',
                  r'^ page +http://127\.0\.0\.1:\d+ +logs +\S+/logs +ready in [\d.]+ m?s$',
                  r"^ try:  \S*synod run (--dir=\S+ )?--name web --instances 2 --ports 1 -- 'exec python3 -m http\.server \$PORT0'$",
                  r'^ +\S*synod zk (--dir=\S+ )?set -c /config/limit 100      \S*synod status ')
        expect('up', self.c.up_output, *wanted)
        again, _ = self.type(f'synod up --detach --base-port {self.c.base_port}')
        expect('up again', again, r'^ already running in ', *wanted)

    def runs_a_service(self):
        out, _ = self.type("synod run --name web --instances 2 --ports 1 -- 'exec python3 -m http.server $PORT0'")
        expect('run web', out, r'web: 2 wanted   offer \d+ ms   launched( a\d:\d+){2}   running 2/2   \d+\.\d+ s',
               r'^ logs: synod logs -f web   why: synod explain web   stop: synod kill web$')
        out, _ = self.type('synod ps')
        expect('ps', out, r'^ TASK +STATE +AGENT +CPU +MEM +PORTS +RESTARTS +AGE +LAST$',
               *(rf'^ web\.{i}  running  a\d +\d+% of 0\.1  \d+/128 MiB +\d+  0 +\d+m?s +-$' for i in (1, 2)))
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
        out, _ = self.type("synod run --name bad -- sh -c 'echo no such table >&2; exit 3'", code=1)
        expect('run bad', out,
               r'^ bad\.1 failed after \d+ ms: exit status 3 \(TASK_FAILED, from the executor\)   '
               r'last line of stderr: no such table$',
               r'^ restarting in 1 s \(1 of 5\), then 2 s, 4 s \.\.\.   '
               r'synod logs bad\.1 \| synod explain bad \| synod kill bad$')
        expect('explain bad', self.c.run('explain', 'bad').stdout, r'exit status 3')
        self.c.run('kill', 'bad')

    def tells_why_a_task_waits(self):
        process = subprocess.Popen(['synod', 'run', '--name', 'huge', '--cpus', '99', '--', 'sleep', '1'],
                                   stdout=subprocess.PIPE, text=True, env=self.env)
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)
        expect('run --cpus 99', line, r'^ waiting: no agent has 99 cpus \(largest: a\d, [\d.]+, of which [\d.]+ free\)\. '
               r'0 of 2 agents fit by cpus, 2 by mem\. Ctrl-C leaves it queued\.$')
        self.c.run('kill', 'huge')

    def pids(self):
        """Of the running tasks; a new master hears of them a moment after the tasks themselves."""
        def known():
            pids = {t['id']: t['pid'] for t in self.c.status()['tasks'] if t['state'] == 'TASK_RUNNING'}
            return pids if all(pids.values()) else None
        return wait_for('the pids of all tasks', known)

    def survives_the_leading_master(self):
        before = self.pids()
        out, _ = self.type('kill -9 $(synod status -q leader.master.pid); synod status')
        expect('status at once', out, r'^ quorum   3/3   leader c\d   ballot \d+   zxid 0x[0-9a-f]+   .*znodes \d+   sessions \d+$',
               r'^ masters  m\d leads, epoch 2 \(m\d died \d+ m?s ago; elected after \d+ ms; \d/2 agents back ')

        def recovered():
            out, _ = self.type('synod status')
            # The first offer may come before the last agent is back.
            return out if all(word in out for word in ('first offer', 'follows', '2/2 agents', '2 running')) else None
        out = wait_for('the next master', recovered)
        expect('status after the kill', out, r'^ masters  m\d leads, epoch 2 \(m\d died .* ago; elected after \d+ ms; 2/2 agents '
               r'back after \d+ ms; first offer \d+ ms\)$', r'^ tasks    2 running, 0 lost, pids unchanged     m\d restarted, follows$')
        if self.pids() != before:
            raise Failed(f'pids changed: {before} -> {self.pids()}')
        self.still_knows_when_tasks_began()

    def still_knows_when_tasks_began(self):
        """A new master has it from the agents."""
        address = self.type('synod status -q leader.master.address')[0].strip()
        with urllib.request.urlopen(f'http://{address}/state', timeout=10) as answer:
            state = json.load(answer)
        tasks = [task for framework in state['frameworks'] for task in framework['tasks']]
        for task in tasks:
            states = [status['state'] for status in task['statuses']]
            if states[-1:] != ['TASK_RUNNING'] or task['statuses'][-1]['timestamp'] > time.time():
                raise Failed(f"{task['id']}: statuses {task['statuses']}")
        if len(tasks) != 2:
            raise Failed(f'{len(tasks)} tasks in /state')

    def survives_the_leading_coordinator(self):
        self.type('synod zk set -c /config/limit 100')
        out, told = self.type('kill -9 $(synod status -q leader.coordinator.pid); synod zk get /config/limit')
        expect('zk get after the kill', out, r'^100$')
        expect('zk get after the kill, stderr', told, r'^reconnected to c\d after \d+ ms; session kept$')

    def survives_a_silent_master(self):
        pid = self.c.status()['leader']['master']['pid']
        try:
            out, _ = self.type('kill -STOP $(synod status -q leader.master.pid); synod status')
            expect('status of a silent master', out, r"^ m\d silent for \d+\.\d s \(its session's limit\): m\d leads, epoch 3; "
                   r'on waking m\d will see that it is deposed and exit$')
        finally:
            os.kill(pid, signal.SIGCONT)

        def gone():
            try:
                with open(f'/proc/{pid}/stat') as f:
                    return f.read().split(')')[1].split()[0] == 'Z'
            except OSError:
                return True
        wait_for('the deposed master to end', gone)
        wait_for('it to follow', lambda: 'restarted, follows' in self.type('synod status')[0])

    def wrong_commands_are_told_apart(self):
        for arguments, code, words in [
                (['rnu'], 2, 'did you mean "run"'), (['run', '--cpu=1', '--', 'x'], 2, 'did you mean --cpus'),
                (['run'], 2, 'no command given'), (['kill', 'nobody'], 1, 'there is no app "nobody"'),
                (['zk', 'get', '/none'], 1, 'no node'), (['logs', 'nobody'], 1, 'nobody'),
                (['status', '--master=127.0.0.1:1'], 3, 'refused'), (['status', '--dir=/none'], 1, 'synod up'),
                (['status', '--output=xml'], 2, 'text or json'), (['run', '--cpus=abc', '--', 'x'], 2, '--cpus cannot be "abc"'),
                (['up', '--detach', '--agents=3'], 2, 'a cluster with --agents=2 runs in'),
                (['up', '--detach', '--base-port=20000'], 2, 'runs on other ports'),
                (['up', '--detach', f'--dir={self.c.directory}/other', f'--base-port={self.c.base_port}'], 1,
                 'where another program listens')]:
            out = self.c.run(*arguments, check=False)
            if out.returncode != code or words not in out.stdout + out.stderr:
                raise Failed(f'synod {" ".join(arguments)}: {out.returncode}, wanted {code} and "{words}": '
                             f'{out.stdout}{out.stderr}')

    def shows_a_page(self):
        master = self.c.status()['leader']['address' if 'address' in self.c.status()['leader'] else 'master']
        address = master if isinstance(master, str) else master['address']
        expect('the page', self.fetch(f'http://{address}/') or '', '<title>Synod</title>')

    def goes_down(self):
        out, _ = self.type('synod down')
        expect('down', out, r'^ 2 tasks stopped, 9 processes ended, nothing left behind \(state kept in \S+\)$')
        if self.c.processes_left():
            raise Failed('down left something behind')
        for arguments, code, words in [
                (['down'], 0, 'nothing runs from'), (['status'], 3, 'nothing runs in'), (['ps'], 3, 'start it with `synod up`'),
                (['run', '--', 'x'], 3, 'nothing runs in'), (['zk', 'ls', '/'], 3, 'nothing runs in')]:
            started = time.monotonic()
            out = subprocess.run(['synod', *arguments], capture_output=True, text=True, timeout=60, env=self.env)
            if out.returncode != code or words not in out.stdout + out.stderr or time.monotonic() - started > 3:
                raise Failed(f'synod {" ".join(arguments)} after down: {out.returncode}, {time.monotonic() - started:.1f} s: '
                             f'{out.stdout}{out.stderr}')

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
            for step in ['says_what_came_up', 'runs_a_service', 'shows_the_output_of_a_short_run', 'tells_why_a_task_fails', 'tells_why_a_task_waits',
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
