// SPDX-License-Identifier: Apache-2.0
import createClient from 'openapi-fetch';
import type { paths } from './schema';
import type { PositionRequest, Problem } from './types';

/** What every failed request becomes. `status` 0: no answer reached us, so there is no request id either. */
export class ApiError extends Error {
  constructor(
    readonly title: string,
    readonly status: number,
    readonly detail: string,
    readonly code: string,
    readonly request_id: string | null,
    readonly errors: NonNullable<Problem['errors']>,
  ) {
    super(title);
  }

  /** Asking the same again cannot help: the question itself was refused. */
  get refused(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 429;
  }
}

/** The query of the finder, as the API describes it. */
export type FindQuery = NonNullable<paths['/api/find/{symbol}']['get']['parameters']['query']>;

/** A server that hangs or a network that swallows packets gives no error by itself; health is what tells it first. */
const patience_ms = (request: Request) =>
  new URL(request.url).pathname === '/api/health' ? 8_000 : 30_000;

const client = createClient<paths>({
  baseUrl: '/',
  fetch: (request: Request) =>
    fetch(request, {
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(patience_ms(request))]),
    }),
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** Unwraps an openapi-fetch call; throws ApiError and nothing else. */
async function unwrap<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(
      'The server does not answer',
      0,
      'No reply came from the API. It may be starting, or the connection to it is down.',
      'unreachable',
      null,
      [],
    );
  }
  if (answer.data !== undefined) return answer.data;
  throw to_api_error(answer.error, answer.response);
}

export function to_api_error(
  body: unknown,
  response: Pick<Response, 'status' | 'headers'>,
): ApiError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Partial<Problem>;
  return new ApiError(
    problem.title ?? (response.status >= 500 ? 'The server failed' : 'The request was refused'),
    response.status,
    problem.detail ?? `The API answered with status ${response.status}.`,
    problem.code ?? 'unknown',
    problem.request_id ?? response.headers.get('x-request-id'),
    problem.errors ?? [],
  );
}

export const api = {
  health: (signal?: AbortSignal) => unwrap(client.GET('/api/health', { signal })),
  underlyings: (signal?: AbortSignal) => unwrap(client.GET('/api/underlyings', { signal })),
  expirations: (symbol: string, signal?: AbortSignal) =>
    unwrap(client.GET('/api/expirations/{symbol}', { params: { path: { symbol } }, signal })),
  chain: (
    symbol: string,
    // Left out, `from` asks the broker first; the page shows the history unless told otherwise.
    query: { expiry: string; trading_class?: string; from: 'any' | 'gateway' | 'history' },
    signal?: AbortSignal,
  ) => unwrap(client.GET('/api/chain/{symbol}', { params: { path: { symbol }, query }, signal })),
  history: (
    symbol: string,
    query: {
      trading_class: string;
      expiry: string;
      strike: number;
      right: 'call' | 'put';
      start?: string;
    },
    signal?: AbortSignal,
  ) => unwrap(client.GET('/api/history/{symbol}', { params: { path: { symbol }, query }, signal })),
  market_conditions: (symbol: string, signal?: AbortSignal) =>
    unwrap(client.GET('/api/market-conditions/{symbol}', { params: { path: { symbol } }, signal })),
  catalogue: (signal?: AbortSignal) => unwrap(client.GET('/api/catalogue', { signal })),
  find: (symbol: string, query: FindQuery, signal?: AbortSignal) =>
    unwrap(client.GET('/api/find/{symbol}', { params: { path: { symbol }, query }, signal })),
  analyze: (symbol: string, body: PositionRequest, signal?: AbortSignal) =>
    unwrap(client.POST('/api/analyze/{symbol}', { params: { path: { symbol } }, body, signal })),
  density: (
    symbol: string,
    query: { expiry: string; trading_class?: string; rate?: number; points?: number },
    signal?: AbortSignal,
  ) => unwrap(client.GET('/api/density/{symbol}', { params: { path: { symbol }, query }, signal })),
};
