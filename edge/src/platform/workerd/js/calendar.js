// Which day, week or month it is in a time zone, by the tables that the platform has for Intl.
//
// A day begins with the first instant at which its clocks show its date or a later one: where summer time skips midnight, an
// hour after it; where midnight comes twice, the first time.

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

// When the period began that `at` lies in, and when it ends, in milliseconds since the epoch; nothing for a zone that is not
// known.
export function period(zone, name, at) {
  let clocks;
  try {
    clocks = clocksOf(zone);
  } catch {
    return [];
  }
  // By their date it is the period of `at` or, where midnight comes twice, the one before.
  let first = firstDay(name, floor(clocks(at), DAY));
  let next = dayAfter(name, first);
  let [began, ends] = [begins(clocks, first), begins(clocks, next)];
  if (at >= ends) [began, ends] = [ends, begins(clocks, dayAfter(name, next))];
  return [began, ends];
}

// The clocks of the zones that were asked for.
const CLOCKS = new Map();

// What a zone's clocks show at an instant, as the instant at which those of UTC show the same; to the second.
function clocksOf(zone) {
  const known = CLOCKS.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const clocks = (at) => {
    const shown = {};
    for (const { type, value } of format.formatToParts(floor(at, SECOND))) shown[type] = Number(value);
    return Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second);
  };
  CLOCKS.set(zone, clocks);
  return clocks;
}

// The first day of the period that a day lies in. Days are midnights of UTC.
function firstDay(name, day) {
  const date = new Date(day);
  if (name === "week") return day - ((date.getUTCDay() + 6) % 7) * DAY;
  return name === "month" ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) : day;
}

// The first day of the period after the one that begins so.
function dayAfter(name, first) {
  if (name !== "month") return first + (name === "week" ? 7 : 1) * DAY;
  const date = new Date(first);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

// The first instant at which the clocks show this day or a later one. They are set once in the hours around it at most.
function begins(clocks, day) {
  const aheadAt = (at) => clocks(at) - floor(at, SECOND);
  const before = aheadAt(day - 20 * HOUR);
  const after = aheadAt(day + 20 * HOUR);
  if (aheadAt(day - before) === before) return day - before;
  // By then they have been set.
  let [late, early] = [day - before, day - after];
  if (early > late || aheadAt(early) === after) return early;
  // They skip midnight: it begins when they are set.
  while (late - early > SECOND) {
    const middle = early + floor((late - early) / 2, SECOND);
    if (aheadAt(middle) === after) late = middle;
    else early = middle;
  }
  return late;
}

function floor(number, step) {
  return Math.floor(number / step) * step;
}
