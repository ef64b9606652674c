/** Guarded services in front of the real program: what their clients get. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Keyward, callerOf } from '../keyward.js';
import { articles, honoApp, serving } from './apps.js';
import { PATIENCE, Program, Relay, aDay, ask, bearer } from './program.js';

const program = new Program();
before(() => program.start());
after(() => program.stop());

for (const framework of /** @type {const} */ (['express', 'hono'])) {
  describe(framework, () => {
    /** @type {Keyward} */
    let keyward;
    /** @type {{ port: number, close: () => void }} */
    let service;
    before(async () => {
      keyward = new Keyward({ timeout: PATIENCE, url: program.url });
      service = await serving(framework, keyward);
    });
    after(() => {
      service.close();
      keyward.close();
    });

    test('the curls of the tutorial', async () => {
      const { id, key } = await program.issue({ name: 'my-app', tier: 'basic' });
      const get = (/** @type {string} */ at, /** @type {[string, string][]} */ lines) => ask(service.port, at, lines);
      const listed = await get('/articles', bearer(key));
      assert.equal(listed.status, 200);
      assert.deepEqual(JSON.parse(listed.body), { articles: articles.slice(0, 20), count: 20 });
      assert.equal(listed.headers['x-ratelimit-remaining'], '99');
      const some = await get('/articles?category=science&limit=3', bearer(key));
      assert.equal(JSON.parse(some.body).count, 3);
      const none = await get('/articles?source=nowhere', bearer(key));
      assert.equal(none.body, '{"articles":[],"count":0}');

      const missing = await get('/articles', []);
      assert.deepEqual([missing.status, missing.body], [401, '{"detail":"Missing Authorization header"}']);
      assert.equal(missing.headers['www-authenticate'], 'Bearer');
      const malformed = await get('/articles', [['Authorization', key]]);
      const format = '{"detail":"Invalid Authorization format. Use: Bearer YOUR_API_KEY"}';
      assert.deepEqual([malformed.status, malformed.body], [401, format]);
      const wrong = await get('/articles', bearer('wrong-key'));
      const inactive = '{"detail":"Invalid or inactive API key"}';
      assert.deepEqual([wrong.status, wrong.body], [401, inactive]);

      assert.equal((await program.admin('DELETE', `/admin/api-keys/${id}`)).status, 204);
      const revoked = await get('/articles', bearer(key));
      assert.deepEqual([revoked.status, revoked.body], [401, inactive]);
      assert.equal(revoked.headers['www-authenticate'], wrong.headers['www-authenticate']);
    });

    test('a handler gets the caller and its client the limits', async () => {
      const { key } = await program.issue({ scopes: ['articles:read'] });
      const { status, headers, body } = await ask(service.port, '/whoami', bearer(key));
      assert.equal(status, 200);
      const caller = { name: 'weather-bot', tier: 'basic', scopes: ['articles:read'] };
      assert.deepEqual(JSON.parse(body), caller);
      assert.equal(headers['ratelimit-policy'], '"requests";q=100;w=60');
      assert.match(String(headers['ratelimit']), /^"requests";r=99;t=\d+$/);
      assert.equal(headers['vary'], 'Authorization, X-API-Key');
      assert.equal(headers['cache-control'], 'private, no-cache');
    });

    test('a key without the scope is rejected with its name', async () => {
      const { key } = await program.issue();
      const { status, headers, body } = await ask(service.port, '/articles/7', bearer(key));
      assert.deepEqual([status, body], [403, '{"detail":"Insufficient scope"}']);
      const challenge = 'Bearer error="insufficient_scope", scope="articles:read"';
      assert.equal(headers['www-authenticate'], challenge);
      const other = await program.issue({ scopes: ['articles:*'] });
      assert.equal((await ask(service.port, '/articles/7', bearer(other.key))).body, '7');
    });

    test('a cost is taken and a limit is kept', async () => {
      const { key } = await program.issue({ limits: aDay(11) });
      const seen = [];
      for (const _ of [1, 2, 3]) seen.push(await ask(service.port, '/export', bearer(key)));
      assert.deepEqual(seen.map(({ status }) => status), [200, 200, 429]);
      const left = seen.map(({ headers }) => headers['x-ratelimit-remaining']);
      assert.deepEqual(left, ['6', '1', '1']);
      assert.equal(seen[2]?.body, '{"detail":"Rate limit exceeded"}');
      assert.ok(Number(seen[2]?.headers['retry-after']) >= 1);
      const dear = await ask(service.port, '/dear', bearer(key));
      const detail = '{"detail":"Request costs more than its limit ever allows"}';
      assert.deepEqual([dear.status, dear.body], [403, detail]);
    });

    test('a limit is never exceeded by parallel requests', async () => {
      const { key } = await program.issue({ limits: aDay(50) });
      const patient = new Keyward({ timeout: PATIENCE, url: program.url });
      const verdicts = await Promise.all(Array.from({ length: 200 }, () => patient.verify(key)));
      assert.equal(verdicts.filter(({ allowed }) => allowed).length, 50);
      assert.ok(verdicts.every(({ status }) => [200, 429].includes(status)));
      patient.close();
    });

    test('an address is that of the connection or what the app says', async () => {
      const { key } = await program.issue({ networks: ['10.0.0.0/8'] });
      /** @type {[string, string][]} */
      const forged = [...bearer(key), ['X-Forwarded-For', '10.1.2.3'], ['Forwarded', 'for=10.1.2.3']];
      const { status, body } = await ask(service.port, '/whoami', forged);
      assert.deepEqual([status, body], [403, '{"detail":"Address not allowed"}']);
      assert.equal((await ask(service.port, '/internal', bearer(key))).status, 200);
    });

    test('a suspended key is denied like an unknown one and let in again', async () => {
      const { id, key } = await program.issue();
      assert.equal((await program.admin('POST', `/admin/api-keys/${id}/suspend`)).status, 200);
      const { status, headers, body } = await ask(service.port, '/whoami', bearer(key));
      assert.deepEqual([status, body], [401, '{"detail":"Invalid or inactive API key"}']);
      assert.ok(!JSON.stringify(headers).includes('suspended'));
      assert.equal((await keyward.verify(key)).verdict, 'suspended');
      assert.equal((await program.admin('POST', `/admin/api-keys/${id}/resume`)).status, 200);
      assert.equal((await ask(service.port, '/whoami', bearer(key))).status, 200);
    });

    test('every response gets the limits, and keeps its own headers', async () => {
      const { key } = await program.issue();
      const own = await ask(service.port, '/own', bearer(key));
      assert.equal(own.headers['x-ratelimit-remaining'], '99');
      assert.equal(own.headers['vary'], 'Accept, Authorization, X-API-Key');
      assert.equal(own.headers['cache-control'], 'public, max-age=9');
      const gone = await ask(service.port, '/gone', bearer(key));
      assert.deepEqual([gone.status, gone.headers['x-ratelimit-remaining']], [410, '98']);
      const head = await ask(service.port, '/whoami', [], 'HEAD');
      assert.deepEqual([head.status, head.body], [401, '']);
    });

    test('the route is named by its template, and the peer is the address', async () => {
      const { key } = await program.issue({ scopes: ['articles:read'] });
      const relay = await new Relay(program).start();
      const through = new Keyward({ timeout: PATIENCE, url: relay.url });
      const seen = await serving(framework, through);
      assert.equal((await ask(seen.port, '/articles/7', bearer(key))).status, 200);
      assert.equal(relay.bodies[0]?.resource, 'GET /articles/:id');
      assert.equal(relay.bodies[0]?.address, '127.0.0.1');
      if (framework === 'express') {
        assert.equal((await ask(seen.port, '/v1/8', bearer(key))).status, 200);
        assert.equal(relay.bodies[1]?.resource, 'GET /v1/:id');
      }
      seen.close();
      through.close();
      relay.close();
    });

    test('a handler without a guard has no caller', async () => {
      const { status } = await ask(service.port, '/open');
      assert.equal(status, framework === 'express' ? 500 : 410);
      assert.throws(() => callerOf({}), /no guard of Keyward/);
    });
  });
}

test('where Hono has joined lines alone, two lines are 400', async () => {
  const { key } = await program.issue();
  const keyward = new Keyward({ timeout: PATIENCE, url: program.url });
  const app = honoApp(keyward);
  const status = async (/** @type {[string, string][]} */ lines) => {
    return (await app.request('/whoami', { headers: lines })).status;
  };
  assert.equal(await status([['X-API-Key', key]]), 200);
  assert.equal(await status([['X-API-Key', key], ['X-API-Key', key]]), 400);
  assert.equal(await status([['Authorization', 'Basic dTpw'], ['X-API-Key', key]]), 200);
  assert.equal(await status([]), 401);
  keyward.close();
});

test('a batch has a verdict for each', async () => {
  const keyward = new Keyward({ timeout: PATIENCE, url: program.url });
  const { key } = await program.issue({ limits: aDay(50) });
  const asks = [
    { key },
    { key: 'no key at all' },
    { key: 'wrong-key' },
    { key, scopes: ['a:b'] },
    { key, cost: 7 },
  ];
  const verdicts = await keyward.verifyBatch(asks);
  const words = ['allowed', 'unknown', 'unknown', 'out_of_scope', 'allowed'];
  assert.deepEqual(verdicts.map(({ verdict }) => verdict), words);
  assert.equal(verdicts[4]?.headers['X-RateLimit-Remaining'], '42');
  // Judged, and nothing taken.
  const judged = await keyward.verify(key, { cost: 0 });
  assert.equal(judged.headers['X-RateLimit-Remaining'], '42');
  keyward.close();
});
