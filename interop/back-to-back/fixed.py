"""Fixed conversations, each named after what it asks, and the differences that are meant."""
import wire
from wire import acl, buffer, create, integer, long, multi, vector

CONVERSATIONS = {}


def conversation(function):
    CONVERSATIONS[function.__name__] = function
    return function


def without_create2(value):
    """Debian's 3.8 answers a create2 inside a multi like a create; 3.9 and we tell the stat."""
    if isinstance(value, dict) and isinstance(value.get('value'), dict) and 'results' in value['value']:
        results = [{'type': 1, 'err': r['err'], 'path': r['path']} if r['type'] == 15 else r
                   for r in value['value']['results']]
        return {**value, 'value': {**value['value'], 'results': results}}
    return value


def expected_difference(step, theirs, ours):
    """True where ours differs on purpose: docs/compatibility.md says why. Each follows 3.9.5, where Debian has 3.8.0."""
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return False
    words = step.split()
    if len(words) > 1 and words[1] == 'exists':
        return theirs.get('err') == 0 and ours.get('err') == -102  # 3.9 wants READ for exists
    if len(words) > 1 and words[1] == 'checkWatches':
        return theirs.get('err') == 0 and ours.get('err') == -121  # 3.8 takes any connection's watch for one's own
    if len(words) > 1 and words[1] == 'multi':
        if ours.get('err') == -5 and b'-8' in repr(theirs).encode():
            return True  # unknown flags of a create: 3.9 refuses the whole request
        return without_create2(theirs) == without_create2(ours)
    return False


@conversation
def order_of_checks(pair):
    r = pair.root
    for path in (f'{r}/no/parent', 'relative', '', '/', f'{r}//x', f'{r}/x/', f'{r}/.', f'{r}/..', f'{r}/a\x00b'):
        for acls in (wire.OPEN, [], None, [(31, 'nonsense', 'x')]):
            for flags in (0, 1, 2, 4, 5, 9, -1):
                pair.call('root', 'create', create(path, b'', acls, flags))
    pair.call('root', 'create', create(None))
    pair.call('root', 'create', create(f'{r}/locked', acls=[(1, 'world', 'anyone')]))
    pair.call('root', 'create', create(f'{r}/locked/c'))
    pair.call('root', 'delete', buffer(f'{r}/locked/c') + integer(-1))
    pair.call('root', 'setData', buffer(f'{r}/locked') + buffer('x') + integer(5))
    pair.call('root', 'setACL', buffer(f'{r}/locked') + acl(wire.OPEN) + integer(5))
    pair.call('root', 'create', create(f'{r}/e', flags=1))
    pair.call('root', 'create', create(f'{r}/e/c'))
    pair.call('root', 'create', create(f'{r}/e'))
    for path in ('/', '/zookeeper', '/zookeeper/quota', 'relative', '', None, f'{r}/a/', f'{r}/'):
        for version in (-1, 7):
            pair.call('root', 'delete', buffer(path) + integer(version))
            pair.call('root', 'setData', buffer(path) + buffer('x') + integer(version if path != '/' else 7))
            pair.call('root', 'setACL', buffer(path) + acl([]) + integer(version))


@conversation
def reserved_nodes(pair):
    # Their numbers depend on what was done before: the shape only.
    # /zookeeper/config holds the members: theirs is alone, ours are three.
    pair.call('root', 'getACL', buffer('/zookeeper/quota'))
    for path in ('/zookeeper/quota', '/zookeeper/config'):
        pair.call('root', 'getChildren', buffer(path) + b'\0')
    pair.call('root', 'getChildren', buffer('/zookeeper') + b'\0')
    pair.call('root', 'setData', buffer('/zookeeper/config') + buffer('x') + integer(-1))


@conversation
def stats_and_sequences(pair):
    r = pair.root
    for i in range(12):
        pair.call('root', 'create2', create(f'{r}/n{i}-', b'x' * i, flags=(i % 4)))
        pair.call('root', 'exists', buffer(r) + b'\0')
    pair.call('root', 'create', create(f'{r}/', flags=2))
    pair.call('root', 'create', create(f'{r}/.', flags=2))
    pair.call('root', 'getChildren2', buffer(r) + b'\0')
    pair.call('root', 'setData', buffer(f'{r}/n0-') + buffer(None) + integer(0))
    pair.call('root', 'getData', buffer(f'{r}/n0-') + b'\0')
    pair.call('root', 'setACL', buffer(f'{r}/n0-') + acl(wire.OPEN) + integer(0))
    pair.call('root', 'getACL', buffer(f'{r}/n0-'))
    pair.call('root', 'delete', buffer(f'{r}/n4-') + integer(-1))
    pair.call('root', 'exists', buffer(r) + b'\0')
    pair.call('root', 'getAllChildrenNumber', buffer(r))


@conversation
def multis(pair):
    r = pair.root
    good = [('create', create(f'{r}/a')), ('create2', create(f'{r}/a/b', flags=2)), ('setData', buffer(f'{r}/a')
            + buffer('x') + integer(0)), ('check', buffer(f'{r}/a') + integer(1)), ('createContainer',
            create(f'{r}/c', flags=4)), ('create', create(f'{r}/c2', flags=4)), ('delete', buffer(f'{r}/c2') + integer(0))]
    pair.call('root', 'multi', multi([]))
    pair.call('root', 'multi', multi(good))
    pair.call('root', 'getChildren2', buffer(r) + b'\0')
    pair.call('root', 'multi', multi(good))
    pair.call('root', 'multi', multi(good[3:] + [('check', buffer(f'{r}/none') + integer(0))] + good))
    pair.call('root', 'multi', multi([('create', create(f'{r}/z', flags=9))]))
    pair.call('root', 'multi', multi([('create', create(f'{r}/z', flags=5))]))
    pair.call('root', 'multi', multi([('getData', buffer(r) + b'\0')]))
    pair.call('root', 'multi', multi([('setACL', buffer(r) + acl(wire.OPEN) + integer(-1))]))
    pair.call('root', 'multi', multi([('check', buffer('bad') + integer(0)), ('create', create(f'{r}/q'))]))
    pair.call('root', 'multiRead', multi([('getData', buffer(f'{r}/a') + b'\1'), ('getChildren', buffer(r) + b'\1'),
                                          ('getData', buffer(f'{r}/none') + b'\0')]))
    pair.call('root', 'multi', multi(good)[:-5])
    pair.call('root', 'getChildren2', buffer(r) + b'\0')


@conversation
def malformed_bodies(pair):
    for op in ('create', 'delete', 'exists', 'getData', 'setData', 'getACL', 'setACL', 'getChildren', 'sync',
               'getChildren2', 'multi', 'create2', 'multiRead', 'setWatches', 'setWatches2', 'addWatch',
               'removeWatches', 'checkWatches', 'createContainer', 'createTTL', 'getEphemerals'):
        pair.call('root', op, b'\0\0')
        pair.call('root', op, integer(1000) + b'/x')
        pair.call('root', op, integer(-7) + b'/x')
    pair.call('root', 'create', create(pair.root + '/still', b'here'))


@conversation
def unknown_operations(pair):
    for number in (888, 99, 10, 23):
        pair.open(f'n{number}')
        pair.call(f'n{number}', 'ping', b'')
        pair.call(f'n{number}', 'whoAmI', b'', number=number, about=f'opcode {number}', may_close=True)
        pair.call(f'n{number}', 'whoAmI', b'')


@conversation
def access(pair):
    r = pair.root
    pair.open('ann')
    pair.open('bob')
    pair.call('ann', 'auth', integer(0) + buffer('digest') + buffer('ann:secret'))
    pair.call('ann', 'whoAmI')
    pair.call('ann', 'create', create(f'{r}/mine', acls=[(31, 'auth', '')]))
    pair.call('ann', 'create', create(f'{r}/shown', acls=[(1, 'world', 'anyone'), (31, 'auth', 'x'), (16, 'digest', 'u:p')]))
    for who in ('ann', 'bob'):
        for path in (f'{r}/mine', f'{r}/shown'):
            pair.call(who, 'getACL', buffer(path))
            pair.call(who, 'getData', buffer(path) + b'\1')
            pair.call(who, 'exists', buffer(path) + b'\0')
            pair.call(who, 'getChildren', buffer(path) + b'\1')
            pair.call(who, 'setData', buffer(path) + buffer('x') + integer(-1))
            pair.call(who, 'create', create(f'{path}/{who}'))
    pair.call('bob', 'auth', integer(0) + buffer('digest') + buffer('ann:secret'))
    pair.call('bob', 'getData', buffer(f'{r}/mine') + b'\1')
    for acls in ([(31, 'ip', '127.0.0.1')], [(31, 'ip', '127.0.0.0/8')], [(31, 'ip', '10.1.1.1')],
                 [(31, 'ip', '127.0.0.1/33')], [(31, 'ip', '1.2.3')], [(31, 'ip', 'x')],
                 [(31, 'digest', 'a:b:c')], [(31, 'digest', 'a:b:')], [(31, 'digest', ':b')], [(31, 'digest', 'a:')],
                 [(31, 'world', 'anyone'), (31, 'world', 'anyone')], [(0, 'world', 'anyone')], [(31, 'super', '')],
                 [(31, 'auth', '')], [(1 << 20, 'world', 'anyone')]):
        pair.call('root', 'create', create(f'{r}/acl-', acls=acls, flags=2), about=str(acls))
        pair.call('root', 'getChildren2', buffer(r) + b'\0')
    pair.call('bob', 'auth', integer(0) + buffer('nonsense') + buffer('x'))
    pair.call('bob', 'ping')


@conversation
def watches(pair):
    r = pair.root
    pair.open('w')
    pair.call('w', 'exists', buffer(f'{r}/n') + b'\1')
    pair.call('w', 'getData', buffer(f'{r}/n') + b'\1')
    pair.call('w', 'getChildren', buffer(r) + b'\1')
    pair.call('root', 'create', create(f'{r}/n'))
    for op in ('exists', 'getData', 'getChildren', 'getChildren2'):
        pair.call('w', op, buffer(f'{r}/n') + b'\1')
    pair.call('root', 'setData', buffer(f'{r}/n') + buffer('1') + integer(-1))
    pair.call('root', 'setData', buffer(f'{r}/n') + buffer('2') + integer(-1))
    pair.call('root', 'create', create(f'{r}/n/c', flags=1))
    pair.call('w', 'addWatch', buffer(r) + integer(1))
    pair.call('w', 'addWatch', buffer(f'{r}/n') + integer(0))
    for body in (create(f'{r}/n/d'), create(f'{r}/n/d/e')):
        pair.call('root', 'create', body)
    pair.call('root', 'multi', multi([('delete', buffer(f'{r}/n/d/e') + integer(-1)), ('delete', buffer(f'{r}/n/d')
              + integer(-1)), ('setData', buffer(f'{r}/n') + buffer('3') + integer(-1))]))
    pair.call('root', 'multi', multi([('delete', buffer(f'{r}/n/c') + integer(-1)), ('delete', buffer('/none')
              + integer(-1))]))
    for path in (r, f'{r}/n'):
        for kind in (9, 3, 3):
            pair.call('w', 'checkWatches', buffer(path) + integer(kind))
            pair.call('w', 'removeWatches', buffer(path) + integer(kind))
    pair.call('w', 'getData', buffer(f'{r}/n') + b'\1')
    pair.call('w', 'getChildren', buffer(f'{r}/n') + b'\1')
    for kind in (1, 1, 2, 2):
        pair.call('w', 'checkWatches', buffer(f'{r}/n') + integer(kind))
        pair.call('w', 'removeWatches', buffer(f'{r}/n') + integer(kind))
    paths = vector([f'{r}/n', f'{r}/gone'], buffer)
    pair.call('w', 'setWatches', long(0) + paths + paths + paths)
    pair.call('w', 'setWatches2', long(1 << 60) + paths + paths + paths + paths + paths)
    pair.call('root', 'create', create(f'{r}/gone'))
    pair.call('root', 'delete', buffer(f'{r}/gone') + integer(-1))


@conversation
def sessions(pair):
    r = pair.root
    for timeout in (-5, 0, 1, 10000, 1 << 30):
        pair.open(f't{timeout}', timeout=timeout)
    pair.open('old', read_only=False)
    pair.call('old', 'create', create(f'{r}/e', flags=1))
    pair.call('old', 'getEphemerals', buffer('/'))
    pair.open('again', like='old')
    pair.call('again', 'getEphemerals', buffer(r))
    pair.open('unknown', session=0x123456789, password=b'x' * 16)
    pair.open('ahead', last_zxid=1 << 62)
    pair.call('again', 'closeSession')
    pair.call('again', 'ping')
    pair.call('root', 'exists', buffer(f'{r}/e') + b'\0')
    pair.call('root', 'reconfig', buffer(None) + buffer(None) + buffer(None) + long(-1))
