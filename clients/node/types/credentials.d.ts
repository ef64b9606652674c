/**
 * Whether a text can be a key. Any other one is that of an unknown key, and stays in this process.
 *
 * @param {string} text
 */
export function canBeKey(text: string): boolean;
/**
 * Finds the one key of a request, or the verdict that rejects the request.
 *
 * @param {readonly string[]} lines all header lines as they came: names and values in turn, as in
 *   `rawHeaders` of Node. Its `headers` hide a second line of one name, so they do not do.
 * @returns {string | Verdict}
 */
export function find(lines: readonly string[]): string | Verdict;
/**
 * The same for a runtime that has `Headers` alone. They join two lines of one name by a comma and a
 * space, so that a value which has them may be two keys, and is rejected with 400.
 *
 * @param {{ get(name: string): string | null }} headers
 * @returns {string | Verdict}
 */
export function findJoined(headers: {
    get(name: string): string | null;
}): string | Verdict;
import type { Verdict } from './verdict.js';
