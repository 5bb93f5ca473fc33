#!/usr/bin/python3
"""The house linter: arrows, purity, sizes, banned calls, third-party headers, formatting.

    lint.py [--root DIR] [--headers] [--objects BUILD] [--no-format]

Prints `path:line: rule: what is wrong` for each finding and exits 1 if there is any. `--objects` reads
the symbols of the pure folders' libraries in a build folder instead of sources; `--headers` also
compiles every header alone. Rules and their reasons: docs/hacking.md.
"""
import argparse
import os
import re
import subprocess
import sys

LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

# Files above LINES_MAX or with functions above FUNCTION_LINES_MAX, until they are cut. Only shrinks.
ALLOW = 'tools/lint_allow.txt'

# (what, pattern) banned in pure folders, on top of BANNED_OUTSIDE_MACHINE.
BANNED_IN_PURE = [
    ('reads a clock', r'_clock::now\b|\bclock_gettime\b|\bgettimeofday\b|[^_\w]time\(\s*(nullptr|NULL|0)\s*\)'),
    ('draws at random', r'\brandom_device\b|\bmt19937|[^_\w:](s?rand|random)\(\s*\)'),
    ('does I/O', r'#include <(iostream|fstream|cstdio|filesystem)>'),
    ('iterates in no order', r'\bunordered_(multi)?(map|set)\b'),
    ('orders by address', r'std::(map|set)<\s*(const\s+)?[\w:]+\s*\*'),
    ('computes in floating point', r'\b(float|double)\b'),
    ('sees protobuf', r'#include [<"]google/protobuf|\.pb\.h"'),
    ('logs', r'#include "base/log\.h"'),
]
BANNED_OUTSIDE_MACHINE = [
    ('uses threads', r'#include <(thread|mutex|shared_mutex|condition_variable|atomic|future|semaphore|stop_token)>|'
                     r'std::(thread|jthread|mutex|atomic|condition_variable)\b|\bthread_local\b'),
    ('calls the system', r'#include <(sys/(?!types)[\w/]+|unistd|fcntl|netinet/\w+|arpa/\w+|poll|signal|csignal|pthread)'
                         r'(\.h)?>'),
    # Beast's parsers take Asio's buffers, which are views and bring no loop.
    ('includes Asio', r'#include <boost/asio(?!/buffer\.hpp)'),
    ('reads a clock', r'_clock::now\b|\bclock_gettime\b'),
    ('sleeps', r'\bsleep_for\b|\busleep\('),
]
# Third-party headers: pattern -> folders that may include it.
THIRD_PARTY = [
    (r'boost/asio/buffer\.hpp', {'http'}),
    (r'boost/asio', set()),
    (r'boost/(beast|json)', {'http'}),
    (r'boost/', {'http'}),
    (r'openssl/', {'machine', 'coordinator'}),
    (r'spdlog/', {'machine'}),
    (r'google/protobuf/', {'mesos', 'translate', 'master', 'agent', 'services', 'executor', 'containerizer', 'discovery'}),
    (r'zstd\.h', {'storage'}),
    (r'CLI/', {'cli'}),
]
BANNED_NAMES = {'util', 'utils', 'common', 'helpers', 'helper', 'manager', 'misc'}
# Names of functions that object files of pure folders must not want.
BANNED_SYMBOLS = re.compile(
    r'^(clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|rand|srand|random|getrandom|arc4random|open|open64|fopen|'
    r'fopen64|creat|socket|connect|fork|execve|pthread_(create|mutex_\w+|cond_\w+|rwlock_\w+)|setlocale|getenv|localtime\w*|'
    r'strftime|_ZNSt6chrono.*clock3nowEv|_ZNSt13random_device.*|_ZSt4cout|_ZSt4cerr|_ZNSt14basic_[io]?fstream.*|'
    r'_ZNSt6thread.*|_ZNSt10filesystem.*)(@.*)?$')

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SYSTEM_INCLUDE = re.compile(r'^\s*#\s*include\s+<([^>]+)>')


class Lint:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.arrows, self.pure = read_layers(os.path.join(root, 'tools/layers.txt'))
        self.allow = read_allow(os.path.join(root, ALLOW))

    def find(self, path, line, rule, what):
        self.findings.append(f'{path}:{line}: {rule}: {what}')

    def sources(self):
        out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=self.root, check=True,
                             capture_output=True, text=True).stdout.split('\n')
        return sorted({p for p in out if p.endswith(('.cc', '.h')) and os.path.exists(os.path.join(self.root, p))})

    def run(self):
        folders = set()
        for path in self.sources():
            with open(os.path.join(self.root, path), encoding='utf-8', errors='replace') as f:
                lines = f.read().split('\n')
            folder = self.folder_of(path)
            if folder:
                folders.add(folder)
            self.check_names(path)
            self.check_sizes(path, lines)
            self.check_unfinished(path, lines)
            if path.endswith('.h') and not path.startswith('cmake/') and '#pragma once' not in lines:
                self.find(path, 1, 'header', 'lacks #pragma once')
            if path.startswith('src/') and not folder:
                self.find(path, 1, 'layers', 'lies in a folder that tools/layers.txt does not know')
            if folder:
                self.check_includes(path, folder, lines)
                if not is_test(path):
                    self.check_banned(path, folder, lines)
        for folder in sorted(folders):
            self.check_readme(folder)

    def folder_of(self, path):
        if not path.startswith('src/'):
            return None
        parent = os.path.dirname(path)[len('src/'):]
        while parent:
            if parent in self.arrows:
                return parent
            parent = os.path.dirname(parent)
        return None

    def check_names(self, path):
        for part in path.split('/')[:-1] + [os.path.basename(path).rsplit('.', 1)[0]]:
            if part in BANNED_NAMES:
                self.find(path, 1, 'names', f'"{part}" says nothing; name it after what it holds')
        base = os.path.basename(path)
        if base != base.lower():
            self.find(path, 1, 'names', 'files are snake_case')

    def check_sizes(self, path, lines):
        count = len(lines)
        if count > LINES_MAX and ('lines', path) not in self.allow:
            self.find(path, count, 'size', f'{count} lines, at most {LINES_MAX}')
        for number, line in enumerate(lines, 1):
            # A URL or an include cannot be broken; neither can a golden byte string in a test.
            if len(line) > COLUMNS_MAX and '://' not in line and not is_test(path) \
                    and not line.lstrip().startswith(('#include', 'R"')):
                self.find(path, number, 'size', f'{len(line)} columns, at most {COLUMNS_MAX}')
        if not is_test(path) and ('functions', path) not in self.allow:
            for name, start, length in functions(lines):
                if length > FUNCTION_LINES_MAX:
                    self.find(path, start, 'size', f'{name} has {length} lines, at most {FUNCTION_LINES_MAX}')

    def check_unfinished(self, path, lines):
        for number, line in enumerate(lines, 1):
            if re.search(r'\bFIXME\b|\bXXX\b|\bTODO\b(?!\(\w+\): .+)', line):
                self.find(path, number, 'unfinished', 'FIXME and bare TODO are not merged')

    def check_includes(self, path, folder, lines):
        allowed = self.arrows[folder]
        test = is_test(path)
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match and not test:
                target = self.target_of(match.group(1))
                if target is None:
                    self.find(path, number, 'layers', f'"{match.group(1)}" is in no known folder (paths start at src)')
                elif target not in (folder, 'base') and '*' not in allowed and target not in allowed:
                    self.find(path, number, 'layers', f'{folder} may not include {target}')
            match = SYSTEM_INCLUDE.match(line)
            if match and not test:
                self.check_third_party(path, number, folder, match.group(1))

    def target_of(self, include):
        parent = os.path.dirname(include)
        while parent:
            if parent in self.arrows:
                return parent
            parent = os.path.dirname(parent)
        return None

    def check_third_party(self, path, number, folder, include):
        for pattern, folders in THIRD_PARTY:
            if re.match(pattern, include):
                if folder not in folders:
                    self.find(path, number, 'third-party', f'<{include}> belongs to {", ".join(sorted(folders))} only')
                return

    def check_banned(self, path, folder, lines):
        rules = []
        if folder not in ('machine', 'cli'):
            rules += BANNED_OUTSIDE_MACHINE
        if folder in self.pure:
            rules += BANNED_IN_PURE
        # base may hash and log; ids and checks print through <cstdio> in check.cc only.
        if folder == 'base':
            rules = [r for r in rules if r[0] not in ('does I/O', 'logs', 'iterates in no order')]
        for number, line in enumerate(lines, 1):
            code = line.split('//', 1)[0]
            for what, pattern in rules:
                if re.search(pattern, code):
                    self.find(path, number, 'purity' if folder in self.pure else 'banned', f'{folder} {what}')

    def check_readme(self, folder):
        path = f'src/{folder}/README.md'
        full = os.path.join(self.root, path)
        if not os.path.exists(full):
            self.find(path, 1, 'readme', 'every folder has a README.md')
            return
        with open(full, encoding='utf-8') as f:
            count = len(f.read().split('\n')) - 1
        # paxos holds the design's paragraph on whole histories as well.
        if count > 30 and folder != 'paxos':
            self.find(path, count, 'readme', f'{count} lines, at most 30')

    def check_format(self):
        sources = [p for p in self.sources()]
        for i in range(0, len(sources), 40):
            out = subprocess.run(['clang-format', '--dry-run', '--Werror'] + sources[i:i + 40], cwd=self.root,
                                 capture_output=True, text=True)
            for line in out.stderr.split('\n'):
                match = re.match(r'(\S+?):(\d+):\d+: error: ', line)
                if match:
                    self.find(match.group(1), match.group(2), 'format', './dev fmt mends it')

    def check_headers(self):
        for path in self.sources():
            if path.endswith('.h') and path.startswith(('src/', 'sim/', 'test/')):
                out = subprocess.run(
                    ['ccache', 'g++', '-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-I', 'src', '-I', '.', '-I',
                     'build/src', '-I', 'build/src/mesos', '-x', 'c++', path],
                    cwd=self.root, capture_output=True, text=True)
                if out.returncode != 0:
                    first = next((line for line in out.stderr.split('\n') if 'error' in line), 'does not compile')
                    self.find(path, 1, 'header', f'does not compile alone: {first}')

    def check_objects(self, build):
        seen = 0
        for folder in sorted(self.pure):
            directory = os.path.join(build, 'src', folder)
            if not os.path.isdir(directory):
                continue
            for name in sorted(os.listdir(directory)):
                if name.startswith('libsynod_') and name.endswith('.a'):
                    seen += 1
                    self.check_archive(folder, os.path.join(directory, name))
        if seen == 0:
            self.find(build, 0, 'objects', 'holds no library of a pure folder; build first')

    def check_archive(self, folder, archive):
        out = subprocess.run(['nm', '-u', '-A', archive], capture_output=True, text=True).stdout
        for line in out.split('\n'):
            match = re.match(r'\S+?:([^:]+):\s+[Uwv]\s+(\S+)', line)
            if match and BANNED_SYMBOLS.match(match.group(2)):
                if folder == 'base' and match.group(1) == 'check.cc.o':
                    continue
                self.find(archive, 0, 'objects', f'{match.group(1)} of pure folder {folder} wants {match.group(2)}')


def is_test(path):
    return path.endswith(('_test.cc', '_test.h'))


def functions(lines):
    """(name, first line, length) of each function body that starts at the margin or one level in.

    The sources are formatted, so a body ends with a closing brace at the indentation of its first line.
    """
    start = re.compile(r'^( {0,2})(?!namespace|class|struct|enum|union|extern|if|for|while|switch|do|else|return|'
                       r'template|using|public|private|\}|//|#)(\S.*)$')
    i = 0
    while i < len(lines):
        match = start.match(lines[i])
        if not match:
            i += 1
            continue
        indent, first = match.group(1), i
        head = lines[i]
        while not head.rstrip().endswith(('{', ';', '}')) and i + 1 < len(lines) and i - first < 12:
            i += 1
            head += ' ' + lines[i].strip()
        if head.rstrip().endswith('{') and '(' in head and not re.search(r'=\s*\{$', head):
            close = indent + '}'
            end = i + 1
            while end < len(lines) and not (lines[end].startswith(close) and lines[end][len(close):len(close) + 1] in ('', ' ', ';')):
                end += 1
            name = re.search(r'([\w:~]+)\s*\(', head)
            yield (name.group(1) if name else 'a function', first + 1, end - first + 1)
            i = end + 1 if indent else end + 1
        else:
            i += 1


def read_layers(path):
    arrows, pure = {}, set()
    with open(path, encoding='utf-8') as f:
        for line in f:
            line = line.split('#', 1)[0].strip()
            if line:
                folder, _, rest = line.partition(':')
                words = rest.split()
                if 'pure' in words:
                    pure.add(folder)
                arrows[folder] = {w for w in words if w != 'pure'}
    return arrows, pure


def read_allow(path):
    allow = set()
    if os.path.exists(path):
        with open(path, encoding='utf-8') as f:
            for line in f:
                words = line.split('#', 1)[0].split()
                if len(words) == 2:
                    allow.add((words[0], words[1]))
    return allow


def main():
    parser = argparse.ArgumentParser(description='the house linter')
    parser.add_argument('--root', default='.')
    parser.add_argument('--headers', action='store_true')
    parser.add_argument('--objects', metavar='BUILD')
    parser.add_argument('--no-format', action='store_true')
    args = parser.parse_args()
    lint = Lint(args.root)
    if args.objects:
        lint.check_objects(args.objects)
    else:
        lint.run()
        if not args.no_format:
            lint.check_format()
        if args.headers:
            lint.check_headers()
    for finding in lint.findings:
        print(finding)
    what = 'symbols of the pure folders' if args.objects else 'sources'
    if lint.findings:
        print(f'lint: {len(lint.findings)} findings in {what}', file=sys.stderr)
        return 1
    print(f' lint      {what}: nothing found')
    return 0


if __name__ == '__main__':
    sys.exit(main())
