#!/usr/bin/python3
"""The same calls to a genuine Apache ZooKeeper and to ours; every field of every reply is compared.

Fixed conversations first (fixed.py), then random ones from seeds. What cannot be equal is made comparable: zxids count
from the first one of the conversation, times become "zero or not", session ids become names, children are sorted.
What differs on purpose stands in `expected_difference` and in docs/compatibility.md, nowhere else.
"""
import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import ensemble  # noqa: E402
import fixed  # noqa: E402
import wire  # noqa: E402
from wire import buffer, create, integer, long, multi, vector  # noqa: E402


class Side:
    """One server's view of a conversation: named connections, and values made comparable."""

    def __init__(self, address, root):
        self.address, self.root = address, root
        self.connections = {}
        self.names = {}
        self.alive = {}  # sessions that nobody has closed yet, with their passwords
        self.base = None

    def open(self, name, like=None, **options):
        old = self.connections.get(like)
        if old is not None:
            options.update(session=old.session, password=options.get('password', old.password))
        try:
            c = wire.Connection(self.address, **options)
        except wire.Closed:
            return 'closed'
        self.connections[name] = c
        if c.session:
            self.names.setdefault(c.session, name)
            self.alive[c.session] = c.password
        return {'timeout': c.timeout, 'session': self.names.get(c.session, c.session), 'tail': c.tail.hex(),
                'password': len(c.password)}

    def zxid(self, value):
        if value <= 0:
            return value
        if self.base is None:
            self.base = value
        # A zxid of before the conversation is only "earlier".
        return value - self.base if value >= self.base else 'earlier'

    def tidy(self, value):
        if isinstance(value, list):
            return [self.tidy(v) for v in value]
        if not isinstance(value, dict):
            return value
        out = {}
        for key, v in value.items():
            if key in ('czxid', 'mzxid', 'pzxid'):
                out[key] = self.zxid(v)
            elif key in ('ctime', 'mtime'):
                out[key] = v != 0
            elif key == 'owner':
                out[key] = self.names.get(v, v)
            else:
                out[key] = self.tidy(v)
        return out

    def call(self, name, op, body, number=None):
        c = self.connections.get(name)
        if c is None:
            return 'closed'
        try:
            err, zxid, value = c.call(op, body, number)
        except wire.Closed:
            del self.connections[name]
            return 'closed'
        if op == 'closeSession' and err == 0:
            self.alive.pop(c.session, None)
        return {'err': err, 'zxid': self.zxid(zxid), 'value': self.tidy(value)}

    def events(self):
        """What every connection has heard by now: a ping brings it in."""
        heard = {}
        for name in sorted(self.connections):
            c = self.connections[name]
            try:
                c.call('ping')
            except wire.Closed:
                heard[name] = 'closed'
                del self.connections[name]
                continue
            # Events carry their zxid since 3.9; Debian's 3.8 says -1.
            heard[name] = [e[:3] for e in c.events]
            c.events.clear()
        return heard

    def is_open(self, name):
        c = self.connections.get(name)
        try:
            if c is not None:
                c.call('ping')
        except wire.Closed:
            del self.connections[name]
        return name in self.connections

    def end(self):
        """Leaves no session behind: one that expires later would take a zxid in somebody else's conversation."""
        for c in self.connections.values():
            c.close()
        for session, password in self.alive.items():
            c = wire.Connection(self.address, session=session, password=password)
            if c.session:
                c.call('closeSession')
            c.close()


class Different(Exception):
    pass


def same(step, theirs, ours):
    if theirs != ours and not fixed.expected_difference(step, theirs, ours):
        raise Different(f'{step}\n  genuine: {theirs}\n  synod:   {ours}')


class Pair:
    """Drives both sides through one conversation."""

    def __init__(self, genuine, synod, root):
        self.sides = (Side(genuine, root), Side(synod, root))
        self.root = root
        self.steps = 0

    def open(self, name, **options):
        self.steps += 1
        same(f'open {name} {options}', *[s.open(name, **options) for s in self.sides])
        self.events(f'after open {name}')

    def call(self, name, op, body=b'', number=None, about='', may_close=False):
        self.steps += 1
        if os.environ.get('TRACE'):
            print(f'{name} {op} {body!r}')
        step = f'{name} {op} {about or body[:120]!r}'
        theirs, ours = [s.call(name, op, body, number) for s in self.sides]
        same(step, theirs, ours)
        if op == 'exists' and theirs != ours and body[-1:] == b'\1':
            # 3.8 has registered a watch here, 3.9 and we have not: forget it.
            for side in self.sides:
                side.call(name, 'removeWatches', body[:-1] + integer(2))
        if may_close:
            self.agree_on_closed(name)
        self.events(f'events after {step}')

    def agree_on_closed(self, name, patience=5):
        """A server may take a moment to close a connection, and answer a ping meanwhile."""
        end = time.monotonic() + patience
        while len({side.is_open(name) for side in self.sides}) > 1 and time.monotonic() < end:
            pass  # each look was a ping and its answer

    def events(self, step):
        same(step, *[s.events() for s in self.sides])

    def end(self):
        for side in self.sides:
            side.end()


# --- random conversations

NAMES = ['a', 'b', 'c', 'a/x', 'a/y', 'b/x', 'a/x/1', 'b/x/1', 'e', 'e/below', 'q', '', 'missing/child']
BAD = ['', 'no-slash', '/', '//', '/a//b', '/a/', '/a/.', '/a/..', '/a/\x01', '/zookeeper', '/zookeeper/quota',
       '/zookeeper/quota', '/\ue000', '/\U0001f600', '/a\x00b', None]
ACLS = [wire.OPEN] * 6 + [
    [(1, 'world', 'anyone')], [(31, 'auth', '')], [(31, 'digest', 'ann:PsjS1NcNQd0nTXZwwOzV+pHdELo=')],
    [(1, 'world', 'anyone'), (31, 'digest', 'bob:x')], [(31, 'ip', '127.0.0.1')], [(31, 'ip', '10.0.0.0/8')],
    [(5, 'world', 'anyone')], [(15, 'world', 'anyone'), (15, 'world', 'anyone')], [], None,
    [(31, 'world', 'someone')], [(31, 'nonsense', 'x')], [(31, 'digest', 'onepart')], [(31, 'ip', '1.2.3.4/33')],
    [(31, None, None)], [(31, 'ip', '127.0.0.0/8'), (31, 'auth', 'x')]]


class Random:
    def __init__(self, pair, seed):
        self.pair, self.random = pair, random.Random(seed)
        self.opened = 0
        # 3.8 keeps one mode for a path and a connection: a conversation has standard watches, or persistent ones of
        # one mode.
        self.standard = seed % 2 == 1
        self.mode = seed // 2 % 2
        self.kinds = [1, 2, 3, 9] if self.standard else [3, 9]

    def path(self, bad=0.06):
        if self.random.random() < bad:
            return self.random.choice(BAD)
        name = self.random.choice(NAMES)
        return f'{self.pair.root}/{name}' if name else self.pair.root

    def version(self):
        return self.random.choice([-1, -1, -1, 0, 0, 1, 2, -2])

    def data(self):
        return self.random.choice([None, b'', b'x', b'some data', bytes(range(200))])

    def flags(self):
        return self.random.choice([0, 0, 0, 1, 2, 3])

    def create_body(self, flags=None, ttl=False):
        flags = self.flags() if flags is None else flags
        path = self.path()
        while path is None and (flags > 3 or ttl):  # which of the two is told first is no promise
            path = self.path()
        return create(path, self.data(), self.random.choice(ACLS), flags)

    def part(self):
        name, body = self.any_part()
        # A null path makes genuine ZooKeeper fail in a way of its own (docs/compatibility.md).
        while body[:4] == integer(-1):
            name, body = self.any_part()
        return name, body

    def any_part(self):
        r = self.random.random()
        if r < 0.45:
            return self.random.choice(['create', 'create2']), self.create_body()
        if r < 0.65:
            return 'delete', buffer(self.path()) + integer(self.version())
        if r < 0.85:
            return 'setData', buffer(self.path()) + buffer(self.data()) + integer(self.version())
        return 'check', buffer(self.path()) + integer(self.version())

    def watch_list(self):
        return vector([self.path(0) for _ in range(self.random.randrange(3))], buffer)

    def one(self):
        r = self.random
        op = r.choices(
            ['create', 'create2', 'createContainer', 'createTTL', 'delete', 'setData', 'setACL', 'exists', 'getData',
             'getACL', 'getChildren', 'getChildren2', 'multi', 'multiRead', 'sync', 'addWatch', 'removeWatches',
             'checkWatches', 'setWatches', 'setWatches2', 'getEphemerals', 'getAllChildrenNumber', 'whoAmI', 'auth'],
            [20, 12, 3, 2, 14, 14, 6, 10, 10, 6, 8, 8, 14, 4, 2, 3, 2, 2, 2, 2, 3, 3, 2, 2])[0]
        watch = bytes([self.standard and r.random() < 0.5])
        if op in ('create', 'create2'):
            return op, self.create_body(r.choice([0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 9]))
        if op == 'createContainer':
            return op, self.create_body(r.choice([4, 0, 2, 1]))
        if op == 'createTTL':
            return op, self.create_body(r.choice([5, 6, 0, 9]), ttl=True) + long(r.choice([1000, 0, 1 << 41]))
        if op == 'delete':
            return op, buffer(self.path()) + integer(self.version())
        if op == 'setData':
            return op, buffer(self.path()) + buffer(self.data()) + integer(self.version())
        if op == 'setACL':
            return op, buffer(self.path()) + wire.acl(r.choice(ACLS)) + integer(self.version())
        if op in ('exists', 'getData', 'getChildren', 'getChildren2'):
            return op, buffer(self.path()) + watch
        if op == 'getACL':
            return op, buffer(self.path())
        if op == 'sync':
            return op, buffer(self.path() or '/')  # genuine ZooKeeper gives a null path back, we say -5
        if op == 'getAllChildrenNumber':
            # For "" genuine ZooKeeper counts the root itself; "/" shows what other conversations left.
            path = self.path()
            return op, buffer(self.pair.root if path in ('', '/') else path)
        if op == 'multi':
            return op, multi([self.part() for _ in range(r.randrange(5))])
        if op == 'multiRead':
            return op, multi([(r.choice(['getData', 'getChildren']), buffer(self.path(0)) + b'\0')
                              for _ in range(r.randrange(4))])
        if op == 'addWatch':
            return op, buffer(self.path(0)) + integer(7 if self.standard else r.choice([self.mode, self.mode, 7]))
        if op in ('removeWatches', 'checkWatches'):
            return op, buffer(self.path(0)) + integer(r.choice(self.kinds))
        if op == 'setWatches':
            return op, long(0) + (self.watch_list() * 3 if self.standard else integer(0) * 3)
        if op == 'setWatches2':
            used = range(3) if self.standard else [3 + self.mode]
            lists = [self.watch_list() if i in used else integer(0) for i in range(5)]
            return op, long(1 << 60) + b''.join(lists)
        if op == 'getEphemerals':
            return op, buffer(r.choice([None, '', '/', self.pair.root, self.pair.root + '/a']))
        if op == 'auth':
            return op, integer(0) + buffer('digest') + buffer(r.choice(['ann:secret', 'bob:pw', 'alone']))
        return op, b''

    def run(self, steps):
        for i in range(steps):
            names = sorted(self.pair.sides[0].connections)
            if len(names) < 3 or self.random.random() < 0.01:
                self.opened += 1
                like = self.random.choice(names) if names and self.random.random() < 0.3 else None
                self.pair.open(f's{self.opened}', like=like, timeout=self.random.choice([15000, 20000, 1, 1 << 30]))
                continue
            name = self.random.choice(names)
            if self.random.random() < 0.01:
                self.pair.call(name, 'closeSession')
                continue
            op, body = self.one()
            self.pair.call(name, op, body)


def run_one(genuine, synod, root, conversation):
    pair = Pair(genuine, synod, root)
    try:
        pair.open('root')
        pair.call('root', 'create', create(root))
        conversation(pair)
        return pair.steps
    finally:
        pair.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seeds', type=int, default=20, help='random conversations')
    parser.add_argument('--seed', type=int, help='one random conversation, by its seed')
    parser.add_argument('--steps', type=int, default=150, help='of a random conversation')
    parser.add_argument('--servers', type=int, default=3, help='coordinators of ours')
    parser.add_argument('--ours', help='address of a server of ours that runs already')
    arguments = parser.parse_args()
    limits = 'minSessionTimeout=10000\nmaxSessionTimeout=30000\n'
    failures = 0
    steps = 0
    with ensemble.ApacheZooKeeper(limits) as genuine:
        ours = None if arguments.ours else ensemble.Coordinators(arguments.servers, extra=limits).__enter__()
        try:
            address = arguments.ours or ours.addresses[0]
            plan = []
            if arguments.seed is None:
                plan += [(f'/{name}', name, talk) for name, talk in sorted(fixed.CONVERSATIONS.items())]
            first = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
            for seed in range(first, first + (arguments.seeds if arguments.seed is None else 1)):
                plan.append((f'/r{seed}', f'random, --seed {seed}',
                             lambda pair, s=seed: Random(pair, s).run(arguments.steps)))
            for root, name, talk in plan:
                try:
                    steps += run_one(genuine.addresses[0], address, root, talk)
                except Different as difference:
                    failures += 1
                    print(f'  back-to-back: {name}: {difference}')
            print(f'  back-to-back: {len(plan)} conversations, {steps} calls, {failures} differ')
        finally:
            if ours is not None:
                ours.__exit__(None, None, None)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
