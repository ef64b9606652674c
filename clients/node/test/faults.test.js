/** Where Keyward cannot be asked, every request gets 503, and no text shows a key. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';

import { Keyward } from '../keyward.js';
import { PATIENCE, Program, Relay, aDay, run } from './program.js';

const KEY = 'kw_secretsecretsecretsecretsecretsecretsecretsecr000000';

const program = new Program();
before(() => program.start());
after(() => program.stop());

/** @param {string} body */
function response(body, status = '200 OK', more = '') {
  return `HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`;
}

const allowed = {
  valid: true,
  verdict: 'allowed',
  status: 200,
  detail: null,
  key: { key_id: 7, name: 'bot', tier: 'basic', owner: null, scopes: [], expires_at: null, metadata: {} },
  limit: null,
  headers: {},
};
const changed = (/** @type {object} */ fields) => response(JSON.stringify({ ...allowed, ...fields }));
const whole = changed({});

/** @type {Record<string, string | null>} */
const FAULTS = {
  silence: null,
  'hangs up': '',
  'half a head': whole.slice(0, 20),
  'half a body': whole.slice(0, -20),
  'not HTTP': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
  'no length and no end': 'HTTP/1.1 200 OK\r\n\r\n',
  500: response('{"detail":"x"}', '500 Internal Server Error'),
  503: response('{"detail":"x"}', '503 Service Unavailable', 'retry-after: 7\r\n'),
  'a redirect': response('', '307 Temporary Redirect', 'location: http://127.0.0.1:1/\r\n'),
  HTML: response('<html>hello</html>'),
  nothing: response(''),
  'a list': response('[]'),
  'a number': response('7'),
  'no object': response('null'),
  'not valid, not invalid': changed({ valid: null }),
  'valid as a text': changed({ valid: 'true' }),
  'valid as a number': changed({ valid: 1 }),
  'allowed without a key': changed({ key: null }),
  'allowed with a half key': changed({ key: { key_id: 7 } }),
  'allowed with 401': changed({ status: 401 }),
  'denied with 200': changed({ valid: false, detail: 'x' }),
  'denied with 302': changed({ valid: false, detail: 'x', status: 302 }),
  'denied without a detail': changed({ valid: false, status: 401 }),
  'allowed with a detail': changed({ detail: 'x' }),
  'headers of numbers': changed({ headers: { RateLimit: 7 } }),
  'headers of a list': changed({ headers: [] }),
  'too long': response(' '.repeat(3_000_000)),
};

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`a response that is no verdict lets nothing in: ${name}`, async () => {
    const relay = await new Relay(null, () => fault).start();
    /** @type {string[]} */
    const log = [];
    const keyward = new Keyward({ url: relay.url, timeout: 300, log: (line) => void log.push(line) });
    const verdict = await keyward.verify(KEY);
    const { status, detail, headers } = verdict;
    assert.deepEqual([verdict.allowed, status, detail], [false, 503, 'Service Unavailable']);
    assert.deepEqual(headers, { 'Retry-After': '1' });
    assert.match(log.join('\n'), /cannot be asked/);
    assert.ok(!(log.join('\n') + inspect(verdict)).includes('secret'));
    keyward.close();
    relay.close();
  });
}

test('a whole response lets in', async () => {
  const relay = await new Relay(null, () => whole).start();
  const keyward = new Keyward({ timeout: PATIENCE, url: relay.url });
  assert.ok((await keyward.verify(KEY)).allowed);
  keyward.close();
  relay.close();
});

test('a dead Keyward is 503', async () => {
  /** @type {string[]} */
  const log = [];
  const keyward = new Keyward({ url: 'http://127.0.0.1:1', log: (line) => void log.push(line) });
  assert.equal((await keyward.verify(KEY)).status, 503);
  assert.match(log.join('\n'), /127.0.0.1:1.*REFUSED/);
  // At most once a second.
  for (let at = 0; at < 20; at += 1) await keyward.verify(KEY);
  assert.ok(log.length < 20);
});

for (const [name, lost] of Object.entries({ 'hangs up': '', silence: null })) {
  test(`a lost response is asked for again and taken once: ${name}`, async () => {
    const { key } = await program.issue({ limits: aDay(100) });
    const relay = await new Relay(program, (before) => (before === 0 ? lost : 'pass')).start();
    const keyward = new Keyward({ url: relay.url, timeout: 4000 });
    const verdict = await keyward.verify(key);
    assert.ok(verdict.allowed);
    assert.equal(verdict.headers['X-RateLimit-Remaining'], '99');
    assert.equal(relay.bodies.length, 2);
    assert.deepEqual(relay.bodies[0], relay.bodies[1]);
    assert.match(relay.bodies[0]?.request_id, /^[0-9a-f-]{36}$/);
    keyward.close();
    relay.close();
  });
}

test('connections are kept, and each call has an id of its own', async () => {
  const { key } = await program.issue();
  const relay = await new Relay(program).start();
  const keyward = new Keyward({ timeout: PATIENCE, url: relay.url });
  for (let at = 0; at < 20; at += 1) assert.ok((await keyward.verify(key)).allowed);
  assert.equal(relay.connections, 1);
  assert.equal(new Set(relay.bodies.map(({ request_id }) => request_id)).size, 20);
  keyward.close();
  relay.close();
});

test('a response is asked for twice at most', async () => {
  const relay = await new Relay(null, () => '').start();
  const keyward = new Keyward({ timeout: PATIENCE, url: relay.url, log: () => {} });
  assert.equal((await keyward.verify(KEY)).status, 503);
  assert.equal(relay.bodies.length, 2);
  relay.close();
});

test('a restart of Keyward goes unnoticed', async () => {
  const own = await new Program().start();
  const keyward = new Keyward({ timeout: PATIENCE, url: own.url, log: () => {} });
  const { key } = await own.issue();
  assert.ok((await keyward.verify(key)).allowed);
  await own.stop();
  assert.equal((await keyward.verify(key)).status, 503);
  await own.start();
  assert.ok((await keyward.verify(key)).allowed);
  await own.stop();
  await own.start();
  assert.ok((await keyward.verify(key)).allowed);
  keyward.close();
  await own.stop();
});

test('a door key is needed where Keyward asks for one', async () => {
  const { door_key: doorKey, line } = JSON.parse(await run(['door-key', 'tests', '--json']));
  const own = new Program();
  const file = path.join(own.folder, 'doors');
  writeFileSync(file, `${line}\n`);
  own.settings = { KEYWARD_DOOR_KEYS_FILE: file };
  await own.start();
  const { key } = await own.issue();
  /** @type {string[]} */
  const log = [];
  const status = async (/** @type {object} */ options) => {
    const keyward = new Keyward({ timeout: PATIENCE, log: (line) => void log.push(line), ...options });
    const { status } = await keyward.verify(key);
    keyward.close();
    assert.ok(!inspect(keyward, { showHidden: true, depth: 9 }).includes(doorKey));
    return status;
  };
  assert.equal(await status({ url: own.url }), 503);
  assert.equal(await status({ url: own.url, doorKey: 'wrong' }), 503);
  assert.match(log.join('\n'), /set KEYWARD_DOOR_KEY/);
  assert.equal(await status({ url: own.url, doorKey }), 200);
  process.env.KEYWARD_URL = own.url;
  process.env.KEYWARD_DOOR_KEY = doorKey;
  assert.equal(await status({}), 200);
  delete process.env.KEYWARD_URL;
  delete process.env.KEYWARD_DOOR_KEY;
  assert.ok(!log.join('\n').includes(doorKey));
  await own.stop();
});

test('too many wrong keys are 429', async () => {
  const own = await new Program({ KEYWARD_FAILURES_PER_MINUTE: '1' }).start();
  const keyward = new Keyward({ timeout: PATIENCE, url: own.url });
  assert.equal((await keyward.verify('wrong-key')).status, 401);
  const { status, verdict, headers } = await keyward.verify('wrong-key');
  assert.deepEqual([status, verdict], [429, 'flooded']);
  assert.ok(Number(headers['Retry-After']) > 1);
  // A key that works is let in all the same.
  assert.ok((await keyward.verify((await own.issue()).key)).allowed);
  keyward.close();
  await own.stop();
});

test('a question that does not fit says where', async () => {
  const fault = { type: 'x', loc: ['body', 'scopes', 0], msg: 'Input is odd', input: KEY };
  const body = response(JSON.stringify({ detail: [fault] }), '422 Unprocessable Content');
  const relay = await new Relay(null, () => body).start();
  /** @type {string[]} */
  const log = [];
  const keyward = new Keyward({ timeout: PATIENCE, url: relay.url, log: (line) => void log.push(line) });
  assert.equal((await keyward.verify(KEY)).status, 503);
  assert.match(log.join('\n'), /body\.scopes\.0: Input is odd$/);
  keyward.close();
  relay.close();
});

test('a setting that does not fit is named', () => {
  /** @type {[object, RegExp][]} */
  const table = [
    [{}, /KEYWARD_URL is not set/],
    [{ url: '127.0.0.1:8002' }, /KEYWARD_URL is no address/],
    [{ url: 'ftp://127.0.0.1' }, /KEYWARD_URL is no address/],
    [{ url: 'http://host:port' }, /KEYWARD_URL is no address/],
    [{ url: 'http://user:hunter2@host' }, /KEYWARD_URL is no address/],
    [{ url: 'http://host/?a=b' }, /KEYWARD_URL has more/],
    [{ url: 'http://host', timeout: 0 }, /timeout is 0/],
    [{ url: 'http://host', doorKey: 'hunter2\r\n' }, /the door key/],
  ];
  for (const [options, part] of table) {
    const fails = (/** @type {Error} */ error) => part.test(error.message) && !/hunter2/.test(error.message);
    assert.throws(() => new Keyward(options), fails, JSON.stringify(options));
  }
});

test('a need that does not fit is named at the start', () => {
  const keyward = new Keyward({ url: 'http://127.0.0.1:1' });
  /** @type {[any, RegExp][]} */
  const table = [
    [{ scopes: 'articles:read' }, /scopes is no list/],
    [{ scopes: ['Articles'] }, /'Articles' is no scope/],
    [{ scopes: ['a:*'] }, /'a:\*' is no scope/],
    [{ scopes: Array(9).fill('a:b') }, /9 scopes/],
    [{ cost: -1 }, /cost is -1/],
    [{ cost: 1_000_001 }, /cost is 1000001/],
    [{ cost: 0.5 }, /cost is 0.5/],
  ];
  for (const [need, part] of table) {
    assert.throws(() => keyward.express(need), part);
    assert.throws(() => keyward.hono(need), part);
  }
});
