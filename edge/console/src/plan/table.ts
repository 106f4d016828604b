// A plan table as the form sees it: JSON whose members are changed one by one, and all others kept.

/** JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A way to a member: names and places in lists. */
export type Path = Array<string | number>;

/** The table that a text holds, or why it holds none. */
export function parse(text: string): { table: Json } | { problem: string } {
  try {
    return { table: JSON.parse(text) as Json };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** A table as its editor shows it. */
export function pretty(table: unknown): string {
  return JSON.stringify(table, null, 2);
}

/** The names of a table's plans. */
export function planNames(table: Json): string[] {
  const plans = member(table, "plans");
  return isObject(plans) ? Object.keys(plans) : [];
}

/** What stands at a path; nothing if it leads nowhere. */
export function at(value: Json | undefined, path: Path): Json | undefined {
  return path.reduce<Json | undefined>((found, step) => {
    if (Array.isArray(found)) return typeof step === "number" ? found[step] : undefined;
    return member(found, String(step));
  }, value);
}

/** The same value with another one at a path; `undefined` takes it out. Objects on the way are made. */
export function put(value: Json | undefined, path: Path, replacement: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return replacement ?? null;
  const inner = rest.length === 0 ? replacement : put(at(value, [step]), rest, replacement);
  if (typeof step === "number") {
    const list = Array.isArray(value) ? [...value] : [];
    if (inner === undefined) list.splice(step, 1);
    else list[step] = inner;
    return list;
  }
  const others = isObject(value) ? Object.entries(value) : [];
  const entries: Array<[string, Json]> = others.map(([name, old]) => [name, name === step ? (inner ?? old) : old]);
  if (inner === undefined) return Object.fromEntries(entries.filter(([name]) => name !== step));
  if (!others.some(([name]) => name === step)) entries.push([step, inner]);
  return Object.fromEntries(entries);
}

/** A path as mistakes name it: `plans.vip.limits[2].window`. */
export function written(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** One limit in a few words: `60 / 1m`, `4 at once`, `10 +2 / 1s`. */
export function limitInWords(limit: Json): string {
  const text = (name: string) => String(member(limit, name) ?? "");
  const unit = text("unit") === "" || text("unit") === "requests" ? "" : ` ${text("unit")}`;
  switch (text("kind")) {
    case "window":
      return `${text("limit")}${unit} / ${text("window")}`;
    case "bucket":
      return `${text("capacity")}${unit} +${text("refill")} / ${text("every") || "1s"}`;
    case "budget":
      return `${text("limit") || "0"}${unit}${text("currency") && ` ${text("currency")}`} / ${text("period")}`;
    default:
      return `≤ ${text("limit")}${unit}`;
  }
}

/** Whether this is an object of JSON. */
export function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}
