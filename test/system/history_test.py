#!/usr/bin/python3
"""The judge of histories is judged: histories that a server without faults could make pass, and each planted fault is found."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import history  # noqa: E402
from history import (BAD_VERSION, CREATE, DELETE, EXISTS, NO_NODE, OK, PEEK, READ, SET, UNKNOWN, Operation,  # noqa: E402
                     check, linearizable)


class Service:
    """Applies each operation at one moment between its begin and its end. `forget` and the like plant faults."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.nodes, self.zxid, self.values = {}, 0, 0
        self.past = {}  # key -> all (zxid, state)

    def apply(self, op):
        state = self.nodes.get(op.key)
        result, version, after = history.outcome(op, state and state[:2])
        if op.writes():
            self.zxid += 1
            if result == OK:
                self.nodes[op.key] = after and (*after, self.zxid)
                self.past.setdefault(op.key, []).append((self.zxid, self.nodes[op.key]))
        op.result, op.version = result, version
        if result == OK and op.kind != DELETE:
            op.zxid = self.zxid if op.writes() else state[2]
        if result == OK and not op.writes():
            op.value = state[0]

    def run(self, clients=5, steps=400, lost=0.05, keys=3):
        """A history: each client has one operation under way; the times when they take effect are drawn."""
        ops, pending, now = [], {}, 0.0
        for _ in range(steps):
            now += 1.0
            client = self.random.randrange(clients)
            if client not in pending:
                op = self.draw(client, now, keys)
                ops.append(op)
                pending[client] = [op, False]
                continue
            op, applied = pending[client]
            if not applied and self.random.random() < 0.5:
                self.apply(op)
                pending[client][1] = True
                continue
            self.finish(op, applied, now, lost)
            del pending[client]
        for op, applied in pending.values():
            self.finish(op, applied, now + 1.0, 0)
        return ops

    def finish(self, op, applied, now, lost):
        if self.random.random() < lost:  # the answer is; half of them took effect
            op.result, op.version, op.zxid = UNKNOWN, -1, 0
            return
        if not applied:
            self.apply(op)
        op.end = now

    def draw(self, client, now, keys):
        kind = self.random.choice([CREATE, SET, SET, SET, DELETE, READ, READ, PEEK])
        key = f'/k{self.random.randrange(keys)}'
        self.values += 1
        expected = -1
        if kind in (SET, DELETE) and self.random.random() < 0.5:
            state = self.nodes.get(key)
            expected = state[1] if state and self.random.random() < 0.7 else self.random.randrange(4)
        value = f'{client}.{self.values}' if kind in (CREATE, SET) else ''
        return Operation(client=client, kind=kind, key=key, begin=now, value=value, expected=expected, session=client + 1)


def kinds_of(violations):
    return ' | '.join(v.split('\n')[0] for v in violations)


class HistoryTest(unittest.TestCase):
    def test_a_sound_history_passes(self):
        for seed in range(60):
            self.assertEqual(check(Service(seed).run()), [], f'seed {seed}')

    def test_many_lost_answers_are_no_violation(self):
        for seed in range(20):
            self.assertEqual(check(Service(seed).run(lost=0.3, clients=8)), [], f'seed {seed}')

    def plant(self, change, needle, seeds=40, share=4):
        """The change, which gives False where it finds no place, is found in every history that took it."""
        taken = 0
        for seed in range(seeds):
            ops = Service(seed).run()
            if change(ops, random.Random(seed)):
                taken += 1
                self.assertIn(needle, kinds_of(check(ops)), f'seed {seed}')
        self.assertGreater(taken, seeds // share)

    def test_an_acknowledged_write_that_is_lost(self):
        def lose(ops, draw):
            # Its answer stays, and all that came from it shows what was before.
            for op in ops:
                following = [o for o in ops if o.key == op.key and o.begin > (op.end or 1e9) and o.kind == READ and
                             o.result == OK]
                others = [o for o in ops if o.key == op.key and o.writes() and o is not op and
                          (o.end is None or o.end > op.begin) and o.begin < (following[0].end if following else 0)]
                if op.kind == SET and op.result == OK and following and not others:
                    following[0].value, following[0].version = 'before', op.version - 1
                    return True
            return False
        self.plant(lose, 'not linearizable', seeds=200)

    def test_a_write_that_took_effect_twice(self):
        def double(ops, draw):
            sets = sorted((o for o in ops if o.kind in (SET, CREATE) and o.result == OK), key=lambda o: o.zxid)
            for first in sets:
                later = [o for o in sets if o.key == first.key and o.zxid > first.zxid and o.version > first.version]
                unsure = [o for o in ops if o.key == first.key and o.result == UNKNOWN]
                if later and not unsure:
                    for o in later:
                        o.version += 1
                    return True
            return False
        self.plant(double, 'not linearizable', seeds=80, share=8)

    def test_two_that_both_win_a_compare_and_set(self):
        def both(ops, draw):
            for op in ops:
                if op.kind == SET and op.result == BAD_VERSION:
                    winner = [o for o in ops if o.key == op.key and o.kind == SET and o.result == OK and
                              o.version == op.expected + 1 and o.end < op.begin]
                    unsure = [o for o in ops if o.key == op.key and (o.result == UNKNOWN or o.kind == DELETE)]
                    if winner and not unsure:
                        op.result, op.version, op.zxid = OK, op.expected + 1, 0
                        return True
            return False
        self.plant_anywhere(both, 'not linearizable')

    def plant_anywhere(self, change, needle, enough=5):
        taken = 0
        for seed in range(2000):
            ops = Service(seed).run(steps=150, lost=0.01)
            if change(ops, random.Random(seed)):
                taken += 1
                self.assertIn(needle, kinds_of(check(ops)), f'seed {seed}')
                if taken == enough:
                    return
        self.fail(f'only {taken} places')

    def test_a_stale_read_after_sync(self):
        old = Operation(1, SET, '/k', 1.0, 'a', end=2.0, result=OK, version=1, zxid=11, session=1)
        ops = [Operation(1, CREATE, '/k', 0.0, 'z', end=0.5, result=OK, version=0, zxid=10, session=1), old,
               Operation(1, SET, '/k', 3.0, 'b', end=4.0, result=OK, version=2, zxid=12, session=1),
               Operation(2, READ, '/k', 5.0, 'a', end=6.0, result=OK, version=1, zxid=11, session=2)]
        self.assertIn('not linearizable', kinds_of(check(ops)))
        ops[-1].kind = PEEK  # a session that has seen nothing newer may be shown the past
        self.assertEqual(check(ops), [])

    def test_a_read_that_began_before_the_write_ended_may_show_either(self):
        ops = [Operation(1, CREATE, '/k', 0.0, 'a', end=1.0, result=OK, version=0, zxid=1, session=1),
               Operation(1, SET, '/k', 2.0, 'b', end=5.0, result=OK, version=1, zxid=2, session=1),
               Operation(2, READ, '/k', 3.0, 'b', end=3.5, result=OK, version=1, zxid=2, session=2),
               Operation(3, READ, '/k', 3.6, 'a', end=4.0, result=OK, version=0, zxid=1, session=3)]
        self.assertFalse(linearizable(ops))  # b, then a again
        ops[3].begin, ops[3].end = 2.1, 2.9
        self.assertEqual(check(ops), [])

    def test_what_has_no_answer_may_come_late_or_never(self):
        ops = [Operation(1, CREATE, '/k', 0.0, 'a', end=1.0, result=OK, version=0, zxid=1, session=1),
               Operation(1, SET, '/k', 2.0, 'late', session=1),
               Operation(2, READ, '/k', 3.0, 'a', end=4.0, result=OK, version=0, zxid=1, session=2)]
        self.assertEqual(check(ops), [])
        ops.append(Operation(2, READ, '/k', 50.0, 'late', end=51.0, result=OK, version=1, zxid=9, session=2))
        self.assertEqual(check(ops), [])
        ops.append(Operation(2, READ, '/k', 60.0, 'a', end=61.0, result=OK, version=0, zxid=1, session=2))
        self.assertIn('not linearizable', kinds_of(check(ops)))

    def test_answers_to_refused_writes_count(self):
        ops = [Operation(1, CREATE, '/k', 0.0, 'a', end=1.0, result=OK, version=0, zxid=1, session=1),
               Operation(2, CREATE, '/k', 2.0, 'b', end=3.0, result=EXISTS, session=2),
               Operation(2, DELETE, '/k', 4.0, end=5.0, result=OK, session=2),
               Operation(2, SET, '/k', 6.0, 'c', end=7.0, result=NO_NODE, session=2)]
        self.assertEqual(check(ops), [])
        ops[1].result = NO_NODE
        self.assertIn('not linearizable', kinds_of(check(ops)))
        ops[1].result, ops[3].result = EXISTS, BAD_VERSION
        self.assertIn('not linearizable', kinds_of(check(ops)))

    def test_zxids_against_real_time_across_keys(self):
        def swap(ops, draw):
            writes = [o for o in ops if o.kind in (SET, CREATE) and o.result == OK]
            for first in writes:
                for second in writes:
                    if first.key != second.key and first.end < second.begin:
                        first.zxid, second.zxid = second.zxid, first.zxid
                        return True
            return False
        self.plant(swap, 'zxids against real time')

    def test_one_zxid_for_two_writes(self):
        def same(ops, draw):
            writes = sorted((o for o in ops if o.kind in (SET, CREATE) and o.result == OK), key=lambda o: o.zxid)
            writes[1].zxid = writes[0].zxid
            return True
        self.plant(same, 'one zxid for two writes')

    def test_a_session_that_goes_back(self):
        ops = [Operation(1, CREATE, '/k', 0.0, 'a', end=1.0, result=OK, version=0, zxid=1, session=1),
               Operation(1, SET, '/k', 2.0, 'b', end=3.0, result=OK, version=1, zxid=2, session=1),
               Operation(2, PEEK, '/k', 4.0, 'b', end=4.5, result=OK, version=1, zxid=2, session=2),
               Operation(2, PEEK, '/k', 5.0, 'a', end=5.5, result=OK, version=0, zxid=1, session=2)]
        self.assertIn('was shown less', kinds_of(check(ops)))
        ops[-1].session = 3
        self.assertEqual(check(ops), [])

    def test_a_session_that_goes_back_by_way_of_another_key(self):
        ops = [Operation(1, CREATE, '/j', 0.0, 'a', end=1.0, result=OK, version=0, zxid=1, session=1),
               Operation(1, CREATE, '/k', 2.0, 'b', end=3.0, result=OK, version=0, zxid=2, session=1),
               Operation(2, PEEK, '/k', 4.0, 'b', end=4.5, result=OK, version=0, zxid=2, session=2),
               Operation(2, PEEK, '/j', 5.0, end=5.5, result=NO_NODE, session=2)]
        self.assertIn('missed a node', kinds_of(check(ops)))
        ops.append(Operation(3, DELETE, '/j', 3.0, session=3))
        self.assertEqual(check(ops), [])

    def test_what_nobody_wrote(self):
        def invent(ops, draw):
            reads = [o for o in ops if o.kind == PEEK and o.result == OK]
            if reads:
                reads[0].value = 'invented'
            return bool(reads)
        self.plant(invent, 'nobody wrote')


if __name__ == '__main__':
    unittest.main()
