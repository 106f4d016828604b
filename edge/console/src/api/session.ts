// Who is signed in: in this tab only, until it is closed or signs out. Nothing of it is ever part of an address.

import { Api } from "./client.ts";
import { Refused, asRefused, readRefusal } from "./refusal.ts";

/** What a token may do. */
export type Scope = "read" | "keys" | "plans" | "origins";

/** Somebody who is signed in. */
export type Session =
  { kind: "admin"; credential: string | null; scopes: Scope[] } | { kind: "caller"; credential: string };

const NAME = "sluice-session";
const KEY_BEGINS = "slc_";

/** Whether a credential is a caller's: an API key, or a signed token. */
export function isCallers(credential: string): boolean {
  return credential.startsWith(KEY_BEGINS) || credential.split(".").length === 3;
}

/** Finds out whose this is and what it may do. An empty text is whoever Cloudflare Access vouches for. */
export async function signIn(text: string): Promise<Session> {
  const credential = text.trim();
  if (isCallers(credential)) {
    await new Api(credential).ask("GET /v1/key");
    return keep({ kind: "caller", credential });
  }
  const api = new Api(credential === "" ? null : credential);
  return keep({ kind: "admin", credential: credential === "" ? null : credential, scopes: await scopesOf(api) });
}

/** Whoever was signed in when this tab was loaded anew. */
export function restore(): Session | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(NAME) ?? "null");
    return isSession(kept) ? kept : null;
  } catch {
    return null;
  }
}

/** Forgets who was signed in. */
export function forget(): void {
  sessionStorage.removeItem(NAME);
}

/**
 * What a token may do. The API has no route that says so, and refuses by scope before it looks at anything else. So
 * four questions that change nothing tell it. One reads. The others ask what may be changed, and are refused with 403
 * without the scope and with 405 otherwise, as no route takes OPTIONS.
 */
async function scopesOf(api: Api): Promise<Scope[]> {
  const asked: Array<[Scope, "HEAD" | "OPTIONS", string]> = [
    ["read", "HEAD", "/admin/v1/audit"],
    ["keys", "OPTIONS", "/admin/v1/keys"],
    ["plans", "OPTIONS", "/admin/v1/plans"],
    ["origins", "OPTIONS", "/admin/v1/origins"],
  ];
  const scopes: Scope[] = [];
  // One after the other: a wrong token is to count as one failure.
  for (const [scope, method, path] of asked) {
    const { status, headers } = await api.status(method, path);
    if (status === 401 || status === 429) throw await refusedBy(api);
    if (status >= 500) throw readRefusal(status, headers, "");
    if (status !== 403) scopes.push(scope);
  }
  return scopes;
}

// An answer to HEAD has no words; the same question with GET has. It is asked only after a refusal.
async function refusedBy(api: Api): Promise<Refused> {
  try {
    await api.ask("GET /admin/v1/audit");
  } catch (error) {
    return asRefused(error);
  }
  return new Refused({ status: 401, code: "invalid_admin_token", message: "" });
}

function keep(session: Session): Session {
  sessionStorage.setItem(NAME, JSON.stringify(session));
  return session;
}

function isSession(value: unknown): value is Session {
  const kept = value as Session | null;
  if (typeof kept !== "object" || kept === null) return false;
  return kept.kind === "caller"
    ? typeof kept.credential === "string"
    : kept.kind === "admin" && Array.isArray(kept.scopes);
}
