#!/usr/bin/python3
"""The curve of a coordination benchmark as SVG: throughput over sessions, one panel for each operation.

    ./dev bench plot FIGURES.tsv OUT.svg

FIGURES.tsv is what `./dev bench coordination --tsv=...` wrote. Both axes are logarithmic; the bars
around a point are its worst and best round.
"""
import csv
import math
import sys

WIDTH, HEIGHT, LEFT, TOP = 340, 240, 62, 30
COLOURS = {'synod': '#0b6e4f', 'zookeeper': '#b5382a', 'do-nothing': '#777777'}
NAMES = {'synod': 'Synod', 'zookeeper': 'Apache ZooKeeper', 'do-nothing': 'do-nothing server'}


def read_panels(path):
    """{(servers, operation, payload, outstanding): {system: [(sessions, median, worst, best)]}}"""
    panels = {}
    with open(path, newline='') as f:
        for row in csv.DictReader(f, delimiter='\t'):
            if float(row['ops_median']) <= 0:
                continue
            key = (int(row['servers']), row['operation'], int(row['payload_bytes']), int(row['outstanding']))
            panel = panels.setdefault(key, {})
            panel.setdefault(row['system'], []).append(
                (int(row['sessions']), *(float(row['ops_' + name]) for name in ('median', 'worst', 'best'))))
    # A curve needs two points.
    return {key: panel for key, panel in panels.items() if max(len(points) for points in panel.values()) > 1}


def scale(values, size):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1), lambda v: size * (math.log10(v) - low) / max(high - low, 1)


def draw_panel(title, panel, x0, y0):
    width, height = WIDTH - LEFT - 14, HEIGHT - TOP - 40
    points = [point for series in panel.values() for point in series]
    y_low, y_high, y_of = scale([v for p in points for v in p[1:] if v > 0], height)
    sessions = sorted({p[0] for p in points})
    x_of = {s: width * i / max(len(sessions) - 1, 1) for i, s in enumerate(sessions)}
    out = [f'<g transform="translate({x0 + LEFT},{y0 + TOP})"><text x="0" y="-10" font-weight="bold">{title}</text>']
    for power in range(y_low, y_high + 1):
        y = height - y_of(10 ** power)
        out.append(f'<path d="M0 {y:.1f}h{width}" stroke="#ddd"/><text x="-6" y="{y + 4:.1f}" '
                   f'text-anchor="end">{10 ** power:,}</text>')
    for s in sessions:
        out.append(f'<text x="{x_of[s]:.1f}" y="{height + 16}" text-anchor="middle">{s}</text>')
    for system, series in sorted(panel.items()):
        colour = COLOURS[system]
        line = ' '.join(f'{x_of[p[0]]:.1f},{height - y_of(p[1]):.1f}' for p in sorted(series))
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for s, median, worst, best in series:
            x = x_of[s]
            out.append(f'<circle cx="{x:.1f}" cy="{height - y_of(median):.1f}" r="3" fill="{colour}"/>')
            if worst > 0:
                out.append(f'<path d="M{x:.1f} {height - y_of(worst):.1f}V{height - y_of(best):.1f}" stroke="{colour}"/>')
    out.append(f'<text x="{width / 2:.0f}" y="{height + 32}" text-anchor="middle">sessions</text></g>')
    return '\n'.join(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    panels = read_panels(sys.argv[1])
    columns = 4
    rows = (len(panels) + columns - 1) // columns
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * WIDTH}" height="{rows * HEIGHT + 30}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>']
    for i, ((servers, operation, payload, outstanding), panel) in enumerate(sorted(panels.items())):
        noun = 'server' if servers == 1 else 'servers'
        size = ' of 1 KiB' if payload >= 1024 else ''
        title = f'{operation}{size}, {servers} {noun}, {outstanding} under way, ops/s'
        parts.append(draw_panel(title, panel, i % columns * WIDTH, i // columns * HEIGHT))
    for i, (system, name) in enumerate(NAMES.items()):
        x = 20 + 160 * i
        parts.append(f'<rect x="{x}" y="{rows * HEIGHT + 8}" width="12" height="12" fill="{COLOURS[system]}"/>'
                     f'<text x="{x + 18}" y="{rows * HEIGHT + 18}">{name}</text>')
    parts.append('</svg>\n')
    with open(sys.argv[2], 'w') as f:
        f.write('\n'.join(parts))


if __name__ == '__main__':
    main()
