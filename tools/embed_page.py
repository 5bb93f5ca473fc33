#!/usr/bin/python3
"""embed_page.py HTML CSS SCRIPT OUT.cc: one HTML document as a C++ string, synod::cli::page()."""
import sys


def main():
    html, css, script, out = sys.argv[1:5]
    text = open(html, encoding='utf-8').read()
    style = open(css, encoding='utf-8').read()
    code = open(script, encoding='utf-8').read().replace('</script', '<\\/script')
    page = text.replace('/*STYLE*/', style).replace('/*SCRIPT*/', code).encode('utf-8')
    lines = []
    for i in range(0, len(page), 24):
        lines.append('    ' + ', '.join(str(b) for b in page[i:i + 24]) + ',')
    with open(out, 'w', encoding='utf-8') as f:
        f.write('// Made by tools/embed_page.py from ui/.\n#include "cli/page.h"\n\nnamespace synod::cli {\nnamespace {\n\n'
                'constexpr unsigned char bytes[] = {\n' + '\n'.join(lines) + '\n};\n\n}  // namespace\n\n'
                'std::string page() { return std::string(bytes, bytes + sizeof(bytes)); }\n\n'
                '}  // namespace synod::cli\n')


if __name__ == '__main__':
    main()
