// Data that a page shows: asked for when the page opens, again when it is to be newer, and never twice at once.

import { useCallback, useEffect, useState } from "preact/hooks";
import { type Refused, asRefused } from "../api/refusal.ts";
import { whileSeen } from "./seen.ts";

/** What was asked for. While it is asked again, what came before stays. */
export interface Loaded<T> {
  value: T | undefined;
  refused: Refused | undefined;
  isLoading: boolean;
  reload: () => void;
}

/** Asks with `load` whenever one of `of` changes, and again after `everyMs` while the page can be seen. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, of: unknown[], everyMs?: number): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "reload">>(NOTHING);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isFirst = true;
    const begin = () => {
      const stop = new AbortController();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const ask = async () => {
        setState((before) => ({ ...before, isLoading: true }));
        try {
          const value = await load(stop.signal);
          if (!stop.signal.aborted) setState({ value, refused: undefined, isLoading: false });
        } catch (error) {
          const refused = asRefused(error);
          const isAgain = !isFirst;
          // One that says the same again stays as it was, so that nobody is told of each of them.
          const shown = (before: Refused | undefined) => (isAgain && isSame(before, refused) ? before : refused);
          if (!stop.signal.aborted) setState((old) => ({ ...old, refused: shown(old.refused), isLoading: false }));
        }
        if (stop.signal.aborted) return;
        isFirst = false;
        if (everyMs !== undefined) timer = setTimeout(ask, everyMs);
      };
      void ask();
      return () => {
        stop.abort();
        clearTimeout(timer);
      };
    };
    return everyMs === undefined ? begin() : whileSeen(begin);
  }, [...of, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}

function isSame(one: Refused | undefined, other: Refused): boolean {
  return one?.status === other.status && one.code === other.code && one.message === other.message;
}

/** Something that a button does: one at a time, and what came of it. */
export function useAction<A extends unknown[]>(act: (...asked: A) => Promise<void>) {
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState<Refused>();
  const run = async (...asked: A) => {
    setBusy(true);
    setRefused(undefined);
    try {
      await act(...asked);
    } catch (error) {
      setRefused(asRefused(error));
    } finally {
      setBusy(false);
    }
  };
  return { run, isBusy, refused, clear: () => setRefused(undefined) };
}

const NOTHING = { value: undefined, refused: undefined, isLoading: true };
