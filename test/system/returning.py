"""Very many idle sessions, which come back at once when their server is gone. They speak the protocol themselves: ten thousand
clients of a library would need a machine of their own."""
import asyncio
import random
import struct

from cluster import Failed

HELLO = struct.Struct('>iiqiqi16sb')  # length, version, last zxid, timeout, session, length and bytes of the password, read only
ANSWER = struct.Struct('>iiiqi16s')
ADDITION = struct.Struct('>ii')  # xid, opcode
CREATE, PING, EPHEMERAL = 1, 11, 1
PING_SECONDS = 5.0
CONNECTIONS_AT_ONCE = 120


def sized(data):
    return struct.pack('>i', len(data)) + data


class Session(asyncio.Protocol):
    """One session. It goes to the servers in turn, from the one it is given."""

    def __init__(self, crowd, number, at):
        self.crowd, self.number, self.at = crowd, number, at
        self.id, self.password, self.transport, self.received = 0, bytes(16), None, b''
        self.zxid = 0

    async def connect(self):
        while True:
            try:
                await self.crowd.loop.create_connection(lambda: self, '127.0.0.1', self.crowd.ports[self.at])
                return
            except OSError:
                self.at = (self.at + 1) % len(self.crowd.ports)
                await asyncio.sleep(random.uniform(0.02, 0.1))

    def connection_made(self, transport):
        self.transport, self.received = transport, b''
        transport.write(HELLO.pack(HELLO.size - 4, 0, self.zxid, self.crowd.timeout_ms, self.id, 16, self.password, 0))

    def data_received(self, data):
        self.received += data
        while len(self.received) >= 4:
            length = struct.unpack_from('>i', self.received)[0]
            if len(self.received) < 4 + length:
                return
            frame, self.received = self.received[:4 + length], self.received[4 + length:]
            if self in self.crowd.away:
                self.answered(frame)
            else:
                self.zxid = max(self.zxid, struct.unpack_from('>q', frame, 8)[0])

    def answered(self, frame):
        _, _, _, session, _, password = ANSWER.unpack_from(frame)
        if self.id not in (0, session):
            self.crowd.expired.append(self.number)
        first = self.id == 0
        self.id, self.password = session, password
        if first:
            body = ADDITION.pack(1, CREATE) + sized(b'%s/n-%d' % (self.crowd.parent, self.number)) + sized(b'') + \
                struct.pack('>ii', 1, 31) + sized(b'world') + sized(b'anyone') + struct.pack('>i', EPHEMERAL)
            self.transport.write(sized(body))
        self.crowd.is_back(self)

    def ping(self):
        self.transport.write(sized(ADDITION.pack(-2, PING)))

    def connection_lost(self, error):
        if not self.crowd.ending:
            self.crowd.is_away(self)
            self.at = (self.at + 1) % len(self.crowd.ports)
            self.crowd.tasks.add(self.crowd.loop.create_task(self.connect()))


class Crowd:
    """All of them, on an event loop of their own (Crowd.run() in a thread). Each has an ephemeral below `parent`."""

    def __init__(self, ports, count, parent, timeout_ms=60_000):
        self.ports, self.count, self.timeout_ms, self.parent = ports, count, timeout_ms, parent.encode()
        self.loop = asyncio.new_event_loop()
        self.away, self.expired, self.tasks, self.ending = set(), [], set(), False
        self.sessions = []
        self.losses = 0  # of connections
        self.error = None

    def run(self, at):
        """All begin at the server with this place in `ports`."""
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self.live(at))
        except Exception as error:  # told by everybody_is_back()
            self.error = error
        finally:
            self.loop.close()

    async def live(self, at):
        for number in range(self.count):
            session = Session(self, number, at)
            self.sessions.append(session)
            self.away.add(session)
        pings = self.loop.create_task(self.ping())
        # No more at once than what the machine's queue for new connections takes.
        for start in range(0, self.count, CONNECTIONS_AT_ONCE):
            await asyncio.gather(*[s.connect() for s in self.sessions[start:start + CONNECTIONS_AT_ONCE]])
        while not self.ending:
            await asyncio.sleep(0.1)
        pings.cancel()
        for session in self.sessions:
            if session.transport is not None:
                session.transport.abort()
        for task in self.tasks:
            task.cancel()
        await asyncio.sleep(0)

    async def ping(self):
        while True:
            await asyncio.sleep(PING_SECONDS)
            for number, session in enumerate(self.sessions):
                if session not in self.away:
                    session.ping()
                if number % 500 == 0:
                    await asyncio.sleep(0)

    def is_back(self, session):
        self.away.discard(session)

    def is_away(self, session):
        self.losses += 1
        self.away.add(session)

    def everybody_is_back(self):
        if self.error is not None or self.expired:
            raise Failed(f'of the crowd {len(self.expired)} expired, error {self.error}')
        return len(self.sessions) == self.count and not self.away
