/** @typedef {{ status: number, retryAfter: string | undefined, body: string }} Response */
/** No whole response came. The message never contains a part of the request. */
export class UnreachableError extends Error {
}
export class Connections {
    /**
     * @param {URL} url
     * @param {https.AgentOptions} tls
     */
    constructor(url: URL, tls: https.AgentOptions);
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
    post(path: string, body: string, headers: Record<string, string>, milliseconds: number, fresh: boolean): Promise<Response>;
    close(): void;
    #private;
}
export type Response = {
    status: number;
    retryAfter: string | undefined;
    body: string;
};
import https from 'node:https';
