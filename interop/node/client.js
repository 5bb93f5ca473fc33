// node-zookeeper-client, unmodified, against the servers of ZK_ADDRESSES.
'use strict';
const assert = require('assert');
const zookeeper = require('node-zookeeper-client');

const { CreateMode, Event, Exception, ACL, Id, Permission } = zookeeper;

// Every method with a callback as a promise; `watcher` stays where it is.
const call = (client, name, ...given) => new Promise((resolve, reject) => {
  client[name](...given, (error, ...results) => (error ? reject(error) : resolve(results)));
});

const open = () => new Promise((resolve, reject) => {
  const client = zookeeper.createClient(process.env.ZK_ADDRESSES, { sessionTimeout: 6000, spinDelay: 100, retries: 10 });
  const late = setTimeout(() => reject(new Error('not connected in time')), 20000);
  client.once('connected', () => { clearTimeout(late); resolve(client); });
  client.connect();
});

const close = (client) => new Promise((resolve) => { client.once('disconnected', resolve); client.close(); });

async function fails(code, promise) {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.getCode && error.getCode(), code, String(error));
    return;
  }
  assert.fail(`expected error ${code}`);
}

async function eventually(what, predicate) {
  const deadline = Date.now() + 20000;
  while (!predicate()) {
    assert.ok(Date.now() < deadline, `${what}: not in time`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function operations() {
  const client = await open();
  assert.deepStrictEqual(await call(client, 'create', '/node', Buffer.from('one')), ['/node']);
  const [data, stat] = await call(client, 'getData', '/node');
  assert.strictEqual(data.toString(), 'one');
  assert.strictEqual(stat.version, 0);
  assert.strictEqual((await call(client, 'setData', '/node', Buffer.from('two'), 0))[0].version, 1);
  await fails(Exception.BAD_VERSION, call(client, 'setData', '/node', Buffer.from('x'), 0));
  await fails(Exception.NODE_EXISTS, call(client, 'create', '/node'));
  await fails(Exception.NO_NODE, call(client, 'getData', '/nothing'));
  await call(client, 'mkdirp', '/node/a/b/c');
  await fails(Exception.NOT_EMPTY, call(client, 'remove', '/node', -1));
  assert.deepStrictEqual((await call(client, 'getChildren', '/node'))[0], ['a']);
  const names = [];
  for (let i = 0; i < 5; ++i) {
    names.push((await call(client, 'create', '/node/a/n-', null, CreateMode.PERSISTENT_SEQUENTIAL))[0]);
  }
  assert.deepStrictEqual(names, [1, 2, 3, 4, 5].map((i) => `/node/a/n-000000000${i}`));
  const [acls] = await call(client, 'getACL', '/node');
  assert.strictEqual(acls[0].id.scheme, 'world');
  await call(client, 'setACL', '/node/a/b', [new ACL(Permission.READ, Id.ANYONE_ID_UNSAFE)], -1);
  await fails(Exception.NO_AUTH, call(client, 'setData', '/node/a/b', Buffer.from('x'), -1));
  await call(client, 'removeRecursive', '/node/a/n-0000000001', -1);
  await close(client);
}

async function transactions() {
  const client = await open();
  const good = client.transaction().create('/t', Buffer.from('1')).create('/t/a').setData('/t', Buffer.from('2'), 0)
    .check('/t', 1).remove('/t/a');
  const results = await new Promise((resolve, reject) => good.commit((e, r) => (e ? reject(e) : resolve(r))));
  assert.strictEqual(results.length, 5);
  assert.strictEqual(results[0].path, '/t');
  const bad = client.transaction().create('/t/b').check('/t', 7).create('/t/c');
  await assert.rejects(new Promise((resolve, reject) => bad.commit((e, r) => (e ? reject(e) : resolve(r)))));
  assert.deepStrictEqual((await call(client, 'getChildren', '/t'))[0], []);
  await close(client);
}

async function watches() {
  const client = await open();
  const other = await open();
  const events = [];
  const note = (event) => events.push(event.getType());
  assert.strictEqual((await call(client, 'exists', '/w', note))[0], null);
  await call(other, 'create', '/w', Buffer.from('1'));
  await eventually('created', () => events.length === 1);
  await call(client, 'getData', '/w', note);
  await call(client, 'getChildren', '/w', note);
  await call(other, 'setData', '/w', Buffer.from('2'), -1);
  await call(other, 'setData', '/w', Buffer.from('3'), -1);
  await call(other, 'create', '/w/c');
  await eventually('changed', () => events.length === 3);
  assert.deepStrictEqual(events, [Event.NODE_CREATED, Event.NODE_DATA_CHANGED, Event.NODE_CHILDREN_CHANGED]);
  await close(client);
  await close(other);
}

// Who holds the smallest sequential ephemeral is in; the others watch the one before them.
async function lock(client, name) {
  const [path] = await call(client, 'create', '/lock/l-', Buffer.from(name), CreateMode.EPHEMERAL_SEQUENTIAL);
  const mine = path.slice('/lock/'.length);
  for (;;) {
    const names = (await call(client, 'getChildren', '/lock'))[0].sort();
    const at = names.indexOf(mine);
    assert.ok(at >= 0);
    if (at === 0) return path;
    let wake;
    const gone = new Promise((resolve) => { wake = resolve; });
    const [stat] = await call(client, 'exists', `/lock/${names[at - 1]}`, wake);
    if (stat) await gone;
  }
}

async function locks() {
  const client = await open();
  await call(client, 'create', '/lock');
  let inside = 0;
  let total = 0;
  await Promise.all([0, 1, 2, 3].map(async (number) => {
    const mine = await open();
    for (let i = 0; i < 5; ++i) {
      const held = await lock(mine, String(number));
      inside += 1;
      assert.strictEqual(inside, 1);
      total += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      inside -= 1;
      await call(mine, 'remove', held, -1);
    }
    await close(mine);
  }));
  assert.strictEqual(total, 20);
  await close(client);
}

async function election() {
  const members = [await open(), await open(), await open()];
  await call(members[0], 'create', '/election');
  const paths = [];
  const led = [];
  for (const [i, member] of members.entries()) {
    const [path] = await call(member, 'create', '/election/n-', null, CreateMode.EPHEMERAL_SEQUENTIAL);
    if (i > 0) await call(member, 'exists', paths[i - 1], () => led.push(i));
    paths.push(path);
  }
  await close(members[0]);
  await eventually('the second leads', () => led.length === 1);
  await close(members[1]);
  await eventually('the third leads', () => led.length === 2);
  assert.deepStrictEqual(led, [1, 2]);
  await close(members[2]);
}

async function accessControl() {
  const ann = await open();
  const stranger = await open();
  ann.addAuthInfo('digest', Buffer.from('ann:secret'));
  await call(ann, 'create', '/private', Buffer.from('x'), ACL.CREATOR_ALL_ACL);
  await fails(Exception.NO_AUTH, call(stranger, 'getData', '/private'));
  stranger.addAuthInfo('digest', Buffer.from('ann:secret'));
  assert.strictEqual((await call(stranger, 'getData', '/private'))[0].toString(), 'x');
  await close(ann);
  await close(stranger);
}

(async () => {
  for (const test of [operations, transactions, watches, locks, election, accessControl]) {
    await test();
    console.log(`  node: ${test.name}`);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
