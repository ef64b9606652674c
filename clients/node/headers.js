/** The header fields that a verdict adds to a response. */

/** @import { ServerResponse } from 'node:http' */

/**
 * Adds the header fields of a verdict. A cache on the way must not hand out what an `X-API-Key`
 * opened, so that the response varies by it; a `Cache-Control` of the handler is kept.
 *
 * @param {Readonly<Record<string, string>>} told
 * @param {{ get(name: string): string | null, set(name: string, text: string): void }} headers
 */
export function complete(told, headers) {
  for (const [name, text] of Object.entries(told)) {
    if (!/^(?:vary|cache-control)$/i.test(name)) headers.set(name, text);
  }
  const parts = (headers.get('Vary') ?? '').split(',').map((part) => part.trim());
  const named = parts.map((part) => part.toLowerCase());
  if (!named.includes('*')) {
    const more = ['Authorization', 'X-API-Key'].filter((name) => !named.includes(name.toLowerCase()));
    headers.set('Vary', [...parts.filter((part) => part !== ''), ...more].join(', '));
  }
  if (headers.get('Cache-Control') === null) headers.set('Cache-Control', 'private, no-cache');
}

/**
 * Completes the headers when they are sent, after the handler has set its own.
 *
 * @param {ServerResponse} response
 * @param {Readonly<Record<string, string>>} told
 */
export function completeLater(response, told) {
  const writeHead = response.writeHead;
  /** @param {unknown[]} args */
  response.writeHead = function (...args) {
    response.writeHead = writeHead;
    const last = args.at(-1);
    if (typeof last === 'object' && last !== null) {
      // Fields that are given here would replace those that are set.
      args.pop();
      const flat = last instanceof Array ? last.flat() : Object.entries(last).flat();
      for (let at = 0; at + 1 < flat.length; at += 2) {
        if (flat[at + 1] !== undefined) response.setHeader(flat[at], flat[at + 1]);
      }
    }
    const get = (/** @type {string} */ name) => {
      const value = response.getHeader(name);
      return value === undefined ? null : String(value);
    };
    complete(told, { get, set: (name, text) => response.setHeader(name, text) });
    return Reflect.apply(writeHead, response, args);
  };
}
