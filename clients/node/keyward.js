/** Guards an API on Node with Keyward: Express, Hono, or a plain call. */

import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';

import { Connections, UnreachableError } from './connections.js';
import { canBeKey, find, findJoined } from './credentials.js';
import { complete, completeLater } from './headers.js';
import { NoVerdictError, UNAVAILABLE, UNKNOWN, flooded, verdictOf } from './verdict.js';

/**
 * @import { IncomingMessage, ServerResponse } from 'node:http'
 * @import { AgentOptions } from 'node:https'
 * @import { Response as Reply } from './connections.js'
 */

/** @typedef {import('./verdict.js').Caller} Caller */
/** @typedef {import('./verdict.js').Verdict} Verdict */

const SCOPES_MAX = 8;
const COST_MAX = 1_000_000;
const RESOURCE_LEN_MAX = 128;
const BATCH_MAX = 100;

const SCOPE = /^[a-z0-9_.-]+:[a-z0-9_.-]+$/;

/** @type {Record<number, string>} */
const ADVICE = {
  401: 'it rejects the door key: set KEYWARD_DOOR_KEY to one whose line is in its door_keys_file',
  403: 'it does not accept connections from this machine: add its address to door_networks',
  404: 'nothing is there: set KEYWARD_URL to the address of doors_listen',
};

/**
 * What a route needs of a key.
 *
 * @typedef {object} Need
 * @property {readonly string[]} [scopes] All of them; at most 8. Without any, every key that works
 *   will do.
 * @property {number} [cost] How many ordinary requests it counts as: 0 to 1 000 000, by default 1;
 *   0 judges and takes nothing.
 */

/**
 * What is known of one request.
 *
 * @typedef {object} Known
 * @property {string | null | undefined} [address] The address of the end client. Without one, a key
 *   that is restricted to networks is denied; a text that is no IP address counts as none.
 * @property {string | undefined} [resource] The route, such as `GET /articles/:id`, for Keyward's
 *   access log; at most 128 characters, and a longer one is left out. Never a path with ids in it.
 */

/**
 * How a guard reads a request.
 *
 * @template R
 * @typedef {object} Reading
 * @property {(request: R) => string | null | undefined} [address] Where the client's address is; the
 *   peer of the connection by default. After a proxy that you trust, read it from a header that the
 *   proxy overwrites in every request.
 * @property {(request: R) => string | undefined} [resource] The template of the route; by default
 *   that of the framework, where it has one.
 */

/** @typedef {Need & Known & { key: string }} Ask */

/**
 * @typedef {object} Options
 * @property {string} [url] Where `doors_listen` is, such as `http://127.0.0.1:8002`; by default the
 *   variable `KEYWARD_URL`.
 * @property {string} [doorKey] The door key, where Keyward has a `door_keys_file`; by default the
 *   variable `KEYWARD_DOOR_KEY`.
 * @property {number} [timeout] Milliseconds for all of a check, by default 1000. Half of it is for a
 *   first try, the rest for a second one with the same `request_id`, so that the limits are taken
 *   from once.
 * @property {AgentOptions} [tls] For an `https` address, such as `{ ca }`.
 * @property {(line: string) => void} [log] Gets a line about why requests get 503, at most once a
 *   second; by default `console.error`.
 */

/** @type {WeakMap<object, Caller>} */
const callers = new WeakMap();

/**
 * The caller of a request that a guard let in.
 *
 * @param {object} request the request of Express, or the context of Hono
 * @returns {Caller}
 */
export function callerOf(request) {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error('no guard of Keyward stands before this route: add one');
  return caller;
}

/** Asks one Keyward. Make one for all of a process. */
export class Keyward {
  #connections;
  /** @type {Record<string, string>} */
  #headers = { 'Content-Type': 'application/json' };
  #timeout;
  #log;
  #shown;
  #quietUntil = 0;

  /** @param {Options} [options] */
  constructor(options = {}) {
    const { timeout = 1000, tls = {}, log = console.error } = options;
    const doorKey = options.doorKey ?? process.env.KEYWARD_DOOR_KEY ?? '';
    const url = addressOf(options.url ?? process.env.KEYWARD_URL ?? '');
    if (!(timeout > 0)) throw new RangeError(`timeout is ${timeout}: use milliseconds, such as 1000`);
    if (!/^[!-~]*$/.test(doorKey)) throw new TypeError('the door key has characters that none has');
    this.#connections = new Connections(url, tls);
    if (doorKey !== '') this.#headers['X-Keyward-Door'] = doorKey;
    this.#timeout = timeout;
    this.#log = log;
    this.#shown = url.host;
  }

  /**
   * Judges the text of a key, and takes `cost` from its limits if it is let in. It never rejects:
   * where Keyward cannot be asked, the verdict is 503.
   *
   * @param {string} key
   * @param {Need & Known} [options]
   * @returns {Promise<Verdict>}
   */
  async verify(key, options = {}) {
    return (await this.verifyBatch([{ key, ...options }]))[0] ?? UNAVAILABLE;
  }

  /**
   * Finds the key among the header lines of a request, and judges it.
   *
   * @param {readonly string[] | Headers} headers `rawHeaders` of Node, or else `Headers`
   * @param {Need & Known} [options]
   * @returns {Promise<Verdict>}
   */
  async check(headers, options = {}) {
    const key = headers instanceof Array ? find(headers) : findJoined(headers);
    return typeof key === 'string' ? this.verify(key, options) : key;
  }

  /**
   * Judges up to 100 keys in one request, in order, each with its own take.
   *
   * @param {readonly Ask[]} asks
   * @returns {Promise<Verdict[]>}
   */
  async verifyBatch(asks) {
    const items = asks.filter((ask) => canBeKey(ask.key)).map(itemOf);
    if (asks.length < 1 || asks.length > BATCH_MAX) {
      throw new RangeError(`${asks.length} keys: ask about 1 to ${BATCH_MAX} at a time`);
    }
    const verdicts = items.length === 0 ? [] : await this.#ask(items);
    return asks.map((ask) => (canBeKey(ask.key) ? verdicts.shift() ?? UNAVAILABLE : UNKNOWN));
  }

  /**
   * Middleware of Express, and of anything else whose requests are those of Node. The handler gets
   * the caller from {@link callerOf}.
   *
   * @param {Need & Reading<IncomingMessage>} [need]
   * @returns {(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => Promise<void>}
   */
  express(need = {}) {
    const { scopes, cost } = checked(need);
    const { address = peerOf, resource = routeOf } = need;
    return async (request, response, next) => {
      try {
        const known = { address: address(request), resource: resource(request) };
        const verdict = await this.check(request.rawHeaders, { scopes, cost, ...known });
        completeLater(response, verdict.headers);
        if (!verdict.allowed || verdict.caller === null) {
          response.statusCode = verdict.status;
          response.setHeader('Content-Type', 'application/json');
          response.end(JSON.stringify({ detail: verdict.detail }));
          return;
        }
        callers.set(request, verdict.caller);
      } catch (error) {
        return next(error);
      }
      next();
    };
  }

  /**
   * Middleware of Hono. The handler gets the caller from {@link callerOf}.
   *
   * On Node (`@hono/node-server`) it reads the header lines as they came, and the peer. Elsewhere
   * two lines of one name are joined, and rejected; give `address` there.
   *
   * @param {Need & Reading<HonoContext>} [need]
   * @returns {(context: HonoContext, next: () => Promise<void>) => Promise<Response | undefined>}
   */
  hono(need = {}) {
    const { scopes, cost } = checked(need);
    const { address = (context) => peerOf(context.env?.incoming), resource = patternOf } = need;
    return async (context, next) => {
      const lines = context.env?.incoming?.rawHeaders ?? context.req.raw.headers;
      const known = { address: address(context), resource: resource(context) };
      const verdict = await this.check(lines, { scopes, cost, ...known });
      if (!verdict.allowed || verdict.caller === null) {
        const headers = new Headers({ 'Content-Type': 'application/json' });
        complete(verdict.headers, headers);
        const body = JSON.stringify({ detail: verdict.detail });
        return new Response(body, { status: verdict.status, headers });
      }
      callers.set(context, verdict.caller);
      await next();
      const set = (/** @type {string} */ name, /** @type {string} */ text) => context.header(name, text);
      complete(verdict.headers, { get: (name) => context.res.headers.get(name), set });
      return undefined;
    };
  }

  /** Closes the idle connections. */
  close() {
    this.#connections.close();
  }

  /**
   * @param {object[]} items
   * @returns {Promise<Verdict[]>}
   */
  async #ask(items) {
    const single = items.length === 1;
    const body = JSON.stringify(single ? items[0] : { requests: items });
    try {
      const reply = await this.#send(single ? '/verify' : '/verify/batch', body);
      if (reply.status === 429) return items.map(() => flooded(reply.retryAfter));
      if (reply.status !== 200) throw new NoVerdictError(adviceFor(reply));
      const read = parsed(reply.body);
      const results = single ? [read] : Object(read).results;
      if (!Array.isArray(results) || results.length !== items.length) {
        throw new NoVerdictError('its response has another number of verdicts');
      }
      return results.map(verdictOf);
    } catch (error) {
      if (!(error instanceof NoVerdictError || error instanceof UnreachableError)) throw error;
      this.#report(error.message);
      return items.map(() => UNAVAILABLE);
    }
  }

  /**
   * @param {string} path
   * @param {string} body
   * @returns {Promise<Reply>}
   */
  async #send(path, body) {
    const headers = { ...this.#headers, 'Content-Length': String(Buffer.byteLength(body)) };
    const begin = performance.now();
    try {
      return await this.#connections.post(path, body, headers, this.#timeout / 2, false);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const left = begin + this.#timeout - performance.now();
      return await this.#connections.post(path, body, headers, Math.max(left, 1), true);
    }
  }

  /** @param {string} text */
  #report(text) {
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + 1000;
    this.#log(`Keyward at ${this.#shown} cannot be asked, so requests get 503: ${text}`);
  }
}

/**
 * What is used of Hono's context.
 *
 * @typedef {object} HonoContext
 * @property {{ raw: Request, method: string, routePath: string }} req
 * @property {Response} res
 * @property {any} env
 * @property {(name: string, value?: string) => void} header
 */

/**
 * @param {Need} need
 * @returns {Required<Need>}
 */
function checked({ scopes = [], cost = 1 }) {
  if (!Array.isArray(scopes)) throw new TypeError("scopes is no list: write ['articles:read']");
  for (const scope of scopes) {
    if (SCOPE.test(scope)) continue;
    throw new TypeError(`'${scope}' is no scope: write resource:action in a-z 0-9 _ . -`);
  }
  if (scopes.length > SCOPES_MAX) {
    throw new RangeError(`${scopes.length} scopes: ask for at most ${SCOPES_MAX}`);
  }
  if (!Number.isInteger(cost) || cost < 0 || cost > COST_MAX) {
    throw new RangeError(`cost is ${cost}: use a whole number from 0 to ${COST_MAX}`);
  }
  return { scopes, cost };
}

/** @param {Ask} ask */
function itemOf(ask) {
  const { scopes, cost } = checked(ask);
  // Without the zone, which means something on this machine only.
  const address = ask.address?.split('%')[0] ?? '';
  const resource = ask.resource ?? '';
  return {
    key: ask.key,
    scopes,
    cost,
    // Of this call alone: with it, a second try takes nothing more from the limits.
    request_id: randomUUID(),
    ...(isIP(address) === 0 ? {} : { address }),
    ...(resource === '' || resource.length > RESOURCE_LEN_MAX ? {} : { resource }),
  };
}

/** @param {string} text */
function addressOf(text) {
  if (text === '') {
    throw new TypeError('KEYWARD_URL is not set: set it to the doors, as http://127.0.0.1:8002');
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  // The text is not shown, for it may contain a password.
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new TypeError('KEYWARD_URL is no address: write it as http://127.0.0.1:8002');
  }
  if (url.search !== '' || url.hash !== '') {
    throw new TypeError('KEYWARD_URL has more than an address and a path: remove the rest');
  }
  return url;
}

/** @param {Reply} reply */
function adviceFor({ status, body }) {
  if (status === 422) return `it rejects the question: ${faultsOf(body)}`;
  return ADVICE[status] ?? `it responds with ${status}`;
}

/**
 * Where a question does not fit. What was sent there is left out.
 *
 * @param {string} body
 */
function faultsOf(body) {
  try {
    /** @type {{ loc: unknown[], msg: unknown }[]} */
    const faults = JSON.parse(body).detail;
    return faults.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ');
  } catch {
    return 'it does not say why';
  }
}

/**
 * @param {string} body
 * @returns {unknown}
 */
function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    // Its message would quote the body.
    throw new NoVerdictError('its response is not JSON');
  }
}

/**
 * The other end of the connection. No header is read.
 *
 * @param {IncomingMessage | undefined} request
 */
function peerOf(request) {
  return request?.socket?.remoteAddress;
}

/** @param {IncomingMessage} request */
function routeOf(request) {
  const { baseUrl = '', route } = /** @type {{ baseUrl?: string, route?: { path?: unknown } }} */ (
    request
  );
  return typeof route?.path === 'string' ? `${request.method} ${baseUrl}${route.path}` : undefined;
}

/** @param {HonoContext} context */
function patternOf({ req }) {
  return req.routePath.includes('*') ? undefined : `${req.method} ${req.routePath}`;
}
