// What a page does only while somebody can see it.

/**
 * Begins now, or when the page is shown; ends when it is hidden, and begins again when it is shown again. `begin`
 * returns what ends it. Returns how to end it for good.
 */
export function whileSeen(begin: () => () => void): () => void {
  let end: (() => void) | undefined;
  const stop = () => {
    end?.();
    end = undefined;
  };
  const look = () => {
    if (document.hidden) stop();
    else end ??= begin();
  };
  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    stop();
  };
}
