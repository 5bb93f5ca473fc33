"""A local cluster for tests: started by `synod up` in a temporary folder on free ports, ended by `synod down`."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

# What `synod up --base-port P` may use: the roles' ports and those of tasks.
PORTS_OF_ROLES = 50


class Failed(Exception):
    """A promise that does not hold, or a cluster that does not come up."""


def free_base_port():
    """A base whose role ports are all free now. Several tests may look at once, so the start depends on the pid."""
    base = 20000 + (os.getpid() * 60) % 10000
    for attempt in range(200):
        candidate = 20000 + (base - 20000 + attempt * 1100) % 10000
        if all(is_free(candidate + i) for i in range(PORTS_OF_ROLES)):
            return candidate
    raise Failed('no free ports')


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(('127.0.0.1', port))
            return True
        except OSError:
            return False


def wait_for(what, predicate, timeout=30.0, interval=0.02):
    """Polls until predicate() is true; its value. Fails by name, never silently."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f'{what}: not within {timeout:.0f} s')
        time.sleep(interval)


class Cluster:
    def __init__(self, synod, keep=False, **options):
        self.synod = os.path.abspath(synod)
        self.keep = keep
        self.directory = tempfile.mkdtemp(prefix='synod_test_')
        self.base_port = free_base_port()
        self.options = options

    def __enter__(self):
        try:
            self.up_output = self.up()
        except BaseException:
            self.__exit__(Failed, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        subprocess.run([self.synod, 'down', '--dir', self.directory], capture_output=True, timeout=60)
        left = self.processes_left()
        for pid in left:
            os.kill(pid, 9)
        if self.keep or kind is not None:
            print(f'kept: {self.directory}')
        else:
            shutil.rmtree(self.directory, ignore_errors=True)
        if left and kind is None:
            raise Failed(f'synod down left processes behind: {left}')

    def up(self):
        flags = [f'--{name.replace("_", "-")}={value}' for name, value in self.options.items()]
        out = subprocess.run([self.synod, 'up', '--detach', '--dir', self.directory,
                              f'--base-port={self.base_port}', *flags], capture_output=True, text=True, timeout=120)
        if out.returncode != 0:
            raise Failed(f'synod up: {out.stdout}{out.stderr}{self.log_tails()}')
        return out.stdout

    def log_tails(self, lines=5):
        text = ''
        logs = os.path.join(self.directory, 'logs')
        for name in sorted(os.listdir(logs)) if os.path.isdir(logs) else []:
            with open(os.path.join(logs, name), errors='replace') as f:
                text += f'\n--- {name}\n' + ''.join(f.readlines()[-lines:])
        return text

    def run(self, *arguments, check=True, timeout=60):
        out = subprocess.run([self.synod, *arguments], capture_output=True, text=True, timeout=timeout,
                             env={**os.environ, 'SYNOD_DIR': self.directory})
        if check and out.returncode != 0:
            raise Failed(f'synod {" ".join(arguments)} -> {out.returncode}: {out.stdout}{out.stderr}')
        return out

    def file(self):
        with open(os.path.join(self.directory, 'cluster.json')) as f:
            return json.load(f)

    def of_role(self, role):
        return [p for p in self.file()['processes'] if p['role'] == role]

    def addresses(self, role):
        return [p['address'] for p in self.of_role(role)]

    def status(self):
        return json.loads(self.run('status', '--output', 'json').stdout)

    def try_status(self):
        out = self.run('status', '--output', 'json', check=False)
        return json.loads(out.stdout) if out.returncode == 0 else None

    def processes_left(self):
        mark = f'SYNOD_CLUSTER={self.directory}'.encode()
        left = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open(f'/proc/{pid}/environ', 'rb') as f:
                    if mark in f.read().split(b'\0'):
                        left.append(int(pid))
            except OSError:
                continue
        return left


def four_letter_word(address, word, timeout=1.0):
    """The answer of a coordinator to a four-letter word; '' if it does not answer."""
    host, port = address.rsplit(':', 1)
    try:
        with socket.create_connection((host, int(port)), timeout=timeout) as s:
            s.sendall(word.encode())
            answer = b''
            while True:
                piece = s.recv(65536)
                if not piece:
                    return answer.decode(errors='replace')
                answer += piece
    except OSError:
        return ''


def leading_coordinator(addresses):
    """The address of the coordinator that says it leads; None if nobody does."""
    for address in addresses:
        answer = four_letter_word(address, 'srvr')
        if 'Mode: leader' in answer or 'Mode: standalone' in answer:
            return address
    return None
