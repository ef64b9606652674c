/** Services that are guarded, by Express and by Hono. */

import { once } from 'node:events';
import http from 'node:http';

import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';

import { callerOf } from '../keyward.js';

/** @import { Keyward } from '../keyward.js' */

export const articles = Array.from({ length: 30 }, (_, at) => {
  const id = 30 - at;
  return {
    id,
    title: `Article ${id}`,
    url: `https://news.example/${id}`,
    description: null,
    source: id % 2 ? 'Example' : 'Other',
    category: id % 3 ? 'science' : 'sport',
    published_at: `2026-11-${String(id).padStart(2, '0')}T09:30:00Z`,
  };
});

/** @param {Record<string, string | undefined>} query */
function listed({ category, source, limit = '20' }) {
  const fits = articles.filter((article) => {
    return (category ?? article.category) === article.category && (source ?? article.source) === article.source;
  });
  const found = fits.slice(0, Number(limit));
  return { articles: found, count: found.length };
}

/** @param {object} request */
function shown(request) {
  const { name, tier, scopes } = callerOf(request);
  return { name, tier, scopes };
}

/** @param {Keyward} keyward */
export function expressApp(keyward) {
  const app = express();
  const requireApiKey = keyward.express();
  app.get('/articles', requireApiKey, (req, res) => void res.json(listed(/** @type {any} */ (req.query))));
  app.get('/whoami', requireApiKey, (req, res) => void res.json(shown(req)));
  const read = keyward.express({ scopes: ['articles:read'] });
  app.get('/articles/:id', read, (req, res) => void res.json(Number(req.params.id)));
  app.get('/export', keyward.express({ cost: 5 }), (_req, res) => void res.json('all'));
  app.get('/dear', keyward.express({ cost: 1000 }), (_req, res) => void res.json('all'));
  const internal = keyward.express({ address: () => '10.1.2.3' });
  app.get('/internal', internal, (req, res) => void res.json(shown(req)));
  app.get('/own', requireApiKey, (_req, res) => {
    res.writeHead(200, { Vary: 'Accept', 'Cache-Control': 'public, max-age=9' }).end('own');
  });
  app.get('/gone', requireApiKey, () => {
    throw Object.assign(new Error('Gone'), { status: 410 });
  });
  const router = express.Router();
  router.get('/:id', requireApiKey, (_req, res) => void res.json('nested'));
  app.use('/v1', router);
  app.get('/open', (req, res) => void res.json(shown(req)));
  app.set('env', 'test');
  return app;
}

/** @param {Keyward} keyward */
export function honoApp(keyward) {
  const app = new Hono();
  const requireApiKey = keyward.hono();
  app.get('/articles', requireApiKey, (c) => c.json(listed(c.req.query())));
  app.get('/whoami', requireApiKey, (c) => c.json(shown(c)));
  const read = keyward.hono({ scopes: ['articles:read'] });
  app.get('/articles/:id', read, (c) => c.json(Number(c.req.param('id'))));
  app.get('/export', keyward.hono({ cost: 5 }), (c) => c.json('all'));
  app.get('/dear', keyward.hono({ cost: 1000 }), (c) => c.json('all'));
  app.get('/internal', keyward.hono({ address: () => '10.1.2.3' }), (c) => c.json(shown(c)));
  app.get('/own', requireApiKey, () => {
    return new Response('own', { headers: { Vary: 'Accept', 'Cache-Control': 'public, max-age=9' } });
  });
  app.get('/gone', requireApiKey, () => {
    throw new Error('Gone');
  });
  app.onError((_error, c) => c.text('Gone', 410));
  app.get('/open', (c) => c.json(shown(c)));
  return app;
}

/**
 * @param {'express' | 'hono'} framework
 * @param {Keyward} keyward
 */
export async function serving(framework, keyward) {
  const listener = framework === 'express' ? expressApp(keyward) : getRequestListener(honoApp(keyward).fetch);
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { port, close: () => void server.close() };
}
