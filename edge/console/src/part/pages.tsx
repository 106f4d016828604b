// Lists that are read page by page, as the API gives them: with a cursor, and no total.

import { useState } from "preact/hooks";
import { useApp } from "../app.tsx";
import { fill } from "../format.ts";

/** Which page of a list is looked at. */
export interface Cursor<C> {
  after: C | undefined;
  number: number;
  forward: (next: C) => void;
  back: () => void;
  first: () => void;
}

/** The pages that were gone through, so that there is a way back. */
export function useCursor<C>(): Cursor<C> {
  const [before, setBefore] = useState<C[]>([]);
  return {
    after: before.at(-1),
    number: before.length + 1,
    forward: (next) => setBefore((all) => [...all, next]),
    back: () => setBefore((all) => all.slice(0, -1)),
    first: () => setBefore([]),
  };
}

/** The way forwards and back. */
export function Pager<C>(props: { cursor: Cursor<C>; next: C | undefined; isLoading: boolean; shown: number }) {
  const { t } = useApp();
  const { cursor, next, shown } = props;
  return (
    <nav class="pager" aria-label={t.parts.pages}>
      <button type="button" disabled={cursor.number === 1} onClick={cursor.back}>
        {t.parts.back}
      </button>
      <span aria-live="polite">{fill(t.parts.page, { number: cursor.number, shown })}</span>
      <button
        type="button"
        disabled={next === undefined || props.isLoading}
        onClick={() => next !== undefined && cursor.forward(next)}
      >
        {t.parts.forward}
      </button>
      {shown === 0 && next !== undefined && <span class="hint">{t.parts.searchOn}</span>}
    </nav>
  );
}
