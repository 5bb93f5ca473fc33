// Renders one view into the page: health, three lanes, the last failover, frameworks, tasks, events.
import { element, replace } from './dom';
import { Agent, Task, View } from './view';
import { amount, clock, hourAndMinute, mebibytes, span } from './words';

const live = new Set(['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING']);

// One colour a framework, from its name: the same on every page and after every restart.
function hue(name: string): number {
  let h = 0;
  for (const c of name) {
    h = (h * 31 + c.charCodeAt(0)) % 360;
  }
  return h;
}

function badge(text: string, kind: string): HTMLElement {
  return element('span', `badge ${kind}`, text);
}

// Who it is, where, and what it is now.
function title(member: { name: string; address: string }, mark: HTMLElement): HTMLElement {
  const where = member.name === member.address ? null : element('span', 'where', member.address);
  return element('div', 'name', element('span', '', member.name, where ? ' ' : '', where), mark);
}

function coordinators(view: View): void {
  const cards = view.coordinators.map((c) => {
    const bad = c.state === 'unreachable' || c.state === 'electing';
    return element(
      'div',
      `card ${c.state === 'leader' || c.state === 'standalone' ? 'leads' : ''} ${bad ? 'bad' : ''}`,
      title(c, badge(c.state, bad ? 'bad' : c.state)),
      element('div', 'fact', bad ? 'does not answer as a member' : `zxid ${c.zxid}`),
      bad ? null : element('div', 'fact', c.connections === 1 ? '1 connection' : `${c.connections} connections`),
    );
  });
  replace('coordinators', ...cards);
  const q = view.quorum;
  replace(
    'quorum',
    `quorum ${q.alive}/${q.of}`,
    ...(q.leader ? [` · ${q.znodes} znodes · ${q.sessions} sessions`] : [' · no leader']),
    ...(q.fsync_p99_ms > 0 ? [` · fsync p99 ${q.fsync_p99_ms.toFixed(1)} ms`] : []),
  );
}

function masters(view: View): void {
  const cards = view.masters.map((m) =>
    element(
      'div',
      `card ${m.leader ? 'leads' : ''}`,
      title(m, badge(m.leader ? 'leader' : 'follower', m.leader ? 'leader' : '')),
      element(
        'div',
        'fact',
        m.leader ? `epoch ${view.leader.epoch}, for ${span(view.now_at_ms - view.leader.since_at_ms)}` : 'follows, ready to take over',
      ),
    ),
  );
  replace('masters', ...cards);
  replace('failover', ...lastFailover(view));
}

// The last change of leader with its gap: the span without a leader first, in large.
function lastFailover(view: View): (HTMLElement | string)[] {
  const f = view.failover;
  if (f === null) {
    return ['No change of leader since this cluster began.'];
  }
  const what = f.cause === 'died' ? 'died' : 'fell silent';
  const back = f.agents_back_ms === null ? 'so far' : `after ${span(f.agents_back_ms)}`;
  const offer = f.first_offer_ms === null ? 'no offer yet' : `first offer after ${span(f.first_offer_ms)}`;
  return [
    element('strong', 'ms', span(f.elected_ms)),
    ` without a leader when ${f.from_name} ${what} at ${clock(f.at_ms)}; ${view.leader.name} leads. ` +
      `${f.agents_back}/${f.agents} agents back ${back}, ${offer}.`,
  ];
}

function bar(agent: Agent, tasks: Task[], resource: 'cpus' | 'mem'): HTMLElement {
  const total = agent.total[resource] || 1;
  const strip = element('div', 'bar');
  for (const task of tasks) {
    const part = element('div', 'part');
    part.style.width = `${(100 * task[resource]) / total}%`;
    part.style.background = `hsl(${hue(task.framework)} 55% 50%)`;
    part.title = `${task.name} of ${task.framework}: ${amount(task.cpus)} cpus, ${mebibytes(task.mem)}`;
    strip.append(part);
  }
  if (agent.offered[resource] > 0) {
    const offered = element('div', 'part offered');
    offered.style.width = `${(100 * agent.offered[resource]) / total}%`;
    offered.title = 'on offer';
    strip.append(offered);
  }
  return strip;
}

function agents(view: View): void {
  const cards = view.agents.map((agent) => {
    const tasks = view.tasks.filter((t) => t.agent_id === agent.id && live.has(t.state));
    const ok = agent.state === 'active' && agent.note === '';
    return element(
      'div',
      `card agent ${ok ? '' : 'bad'}`,
      element('div', 'name', agent.name, badge(agent.state, ok ? '' : 'bad')),
      agent.note ? element('div', 'fact warn', agent.note) : null,
      element('div', 'label', `cpus ${amount(agent.allocated.cpus)} of ${amount(agent.total.cpus)}, busy ${amount(agent.used.cpus)}`),
      bar(agent, tasks, 'cpus'),
      element('div', 'label', `mem ${mebibytes(agent.allocated.mem)} of ${mebibytes(agent.total.mem)}, used ${mebibytes(agent.used.mem)}`),
      bar(agent, tasks, 'mem'),
      element('div', 'fact', tasks.length === 1 ? '1 task' : `${tasks.length} tasks`),
    );
  });
  replace('agents', ...(cards.length ? cards : [element('div', 'empty', 'No agents have registered.')]));
}

function row(...cells: (string | HTMLElement)[]): HTMLElement {
  return element('tr', '', ...cells.map((cell) => element('td', '', cell)));
}

function table(id: string, heads: string[], rows: HTMLElement[], empty: string): void {
  if (rows.length === 0) {
    replace(id, element('div', 'empty', empty));
    return;
  }
  const head = element('tr', '', ...heads.map((h) => element('th', '', h)));
  replace(id, element('table', '', element('thead', '', head), element('tbody', '', ...rows)));
}

function work(view: View): void {
  const frameworks = view.frameworks.map((f) => {
    const swatch = element('span', 'swatch');
    swatch.style.background = `hsl(${hue(f.name)} 55% 50%)`;
    return row(element('span', '', swatch, f.name), f.state, `${amount(f.share_percent)}%`, String(f.tasks), String(f.offers), f.waits || '-');
  });
  table('frameworks', ['framework', 'state', 'share', 'tasks', 'offers', 'waits for'], frameworks, 'No framework has subscribed.');
  const tasks = view.tasks.map((t) =>
    row(
      t.name,
      badge(t.state.replace('TASK_', '').toLowerCase(), t.state === 'TASK_RUNNING' ? 'leader' : live.has(t.state) ? '' : 'bad'),
      t.agent,
      `${amount(t.used.cpus)} of ${amount(t.cpus)}`,
      `${Math.round(t.used.mem)} of ${mebibytes(t.mem)}`,
      t.ports.join(', ') || '-',
      // A new master is not told when a task began.
      live.has(t.state) && t.started_at_ms > 0 ? span(view.now_at_ms - t.started_at_ms) : '-',
      t.message || '-',
    ),
  );
  table('tasks', ['task', 'state', 'agent', 'cpus', 'mem', 'ports', 'age', 'last word'], tasks, 'No tasks. Try: synod run --name web --ports 1 -- \'exec python3 -m http.server $PORT0\'');
  const events = [...view.events].sort((a, b) => b.at_ms - a.at_ms).slice(0, 12);
  replace('events', ...events.map((e) => element('li', '', element('time', '', clock(e.at_ms)), ' ', inNames(view, e.text))));
}

// Ids and addresses in a sentence, as people call them.
function inNames(view: View, text: string): string {
  const named: [string, string][] = [
    ...view.agents.map((a): [string, string] => [a.id, a.name]),
    ...view.frameworks.map((f): [string, string] => [f.id, f.name]),
    ...view.masters.map((m): [string, string] => [m.address, m.name]),
  ];
  return named.reduce((sentence, [id, name]) => sentence.split(id).join(name), text);
}

// "All well. m1 leads since 14:02, after m2 was silent", by the reader's own clock.
function healthInWords(view: View): string {
  const f = view.failover;
  const after = f === null ? '' : `, after ${f.from_name} ${f.cause === 'died' ? 'died' : 'was silent'}`;
  const lead = `${view.leader.name} leads since ${hourAndMinute(view.leader.since_at_ms)}${after}`;
  return view.health.ok ? `All well. ${lead}` : `Attention: ${view.health.trouble}. ${lead}`;
}

export function render(view: View): void {
  const health = document.getElementById('health');
  if (health) {
    health.className = view.health.ok ? 'ok' : 'bad';
  }
  replace('health', healthInWords(view));
  coordinators(view);
  masters(view);
  agents(view);
  work(view);
}

export function renderSilence(reason: string): void {
  const health = document.getElementById('health');
  if (health) {
    health.className = 'bad';
  }
  replace('health', `No master answers (${reason}). What is below is the last that was heard; running tasks run on.`);
}
