/** The real program, a relay in front of it that can fail, and requests as bytes. */

import { spawn, execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const table = JSON.parse(readFileSync(new URL('../../cases.json', import.meta.url), 'utf8'));
export const rejections = table.rejections;
/** @type {{ name: string, lines: [string, string][], key?: string, rejected?: string, unsendable?: boolean }[]} */
export const cases = table.cases;

const program = process.env.KEYWARD_PROGRAM ?? '';

/** Where a test is not about time, a machine that is busy may take its own. */
export const PATIENCE = 30_000;

/** `keyward serve` with doors, on free ports, in a directory of its own. */
export class Program {
  adminKey = randomBytes(32).toString('hex');
  folder = mkdtempSync(path.join(tmpdir(), 'keyward-node-'));
  public = '127.0.0.1:0';
  doors = '127.0.0.1:0';
  /** @type {any} */
  #child;

  /** @param {Record<string, string>} [settings] */
  constructor(settings = {}) {
    this.settings = settings;
  }

  async start() {
    const env = { ADMIN_API_KEY: this.adminKey, KEYWARD_DOORS_LISTEN: this.doors, ...this.settings };
    const args = ['serve', '--listen', this.public];
    this.#child = spawn(program, args, { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
    const found = new Map();
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const [name, address] = line.trim().split(/ +http:\/\//);
      found.set(name, address);
      if (found.has('listening') && found.has('doors')) break;
    }
    this.#child.stdout.resume();
    this.public = found.get('listening');
    this.doors = found.get('doors');
    return this;
  }

  async stop() {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  get url() {
    return `http://${this.doors}`;
  }

  /**
   * @param {string} method
   * @param {string} at
   * @param {unknown} [body]
   */
  async admin(method, at, body) {
    const headers = { 'X-Admin-Key': this.adminKey };
    const text = body === undefined ? null : JSON.stringify(body);
    const response = await fetch(`http://${this.public}${at}`, { method, headers, body: text });
    const read = await response.text();
    return { status: response.status, body: read === '' ? null : JSON.parse(read) };
  }

  /** A new key: its id and its secret. */
  async issue(fields = {}) {
    const issued = await this.admin('POST', '/admin/api-keys', { name: 'weather-bot', ...fields });
    if (issued.status !== 201) throw new Error(JSON.stringify(issued.body));
    return { id: issued.body.key_id, key: issued.body.api_key };
  }

  /** Makes every key of the table work, and returns their names. */
  async takeInCases() {
    const names = new Map(cases.flatMap(({ key }, at) => (key ? [[key, `case-${at}`]] : [])));
    const rows = [...names].map(([key, name]) => {
      const digest = createHash('sha256').update(key).digest('hex');
      return JSON.stringify({ name, digest, limits: [] }) + '\n';
    });
    const file = path.join(this.folder, 'cases.jsonl');
    writeFileSync(file, rows.join(''));
    const args = ['import', file, '--server', `http://${this.public}`];
    await promisify(execFile)(program, args, { env: { ADMIN_API_KEY: this.adminKey } });
    return names;
  }
}

/**
 * One limit, of which nothing comes back while a test runs.
 *
 * @param {number} amount
 */
export function aDay(amount) {
  return [{ name: 'requests', amount, per: '1d', burst: amount }];
}

/** @param {string[]} args */
export async function run(args) {
  return (await promisify(execFile)(program, args, { env: {} })).stdout;
}

/**
 * A request with header lines to the byte, and its response.
 *
 * @param {number} port
 * @param {string} at
 * @param {[string, string][]} [lines]
 * @returns {Promise<{ status: number, headers: http.IncomingHttpHeaders, body: string }>}
 */
export function ask(port, at, lines = [], method = 'GET') {
  // `http.request` checks what it sends, so it gets a socket whose head is written by hand.
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const head = [`${method} ${at} HTTP/1.1`, 'Host: test', 'Connection: close'];
    head.push(...lines.map(([name, value]) => `${name}: ${value}`), '', '');
    /** @type {Buffer[]} */
    const parts = [];
    socket.on('data', (part) => parts.push(part)).on('error', reject);
    socket.on('end', () => resolve(responseOf(Buffer.concat(parts))));
    socket.write(Buffer.from(head.join('\r\n'), 'latin1'));
  });
}

/** @param {Buffer} bytes */
function responseOf(bytes) {
  const text = bytes.toString('latin1');
  const at = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, at).split('\r\n');
  /** @type {http.IncomingHttpHeaders} */
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    headers[name] = [headers[name], line.slice(colon + 1).trim()].filter(Boolean).join(', ');
  }
  let body = text.slice(at + 4);
  if (headers['transfer-encoding'] === 'chunked') body = body.replace(/[0-9a-f]+\r\n([^]*?)\r\n/g, '$1').trim();
  return { status: Number(first.split(' ')[1]), headers, body };
}

/** @param {string} key @returns {[string, string][]} */
export function bearer(key) {
  return [['Authorization', `Bearer ${key}`]];
}

/**
 * In front of the program. A fault takes the place of a response that it has fetched: bytes, `''` to
 * hang up, `null` for silence, or `'pass'`.
 */
export class Relay {
  connections = 0;
  /** @type {Record<string, any>[]} */
  bodies = [];
  url = '';
  #server;

  /**
   * @param {Program | null} upstream
   * @param {(before: number) => string | null} [fault]
   */
  constructor(upstream, fault = () => 'pass') {
    this.#server = net.createServer((socket) => {
      this.connections += 1;
      socket.on('error', () => {});
      let read = '';
      socket.on('data', async (part) => {
        read += part;
        const [head = '', body = ''] = read.split('\r\n\r\n');
        const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? NaN);
        if (body.length < length || Number.isNaN(length)) return;
        const request = read;
        read = '';
        const faulty = fault(this.bodies.push(JSON.parse(body)) - 1);
        const response = upstream === null ? '' : await exchange(upstream, request);
        if (faulty === null) return;
        const sent = faulty === 'pass' ? response : faulty;
        if (sent === '') socket.destroy();
        else socket.write(sent);
      });
    });
  }

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = /** @type {net.AddressInfo} */ (this.#server.address());
    this.url = `http://127.0.0.1:${address.port}`;
    return this;
  }

  close() {
    this.#server.close();
  }
}

/**
 * @param {Program} upstream
 * @param {string} request
 * @returns {Promise<string>}
 */
function exchange(upstream, request) {
  const [host = '', port] = upstream.doors.split(':');
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), host, () => socket.write(request));
    let read = '';
    socket.on('error', reject).on('data', (part) => {
      read += part;
      const [head = '', body = ''] = read.split('\r\n\r\n');
      if (body.length < Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? NaN)) return;
      socket.destroy();
      resolve(read);
    });
  });
}
