"""One server's bad machine: the other side of flaky.cc."""
import mmap
import os
import struct
import time

NUMBERS = ['flush_delay_us', 'flush_errors', 'flushes', 'wall_offset_ms', 'drift_per_million', 'drift_since_ns',
           'changes', 'dies_before']


class Flaky:
    def __init__(self, library, path, redirects=None):
        """redirects: {port: port} of 127.0.0.1."""
        self.library, self.path, self.redirects = os.path.abspath(library), path, redirects or {}
        with open(path, 'wb') as f:
            f.write(bytes(8 * len(NUMBERS)))
        with open(path, 'r+b') as f:
            self.map = mmap.mmap(f.fileno(), 8 * len(NUMBERS))

    def environment(self):
        # The sanitizers' runtime need not be the first library.
        options = ':'.join(filter(None, [os.environ.get('ASAN_OPTIONS'), 'verify_asan_link_order=0']))
        return {'LD_PRELOAD': self.library, 'SYNOD_FLAKY': self.path, 'ASAN_OPTIONS': options,
                'SYNOD_REDIRECT': ','.join(f'{a}={b}' for a, b in self.redirects.items())}

    def set(self, **numbers):
        for name, value in numbers.items():
            struct.pack_into('<q', self.map, 8 * NUMBERS.index(name), value)

    def get(self, name):
        return struct.unpack_from('<q', self.map, 8 * NUMBERS.index(name))[0]

    def drift(self, per_million):
        """Its clock goes so much faster from now on."""
        self.set(drift_per_million=0)
        self.set(drift_since_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), drift_per_million=per_million)

    def well(self):
        """All but the drift, the end of which would be a jump that no machine makes."""
        self.set(flush_delay_us=0, flush_errors=0, wall_offset_ms=0)
