"""One coordinator as a real process, and an ensemble of them, for tests that need no whole cluster."""
import glob
import os
import shutil
import signal
import subprocess

from cluster import Failed, four_letter_word, wait_for

from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError


class Server:
    def __init__(self, synod, directory, base, number, size, tick_ms=500, snapshots=40, more='', observers=()):
        self.synod, self.number = synod, number
        self.directory = os.path.join(directory, f's{number}')
        os.makedirs(self.directory)
        self.client, self.peer_port = f'127.0.0.1:{base + number}', base + 10 + number
        self.log = os.path.join(directory, f's{number}.log')
        self.config = os.path.join(directory, f's{number}.cfg')
        with open(self.config, 'w') as f:
            f.write(f'tickTime={tick_ms}\nsnapCount={snapshots}\ndataDir={self.directory}\nclientPortAddress=127.0.0.1\n'
                    f'clientPort={base + number}\nmyid={number}\n4lw.commands.whitelist=*\n{more}')
            for n in range(1, size + 1):
                role = ':observer' if n in observers else ''
                f.write(f'server.{n}=127.0.0.1:{base + 10 + n}:{base + 20 + n}{role}\n')
            if number in observers:
                f.write('peerType=observer\n')
        self.write_id()
        self.process = None
        self.environment = {}  # beside what the test has

    def write_id(self):
        with open(os.path.join(self.directory, 'myid'), 'w') as f:
            f.write(f'{self.number}\n')

    def start(self):
        with open(self.log, 'a') as log:
            self.process = subprocess.Popen([self.synod, 'coordinator', '--config', self.config], stderr=log,
                                            env={**os.environ, **self.environment})

    def stop(self, patience=20):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=patience)
        self.process = None
        return code

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def mntr(self):
        lines = four_letter_word(self.client, 'mntr').splitlines()
        return dict(line.split('\t', 1) for line in lines if '\t' in line)

    def serves(self):
        return self.mntr().get('zk_synod_serving') == '1'

    def votes(self):
        return self.mntr().get('zk_synod_votes') == '1'

    def leads(self):
        return self.mntr().get('zk_server_state') == 'leader'

    def data(self, what, *flags):
        return subprocess.run([self.synod, 'data', what, '--dir', self.directory, *flags], capture_output=True,
                              text=True)

    def files(self, pattern):
        return sorted(glob.glob(os.path.join(self.directory, pattern)))


def demand(condition, what):
    if not condition:
        raise Failed(what)


def wait_until_served(servers, timeout=40):
    for server in servers:
        wait_for(f'server {server.number} serves', server.serves, timeout=timeout)


def print_logs(servers, lines=12):
    for server in servers:
        with open(server.log, errors='replace') as f:
            print(f'--- server {server.number}', *f.read().splitlines()[-lines:], sep='\n')


def play(scene):
    """scene.run() on scene.servers in scene.directory; the exit code. What failed is told, with the servers' logs, and the
    directory stays."""
    try:
        scene.run()
    except (Failed, KazooException, KazooTimeoutError) as error:
        print(f'FAILED: {type(error).__name__} {error}')
        print_logs(scene.servers)
        print(f'kept: {scene.directory}')
        return 1
    finally:
        for server in scene.servers:
            server.kill()
    shutil.rmtree(scene.directory)
    return 0
