// A framework on the unmodified npm package mesos-framework. Tells what it hears as lines of JSON on standard output, and
// ends with 0 once every task has been TASK_FINISHED exactly once, with 1 if any task ended otherwise.
//
// The package finds another master by redirects only (or by a DNS name that always means the leader), so the addresses of
// the masters are tried one after the other here, as that DNS name would.
//
//   MASTERS=host:port,...  WORK=folder for the package's own log  SHORT=n LONG=n  number of tasks  LONG_SECONDS
'use strict';
const {Scheduler, Mesos} = require('mesos-framework');
const mesos = Mesos.getMesos();

const masters = process.env.MASTERS.split(',').map((address) => address.split(':'));
let turn = 0;
const count = {short: Number(process.env.SHORT || 4), long: Number(process.env.LONG || 4)};

function tell(event, more) {
  process.stdout.write(JSON.stringify(Object.assign({event}, more)) + '\n');
}

function kind(command, instances) {
  return {
    priority: 1,
    instances,
    commandInfo: new mesos.CommandInfo(null, null, true, command, null, null),
    resources: {cpus: 0.05, mem: 16, ports: 1, disk: 0},
  };
}

const scheduler = new Scheduler({
  masterUrl: masters[0][0],
  port: masters[0][1],
  frameworkName: 'gr\u00fc\u00dfe-from-npm',
  masterConnectionTimeout: 60,
  restartStates: [],
  logging: {path: process.env.WORK, fileName: 'mesos-framework.log', level: 'error'},
  tasks: {
    short: kind('sleep 0.1', count.short),
    long: kind(`sleep ${process.env.LONG_SECONDS || 8}`, count.long),
  },
});

const states = new Map();
let finished = 0;
let failed = false;
let again = null;

// The package calls its own subscribe() after a redirect, so every request is watched from in there.
const subscribe_of_package = scheduler.subscribe;
scheduler.subscribe = function subscribe_and_watch() {
  subscribe_of_package.call(scheduler);
  const request = scheduler.httpRequest;
  request.on('close', () => {
    if (request === scheduler.httpRequest) {
      subscribe_elsewhere();
    }
  });
};

// The connection is gone: ask the next master, who may redirect.
function subscribe_elsewhere() {
  if (again === null) {
    turn += 1;
    again = setTimeout(() => {
      again = null;
      const [host, port] = masters[turn % masters.length];
      scheduler.options.masterUrl = host;
      scheduler.options.port = port;
      scheduler.mesosStreamId = undefined;
      scheduler.generateRequestTemplate();
      scheduler.subscribe();
    }, 100);
  }
}

function end_if_done() {
  if (failed || finished === count.short + count.long) {
    tell('end', {finished, failed});
    scheduler.teardown();
    scheduler.on('sent_teardown', () => process.exit(failed ? 1 : 0));
    setTimeout(() => process.exit(failed ? 1 : 0), 3000);
  }
}

scheduler.on('ready', () => scheduler.subscribe());
scheduler.on('subscribed', (about) => {
  tell('subscribed', {framework: about.frameworkId, master: `${scheduler.options.masterUrl}:${scheduler.options.port}`});
});
scheduler.on('offers', (offers) => {
  for (const offer of offers.offers) {
    if (!offer.url.address.ip || !offer.hostname) {
      failed = true;
      tell('bad offer', {offer});
    }
  }
});
scheduler.on('update', (update) => {
  const {task_id: {value: task}, state, reason} = update.status;
  const before = states.get(task);
  tell('update', {task, state, reason, uuid: Boolean(update.status.uuid)});
  if (before === 'TASK_FINISHED') {
    if (state !== before) {
      failed = true;  // a terminal state is final
      end_if_done();
    }
    return;
  }
  states.set(task, state);
  if (state === 'TASK_FINISHED') {
    finished += 1;
  } else if (!['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING'].includes(state)) {
    failed = true;
  }
  end_if_done();
});
scheduler.on('error', (error) => {
  const text = typeof error === 'string' ? error : error.message;
  tell('error', {text});
  if (/linebreak|parse as JSON/.test(text)) {
    failed = true;  // the stream was not what this package reads
    end_if_done();
  }
});
// What was declined or left over is offered again only after its filter; the package asks for five seconds.
setInterval(() => {
  if (scheduler.pendingTasks.length > 0 && scheduler.mesosStreamId) {
    scheduler.revive();
  }
}, 500);
