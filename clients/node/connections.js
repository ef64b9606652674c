/** Kept connections to Keyward. `node:http` takes a fraction of the time that `fetch` takes. */

import http from 'node:http';
import https from 'node:https';

/** Connections that are kept while idle; more may be open at a time. */
const KEPT_MAX = 64;
/** A verdict has at most some 10 KiB, most of it metadata; a batch has 100 of them. */
const RESPONSE_LEN_MAX = 2 * 1024 * 1024;

/** @typedef {{ status: number, retryAfter: string | undefined, body: string }} Response */

/** No whole response came. The message never contains a part of the request. */
export class UnreachableError extends Error {}

export class Connections {
  #url;
  #client;
  #agent;
  #tls;

  /**
   * @param {URL} url
   * @param {https.AgentOptions} tls
   */
  constructor(url, tls) {
    this.#url = url;
    this.#tls = tls;
    this.#client = url.protocol === 'https:' ? https : http;
    // An agent of its own, which reads no proxy from the environment: keys go to Keyward alone.
    const kept = { keepAlive: true, maxFreeSockets: KEPT_MAX, scheduling: /** @type {const} */ ('lifo') };
    this.#agent = new this.#client.Agent({ ...tls, ...kept });
  }

  /**
   * Sends once. `fresh` opens a connection, for a kept one may have been closed meanwhile.
   *
   * @param {string} path
   * @param {string} body
   * @param {Record<string, string>} headers
   * @param {number} milliseconds
   * @param {boolean} fresh
   * @returns {Promise<Response>}
   */
  post(path, body, headers, milliseconds, fresh) {
    return new Promise((resolve, reject) => {
      const fail = (/** @type {Error} */ error) => {
        clearTimeout(timer);
        request.destroy();
        reject(error instanceof UnreachableError ? error : new UnreachableError(error.message));
      };
      const agent = fresh ? false : this.#agent;
      const options = { ...this.#tls, method: 'POST', agent, headers };
      const url = this.#url.href.replace(/\/$/, '') + path;
      const request = this.#client.request(url, options, (response) => {
        /** @type {Buffer[]} */
        const parts = [];
        let length = 0;
        response.on('data', (part) => {
          parts.push(part);
          length += part.length;
          if (length > RESPONSE_LEN_MAX) fail(new UnreachableError('its response is too long'));
        });
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(timer);
          const retryAfter = response.headers['retry-after'];
          const text = Buffer.concat(parts).toString();
          resolve({ status: response.statusCode ?? 0, retryAfter, body: text });
        });
      });
      const inTime = new UnreachableError('no response in time');
      const timer = setTimeout(() => fail(inTime), milliseconds);
      request.on('error', fail);
      request.end(body);
    });
  }

  close() {
    this.#agent.destroy();
  }
}
