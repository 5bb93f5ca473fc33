"""Judges what clients of a coordination service were told. It knows no server, only operations with their times and answers.

check(operations) gives the violations that it found, as sentences:

1. Writes of a key, and reads after a `sync`, are linearizable: some order that agrees with real time and with the answers
   exists (Wing and Gong's search with Lowe's memory of what was tried). Zxids take no part in it. What has no answer may
   have happened at any time after it began, or never.
2. Zxids order all acknowledged writes of all keys as real time does, and each names one write.
3. A session never goes back: no read shows less than the session has written or seen before.
4. What a read shows was written, with that zxid, by somebody who had begun before the read ended.
"""
import bisect
import dataclasses
import typing

CREATE, SET, DELETE, READ, PEEK = 'create', 'set', 'delete', 'read', 'peek'  # a peek is a read without sync
OK, EXISTS, NO_NODE, BAD_VERSION, UNKNOWN = 'ok', 'exists', 'no_node', 'bad_version', 'unknown'
STEPS_MAX = 3_000_000


@dataclasses.dataclass
class Operation:
    client: int
    kind: str
    key: str
    begin: float
    value: str = ''  # what is written, unlike any other; what was read
    expected: int = -1  # the version that set or delete ask for; -1: any
    end: typing.Optional[float] = None
    result: str = UNKNOWN
    version: int = -1  # as answered, with OK
    zxid: int = 0  # the node's mzxid as answered; 0 of a delete
    session: int = 0

    def writes(self):
        return self.kind in (CREATE, SET, DELETE)


# ---- one key

ABSENT = None  # else the state is (value, version)


def outcome(op, state):
    """What a server in this state answers: (result, version, state afterwards)."""
    if op.kind == CREATE:
        return (OK, 0, (op.value, 0)) if state is ABSENT else (EXISTS, -1, state)
    if state is ABSENT:
        return NO_NODE, -1, state
    if op.kind in (READ, PEEK):
        return OK, state[1], state
    if op.expected not in (-1, state[1]):
        return BAD_VERSION, -1, state
    return (OK, -1, ABSENT) if op.kind == DELETE else (OK, state[1] + 1, (op.value, state[1] + 1))


def allowed(op, state):
    """(whether the answer fits the state, the state afterwards)."""
    result, version, after = outcome(op, state)
    if op.result == UNKNOWN:
        return True, after
    fits = op.result == result
    if fits and result == OK and op.kind != DELETE:
        fits = op.version == version and (op.kind != READ or op.value == state[0])
    return fits, after


class Undecided(Exception):
    pass


def linearizable(operations):
    """Whether the operations of one key have an order. Raises Undecided after STEPS_MAX steps."""
    ops = [op for op in operations if op.kind != PEEK and not (op.kind == READ and op.result == UNKNOWN)]
    events = sorted([(op.begin, 0, i) for i, op in enumerate(ops)] +
                    [(op.end, 1, i) for i, op in enumerate(ops) if op.result != UNKNOWN])
    # A list from which what has its place is taken out: 0 is its head, n + 1 the event n.
    size = len(events)
    after, before = list(range(1, size + 2)), list(range(-1, size + 1))
    answer = {i: n + 1 for n, (_, what, i) in enumerate(events) if what == 1}
    open_answers = len(answer)
    state, placed, tried, chosen = ABSENT, 0, set(), []
    at, steps = after[0], 0

    def take_out(node):
        after[before[node]] = after[node]
        if after[node] <= size:
            before[after[node]] = before[node]

    def put_back(node):
        after[before[node]] = node
        if after[node] <= size:
            before[after[node]] = node

    while open_answers > 0:
        steps += 1
        if steps > STEPS_MAX:
            raise Undecided()
        _, what, i = events[at - 1]
        if what == 0:
            fits, new_state = allowed(ops[i], state)
            key = (placed | 1 << i, new_state)
            if fits and key not in tried:
                tried.add(key)
                chosen.append((at, state))
                take_out(at)
                if i in answer:
                    take_out(answer[i])
                    open_answers -= 1
                placed, state = key
                at = after[0]
            else:
                at = after[at]
            continue
        # This one has ended and found no place: what was placed last goes elsewhere.
        if not chosen:
            return False
        at, state = chosen.pop()
        i = events[at - 1][2]
        placed ^= 1 << i
        if i in answer:
            put_back(answer[i])
            open_answers += 1
        put_back(at)
        at = after[at]
    return True


# ---- all keys

def describe(op):
    end = 'no answer' if op.end is None else f'{op.end:.4f}'
    return (f'{op.kind} {op.key} {op.value!r} expected {op.expected} -> {op.result} version {op.version} zxid {op.zxid:x} '
            f'[{op.begin:.4f}, {end}] client {op.client} session {op.session:x}')


def check_keys(operations):
    keys = {}
    for op in operations:
        keys.setdefault(op.key, []).append(op)
    for key, ops in sorted(keys.items()):
        try:
            if not linearizable(ops):
                story = '\n  '.join(describe(op) for op in sorted(ops, key=lambda op: op.begin)[:60])
                yield f'{key} is not linearizable:\n  {story}'
        except Undecided:
            yield f'{key}: no order found and none refuted in {STEPS_MAX} steps'


def check_zxids(operations):
    writes = sorted((op for op in operations if op.writes() and op.result == OK and op.zxid), key=lambda op: op.zxid)
    latest = None  # of those with a lower zxid, the one that began last
    for previous, op in zip([None] + writes, writes):
        if previous is not None and previous.zxid == op.zxid:
            yield f'one zxid for two writes:\n  {describe(previous)}\n  {describe(op)}'
        if latest is not None and latest.begin > op.end:
            yield f'zxids against real time:\n  {describe(op)}\n  {describe(latest)}'
        if latest is None or op.begin > latest.begin:
            latest = op


class Written:
    """All writes of one key."""

    def __init__(self):
        self.zxids, self.by_zxid, self.by_value, self.deletes = [], {}, {}, []

    def add(self, op):
        if op.kind == DELETE:
            if op.result in (OK, UNKNOWN):
                self.deletes.append(op)
            return
        self.by_value[op.value] = op
        if op.result == OK:
            bisect.insort(self.zxids, op.zxid)
            self.by_zxid[op.zxid] = op

    def between(self, low, high):
        """The last acknowledged create or set with low < zxid <= high."""
        at = bisect.bisect_right(self.zxids, high)
        return self.by_zxid[self.zxids[at - 1]] if at > 0 and self.zxids[at - 1] > low else None

    def may_be_deleted(self, write, read):
        """A delete that may stand after the write and before the read."""
        return any(d.begin < read.end and (d.result == UNKNOWN or d.end > write.begin) for d in self.deletes)


def check_sessions(operations):
    written = {}
    for op in operations:
        if op.writes():
            written.setdefault(op.key, Written()).add(op)
    known = {}  # the highest zxid that a session was shown
    for op in sorted((o for o in operations if o.result in (OK, NO_NODE)), key=lambda o: o.begin):
        high = known.get(op.session, 0)
        writes = written.get(op.key, Written())
        if op.kind in (READ, PEEK):
            yield from check_read(op, writes, high)
        if op.result == OK:
            known[op.session] = max(high, op.zxid)


def check_read(op, writes, high):
    if op.result == NO_NODE:
        write = writes.between(0, high)
        if write is not None and not writes.may_be_deleted(write, op):
            yield f'a session that had come to zxid {high:x} missed a node:\n  {describe(op)}\n  {describe(write)}'
        return
    newer = writes.between(op.zxid, high)
    if newer is not None:
        yield f'a session that had come to zxid {high:x} was shown less:\n  {describe(op)}\n  {describe(newer)}'
    source = writes.by_value.get(op.value)
    if source is None or source.begin > op.end or source.result not in (OK, UNKNOWN):
        yield f'nobody wrote what was read:\n  {describe(op)}'
    elif source.result == OK and (source.zxid, source.version) != (op.zxid, op.version):
        yield f'what was read has another zxid or version:\n  {describe(op)}\n  {describe(source)}'


def check(operations):
    return [*check_keys(operations), *check_zxids(operations), *check_sessions(operations)]
