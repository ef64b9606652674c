/**
 * Finding the key in a request, by the rules of Keyward itself: `clients/cases.json` has them as a
 * table, which all clients and the server pass.
 */

import { MALFORMED, MISSING, SEVERAL, UNKNOWN } from './verdict.js';

/** @import { Verdict } from './verdict.js' */

// A character is a byte here, in headers of Node and of `Headers` alike.
const BEARER = /^bearer +([!-~]+) *$/i;
const KEY = /^[!-~]{1,512}$/;
const EMPTY = /^[ \t]*$/;
const OTHER_SCHEME = /^[ \t]*(?!bearer(?:[ \t]|$))[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: [^]*)?[ \t]*$/i;

/**
 * Whether a text can be a key. Any other one is that of an unknown key, and stays in this process.
 *
 * @param {string} text
 */
export function canBeKey(text) {
  return KEY.test(text);
}

/**
 * Finds the one key of a request, or the verdict that rejects the request.
 *
 * @param {readonly string[]} lines all header lines as they came: names and values in turn, as in
 *   `rawHeaders` of Node. Its `headers` hide a second line of one name, so they do not do.
 * @returns {string | Verdict}
 */
export function find(lines) {
  const bearers = valuesOf(lines, 'authorization');
  const keys = valuesOf(lines, 'x-api-key');
  if (bearers.length > 1 || keys.length > 1) return SEVERAL;
  const [line, key] = [bearers[0], keys[0]];
  if (line === undefined) return key === undefined ? MISSING : readable(key);
  const bearer = BEARER.exec(line)?.[1];
  if (bearer !== undefined) return key === undefined ? readable(bearer) : SEVERAL;
  // Credentials of another scheme may be for a proxy in front.
  return key !== undefined && OTHER_SCHEME.test(line) ? readable(key) : MALFORMED;
}

/**
 * The same for a runtime that has `Headers` alone. They join two lines of one name by a comma and a
 * space, so that a value which has them may be two keys, and is rejected with 400.
 *
 * @param {{ get(name: string): string | null }} headers
 * @returns {string | Verdict}
 */
export function findJoined(headers) {
  const names = ['authorization', 'x-api-key'];
  const lines = names.flatMap((name) => [name, headers.get(name) ?? '']);
  return lines.some((text) => text.includes(', ')) ? SEVERAL : find(lines);
}

/**
 * A line without a value is as if it were not there.
 *
 * @param {readonly string[]} lines
 * @param {string} name
 */
function valuesOf(lines, name) {
  return lines.filter((value, at) => {
    return at % 2 === 1 && lines[at - 1]?.toLowerCase() === name && !EMPTY.test(value);
  });
}

/** @param {string} key */
function readable(key) {
  return canBeKey(key) ? key : UNKNOWN;
}
