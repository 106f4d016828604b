// Refusals of the API: what they say, and which field of a form each part is about.

/** A refusal, or that nobody answered: `status` is 0 then. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly retryAfterMs: number | null;
  readonly requestId: string | null;

  constructor(told: { status: number; code: string; message: string; param?: string | null | undefined } & Waiting) {
    super(told.message);
    this.name = "Refused";
    this.status = told.status;
    this.code = told.code;
    this.param = told.param ?? null;
    this.retryAfterMs = told.retryAfterMs ?? null;
    this.requestId = told.requestId ?? null;
  }
}

interface Waiting {
  retryAfterMs?: number | null;
  requestId?: string | null;
}

/** The code of a [`Refused`] that nobody answered. */
export const UNREACHABLE = "unreachable";

/** Reads an answer with a status of a refusal, whatever its body is. */
export function readRefusal(status: number, headers: Headers, text: string): Refused {
  const told = errorOf(text);
  return new Refused({
    status,
    code: typeof told?.code === "string" ? told.code : `http_${status}`,
    message: typeof told?.message === "string" ? told.message : text.slice(0, MAX_SHOWN),
    param: typeof told?.param === "string" ? told.param : null,
    retryAfterMs: waitOf(headers),
    requestId: headers.get("x-request-id"),
  });
}

/** Whatever was thrown, as a refusal. */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Refused({ status: 0, code: UNREACHABLE, message });
}

/** A mistake in a plan table: where, and what is wrong. */
export interface Mistake {
  /** A path such as `plans.vip.limits[2].window`, or `(table)`. */
  at: string;
  problem: string;
}

/** The mistakes that a refusal of a plan table names. None if it names no places. */
export function mistakesOf(refused: Refused): Mistake[] {
  if (refused.param !== null && PLACE.test(refused.param)) {
    return [{ at: refused.param, problem: refused.message }];
  }
  const list = TABLE.test(refused.message) ? refused.message.replace(TABLE, "") : "";
  return list
    .split(BETWEEN)
    .map((part) => part.match(ONE))
    .filter((found) => found !== null)
    .map((found) => ({ at: found[1] ?? "", problem: (found[2] ?? "").replace(MORE, "") }));
}

/** How many more mistakes there are than the refusal names. */
export function untold(refused: Refused): number {
  return Number(refused.message.match(MORE)?.[1] ?? 0);
}

/** The first member of a parameter's path: `overrides` of `overrides.minute`, `scopes` of `scopes[1]`. */
export function fieldOf(param: string | null): string | null {
  return param?.split(/[.[]/)[0] ?? null;
}

/** The names of the limits that refused, as the message of a refusal by limits has them. */
export function refusedLimits(refused: Refused): string[] {
  return BY_LIMIT.includes(refused.code) ? [...refused.message.matchAll(/`([^`]+)`: /g)].map((found) => found[1] ?? "") : [];
}

function errorOf(text: string): Record<string, unknown> | null {
  try {
    const error: unknown = JSON.parse(text)?.error;
    return typeof error === "object" && error !== null ? (error as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function waitOf(headers: Headers): number | null {
  const ms = Number(headers.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(ms)) return ms;
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

const BY_LIMIT = [
  "rate_limit_exceeded",
  "request_exceeds_limit",
  "parallel_limit_exceeded",
  "budget_exceeded",
  "insufficient_credits",
];
const MAX_SHOWN = 500;
// What the API says before the mistakes of a table that is put, or that is only tried.
const TABLE = /^The table has mistakes(?:, and the old one stays)?: /;
const ROOTS = "plans|classes|costs|exempt|anonymous|alerts";
const PLACE = new RegExp(`^(?:${ROOTS})\\b`);
// A problem may have a semicolon in it; what follows one between two mistakes is a place.
const BETWEEN = new RegExp(`; (?=(?:\\(table\\)|(?:${ROOTS})(?:[.[][^;]*?)?): )`);
const ONE = new RegExp(`^(\\(table\\)|(?:${ROOTS})(?:[.[].*?)?): (.*)$`, "s");
const MORE = /; and (\d+) more$/;
