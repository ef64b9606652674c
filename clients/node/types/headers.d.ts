/** The header fields that a verdict adds to a response. */
/** @import { ServerResponse } from 'node:http' */
/**
 * Adds the header fields of a verdict. A cache on the way must not hand out what an `X-API-Key`
 * opened, so that the response varies by it; a `Cache-Control` of the handler is kept.
 *
 * @param {Readonly<Record<string, string>>} told
 * @param {{ get(name: string): string | null, set(name: string, text: string): void }} headers
 */
export function complete(told: Readonly<Record<string, string>>, headers: {
    get(name: string): string | null;
    set(name: string, text: string): void;
}): void;
/**
 * Completes the headers when they are sent, after the handler has set its own.
 *
 * @param {ServerResponse} response
 * @param {Readonly<Record<string, string>>} told
 */
export function completeLater(response: ServerResponse, told: Readonly<Record<string, string>>): void;
import type { ServerResponse } from 'node:http';
