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
export class NoVerdictError extends Error {}

/**
 * @param {string} verdict
 * @param {number} status
 * @param {string} detail
 * @param {Record<string, string>} headers
 * @returns {Verdict}
 */
function rejection(verdict, status, detail, headers) {
  const fields = { allowed: false, status, detail, headers: Object.freeze(headers) };
  return Object.freeze({ ...fields, caller: null, verdict });
}

/** @param {string} error */
function challenge(error) {
  return { 'WWW-Authenticate': `Bearer error="${error}"` };
}

// The texts of Keyward's own rejections, to the letter.
export const MISSING = rejection('missing', 401, 'Missing Authorization header', {
  'WWW-Authenticate': 'Bearer',
});
export const MALFORMED = rejection(
  'malformed',
  401,
  'Invalid Authorization format. Use: Bearer YOUR_API_KEY',
  challenge('invalid_request'),
);
export const SEVERAL = rejection(
  'ambiguous',
  400,
  'More than one API key in the request',
  challenge('invalid_request'),
);
export const UNKNOWN = rejection(
  'unknown',
  401,
  'Invalid or inactive API key',
  challenge('invalid_token'),
);
export const UNAVAILABLE = rejection('unavailable', 503, 'Service Unavailable', {
  'Retry-After': '1',
});

/**
 * Too many wrong keys came from the client's address.
 *
 * @param {string | undefined} retryAfter
 */
export function flooded(retryAfter) {
  const seconds = retryAfter !== undefined && /^\d+$/.test(retryAfter) ? retryAfter : '1';
  return rejection('flooded', 429, 'Rate limit exceeded', { 'Retry-After': seconds });
}

/**
 * The verdict that a JSON value is; anything else is an error, so that a doubtful response lets
 * nothing through.
 *
 * @param {unknown} read
 * @returns {Verdict}
 */
export function verdictOf(read) {
  const { valid, verdict, status, detail, headers, key } = objectOf(read);
  const texts = Object.values(objectOf(headers));
  if (typeof verdict !== 'string' || !texts.every((text) => typeof text === 'string')) {
    throw new NoVerdictError('its response is no verdict');
  }
  const named = /** @type {Record<string, string>} */ (headers);
  const caller = key === null ? null : callerFrom(objectOf(key));
  const rest = { headers: named, caller, verdict };
  if (valid === true && status === 200 && detail === null && caller !== null) {
    return { allowed: true, status, detail: '', ...rest };
  }
  const isDenial = valid === false && typeof status === 'number' && status >= 400 && status < 600;
  if (!isDenial || typeof detail !== 'string') {
    throw new NoVerdictError('its response is no verdict');
  }
  return { allowed: false, status, detail, ...rest };
}

/**
 * @param {Record<string, unknown>} key
 * @returns {Caller}
 */
function callerFrom({ key_id, name, tier, owner, scopes, expires_at, metadata }) {
  const caller = { keyId: key_id, name, tier, owner, scopes, expiresAt: expires_at, metadata };
  if (typeof key_id !== 'number' || !Array.isArray(scopes)) {
    throw new NoVerdictError('its response has no key');
  }
  return /** @type {Caller} */ (caller);
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 */
function objectOf(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new NoVerdictError('its response is no verdict');
  }
  return /** @type {Record<string, unknown>} */ (value);
}
