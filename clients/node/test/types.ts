/** What users of TypeScript write; it is compiled and never run. */

import express from 'express';
import { Hono } from 'hono';
import { Keyward, callerOf, type Caller, type Verdict } from 'keyward';

const keyward = new Keyward({ url: 'http://127.0.0.1:8002', timeout: 500 });

express().get('/articles', keyward.express({ scopes: ['articles:read'] }), (req, res) => {
  const caller: Caller = callerOf(req);
  res.json(caller.keyId.toFixed());
});

new Hono().get('/articles', keyward.hono({ cost: 5 }), (c) => c.text(callerOf(c).name));

export async function plain(key: string): Promise<string | null> {
  const verdict: Verdict = await keyward.verify(key, { address: '192.0.2.1', resource: 'job' });
  // @ts-expect-error a denied request has no caller
  verdict.caller.name;
  return verdict.caller?.owner ?? null;
}
