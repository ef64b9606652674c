/**
 * The caller of a request that a guard let in.
 *
 * @param {object} request the request of Express, or the context of Hono
 * @returns {Caller}
 */
export function callerOf(request: object): Caller;
/** Asks one Keyward. Make one for all of a process. */
export class Keyward {
    /** @param {Options} [options] */
    constructor(options?: Options);
    /**
     * Judges the text of a key, and takes `cost` from its limits if it is let in. It never rejects:
     * where Keyward cannot be asked, the verdict is 503.
     *
     * @param {string} key
     * @param {Need & Known} [options]
     * @returns {Promise<Verdict>}
     */
    verify(key: string, options?: Need & Known): Promise<Verdict>;
    /**
     * Finds the key among the header lines of a request, and judges it.
     *
     * @param {readonly string[] | Headers} headers `rawHeaders` of Node, or else `Headers`
     * @param {Need & Known} [options]
     * @returns {Promise<Verdict>}
     */
    check(headers: readonly string[] | Headers, options?: Need & Known): Promise<Verdict>;
    /**
     * Judges up to 100 keys in one request, in order, each with its own take.
     *
     * @param {readonly Ask[]} asks
     * @returns {Promise<Verdict[]>}
     */
    verifyBatch(asks: readonly Ask[]): Promise<Verdict[]>;
    /**
     * Middleware of Express, and of anything else whose requests are those of Node. The handler gets
     * the caller from {@link callerOf}.
     *
     * @param {Need & Reading<IncomingMessage>} [need]
     * @returns {(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => Promise<void>}
     */
    express(need?: Need & Reading<IncomingMessage>): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => Promise<void>;
    /**
     * Middleware of Hono. The handler gets the caller from {@link callerOf}.
     *
     * On Node (`@hono/node-server`) it reads the header lines as they came, and the peer. Elsewhere
     * two lines of one name are joined, and rejected; give `address` there.
     *
     * @param {Need & Reading<HonoContext>} [need]
     * @returns {(context: HonoContext, next: () => Promise<void>) => Promise<Response | undefined>}
     */
    hono(need?: Need & Reading<HonoContext>): (context: HonoContext, next: () => Promise<void>) => Promise<Response | undefined>;
    /** Closes the idle connections. */
    close(): void;
    #private;
}
/**
 * What is used of Hono's context.
 */
export type HonoContext = {
    req: {
        raw: Request;
        method: string;
        routePath: string;
    };
    res: Response;
    env: any;
    header: (name: string, value?: string) => void;
};
export type Caller = import("./verdict.js").Caller;
export type Verdict = import("./verdict.js").Verdict;
/**
 * What a route needs of a key.
 */
export type Need = {
    /**
     * All of them; at most 8. Without any, every key that works
     * will do.
     */
    scopes?: readonly string[];
    /**
     * How many ordinary requests it counts as: 0 to 1 000 000, by default 1;
     * 0 judges and takes nothing.
     */
    cost?: number;
};
/**
 * What is known of one request.
 */
export type Known = {
    /**
     * The address of the end client. Without one, a key
     * that is restricted to networks is denied; a text that is no IP address counts as none.
     */
    address?: string | null | undefined;
    /**
     * The route, such as `GET /articles/:id`, for Keyward's
     * access log; at most 128 characters, and a longer one is left out. Never a path with ids in it.
     */
    resource?: string | undefined;
};
/**
 * How a guard reads a request.
 */
export type Reading<R> = {
    /**
     * Where the client's address is; the
     * peer of the connection by default. After a proxy that you trust, read it from a header that the
     * proxy overwrites in every request.
     */
    address?: (request: R) => string | null | undefined;
    /**
     * The template of the route; by default
     * that of the framework, where it has one.
     */
    resource?: (request: R) => string | undefined;
};
export type Ask = Need & Known & {
    key: string;
};
export type Options = {
    /**
     * Where `doors_listen` is, such as `http://127.0.0.1:8002`; by default the
     * variable `KEYWARD_URL`.
     */
    url?: string;
    /**
     * The door key, where Keyward has a `door_keys_file`; by default the
     * variable `KEYWARD_DOOR_KEY`.
     */
    doorKey?: string;
    /**
     * Milliseconds for all of a check, by default 1000. Half of it is for a
     * first try, the rest for a second one with the same `request_id`, so that the limits are taken
     * from once.
     */
    timeout?: number;
    /**
     * For an `https` address, such as `{ ca }`.
     */
    tls?: AgentOptions;
    /**
     * Gets a line about why requests get 503, at most once a
     * second; by default `console.error`.
     */
    log?: (line: string) => void;
};
import type { IncomingMessage } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AgentOptions } from 'node:https';
