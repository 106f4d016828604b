// Data that a page shows: asked for when the page opens, again when it is to be newer, and never twice at once.

import { useCallback, useEffect, useState } from "preact/hooks";
import { type Refused, asRefused } from "../api/refusal.ts";

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
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      setState((before) => ({ ...before, isLoading: true }));
      try {
        const value = await load(stop.signal);
        if (!stop.signal.aborted) setState({ value, refused: undefined, isLoading: false });
      } catch (error) {
        if (!stop.signal.aborted) setState((before) => ({ ...before, refused: asRefused(error), isLoading: false }));
      }
      if (everyMs !== undefined && !stop.signal.aborted) timer = setTimeout(poll, everyMs);
    };
    // A page that nobody sees asks for nothing.
    const poll = () => {
      if (document.hidden) timer = setTimeout(poll, everyMs);
      else void ask();
    };
    void ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [...of, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
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
