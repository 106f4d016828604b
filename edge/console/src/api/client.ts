// Calls of the API, typed by its description. Each goes to the server that the page came from.

import { asRefused, readRefusal } from "./refusal.ts";
import type { Routes } from "./schema.ts";

/** A route, as the description names it. */
export type Route = keyof Routes;

/** What a call may say besides its route. */
export interface Asked<R extends Route> {
  /** What stands in the path's braces. */
  path?: Record<string, string>;
  query?: Routes[R]["query"];
  body?: Routes[R]["body"];
  /** A body that is sent as it stands. */
  text?: string;
  /** The version that is to be changed. */
  etag?: string | undefined;
  /** By what a repeated request is known. */
  once?: string;
  signal?: AbortSignal;
}

/** What was answered. */
export interface Answered<R extends Route> {
  body: Routes[R]["answer"];
  etag: string | undefined;
  text: string;
}

/** A caller of the API with its credential, or with what the browser brings by itself. */
export class Api {
  readonly #credential: string | null;
  readonly #onUnknown: () => void;

  /** `onUnknown` is told when the credential is not, or no longer, known. */
  constructor(credential: string | null, onUnknown: () => void = () => {}) {
    this.#credential = credential;
    this.#onUnknown = onUnknown;
  }

  /** Calls a route; throws a `Refused`. */
  async ask<R extends Route>(route: R, asked: Asked<R> = {}): Promise<Answered<R>> {
    const { text, headers } = await this.read(route, asked);
    return { body: JSON.parse(text), etag: headers.get("etag") ?? undefined, text };
  }

  /** Calls a route whose answer is no JSON; throws a `Refused`. */
  async read<R extends Route>(route: R, asked: Asked<R> = {}): Promise<{ text: string; headers: Headers }> {
    const response = await this.open(route, asked);
    return { text: await textOf(response), headers: response.headers };
  }

  /** Calls a route whose answer is read while it comes; throws a `Refused`. */
  async open<R extends Route>(route: R, asked: Asked<R> = {}): Promise<Response> {
    const [method = "GET", template = "/"] = route.split(" ");
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) => inPath(asked.path?.[name] ?? ""));
    const body = asked.text ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
    const headers: Record<string, string> = {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(asked.etag === undefined ? {} : { "if-match": asked.etag }),
      ...(asked.once === undefined ? {} : { "idempotency-key": asked.once }),
    };
    const init = { method, headers, body: body ?? null, signal: asked.signal ?? null };
    const response = await this.send(path + inQuery(asked.query ?? {}), init);
    if (response.ok) return response;
    const text = await textOf(response);
    if (response.status === 401) this.#onUnknown();
    throw readRefusal(response.status, response.headers, text);
  }

  /** Only the status of a call that has no answer worth reading. */
  async status(method: "HEAD" | "OPTIONS", path: string): Promise<{ status: number; headers: Headers }> {
    const { status, headers } = await this.send(path, { method });
    return { status, headers };
  }

  /** Sends a request as it is, with the credential. Throws only if nobody answers. */
  async send(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#credential !== null) headers.set("authorization", `Bearer ${this.#credential}`);
    try {
      // A cookie that Cloudflare Access has set goes along; the answers belong to nobody's cache.
      return await fetch(path, { ...init, headers, cache: "no-store", redirect: "error", credentials: "same-origin" });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw asRefused(error);
    }
  }
}

/** A name for a request that is to be done once, however often it is sent. */
export function onceName(): string {
  // Pages of plain HTTP elsewhere than on this machine have no `randomUUID`.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function textOf(response: Response): Promise<string> {
  return response.text().catch((error: unknown) => {
    throw asRefused(error);
  });
}

// Names of accounts have colons and slashes in them, which the API reads as they are.
function inPath(name: string): string {
  return encodeURIComponent(name).replaceAll("%3A", ":").replaceAll("%2F", "/");
}

function inQuery(query: Record<string, string | number | boolean | undefined>): string {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  if (said.length === 0) return "";
  return `?${said.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&")}`;
}
