/**
 * Too many wrong keys came from the client's address.
 *
 * @param {string | undefined} retryAfter
 */
export function flooded(retryAfter: string | undefined): Verdict;
/**
 * The verdict that a JSON value is; anything else is an error, so that a doubtful response lets
 * nothing through.
 *
 * @param {unknown} read
 * @returns {Verdict}
 */
export function verdictOf(read: unknown): Verdict;
/** The outcome of a check, ready for the end client. */
/**
 * A verified key. It has no secret in it, so it may be logged.
 *
 * @typedef {object} Caller
 * @property {number} keyId
 * @property {string} name
 * @property {string} tier
 * @property {string | null} owner
 * @property {readonly string[]} scopes
 * @property {string | null} expiresAt RFC 3339; `null` is never.
 * @property {Readonly<Record<string, unknown>>} metadata
 */
/**
 * Whether a request may go on, and what its client is to get: a request that is not `allowed` gets
 * `status`, `headers` and `{"detail": detail}`; the response of one that is gets `headers` in
 * addition to its own.
 *
 * @typedef {object} Verdict
 * @property {boolean} allowed
 * @property {number} status
 * @property {string} detail Why, for the client; empty if the request is allowed.
 * @property {Readonly<Record<string, string>>} headers
 * @property {Caller | null} caller The key, where it was verified; also of a key that is limited,
 *   revoked and so on.
 * @property {string} verdict The reason in a word, for your log. Do not show it to the client: it
 *   tells a revoked key from one that never existed.
 */
/** Keyward responded with something that is no verdict. The message never contains the key. */
export class NoVerdictError extends Error {
}
export namespace MISSING {
    let allowed: boolean;
    let status: number;
    let detail: string;
    let headers: Readonly<Record<string, string>>;
    let caller: Caller | null;
    let verdict: string;
}
export namespace MALFORMED { }
export namespace SEVERAL { }
export namespace UNKNOWN { }
export namespace UNAVAILABLE { }
/**
 * A verified key. It has no secret in it, so it may be logged.
 */
export type Caller = {
    keyId: number;
    name: string;
    tier: string;
    owner: string | null;
    scopes: readonly string[];
    /**
     * RFC 3339; `null` is never.
     */
    expiresAt: string | null;
    metadata: Readonly<Record<string, unknown>>;
};
/**
 * Whether a request may go on, and what its client is to get: a request that is not `allowed` gets
 * `status`, `headers` and `{"detail": detail}`; the response of one that is gets `headers` in
 * addition to its own.
 */
export type Verdict = {
    allowed: boolean;
    status: number;
    /**
     * Why, for the client; empty if the request is allowed.
     */
    detail: string;
    headers: Readonly<Record<string, string>>;
    /**
     * The key, where it was verified; also of a key that is limited,
     * revoked and so on.
     */
    caller: Caller | null;
    /**
     * The reason in a word, for your log. Do not show it to the client: it
     * tells a revoked key from one that never existed.
     */
    verdict: string;
};
