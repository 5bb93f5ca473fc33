#!/usr/bin/python3
"""kazoo, unmodified, against the servers of ZK_ADDRESSES: recipes, watches, sessions, access control."""
import os
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import (AuthFailedError, BadVersionError, ConnectionClosedError, InvalidACLError,
                              NoAuthError, NoChildrenForEphemeralsError, NodeExistsError, NoNodeError, NotEmptyError,
                              RolledBackError, RuntimeInconsistency, SessionExpiredError)
from kazoo.protocol.states import EventType, KazooState
from kazoo.recipe.cache import TreeCache
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

HOSTS = os.environ['ZK_ADDRESSES']
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def client(**options):
    zk = KazooClient(hosts=HOSTS, timeout=options.pop('timeout', 6.0), randomize_hosts=True, **options)
    zk.start(timeout=20)
    return zk


def attached_to(session):
    """A second client of a session. The first is cut, comes back at once and cuts this one in turn, maybe before
    kazoo's start() looks whether it is connected, which it then takes for a time-out: so wait for the event alone."""
    zk = KazooClient(hosts=HOSTS, client_id=session)
    assert zk.start_async().wait(20), 'not attached within 20 s'
    return zk


def eventually(what, predicate, timeout=15.0):
    deadline = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, f'{what}: not within {timeout} s'
        time.sleep(0.02)


def raises(kind, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except kind:
        return
    raise AssertionError(f'{call.__name__}{arguments}: expected {kind.__name__}')


@test
def basic_operations(zk):
    path, stat = zk.create('/basic', b'one', include_data=True)
    assert path == '/basic' and stat.version == 0 and stat.dataLength == 3
    assert zk.get('/basic')[0] == b'one'
    assert zk.set('/basic', b'two', version=0).version == 1
    raises(BadVersionError, zk.set, '/basic', b'x', version=0)
    raises(NodeExistsError, zk.create, '/basic')
    raises(NoNodeError, zk.get, '/nothing')
    raises(NoNodeError, zk.create, '/nothing/below')
    zk.create('/basic/child', b'')
    raises(NotEmptyError, zk.delete, '/basic')
    children, stat = zk.get_children('/basic', include_data=True)
    assert children == ['child'] and stat.numChildren == 1 and stat.cversion == 1
    zk.sync('/basic')
    zk.create('/basic/e', ephemeral=True)
    raises(NoChildrenForEphemeralsError, zk.create, '/basic/e/x')
    zk.create('/deep/er/still', makepath=True)
    zk.delete('/basic', recursive=True)
    assert zk.exists('/basic') is None
    big = os.urandom(500000)
    zk.create('/big', big)
    assert zk.get('/big')[0] == big


@test
def sequential_names(zk):
    zk.create('/seq')
    names = [zk.create('/seq/n-', sequence=True) for _ in range(20)]
    assert names == [f'/seq/n-{i:010d}' for i in range(20)], names


@test
def transactions(zk):
    t = zk.transaction()
    t.create('/tx', b'1')
    t.create('/tx/a', b'2')
    t.set_data('/tx', b'3')
    t.check('/tx', 1)
    t.delete('/tx/a')
    results = t.commit()
    assert results[0] == '/tx' and results[2].version == 1 and results[3] is True, results
    t = zk.transaction()
    t.create('/tx/b')
    t.check('/tx', 7)
    t.create('/tx/c')
    results = t.commit()
    assert isinstance(results[0], RolledBackError) and isinstance(results[1], BadVersionError), results
    assert isinstance(results[2], RuntimeInconsistency), results
    assert zk.get_children('/tx') == []


@test
def locks_exclude(zk):
    inside, worst, order = [0], [0], []

    def work(number):
        mine = client()
        for _ in range(5):
            with mine.Lock('/lock', f'worker-{number}'):
                inside[0] += 1
                worst[0] = max(worst[0], inside[0])
                order.append(number)
                time.sleep(0.005)
                inside[0] -= 1
        mine.stop()
        mine.close()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert worst[0] == 1 and len(order) == 20, (worst, len(order))


@test
def an_election_moves_on(zk):
    led, release = [], threading.Event()

    def lead(number):
        led.append(number)
        release.wait(30)

    members = [client() for _ in range(3)]
    elections = [m.Election('/election', f'member-{i}') for i, m in enumerate(members)]
    def run(number):
        try:
            elections[number].run(lead, number)
        except (ConnectionClosedError, SessionExpiredError):
            pass  # the member that was stopped

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(3)]
    for t in threads:
        t.start()
    eventually('a first leader', lambda: len(led) == 1)
    eventually('three contenders', lambda: len(elections[0].contenders()) == 3)
    members[led[0]].stop()  # its session ends, its candidacy with it
    eventually('a second leader', lambda: len(led) == 2)
    assert led[0] != led[1]
    release.set()
    eventually('a third leader', lambda: len(led) == 3 or led[0] in led[1:])
    for t in threads:
        t.join(10)
    for m in members:
        m.stop()
        m.close()


@test
def watches_tell_once_and_in_order(zk):
    other = client()
    events = []
    zk.exists('/w', watch=events.append)
    other.create('/w', b'1')
    eventually('created', lambda: [e.type for e in events] == [EventType.CREATED])
    zk.get('/w', watch=events.append)
    zk.get_children('/w', watch=events.append)
    other.set('/w', b'2')
    other.set('/w', b'3')
    other.create('/w/c')
    other.delete('/w/c')
    other.delete('/w')
    zk.sync('/')
    eventually('three events', lambda: len(events) == 3)
    assert [e.type for e in events] == [EventType.CREATED, EventType.CHANGED, EventType.CHILD], events
    seen = []
    zk.DataWatch('/dw', lambda data, stat: seen.append(data))
    for value in (b'a', b'b', b'c'):
        other.ensure_path('/dw')
        other.set('/dw', value)
        eventually(f'{value} seen', lambda: seen[-1] == value)
    other.stop()
    other.close()


@test
def tree_cache_follows(zk):
    zk.ensure_path('/cache')
    cache = TreeCache(zk, '/cache')
    cache.start()
    for i in range(10):
        zk.create(f'/cache/{i}', str(i).encode())
    eventually('ten in the cache', lambda: len(cache.get_children('/cache') or []) == 10)
    zk.delete('/cache/3')
    eventually('nine in the cache', lambda: len(cache.get_children('/cache')) == 9)
    cache.close()


@test
def ephemerals_end_with_their_session(zk):
    short = client(timeout=2.0)
    short.create('/eph', b'', ephemeral=True)
    gone = threading.Event()
    assert zk.exists('/eph', watch=lambda e: gone.set()) is not None
    short.stop()
    assert gone.wait(10)
    zk.sync('/')
    assert zk.exists('/eph') is None
    short.close()


@test
def a_session_is_attached_again(zk):
    first = client()
    first.create('/attached', ephemeral=True)
    lost = []
    first.add_listener(lambda state: lost.append(state))
    session = first.client_id  # kazoo forgets it while it is disconnected
    second = attached_to(session)
    assert zk.exists('/attached').owner_session_id == session[0]
    eventually('the first connection is cut', lambda: KazooState.SUSPENDED in lost)
    first.stop()
    second.stop()
    first.close()
    second.close()


@test
def a_session_that_is_killed_expires(zk):
    """As Curator and kazoo's own tests do it: attach to the session elsewhere and close it."""
    victim = client()
    victim.create('/victim', ephemeral=True)
    states = []
    victim.add_listener(lambda state: states.append(state))
    session = victim.client_id
    # The victim comes back at once and cuts the killer's connection in turn, so that a killer may be
    # unable to close the session, on any server: the next one tries again.
    for _ in range(50):
        killer = attached_to(session)
        killer.stop()
        killer.close()
        if zk.exists('/victim') is None:
            break
    eventually('the session is lost', lambda: KazooState.LOST in states, timeout=30)
    eventually('its node is gone', lambda: zk.exists('/victim') is None)
    eventually('a new session', lambda: victim.connected, timeout=30)
    assert victim.exists('/victim') is None
    victim.stop()
    victim.close()


@test
def access_is_checked(zk):
    ann = client(auth_data=[('digest', 'ann:secret')])
    ann.create('/private', b'x', acl=[make_digest_acl('ann', 'secret', all=True)])
    raises(NoAuthError, zk.get, '/private')
    raises(NoAuthError, zk.set, '/private', b'')
    assert ann.get('/private')[0] == b'x'
    late = client()
    raises(NoAuthError, late.get, '/private')
    late.add_auth('digest', 'ann:secret')
    assert late.get('/private')[0] == b'x'
    ann.create('/auth', acl=[make_acl('auth', '', all=True)])
    acls, _ = ann.get_acls('/auth')
    assert acls[0].id.scheme == 'digest' and acls[0].id.id.startswith('ann:'), acls
    raises(InvalidACLError, zk.create, '/bad', acl=[make_acl('auth', '', all=True)])
    raises(InvalidACLError, zk.create, '/bad', acl=[make_acl('nonsense', 'x', all=True)])
    zk.create('/local', acl=[make_acl('ip', '127.0.0.0/8', all=True)])
    assert zk.get('/local')[0] == b''
    ann.set_acls('/private', OPEN_ACL_UNSAFE)
    zk.sync('/private')
    assert zk.get('/private')[0] == b'x'
    failing = client()
    raises(AuthFailedError, failing.add_auth, 'nonsense', 'x')
    for each in (ann, late, failing):
        each.stop()
        each.close()


@test
def counters_queues_barriers_parties(zk):
    counter = zk.Counter('/counter', default=0)

    def add():
        mine = client()
        one = mine.Counter('/counter', default=0)
        for _ in range(10):
            one += 1
        mine.stop()
        mine.close()

    threads = [threading.Thread(target=add) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    zk.sync('/counter')
    assert counter.value == 30, counter.value
    queue = zk.LockingQueue('/queue')
    queue.put_all([b'a', b'b', b'c'])
    got = []
    while queue.get(timeout=1) is not None:
        got.append(queue.consume())
        if len(got) == 3:
            break
    assert got == [True, True, True], got
    barrier = zk.Barrier('/barrier')
    barrier.create()
    threading.Timer(0.1, barrier.remove).start()
    assert barrier.wait(10)
    party = zk.Party('/party', 'me')
    party.join()
    assert list(party) == ['me']
    party.leave()


@test
def many_pipelined(zk):
    zk.create('/many')
    made = [zk.create_async(f'/many/{i}', str(i).encode()) for i in range(2000)]
    read = [zk.get_async(f'/many/{i}') for i in range(2000)]
    for i, result in enumerate(made):
        assert result.get(60) == f'/many/{i}'
    for i, result in enumerate(read):
        assert result.get(60)[0] == str(i).encode()  # its own writes, in order
    assert len(zk.get_children('/many')) == 2000


@test
def every_server_shows_the_same(zk):
    zk.create('/same', b'0')
    for round_ in range(20):
        value = str(round_).encode()
        zk.set('/same', value)
        for host in HOSTS.split(','):
            one = KazooClient(hosts=host)
            one.start(timeout=20)
            one.sync('/same')
            assert one.get('/same')[0] == value  # linearizable behind sync
            one.stop()
            one.close()


def main():
    only = sys.argv[1:]
    for function in TESTS:
        if only and function.__name__ not in only:
            continue
        zk = client()
        start = time.monotonic()
        function(zk)
        zk.stop()
        zk.close()
        print(f'  kazoo: {function.__name__} ({time.monotonic() - start:.1f} s)', flush=True)


if __name__ == '__main__':
    main()
