"""Ordinary clients (kazoo, unmodified) under load, and the history of what they were told, for history.check()."""
import random
import socket
import threading
import time

from cluster import wait_for
from history import (BAD_VERSION, CREATE, DELETE, EXISTS, NO_NODE, OK, PEEK, READ, SET, Operation, check)
from servers import demand

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

KEYS = 5
OPERATIONS_OF_A_KEY = 300  # then another takes its place: what has no answer is a burden to the search
ANSWERS = {NodeExistsError: EXISTS, NoNodeError: NO_NODE, BadVersionError: BAD_VERSION}
ANSWER_SECONDS_MAX = 30.0
# A client that is quick to connect again shows what the servers do, not how long it slept.
RETRY = {'max_tries': -1, 'delay': 0.02, 'backoff': 1, 'max_jitter': 0.02}


def connect(servers, timeout=10.0, patience=40, **options):
    client = KazooClient(hosts=','.join(s.client for s in servers), timeout=timeout, connection_retry=dict(RETRY), **options)
    client.start(timeout=patience)
    return client


class Keys:
    def __init__(self):
        self.counts = [0] * KEYS

    def draw(self, chance):
        number = chance.randrange(KEYS)
        self.counts[number] += 1
        return f'/history/k{number}-{self.counts[number] // OPERATIONS_OF_A_KEY}'


class Worker(threading.Thread):
    """One session, one operation at a time, drawn from a seed."""

    def __init__(self, number, seed, servers, keys, timeout, pause):
        super().__init__(name=f'client-{number}', daemon=True)
        self.number, self.keys, self.pause = number, keys, pause
        self.chance = random.Random(f'{seed}-{number}')
        self.operations, self.values, self.versions = [], 0, {}
        self.moments = []  # of acknowledged writes: (begin, end)
        self.changes = self.lost = 0
        self.stopping = threading.Event()
        self.error = None
        self.client = connect(servers, timeout=timeout)
        self.client.add_listener(self.listen)
        self.session = self.current = self.client.client_id[0]
        self.client.create(f'/history/ephemeral-{number}', ephemeral=True, makepath=True)

    def listen(self, state):
        self.changes += 1
        self.lost += state == KazooState.LOST and not self.stopping.is_set()
        if state == KazooState.CONNECTED:
            self.current = (self.client.client_id or (self.current,))[0]

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step(self.draw())
        except Exception as error:  # told by has_written_since() and Load.judge()
            self.error = error

    def draw(self):
        kind = self.chance.choices([CREATE, SET, DELETE, READ, PEEK], [2, 5, 1, 3, 3])[0]
        key = self.keys.draw(self.chance)
        op = Operation(client=self.number, kind=kind, key=key, begin=0)
        if kind in (CREATE, SET):
            self.values += 1
            op.value = f'{self.number}.{self.values}'
        if kind in (SET, DELETE) and key in self.versions and self.chance.random() < 0.5:
            op.expected = self.versions[key]
        return op

    def step(self, op):
        changes = self.changes
        self.operations.append(op)
        op.begin = time.monotonic()
        try:
            self.perform(op)
            op.end = time.monotonic()
            op.result = OK
            self.versions[op.key] = op.version
            if op.writes():
                self.moments.append((op.begin, op.end))
        except (NodeExistsError, NoNodeError, BadVersionError) as error:
            op.end = time.monotonic()
            op.result = ANSWERS[type(error)]
            self.versions.pop(op.key, None)
        except (KazooException, KazooTimeoutError):
            time.sleep(0.002)  # kazoo connects again by itself
        op.session = self.current
        if op.kind == READ and changes != self.changes:
            op.kind = PEEK  # the read may have gone to another server than the sync
        if self.pause:
            time.sleep(self.pause)

    def perform(self, op):
        client, stat = self.client, None
        if op.kind == CREATE:
            _, stat = self.answer(client.create_async(op.key, op.value.encode(), include_data=True))
        elif op.kind == SET:
            stat = self.answer(client.set_async(op.key, op.value.encode(), op.expected))
        elif op.kind == DELETE:
            self.answer(client.delete_async(op.key, op.expected))
        else:
            if op.kind == READ:
                self.answer(client.sync_async(op.key))
            data, stat = self.answer(client.get_async(op.key))
            op.value = data.decode()
        if stat is not None:
            op.version, op.zxid = stat.version, stat.mzxid

    @staticmethod
    def answer(pending):
        return pending.get(timeout=ANSWER_SECONDS_MAX)

    def address(self):
        """Of the server that it is connected to; None while there is none. kazoo has no public name for it."""
        try:
            return '%s:%d' % self.client._connection._socket.getpeername()
        except (OSError, AttributeError):
            return None

    def move(self):
        """Its connection breaks; it goes to another server, or to the same again."""
        try:
            self.client._connection._socket.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass

    def has_written_since(self, moment):
        """A write that began later than the moment was acknowledged."""
        demand(self.error is None, f'client {self.number}: {type(self.error).__name__} {self.error}')
        return bool(self.moments) and self.moments[-1][0] > moment

    def end(self):
        self.stopping.set()
        self.join(timeout=2 * ANSWER_SECONDS_MAX)


class Load:
    def __init__(self, servers, seed, clients=4, timeout=10.0, pause=0.0):
        keys = Keys()
        # Each begins at another server, and knows them all.
        self.workers = [Worker(n, seed, servers[n % len(servers):] + servers[:n % len(servers)], keys, timeout, pause)
                        for n in range(clients)]
        self.began = time.monotonic()
        for worker in self.workers:
            worker.start()

    def wait_for_writes(self, what, seconds, since=None, workers=None):
        """Each client gets an answer to a write that it begins after now; how long the last one took."""
        since = since or time.monotonic()
        for worker in workers or self.workers:
            left = since + seconds - time.monotonic()
            wait_for(f'{what}: a write of client {worker.number}', lambda: worker.has_written_since(since),
                     timeout=max(left, 0.0), interval=0.005)
        return time.monotonic() - since

    def elsewhere(self, server):
        """The clients that are connected, and not to this server."""
        return [w for w in self.workers if w.address() not in (None, server.client)]

    def spread(self, server):
        """Until half of the clients are elsewhere."""
        def done():
            there = [w for w in self.workers if w not in self.elsewhere(server)]
            if 2 * len(there) <= len(self.workers):
                return True
            there[0].move()
            return False
        wait_for(f'clients elsewhere than at server {server.number}', done, interval=0.2)

    def some_at(self, server):
        """Until this server has a client; those that it has."""
        def found():
            there = [w for w in self.workers if w.address() == server.client]
            if not there:
                for worker in self.elsewhere(server)[:1]:
                    worker.move()
            return there
        return wait_for(f'clients at server {server.number}', found, interval=0.2)

    def gap(self, begin, end, workers=None):
        """The longest time in which nobody had a write acknowledged."""
        chosen = self.workers if workers is None else workers
        moments = sorted([begin, end, *[e for w in chosen for _, e in w.moments if begin < e < end]])
        return max(b - a for a, b in zip(moments, moments[1:]))

    def lost(self):
        return sum(w.lost for w in self.workers)

    def judge(self, sessions_kept=True):
        """Ends the load. All that was said fits together; the ephemerals of the sessions that live are there."""
        for worker in self.workers:
            worker.end()
        try:
            for worker in self.workers:
                demand(worker.error is None, f'client {worker.number}: {type(worker.error).__name__} {worker.error}')
                demand(not worker.is_alive(), f'client {worker.number} hangs')
                if sessions_kept:
                    self.check_session(worker)
            operations = [op for w in self.workers for op in w.operations]
            begin = time.monotonic()
            violations = check(operations)
            demand(not violations, f'{len(violations)} violations, the first: ' + '\n'.join(violations[:2]))
            unknown = sum(op.end is None for op in operations)
            return (f'{len(operations)} operations, {unknown} without an answer, '
                    f'judged in {time.monotonic() - begin:.1f} s')
        finally:
            self.close()

    @staticmethod
    def check_session(worker):
        demand(worker.lost == 0 and worker.current == worker.session, f'client {worker.number} lost its session')
        worker.client.sync('/history')
        stat = worker.client.exists(f'/history/ephemeral-{worker.number}')
        demand(stat is not None and stat.ephemeralOwner == worker.session,
               f'the ephemeral of client {worker.number} is gone')

    def close(self):
        for worker in self.workers:
            worker.stopping.set()
            worker.client.stop()
            worker.client.close()
