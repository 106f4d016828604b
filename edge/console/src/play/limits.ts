// How a caller's limits stand, by the headers of an answer (draft-ietf-httpapi-ratelimit-headers).

/** One limit: how much it allows, what is left, and when there will be more. */
export interface HeaderLimit {
  name: string;
  quota: number;
  remaining: number;
  windowSeconds: number | null;
  unit: string | null;
  moreInSeconds: number | null;
}

/** The limits that `ratelimit-policy` and `ratelimit` tell, in their order. */
export function limitsOf(headers: Headers): HeaderLimit[] {
  const states = new Map(items(headers.get("ratelimit")).map((item) => [item.name, item]));
  return items(headers.get("ratelimit-policy")).map(({ name, parameters }) => {
    const state = states.get(name)?.parameters;
    const quota = numberOf(parameters, "q") ?? 0;
    return {
      name,
      quota,
      remaining: numberOf(state, "r") ?? quota,
      windowSeconds: numberOf(parameters, "w"),
      unit: parameters.get("qu") ?? null,
      moreInSeconds: numberOf(state, "t"),
    };
  });
}

/** The headers that say something of limits or name the request. */
export function toldHeaders(headers: Headers): Array<[string, string]> {
  return [...headers].filter(([name]) => TOLD.some((known) => name.startsWith(known)));
}

interface Item {
  name: string;
  parameters: Map<string, string>;
}

// A list of strings with parameters, as structured fields have it.
function items(value: string | null): Item[] {
  return [...(value ?? "").matchAll(/"((?:[^"\\]|\\.)*)"((?:;[a-z]+=(?:"[^"]*"|[^;,\s]+))*)/g)].map((found) => ({
    name: (found[1] ?? "").replace(/\\(.)/g, "$1"),
    parameters: new Map(
      [...(found[2] ?? "").matchAll(/;([a-z]+)=(?:"([^"]*)"|([^;,\s]+))/g)].map((one) => [
        one[1] ?? "",
        one[2] ?? one[3] ?? "",
      ]),
    ),
  }));
}

function numberOf(parameters: Map<string, string> | undefined, name: string): number | null {
  const value = parameters?.get(name);
  return value === undefined ? null : Number(value);
}

const TOLD = ["ratelimit", "x-ratelimit-", "retry-after", "x-request-id", "x-should-retry"];
