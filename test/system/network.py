"""The network between coordinators, as a proxy that tests can break. Every directed pair has a listener of its own.

Each server believes that its peers listen where their listeners are here (Network.port(source, target)). What is cut is
held back, like packets on a line that loses them, and goes on when it is mended: connections may be made and nothing comes.
Loss is what TCP makes of it: some pieces come a retransmission later, and all that follows them.

    network.py   the proxy itself: commands as lines of JSON on its input, one line of answer to each
"""
import asyncio
import json
import os
import random
import socket
import subprocess
import sys

RETRANSMISSION_SECONDS = 0.2
PIECE = 1 << 16
PIECES_UNDER_WAY = 64


# ---- in the test

class Network:
    def __init__(self, peers):
        """peers: {number: port}. Everybody can reach everybody."""
        self.process = subprocess.Popen([sys.executable, '-B', os.path.abspath(__file__)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.numbers = sorted(peers)
        self.ports = {}
        for source in self.numbers:
            for target in self.numbers:
                if source != target:
                    self.ports[source, target] = self.ask(do='link', source=source, target=target, port=peers[target])

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError('the proxy has ended')
        return json.loads(answer)

    def port(self, source, target):
        return self.ports[source, target]

    def cut(self, *pairs):
        """What the first sends no longer reaches the second, of each pair; the other way it still does."""
        self.ask(do='cut', pairs=pairs)

    def cut_between(self, some, others):
        self.cut(*[pair for a in some for b in others if a != b for pair in ((a, b), (b, a))])

    def only(self, *lines):
        """Nothing but these lines between two holds, both ways."""
        whole = {frozenset(line) for line in lines}
        self.cut(*[(a, b) for a in self.numbers for b in self.numbers if a != b and frozenset((a, b)) not in whole])

    def worsen(self, delay=0.0, jitter=0.0, loss=0.0):
        """Of every piece: later by `delay` and up to `jitter` more; in `loss` of the cases by a retransmission."""
        self.ask(do='worsen', delay=delay, jitter=jitter, loss=loss)

    def mend(self):
        self.ask(do='mend')

    def gone(self, number):
        """The process has ended: connections to it are refused, as they would be without a proxy."""
        self.ask(do='gone', target=number)

    def back(self, number):
        self.ask(do='back', target=number)

    def carried(self):
        """How many connections each directed pair has made so far."""
        return {(source, target): count for source, target, count in self.ask(do='carried')}

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


# ---- the proxy

class Proxy:
    def __init__(self):
        self.links = {}  # (source, target) -> [listening port, target's port, server or None]
        self.carried = {}  # (source, target) -> connections
        self.open = {}  # (from, to) -> an Event that is set while bytes pass
        self.delay = self.jitter = self.loss = 0.0

    async def link(self, source, target, port):
        for way in ((source, target), (target, source)):
            if way not in self.open:
                self.open[way] = asyncio.Event()
                self.open[way].set()
        server = await self.listen(source, target, 0)
        at = server.sockets[0].getsockname()[1]
        self.links[source, target] = [at, port, server]
        self.carried[source, target] = 0
        return at

    async def listen(self, source, target, at):
        return await asyncio.start_server(lambda r, w: self.carry(source, target, r, w), '127.0.0.1', at)

    async def carry(self, source, target, reader, writer):
        try:
            await self.open[source, target].wait()
            far_reader, far_writer = await asyncio.open_connection('127.0.0.1', self.links[source, target][1])
        except OSError:
            writer.transport.abort()
            return
        self.carried[source, target] += 1
        for end in (writer, far_writer):
            end.get_extra_info('socket').setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(self.pump((source, target), reader, far_writer), self.pump((target, source), far_reader, writer))

    async def pump(self, way, reader, writer):
        """One direction of a connection; its end is passed on, too, when the way is open."""
        pieces = asyncio.Queue(PIECES_UNDER_WAY)
        sending = asyncio.ensure_future(self.send(way, pieces, writer))
        loop = asyncio.get_running_loop()
        try:
            while piece := await reader.read(PIECE):
                await pieces.put((loop.time() + self.lateness(), piece))
        except OSError:
            pass
        await pieces.put((loop.time(), b''))
        await sending

    def lateness(self):
        late = self.delay + random.uniform(0, self.jitter)
        return late + (RETRANSMISSION_SECONDS if random.random() < self.loss else 0.0)

    async def send(self, way, pieces, writer):
        broken = False
        while True:
            due, piece = await pieces.get()
            wait = due - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            await self.open[way].wait()
            if not piece:
                break
            try:
                if not broken:
                    writer.write(piece)
                    await writer.drain()
            except OSError:
                broken = True
        # Neither side of ours closes one direction only: with one gone, all of it is.
        writer.transport.abort() if broken else writer.close()

    async def obey(self, command):
        do = command.pop('do')
        if do == 'link':
            return await self.link(**command)
        if do == 'carried':
            return [(*way, count) for way, count in self.carried.items()]
        if do == 'cut':
            for source, target in command['pairs']:
                self.open[source, target].clear()
        elif do == 'worsen':
            self.delay, self.jitter, self.loss = command['delay'], command['jitter'], command['loss']
        elif do == 'mend':
            self.delay = self.jitter = self.loss = 0.0
            for way in self.open.values():
                way.set()
        elif do in ('gone', 'back'):
            for (source, target), entry in self.links.items():
                if target == command['target']:
                    if entry[2] is not None:
                        entry[2].close()
                    entry[2] = await self.listen(source, target, entry[0]) if do == 'back' else None
        return True


async def serve():
    proxy = Proxy()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps(await proxy.obey(json.loads(line))), flush=True)


if __name__ == '__main__':
    asyncio.run(serve())
