/** The table of credentials, by itself and through each framework. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { find, findJoined } from '../credentials.js';
import { Keyward } from '../keyward.js';
import { serving } from './apps.js';
import { PATIENCE, Program, ask, cases, rejections } from './program.js';

/**
 * @param {string | import('../verdict.js').Verdict} found
 * @param {{ key?: string | undefined, rejected?: string | undefined }} expected
 */
function check(found, { key, rejected }) {
  if (typeof found === 'string') return assert.equal(found, key);
  const { status, detail, challenge } = rejections[rejected ?? ''];
  const headers = { 'WWW-Authenticate': challenge };
  assert.deepEqual([found.status, found.detail, found.headers], [status, detail, headers]);
}

for (const known of cases) {
  test(`the key is found as by Keyward: ${known.name}`, () => check(find(known.lines.flat()), known));
}

for (const known of cases.filter(({ unsendable }) => !unsendable)) {
  test(`joined lines are rejected if they may be two: ${known.name}`, () => {
    const headers = new Headers(known.lines);
    const joined = [...headers.values()].some((value) => value.includes(', '));
    check(findJoined(headers), joined ? { rejected: 'several' } : known);
  });
}

const program = new Program({ KEYWARD_FAILURES_PER_MINUTE: '1000000' });
/** @type {Map<string, string>} */
let names = new Map();
before(async () => {
  await program.start();
  names = await program.takeInCases();
});
after(() => program.stop());

for (const framework of /** @type {const} */ (['express', 'hono'])) {
  describe(framework, () => {
    test('each request of the table gets the response of Keyward', async () => {
      const keyward = new Keyward({ timeout: PATIENCE, url: program.url });
      const service = await serving(framework, keyward);
      const publicPort = Number(program.public.split(':')[1]);
      for (const { lines, key, rejected, unsendable } of cases) {
        const ours = await ask(service.port, '/whoami', lines);
        if (unsendable) {
          assert.ok([400, 401].includes(ours.status), JSON.stringify(lines));
          continue;
        }
        const theirs = await ask(publicPort, '/key', lines);
        assert.equal(ours.status, theirs.status, JSON.stringify(lines));
        if (key === undefined) {
          const { status, detail } = rejections[rejected ?? ''];
          assert.deepEqual([ours.status, JSON.parse(ours.body)], [status, { detail }]);
          assert.equal(ours.body, theirs.body);
          assert.equal(ours.headers['cache-control'], theirs.headers['cache-control']);
        } else {
          assert.equal(JSON.parse(ours.body).name, names.get(key));
        }
        for (const name of ['www-authenticate', 'vary']) {
          assert.equal(ours.headers[name], theirs.headers[name], JSON.stringify([lines, name]));
        }
      }
      service.close();
      keyward.close();
    });
  });
}
