// The shape of /synod/v1/cluster (docs/formats/cluster-view.md), as far as the page shows it.

export interface Amounts {
  cpus: number;
  mem: number;
  disk?: number;
  ports?: string;
}

export interface Coordinator {
  address: string;
  name: string;
  state: string;
  zxid: string;
  znodes: number;
  sessions: number;
  connections: number;
}

export interface Master {
  address: string;
  name: string;
  id: string;
  leader: boolean;
}

export interface Agent {
  id: string;
  name: string;
  address: string;
  state: string;
  note: string;
  total: Amounts;
  offered: Amounts;
  allocated: Amounts;
  used: Amounts;
}

export interface Framework {
  id: string;
  name: string;
  state: string;
  share_percent: number;
  tasks: number;
  offers: number;
  waits: string;
}

export interface Task {
  id: string;
  name: string;
  framework: string;
  agent_id: string;
  agent: string;
  state: string;
  pid: number;
  started_at_ms: number;
  cpus: number;
  mem: number;
  ports: number[];
  used: Amounts;
  message: string;
}

export interface Failover {
  from: string;
  from_name: string;
  cause: string;
  at_ms: number;
  elected_ms: number | null;
  agents_back: number;
  agents: number;
  agents_back_ms: number | null;
  first_offer_ms: number | null;
}

export interface View {
  health: { ok: boolean; trouble: string; text: string };
  now_at_ms: number;
  quorum: {
    alive: number;
    of: number;
    leader: string;
    ballot: number;
    zxid: string;
    znodes: number;
    sessions: number;
    fsync_p99_ms: number;
  };
  coordinators: Coordinator[];
  leader: { address: string; name: string; epoch: number; since_at_ms: number };
  masters: Master[];
  agents: Agent[];
  frameworks: Framework[];
  tasks: Task[];
  failover: Failover | null;
  events: { at_ms: number; kind: string; text: string }[];
}

// Asks one master. It may redirect to the leader; both are masters of this cluster.
export async function fetchView(origin: string): Promise<View> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 2000);
  try {
    const response = await fetch(`${origin}/synod/v1/cluster`, { signal: abort.signal, cache: 'no-store' });
    if (!response.ok) {
      throw new Error(`${origin} answers ${response.status}: ${(await response.text()).slice(0, 120)}`);
    }
    return (await response.json()) as View;
  } finally {
    clearTimeout(timer);
  }
}
