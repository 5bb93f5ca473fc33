#!/usr/bin/python3
"""Ensembles for interop tests, in a temporary folder on free ports, ended by pid.

    ensemble.py [--servers N] [--apache] -- COMMAND...

runs COMMAND with ZK_ADDRESSES=host:port,... once all servers serve, and exits with its code. As a module:
`with Coordinators(3) as ensemble: ensemble.addresses`, and `with ApacheZooKeeper() as server: server.addresses`.
"""
import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

APACHE_CLASSPATH = '/etc/zookeeper/conf:/usr/share/java/zookeeper.jar'


class Failed(Exception):
    pass


def free_ports(count):
    """Ports that are free now; all are held until all are known, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(('127.0.0.1', 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def four_letter_word(address, word, timeout=2.0):
    host, port = address.rsplit(':', 1)
    try:
        with socket.create_connection((host, int(port)), timeout=timeout) as s:
            s.sendall(word.encode())
            answer = b''
            while piece := s.recv(65536):
                answer += piece
            return answer.decode(errors='replace')
    except OSError:
        return ''


class Servers:
    """Processes that together serve ZooKeeper clients."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix='synod_interop_')
        self.addresses = []
        self.processes = []

    def __enter__(self):
        try:
            self.start()
            self.wait()
        except BaseException:
            self.__exit__(Failed, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if kind is not None:
            print(f'kept: {self.directory}', file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def launch(self, name, command, **more):
        log = open(os.path.join(self.directory, f'{name}.log'), 'wb')
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                               stdin=subprocess.DEVNULL, **more))
        log.close()

    def wait(self, timeout=60.0):
        deadline = time.monotonic() + timeout
        for address in self.addresses:
            while 'Mode: ' not in four_letter_word(address, 'srvr'):
                ended = [p for p in self.processes if p.poll() is not None]
                if ended or time.monotonic() > deadline:
                    raise Failed(f'{address} does not serve{self.log_tails()}')
                time.sleep(0.05)

    def log_tails(self, lines=8):
        text = ''
        for name in sorted(os.listdir(self.directory)) if os.path.isdir(self.directory) else []:
            if name.endswith('.log'):
                with open(os.path.join(self.directory, name), errors='replace') as f:
                    text += f'\n--- {name}\n' + ''.join(f.readlines()[-lines:])
        return text

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        return path


class Coordinators(Servers):
    def __init__(self, count=3, synod=None, extra=''):
        super().__init__()
        self.count = count
        self.synod = os.path.abspath(synod or os.environ.get('SYNOD', 'build/synod'))
        self.extra = extra

    def start(self):
        ports = free_ports(3 * self.count)
        lines = ''.join(f'server.{i + 1}=127.0.0.1:{ports[3 * i]}:{ports[3 * i + 1]}\n'
                        for i in range(self.count))
        for i in range(self.count):
            client = ports[3 * i + 2]
            config = self.write(f'{i + 1}/zoo.cfg', (
                f'tickTime=500\ninitLimit=10\nsyncLimit=5\nmaxClientCnxns=0\nclientPort={client}\n'
                f'clientPortAddress=127.0.0.1\ndataDir={self.directory}/{i + 1}/data\n'
                + (lines if self.count > 1 else '') + self.extra))
            self.write(f'{i + 1}/data/myid', f'{i + 1}\n')
            self.addresses.append(f'127.0.0.1:{client}')
            self.launch(f'coordinator_{i + 1}', [self.synod, 'coordinator', '--config', config])


class ApacheZooKeeper(Servers):
    """Debian's package, standalone."""

    def __init__(self, extra=''):
        super().__init__()
        self.extra = extra

    def start(self):
        if not os.path.exists(APACHE_CLASSPATH.split(':')[1]):
            raise Failed("Apache ZooKeeper is missing: apt-get install zookeeper default-jre-headless")
        port = free_ports(1)[0]
        config = self.write('zoo.cfg', (
            f'tickTime=500\nclientPort={port}\nclientPortAddress=127.0.0.1\ndataDir={self.directory}/data\n'
            f'maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n' + self.extra))
        self.addresses.append(f'127.0.0.1:{port}')
        self.launch('apache', ['java', '-Xmx256m', '-Dzookeeper.admin.enableServer=false',
                               '-Dzookeeper.root.logger=WARN,CONSOLE',
                               # Its removal of empty containers would take zxids at moments of its own.
                               '-Dznode.container.checkIntervalMs=86400000',
                               '-cp', APACHE_CLASSPATH,
                               'org.apache.zookeeper.server.quorum.QuorumPeerMain', config],
                    cwd=self.directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--servers', type=int, default=3)
    parser.add_argument('--apache', action='store_true', help="Debian's Apache ZooKeeper instead of ours")
    parser.add_argument('command', nargs='+')
    arguments = parser.parse_args()
    try:
        with ApacheZooKeeper() if arguments.apache else Coordinators(arguments.servers) as servers:
            environment = {**os.environ, 'ZK_ADDRESSES': ','.join(servers.addresses)}
            code = subprocess.run(arguments.command, env=environment).returncode
            if code != 0:
                print(servers.log_tails(), file=sys.stderr)
            return code
    except Failed as failure:
        print(f'ensemble: {failure}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
