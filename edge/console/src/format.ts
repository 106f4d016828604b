// Numbers, times and ids as people read them, in the language of the page.

/** A whole number with the language's marks between thousands. */
export function count(value: number, language: string): string {
  return new Intl.NumberFormat(language).format(value);
}

/** A number that need not be whole, to a tenth, or to a hundredth where it is less than one. */
export function decimal(value: number, language: string): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: value < 1 ? 2 : 1 }).format(value);
}

/** A moment, to the second, in the reader's time zone. */
export function time(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }).format(ms);
}

/** Moments of one day by the reader's clock, to the minute or to the second. */
export function clock(language: string, isExact: boolean): (ms: number) => string {
  const format = new Intl.DateTimeFormat(language, { timeStyle: isExact ? "medium" : "short", hourCycle: "h23" });
  return (ms) => format.format(ms);
}

/** A day. */
export function day(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(ms);
}

/** How long ago, or how soon, in the largest unit that is whole. */
export function distance(ms: number, now: number, language: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  const seconds = (ms - now) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return format.format(Math.trunc(seconds), "second");
}

/** A length of time as the API writes it: `250ms`, `1.5s`, `2m 5s`, `3h 20m`, `31d`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10}s`;
  const parts: Array<[number, string]> = [
    [Math.floor(ms / 86_400_000), "d"],
    [Math.floor(ms / 3_600_000) % 24, "h"],
    [Math.floor(ms / 60_000) % 60, "m"],
    [Math.floor(ms / 1000) % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const told = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return told.map(([value, unit]) => `${value}${unit}`).join(" ");
}

/** Bytes in the unit that fits. */
export function bytes(value: number, language: string): string {
  const step = [1, 1024, 1024 ** 2].findLastIndex((size) => value >= size);
  const size = Math.max(step, 0);
  const format = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  return `${format.format(value / 1024 ** size)} ${["B", "KiB", "MiB"][size]}`;
}

/** A share of a whole between 0 and 1. */
export function share(part: number, whole: number): number {
  if (whole <= 0) return part > 0 ? 1 : 0;
  return Math.min(Math.max(part / whole, 0), 1);
}

/** A text with its `{names}` replaced. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

/** A list that people write: separated by commas, spaces or lines; empty entries are none. */
export function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

/** Lines of `name = value`, as an object; or the first line that is none. */
export function pairs(text: string): { pairs: Record<string, string> } | { wrong: string } {
  const found: Record<string, string> = {};
  for (const line of text.split("\n").map((line) => line.trim())) {
    if (line === "") continue;
    const at = line.indexOf("=");
    const name = line.slice(0, Math.max(at, 0)).trim();
    if (name === "") return { wrong: line };
    Object.defineProperty(found, name, { value: line.slice(at + 1).trim(), enumerable: true, configurable: true });
  }
  return { pairs: found };
}

/** An object as lines of `name = value`. */
export function asLines(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} = ${value}`)
    .join("\n");
}

/** A moment as an input of the type `datetime-local` has it, in the reader's time zone. */
export function asLocal(ms: number): string {
  const shifted = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

const UNITS: Array<[Intl.RelativeTimeFormatUnit, number]> = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
