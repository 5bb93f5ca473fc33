"""Coordinators on machines that tests can make worse: all that goes between them passes the proxy (network.py), and each has
flaky.cc below it. Ordinary clients work all along; the judgement of their histories is the end of it."""
import os
import subprocess
import tempfile
import time

from clients import Load
from cluster import free_base_port, wait_for
from flaky import Flaky
from network import Network
from servers import Server, demand, wait_until_served

# For conditions that hold within a second on an idle machine.
PATIENCE_SECONDS = 30.0


class Ensemble:
    def __init__(self, options, size, snapshots=400, tick_ms=500, more='', disks=None):
        """disks: the size of a file system of each server's own, in tmpfs, such as '48m'."""
        self.directory = tempfile.mkdtemp(prefix='synod_faults_')
        base = free_base_port()
        self.servers = [Server(os.path.abspath(options.synod), self.directory, base, n, size, tick_ms=tick_ms,
                               snapshots=snapshots, more=more) for n in range(1, size + 1)]
        self.mounted = []
        for server in self.servers if disks else []:
            subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={disks}', 'tmpfs', server.directory], check=True)
            self.mounted.append(server.directory)
            server.write_id()
        self.network = Network({s.number: s.peer_port for s in self.servers})
        for server in self.servers:
            ways = {o.peer_port: self.network.port(server.number, o.number) for o in self.servers if o is not server}
            server.flaky = Flaky(options.flaky, os.path.join(self.directory, f'flaky{server.number}'), ways)
            server.environment = server.flaky.environment()
        self.load = None

    def begin(self, seed, clients=4):
        for server in self.servers:
            server.start()
        wait_until_served(self.servers)
        self.check_ways()
        self.load = Load(self.servers, seed, clients=clients)
        self.load.wait_for_writes('the beginning', PATIENCE_SECONDS)

    def check_ways(self):
        """A fault of the network between servers that go around it would prove nothing."""
        # One that was up before another tries again a little later.
        wait_for('connections by the proxy from and to each', lambda: all(self.network.carried().values()), timeout=PATIENCE_SECONDS)

    def leader(self):
        def find():
            return next((s for s in self.servers if s.process is not None and s.leads() and s.serves()), None)
        return wait_for('a leader', find, timeout=PATIENCE_SECONDS)

    def others(self, *servers):
        return [s for s in self.servers if s not in servers]

    def kill(self, server):
        self.network.gone(server.number)
        server.kill()

    def ended(self, server):
        """It ends by itself; its exit code."""
        wait_for(f'server {server.number} ends', lambda: server.process.poll() is not None, timeout=PATIENCE_SECONDS)
        code = server.process.returncode
        self.network.gone(server.number)
        server.process = None
        return code

    def start(self, server):
        self.network.back(server.number)
        server.start()

    def ballot(self):
        return max(int(s.mntr().get('zk_ballot', 0)) for s in self.servers if s.process is not None)

    def progress(self, what, seconds=PATIENCE_SECONDS):
        return self.load.wait_for_writes(what, seconds)

    def whole(self):
        """All serve and vote, whatever has happened."""
        self.network.mend()
        for server in self.servers:
            wait_for(f'server {server.number} serves', server.serves, timeout=PATIENCE_SECONDS)
            wait_for(f'server {server.number} votes', server.votes, timeout=PATIENCE_SECONDS)

    def digests_agree(self):
        def same():
            return len({s.mntr().get('zk_synod_digest') for s in self.servers}) == 1
        wait_for('equal digests', same, timeout=PATIENCE_SECONDS)

    def play(self, *scenarios):
        """Each while the clients work; then all servers are whole again, and all clients go on."""
        for happens in scenarios:
            begin = time.monotonic()
            told = happens(self)
            self.whole()
            after = self.progress(f'after {happens.__name__}')
            gap = self.load.gap(begin, time.monotonic())
            print(f' {happens.__name__:32} {time.monotonic() - begin:5.1f} s, longest without an acknowledged write '
                  f'{1000 * gap:5.0f} ms, all clients write again after {1000 * after:4.0f} ms'
                  f'{"; " + told if told else ""}', flush=True)

    def judge(self):
        print(f' {len(self.servers)} servers: {self.load.judge()}; {self.load.lost()} sessions lost', flush=True)
        self.digests_agree()

    def end(self):
        if self.load is not None:
            self.load.close()
        for server in self.servers:
            if server.process is not None:
                server.resume()  # else a stopped one would not hear the rest
            server.kill()
        for directory in self.mounted:
            subprocess.run(['umount', '-l', directory], check=True)
        self.network.end()
