"""Two masters and two agents over given coordination servers, in a temporary folder on free ports, ended by pid."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from ensemble import Failed, free_ports  # noqa: E402


def get(address, path, timeout=5.0):
    """(status, body) of one GET; (0, '') if nobody answers."""
    host, port = address.rsplit(':', 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request('GET', path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ''
    finally:
        connection.close()


def wait_for(what, predicate, timeout=60.0, interval=0.05):
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f'{what}: not within {timeout:.0f} s')
        time.sleep(interval)


class ResourceManager:
    def __init__(self, zk_addresses, masters=2, agents=2, synod=None):
        self.zk = 'zk://' + ','.join(zk_addresses) + '/mesos'
        self.synod = os.path.abspath(synod or os.environ.get('SYNOD', 'build/synod'))
        self.directory = tempfile.mkdtemp(prefix='synod_interop_')
        ports = free_ports(masters + agents)
        self.masters = [f'127.0.0.1:{port}' for port in ports[:masters]]
        self.agents = [f'127.0.0.1:{port}' for port in ports[masters:]]
        self.processes = {}

    def __enter__(self):
        try:
            for address in self.masters:
                self.start_master(address)
            for number, address in enumerate(self.agents):
                self.start_agent(number, address)
            wait_for('all agents registered', lambda: self.active_agents() == len(self.agents))
        except BaseException:
            self.__exit__(Failed, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        # Agents told to end in order end their tasks; a second look ends what would not.
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGUSR1 if process.args[1] == 'agent' else signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in self.processes.values():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if kind is not None:
            print(self.log_tails(), file=sys.stderr)
            print(f'kept: {self.directory}', file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def launch(self, name, command):
        with open(os.path.join(self.directory, f'{name}.log'), 'ab') as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def start_master(self, address):
        name = f'master_{self.masters.index(address) + 1}'
        self.launch(name, [self.synod, 'master', f'--zk={self.zk}', '--ip=127.0.0.1', f'--port={address.rsplit(":", 1)[1]}',
                           f'--work_dir={self.directory}/{name}', '--zk_session_timeout=4secs'])

    def start_agent(self, number, address):
        name = f'agent_{number + 1}'
        first = 33000 + 500 * number
        self.launch(name, [self.synod, 'agent', f'--master={self.zk}', '--ip=127.0.0.1', '--hostname=127.0.0.1',
                           f'--port={address.rsplit(":", 1)[1]}', f'--work_dir={self.directory}/{name}',
                           f'--attributes=name:{name}', f'--resources=cpus:1;mem:512;disk:512;ports:[{first}-{first + 499}]'])

    def cluster(self):
        """/synod/v1/cluster of whoever leads; None if nobody does."""
        for address in self.masters:
            status, body = get(address, '/synod/v1/cluster')
            if status == 200:
                return json.loads(body)
        return None

    def active_agents(self):
        view = self.cluster()
        return sum(agent['state'] == 'active' for agent in view['agents']) if view else 0

    def leader(self):
        view = self.cluster()
        return view['leader']['address'] if view else None

    def kill_leader(self):
        """SIGKILL for the leading master; its address."""
        address = wait_for('a leading master', self.leader)
        process = self.processes[f'master_{self.masters.index(address) + 1}']
        process.kill()
        process.wait()
        return address

    def log_tails(self, lines=12):
        text = ''
        for name in sorted(os.listdir(self.directory)):
            if name.endswith('.log'):
                with open(os.path.join(self.directory, name), errors='replace') as f:
                    text += f'\n--- {name}\n' + ''.join(f.readlines()[-lines:])
        return text
