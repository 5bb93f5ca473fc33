"""The ZooKeeper wire, by hand: what a client library would hide is what we compare."""
import socket
import struct

OPS = {'create': 1, 'delete': 2, 'exists': 3, 'getData': 4, 'setData': 5, 'getACL': 6, 'setACL': 7,
       'getChildren': 8, 'sync': 9, 'ping': 11, 'getChildren2': 12, 'check': 13, 'multi': 14, 'create2': 15,
       'reconfig': 16, 'checkWatches': 17, 'removeWatches': 18, 'createContainer': 19, 'deleteContainer': 20,
       'createTTL': 21, 'multiRead': 22, 'auth': 100, 'setWatches': 101, 'sasl': 102, 'getEphemerals': 103,
       'getAllChildrenNumber': 104, 'setWatches2': 105, 'addWatch': 106, 'whoAmI': 107, 'closeSession': -11}
SPECIAL_XIDS = {'ping': -2, 'auth': -4, 'setWatches': -8, 'setWatches2': -8}
STAT = struct.Struct('>qqqqiiiqiiq')
STAT_FIELDS = ('czxid', 'mzxid', 'ctime', 'mtime', 'version', 'cversion', 'aversion', 'owner', 'length', 'children',
               'pzxid')
OPEN = [(31, 'world', 'anyone')]


def integer(v):
    return struct.pack('>i', v)


def long(v):
    return struct.pack('>q', v)


def buffer(v):
    if v is None:
        return integer(-1)
    data = v.encode('utf-8', 'surrogatepass') if isinstance(v, str) else v
    return integer(len(data)) + data


def vector(items, encode):
    return integer(-1) if items is None else integer(len(items)) + b''.join(encode(i) for i in items)


def acl(entries):
    return vector(entries, lambda e: integer(e[0]) + buffer(e[1]) + buffer(e[2]))


def create(path, data=b'', acls=OPEN, flags=0):
    return buffer(path) + buffer(data) + acl(acls) + integer(flags)


def multi(parts):
    """parts: (opcode name, body)"""
    out = b''.join(integer(OPS[name]) + b'\0' + integer(-1) + body for name, body in parts)
    return out + integer(-1) + b'\1' + integer(-1)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError('short')
        self.at += n
        return self.data[self.at - n:self.at]

    def integer(self):
        return struct.unpack('>i', self.take(4))[0]

    def long(self):
        return struct.unpack('>q', self.take(8))[0]

    def boolean(self):
        return self.take(1) != b'\0'

    def buffer(self):
        n = self.integer()
        return None if n < 0 else self.take(n)

    def text(self):
        b = self.buffer()
        if b is None:
            return None
        # Java writes what lies beyond the basic plane as two surrogates of three bytes each.
        try:
            text = b.decode('utf-8', 'surrogatepass')
            return text.encode('utf-16', 'surrogatepass').decode('utf-16')
        except UnicodeError:
            return b.decode('utf-8', 'replace')

    def stat(self):
        return dict(zip(STAT_FIELDS, STAT.unpack(self.take(STAT.size))))

    def vector(self, item):
        n = self.integer()
        return [item() for _ in range(max(n, 0))]

    def acl(self):
        return self.vector(lambda: (self.integer(), self.text(), self.text()))

    def rest(self):
        return self.data[self.at:]


def decode_reply(op, data):
    """A value made of dicts, lists and texts; 'rest' holds bytes that should not be there."""
    r = Reader(data)
    value = {}
    if op in ('create', 'sync'):
        value['path'] = r.text()
    elif op in ('create2', 'createContainer', 'createTTL'):
        value['path'], value['stat'] = r.text(), r.stat()
    elif op in ('exists', 'setData', 'setACL'):
        value['stat'] = r.stat()
    elif op == 'getData':
        value['data'], value['stat'] = r.buffer(), r.stat()
    elif op == 'getACL':
        value['acl'], value['stat'] = r.acl(), r.stat()
    elif op in ('getChildren', 'getEphemerals'):
        value['names'] = sorted(r.vector(r.text))
    elif op == 'getChildren2':
        value['names'], value['stat'] = sorted(r.vector(r.text)), r.stat()
    elif op in ('getAllChildrenNumber', 'addWatch'):
        value['number'] = r.integer()
    elif op == 'whoAmI':
        value['who'] = sorted(r.vector(lambda: (r.text(), r.text())))
    elif op in ('multi', 'multiRead'):
        value['results'] = decode_multi(r)
    if r.rest():
        value['rest'] = r.rest().hex()
    return value


def decode_multi(r):
    results = []
    while True:
        kind, done, err = r.integer(), r.boolean(), r.integer()
        if done:
            return results
        result = {'type': kind, 'err': err}
        if kind == -1:
            result['code'] = r.integer()
        elif kind == 1:
            result['path'] = r.text()
        elif kind == 15:
            result['path'], result['stat'] = r.text(), r.stat()
        elif kind == 5:
            result['stat'] = r.stat()
        elif kind == 4:
            result['data'], result['stat'] = r.buffer(), r.stat()
        elif kind == 8:
            result['names'] = sorted(r.vector(r.text))
        results.append(result)


class Closed(Exception):
    pass


class Connection:
    def __init__(self, address, session=0, password=b'\0' * 16, timeout=20000, last_zxid=0, read_only=True):
        host, port = address.rsplit(':', 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.xid = 0
        self.events = []
        body = integer(0) + long(last_zxid) + integer(timeout) + long(session) + buffer(password)
        self.send(body + (b'\0' if read_only else b''))
        r = Reader(self.receive())
        self.version, self.timeout, self.session = r.integer(), r.integer(), r.long()
        self.password = r.buffer()
        self.tail = r.rest()

    def send(self, body):
        try:
            self.socket.sendall(integer(len(body)) + body)
        except OSError as error:
            raise Closed() from error

    def receive_exactly(self, n):
        data = b''
        while len(data) < n:
            try:
                piece = self.socket.recv(n - len(data))
            except ConnectionError as error:
                raise Closed() from error
            if not piece:
                raise Closed()
            data += piece
        return data

    def receive(self):
        return self.receive_exactly(struct.unpack('>i', self.receive_exactly(4))[0])

    def call(self, op, body=b'', number=None):
        """The reply's (err, zxid, value); events that come before it are kept."""
        self.xid += 1
        xid = SPECIAL_XIDS.get(op, self.xid)
        self.send(integer(xid) + integer(OPS[op] if number is None else number) + body)
        while True:
            frame = self.receive()
            r = Reader(frame)
            got, zxid, err = r.integer(), r.long(), r.integer()
            if got == -1:
                self.events.append((r.integer(), r.integer(), r.text(), zxid))
                continue
            if got != xid:
                raise ValueError(f'xid {got}, expected {xid}')
            return err, zxid, decode_reply(op, r.rest()) if err == 0 else {'rest': r.rest().hex()}

    def close(self):
        self.socket.close()
