"""A framework on the Mesos v1 scheduler API, written against the protocol alone: JSON, RecordIO, plain sockets.

It launches short tasks for as long as it is told, follows the leading master by redirects, subscribes again under its
id after every loss, acknowledges what is to be acknowledged and reconciles. What it heard is its history.
"""
import base64
import http.client
import json
import threading
import time

TERMINAL = {'TASK_FINISHED', 'TASK_FAILED', 'TASK_KILLED', 'TASK_ERROR', 'TASK_LOST', 'TASK_DROPPED', 'TASK_GONE',
            'TASK_GONE_BY_OPERATOR', 'TASK_UNKNOWN'}


class Framework:
    def __init__(self, masters, command='exit 0', cpus=0.01, mem=8, interval=0.2, name='chaos-framework'):
        self.masters = masters
        self.command, self.cpus, self.mem, self.interval, self.name = command, cpus, mem, interval, name
        self.framework_id = None
        self.stream_id = None
        self.master = None
        self.lock = threading.Lock()
        self.launched = {}   # task id -> agent id, of ACCEPTs that were sent
        self.states = {}     # task id -> states heard, in order
        self.gaps = []       # (lost at, subscribed again at)
        self.offers_seen = 0
        self.stopping = False
        self.launching = True
        self.count = 0
        self.last_launch = 0.0
        self.lost_at = None
        self.thread = threading.Thread(target=self.loop, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping = True
        self.thread.join(timeout=20)

    # --- the subscription
    def loop(self):
        turn = 0
        while not self.stopping:
            address = self.master or self.masters[turn % len(self.masters)]
            turn += 1
            try:
                self.subscribe(address)
            except (OSError, http.client.HTTPException, ValueError):
                pass
            if self.stream_id and self.lost_at is None:
                self.lost_at = time.monotonic()
            self.stream_id, self.master = None, None
            time.sleep(0.02)

    def subscribe(self, address):
        host, port = address.rsplit(':', 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        info = {'user': 'root', 'name': self.name, 'failover_timeout': 3600.0, 'checkpoint': True}
        call = {'type': 'SUBSCRIBE', 'subscribe': {'framework_info': info}}
        if self.framework_id:
            call['framework_id'] = {'value': self.framework_id}
            info['id'] = {'value': self.framework_id}
        connection.request('POST', '/api/v1/scheduler', json.dumps(call),
                           {'Content-Type': 'application/json', 'Accept': 'application/json'})
        response = connection.getresponse()
        if response.status == 307:
            self.master = response.getheader('Location').split('//')[1].split('/')[0]
            connection.close()
            return
        if response.status != 200:
            response.read()
            connection.close()
            return
        self.stream_id = response.getheader('Mesos-Stream-Id')
        self.master = address
        connection.sock.settimeout(1.0)
        self.read_events(response)
        connection.close()

    def read_events(self, response):
        buffer = b''
        silent_since = time.monotonic()
        while not self.stopping:
            try:
                piece = response.read1(65536)
            except TimeoutError:
                if time.monotonic() - silent_since > 40:
                    return
                continue
            if not piece:
                return
            silent_since = time.monotonic()
            buffer += piece
            while b'\n' in buffer:
                size, rest = buffer.split(b'\n', 1)
                if len(rest) < int(size):
                    break
                self.on_event(json.loads(rest[:int(size)]))
                buffer = rest[int(size):]

    # --- events
    def on_event(self, event):
        kind = event['type']
        if kind == 'SUBSCRIBED':
            self.framework_id = event['subscribed']['framework_id']['value']
            if self.lost_at is not None:
                self.gaps.append((self.lost_at, time.monotonic()))
                self.lost_at = None
            self.reconcile()
        elif kind == 'OFFERS':
            for offer in event['offers']['offers']:
                self.offers_seen += 1
                self.on_offer(offer)
        elif kind == 'UPDATE':
            self.on_update(event['update']['status'])

    def on_offer(self, offer):
        offer_ids = [offer['id']]
        due = self.launching and time.monotonic() - self.last_launch >= self.interval
        have = {}
        for resource in offer['resources']:
            if 'scalar' in resource:
                have[resource['name']] = have.get(resource['name'], 0) + resource['scalar']['value']
        if not due or have.get('cpus', 0) < self.cpus or have.get('mem', 0) < self.mem:
            self.call({'type': 'DECLINE', 'decline': {'offer_ids': offer_ids, 'filters': {'refuse_seconds': 0.1}}})
            return
        self.last_launch = time.monotonic()
        self.count += 1
        task_id = f'chaos-{self.count}'
        task = {'name': task_id, 'task_id': {'value': task_id}, 'agent_id': offer['agent_id'],
                'command': {'value': self.command, 'shell': True},
                'resources': [{'name': 'cpus', 'type': 'SCALAR', 'scalar': {'value': self.cpus}},
                              {'name': 'mem', 'type': 'SCALAR', 'scalar': {'value': self.mem}}]}
        with self.lock:
            self.launched[task_id] = offer['agent_id']['value']
        self.call({'type': 'ACCEPT', 'accept': {
            'offer_ids': offer_ids, 'filters': {'refuse_seconds': 0.1},
            'operations': [{'type': 'LAUNCH', 'launch': {'task_infos': [task]}}]}})

    def on_update(self, status):
        task_id = status['task_id']['value']
        with self.lock:
            self.states.setdefault(task_id, []).append(status['state'])
        if status.get('uuid'):
            assert len(base64.b64decode(status['uuid'])) == 16
            self.call({'type': 'ACKNOWLEDGE', 'acknowledge': {
                'agent_id': status['agent_id'], 'task_id': status['task_id'], 'uuid': status['uuid']}})

    def reconcile(self):
        """Asks about every task without a terminal state: a launch may have died with the old master."""
        tasks = [{'task_id': {'value': t}, 'agent_id': {'value': a}} for t, a in self.open_tasks().items()]
        if tasks:
            self.call({'type': 'RECONCILE', 'reconcile': {'tasks': tasks}})

    def open_tasks(self):
        with self.lock:
            return {t: a for t, a in self.launched.items()
                    if not any(s in TERMINAL for s in self.states.get(t, []))}

    def call(self, body):
        if self.stream_id is None or self.master is None:
            return None
        host, port = self.master.rsplit(':', 1)
        body['framework_id'] = {'value': self.framework_id}
        try:
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            connection.request('POST', '/api/v1/scheduler', json.dumps(body),
                               {'Content-Type': 'application/json', 'Mesos-Stream-Id': self.stream_id})
            response = connection.getresponse()
            response.read()
            connection.close()
            return response.status
        except OSError:
            return None
