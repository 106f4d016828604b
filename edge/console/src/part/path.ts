// What charts draw, as paths in a picture as wide as there are slots and a hundred high.

/** The next round number that is not less, and 1 at least: so a chart that moves keeps its scale for a while. */
export function roundUp(most: number): number {
  if (most <= 1) return 1;
  const step = 10 ** Math.floor(Math.log10(most));
  return (ROUND.find((one) => one * step >= most) ?? 10) * step;
}

/** The highest of what is known. */
export function highest(parts: Array<Array<number | null>>): number {
  return parts.flat().reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
}

/** How high bars are whose parts stand on each other. */
export function sums(parts: Array<Array<number | null>>): number[] {
  return (parts[0] ?? []).map((_, place) => parts.reduce((sum, values) => sum + (values[place] ?? 0), 0));
}

/** Parts that stand on each other: a path for each. */
export function stacked(parts: Array<Array<number | null>>, most: number): string[] {
  const below = (parts[0] ?? []).map(() => 0);
  return parts.map((values) => {
    const from = [...below];
    values.forEach((value, place) => (below[place] = (below[place] ?? 0) + (value ?? 0)));
    return between(from, below, most);
  });
}

/** A part that stands on the ground. */
export function standing(values: Array<number | null>, most: number): string {
  return between(
    values.map(() => 0),
    values.map((value) => value ?? 0),
    most,
  );
}

// Few slots are bars. Many are one area: bars that touch would show their seams.
function between(from: number[], to: number[], most: number): string {
  const at = (values: number[], place: number) => height(values[place] ?? 0, most);
  const isFlat = (place: number) => at(from, place) === at(to, place);
  const places = [...to.keys()];
  if (to.length <= MANY) {
    const bar = (place: number) =>
      `M${place + GAP} ${at(from, place)}V${at(to, place)}H${place + 1 - GAP}V${at(from, place)}Z`;
    return places.map((place) => (isFlat(place) ? "" : bar(place))).join("");
  }
  if (places.every(isFlat)) return "";
  const above = places.map((place) => `V${at(to, place)}H${place + 1}`);
  const back = places.reverse().map((place) => `V${at(from, place)}H${place}`);
  return `M0 ${at(from, 0)}${above.join("")}${back.join("")}Z`;
}

function height(value: number, most: number): number {
  return Math.round(1000 * (1 - value / most)) / 10;
}

/** More slots than these stand side by side. */
export const MANY = 120;
/** How much of a slot is left free at each side of its bar. */
export const GAP = 0.12;
const ROUND = [1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10];
