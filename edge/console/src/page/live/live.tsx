// What happens now, on the overview: curves that move, and which limits refuse, which models answer, how origins are.

import { useMemo, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { fill, time } from "../../format.ts";
import { type Known, SPANS, type Span, filled } from "../../live/slots.ts";
import { type Line, useLive } from "./follow.ts";
import { State } from "../../part/show.tsx";
import { LiveCurves } from "./live_curves.tsx";
import { Models, Numbers, Origins, Refusals } from "./live_tables.tsx";

/** All of it. */
export function LivePart() {
  const { api, t } = useApp();
  const [span, setSpan] = useState<Span>("5m");
  const { known, line } = useLive(api, span);
  const slots = useMemo(() => known && filled(known), [known]);
  return (
    <section class="live" aria-labelledby="live-title">
      <div class="row between wrap">
        <div class="row">
          <h2 id="live-title">{t.live.title}</h2>
          <Heard line={line} known={known} />
        </div>
        <div class="row" role="group" aria-label={t.live.span}>
          {SPANS.map((one) => (
            <button type="button" key={one} class="quiet" aria-pressed={span === one} onClick={() => setSpan(one)}>
              {t.live.spans[one]}
            </button>
          ))}
        </div>
      </div>
      {line.refused && line.refused.message !== "" && (
        <p class="hint" lang="en">
          {line.refused.message}
        </p>
      )}
      {known && slots && (
        <>
          <LiveCurves of={known} slots={slots} />
          <Numbers of={known} slots={slots} />
          <div class="columns">
            <Refusals of={known} slots={slots} />
            <Origins of={known.last.origins} />
          </div>
          <Models of={known} />
        </>
      )}
    </section>
  );
}

// It is said when the line breaks and when it is there again, and not whenever something is heard.
function Heard({ line, known }: { line: Line; known: Known | undefined }) {
  const { t, language } = useApp();
  const lost = known ? fill(t.live.lost, { time: time(known.last.now, language) }) : t.live.neverHeard;
  return (
    <span role="status">
      {line.refused ? (
        <State kind="bad">{lost}</State>
      ) : (
        <State kind={line.isHeard ? "on" : "off"}>{line.isHeard ? t.live.heard : t.live.waiting}</State>
      )}
    </span>
  );
}
