// Which days usage is asked for, and whether hours or days of them are shown. Days and hours are those of UTC.

/** Ranges that are chosen by a name; `days` is from one day to another. */
export const RANGES = ["day", "week", "days31", "month", "days"] as const;

/** What is chosen. `first` and `last` count where the range is `days`, and both days belong to it. */
export interface Chosen {
  range: (typeof RANGES)[number];
  first: string;
  last: string;
}

/** What time is told apart by, or that the range decides. */
export type Over = "auto" | Unit | "none";

/** A step of time. */
export type Unit = "hour" | "day";

/** The day of a moment. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The query's `from` and `to`. Without `from` the API tells of 24 hours. `to` is the first day behind the range. */
export function asked(chosen: Chosen, now: number): { from?: string; to?: string } {
  switch (chosen.range) {
    case "day":
      return {};
    case "week":
      return { from: dayOf(now - 6 * DAY_MS) };
    case "days31":
      return { from: dayOf(now - 30 * DAY_MS) };
    case "month":
      return { from: `${dayOf(now).slice(0, 7)}-01` };
    case "days":
      return {
        ...(chosen.first === "" ? {} : { from: chosen.first }),
        ...(chosen.last === "" ? {} : { to: dayAfter(chosen.last) }),
      };
  }
}

/** Hours where the range is short and they are kept; days otherwise. */
export function unitOf(over: Over, chosen: Chosen, now: number): Unit | undefined {
  if (over !== "auto") return over === "none" ? undefined : over;
  const { from, to } = asked(chosen, now);
  if (from === undefined) return "hour";
  const begin = Date.parse(from);
  const end = Math.min(to === undefined ? now : Date.parse(to), now);
  return end - begin <= 2 * DAY_MS && begin > now - HOURS_KEPT_DAYS * DAY_MS ? "hour" : "day";
}

/** An hour or a day as tables have it. */
export function timeText(time: string): string {
  return time.includes("T") ? time.slice(0, 16).replace("T", " ") : time;
}

// A day that there is not stays as it is: the API says what is wrong with it.
function dayAfter(day: string): string {
  const next = new Date(Date.parse(day) + DAY_MS);
  return Number.isNaN(next.getTime()) ? day : (next.toISOString().split("T")[0] ?? day);
}

const DAY_MS = 86_400_000;
const HOURS_KEPT_DAYS = 31;
