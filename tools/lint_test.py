#!/usr/bin/python3
"""Trees that break each rule of lint.py must fail, and a tree that breaks none must pass."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOLS = os.path.dirname(os.path.abspath(__file__))
GOOD = '// A word.\n#pragma once\n\nnamespace synod {}\n'


class LintTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix='lint_test_')
        self.addCleanup(shutil.rmtree, self.root)
        os.makedirs(os.path.join(self.root, 'tools'))
        shutil.copy(os.path.join(TOOLS, 'layers.txt'), os.path.join(self.root, 'tools/layers.txt'))
        shutil.copy(os.path.join(TOOLS, '../.clang-format'), os.path.join(self.root, '.clang-format'))
        subprocess.run(['git', 'init', '-q', self.root], check=True)
        self.write('src/base/good.h', GOOD)
        self.write('src/base/README.md', '# base\n')

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as f:
            f.write(text)

    def lint(self, *args):
        out = subprocess.run(['/usr/bin/python3', os.path.join(TOOLS, 'lint.py'), '--root', self.root, *args],
                             capture_output=True, text=True)
        return out.returncode, out.stdout

    def expect(self, rule, *args):
        code, out = self.lint(*args)
        self.assertEqual(code, 1, out)
        self.assertIn(rule, out)

    def folder(self, name, file, text):
        self.write(f'src/{name}/README.md', f'# {name}\n')
        self.write(f'src/{name}/{file}', text)

    def test_a_good_tree_passes(self):
        code, out = self.lint()
        self.assertEqual(code, 0, out)

    def test_an_include_against_the_arrows(self):
        self.folder('paxos', 'core.h', '#pragma once\n#include "storage/log.h"\n')
        self.expect('layers: paxos may not include storage')

    def test_a_core_below_its_face_may_not_include_it(self):
        self.folder('master/core', 'core.h', '#pragma once\n#include "master/node.h"\n')
        self.write('src/master/README.md', '# master\n')
        self.expect('layers: master/core may not include master')

    def test_a_test_may_include_everything(self):
        self.folder('paxos', 'core_test.cc', '#include "storage/log.h"\n')
        self.assertEqual(self.lint()[0], 0)

    def test_a_folder_nobody_knows(self):
        self.folder('magic', 'wand.h', GOOD)
        self.expect('layers: lies in a folder')

    def test_a_clock_in_a_pure_folder(self):
        self.folder('paxos', 'core.cc', 'auto t = std::chrono::steady_clock::now();\n')
        self.expect('purity: paxos reads a clock')

    def test_chance_in_a_pure_folder(self):
        self.folder('znode', 'tree.cc', 'int x = rand();\n')
        self.expect('purity: znode draws at random')

    def test_floating_point_in_a_pure_folder(self):
        self.folder('allocator', 'drf.cc', 'double share = 0;\n')
        self.expect('purity: allocator computes in floating point')

    def test_unordered_iteration_in_a_pure_folder(self):
        self.folder('znode', 'tree.cc', 'std::unordered_map<int, int> m;\n')
        self.expect('purity: znode iterates in no order')

    def test_input_and_output_in_a_pure_folder(self):
        self.folder('resources', 'text.cc', '#include <iostream>\n')
        self.expect('purity: resources does I/O')

    def test_a_log_in_a_pure_folder(self):
        self.folder('paxos', 'core.cc', '#include "base/log.h"\n')
        self.expect('purity: paxos logs')

    def test_addresses_as_keys_in_a_pure_folder(self):
        self.folder('znode', 'tree.cc', 'std::map<const Node*, int> m;\n')
        self.expect('purity: znode orders by address')

    def test_threads_outside_machine(self):
        self.folder('coordinator', 'engine.cc', '#include <mutex>\n')
        self.expect('banned: coordinator uses threads')

    def test_system_calls_outside_machine(self):
        self.folder('agent', 'node.cc', '#include <unistd.h>\n')
        self.expect('banned: agent calls the system')

    def test_third_party_headers_in_the_wrong_folder(self):
        self.folder('master', 'node.cc', '#include <boost/json.hpp>\n')
        self.expect('third-party: <boost/json.hpp> belongs to http only')

    def test_a_file_that_is_too_long(self):
        self.write('src/base/long.h', GOOD + '// line\n' * 900)
        self.expect('size: ')

    def test_a_function_that_is_too_long(self):
        body = ''.join(f'  f({i});\n' for i in range(90))
        self.write('src/base/long.cc', 'void f(int);\nvoid g(int a,\n       int b) {\n' + body + '}\n')
        self.expect('g has 9')

    def test_a_line_that_is_too_long(self):
        self.write('src/base/wide.h', GOOD + '// ' + 'w' * 120 + '\n')
        self.expect('columns')

    def test_unfinished_work(self):
        self.write('src/base/todo.h', GOOD + '// TODO\n')
        self.expect('unfinished')

    def test_a_header_without_a_guard(self):
        self.write('src/base/bare.h', 'namespace synod {}\n')
        self.expect('lacks #pragma once')

    def test_a_name_that_says_nothing(self):
        self.folder('master', 'utils.h', GOOD)
        self.expect('names: "utils" says nothing')

    def test_a_folder_without_a_readme(self):
        self.write('src/paxos/core.h', GOOD)
        self.expect('readme')

    def test_formatting(self):
        self.write('src/base/ugly.h', '#pragma once\nint   a ;\n')
        self.expect('format')

    def test_a_header_that_needs_another_first(self):
        self.write('src/base/needy.h', '#pragma once\ninline std::string s;\n')
        self.expect('does not compile alone', '--headers')

    def test_a_clock_hidden_in_an_object_of_a_pure_folder(self):
        source = os.path.join(self.root, 'hidden.cc')
        self.write('hidden.cc', '#include <chrono>\nlong f() { return std::chrono::steady_clock::now()'
                                '.time_since_epoch().count(); }\n')
        directory = os.path.join(self.root, 'build/src/paxos')
        os.makedirs(directory)
        subprocess.run(['g++', '-std=c++20', '-c', source, '-o', os.path.join(directory, 'hidden.o')], check=True)
        subprocess.run(['ar', 'rc', os.path.join(directory, 'libsynod_paxos.a'),
                        os.path.join(directory, 'hidden.o')], check=True)
        self.expect('of pure folder paxos wants', '--objects', os.path.join(self.root, 'build'))


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], '-q'])
