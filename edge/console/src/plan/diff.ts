// What a draft of a plan table changes, line by line.

/** A line that both have, that only the draft has, or that only the table in force has. */
export interface Line {
  kind: "same" | "added" | "removed";
  text: string;
}

/** The lines of both, in order; what stays of the first stands before what replaces it. */
export function diff(before: string, after: string): Line[] {
  const [old, draft] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < Math.min(old.length, draft.length) && old[head] === draft[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, draft.length) - head && old.at(-1 - tail) === draft.at(-1 - tail)) tail += 1;
  const same = (lines: string[]): Line[] => lines.map((text) => ({ kind: "same", text }));
  return [
    ...same(draft.slice(0, head)),
    ...middle(old.slice(head, old.length - tail), draft.slice(head, draft.length - tail)),
    ...same(draft.slice(draft.length - tail)),
  ];
}

/** The lines that changed, with so many unchanged ones around each; `null` stands for those that are left out. */
export function around(lines: Line[], context: number): Array<Line | null> {
  const near = lines.map((_, at) =>
    lines.slice(Math.max(at - context, 0), at + context + 1).some((line) => line.kind !== "same"),
  );
  const shown: Array<Line | null> = [];
  lines.forEach((line, at) => {
    if (near[at]) shown.push(line);
    else if (shown.length > 0 && shown.at(-1) !== null) shown.push(null);
  });
  if (shown.at(-1) === null) shown.pop();
  return shown;
}

// By the longest common part. What is too long for that is told as replaced.
function middle(old: string[], draft: string[]): Line[] {
  const removed = (text: string): Line => ({ kind: "removed", text });
  const added = (text: string): Line => ({ kind: "added", text });
  if (old.length * draft.length > MOST) return [...old.map(removed), ...draft.map(added)];
  const width = draft.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  const at = (row: number, column: number) => common[row * width + column] ?? 0;
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = draft.length - 1; column >= 0; column -= 1) {
      common[row * width + column] =
        old[row] === draft[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: Line[] = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < draft.length) {
    const [left, right] = [old[row], draft[column]];
    if (left !== undefined && left === right) {
      lines.push({ kind: "same", text: left });
      row += 1;
      column += 1;
    } else if (left !== undefined && (right === undefined || at(row + 1, column) >= at(row, column + 1))) {
      lines.push(removed(left));
      row += 1;
    } else {
      lines.push(added(right ?? ""));
      column += 1;
    }
  }
  return lines;
}

// Products of lines that are compared at most; a table has 64 KB.
const MOST = 4_000_000;
