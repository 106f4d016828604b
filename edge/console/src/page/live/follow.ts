// What a page follows while it can be seen: it begins when the page opens or is shown again, and ends when it is left.

import { useEffect, useState } from "preact/hooks";
import type { Api } from "../../api/client.ts";
import type { Refused } from "../../api/refusal.ts";
import { type Place, follow } from "../../live/follow.ts";
import { type Known, type Span, take } from "../../live/slots.ts";
import { whileSeen } from "../../part/seen.ts";

/** Whether it is heard. `refused` says why not, once that is known. */
export interface Line {
  isHeard: boolean;
  refused: Refused | undefined;
}

/** What happens now. What was heard stays when nothing more comes, and until another span is heard. */
export function useLive(api: Api, span: Span): { known: Known | undefined; line: Line } {
  const [known, setKnown] = useState<Known>();
  const [line, setLine] = useState<Line>(WAITING);
  useEffect(() => {
    const place: Place = { since: undefined, wholeAt: 0 };
    return whileSeen(() => {
      const stop = new AbortController();
      const { signal } = stop;
      void follow(api, span, place, signal, {
        heard: (told, isWhole) => {
          if (signal.aborted) return;
          setKnown((before) => take(before, span, told, isWhole));
          setLine(HEARD);
        },
        // The first refusal stays, so that nobody is told of each of them.
        lost: (refused) => setLine((before) => (before.refused ? before : { isHeard: false, refused })),
      });
      return () => {
        stop.abort();
        setLine(WAITING);
      };
    });
  }, [api, span]);
  return { known, line };
}

const WAITING: Line = { isHeard: false, refused: undefined };
const HEARD: Line = { isHeard: true, refused: undefined };
