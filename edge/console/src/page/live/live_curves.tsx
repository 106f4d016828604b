// The curves of what happens now. They are of the same time: pointing at one shows that moment in all.

import { useMemo, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { LiveSlot } from "../../api/schema.ts";
import { clock, count, fill, span, decimal } from "../../format.ts";
import { type Known, OUTCOMES, inFlightOf, latest, perSecond, requestsOf } from "../../live/slots.ts";
import { Curves } from "../../part/chart.tsx";
import { highest, roundUp, stacked, standing, sums } from "../../part/path.ts";

/** All of them. */
export function LiveCurves({ of: known, slots }: { of: Known; slots: LiveSlot[] }) {
  const { t, language } = useApp();
  const [pointedAt, setPointed] = useState<number>();
  const at = clock(language, known.span !== "day");
  const ends = { first: at(slots[0]?.at ?? 0), last: at(slots.at(-1)?.at ?? 0), steps: t.live.steps[known.span] };
  const shared = { at, slots, pointedAt, onPoint: setPointed };
  const requests = requestsOf(slots);
  const values = useMemo(
    () => ({
      outcomes: OUTCOMES.map((outcome) => slots.map((slot) => slot.requests[outcome])),
      prompt: slots.map((slot) => perSecond(slot.tokens.prompt, slot, known.last)),
      completion: slots.map((slot) => perSecond(slot.tokens.completion, slot, known.last)),
      half: slots.map((slot) => slot.first_token_ms?.p50 ?? null),
      most: slots.map((slot) => slot.first_token_ms?.p95 ?? null),
      inFlight: inFlightOf(known),
    }),
    [slots],
  );
  const whole = (value: number) => count(value, language);
  const rate = (value: number) => decimal(value, language);
  const told = {
    prompt: orNone(latest(values.prompt), rate),
    completion: orNone(latest(values.completion), rate),
    half: orNone(latest(values.half), span),
    most: orNone(latest(values.most), span),
    now: whole(known.last.in_flight),
  };
  return (
    <div class="curves">
      <Curve
        {...shared}
        title={t.live.requests}
        of={t.live.over[known.span]}
        isStacked
        say={whole}
        parts={OUTCOMES.map((kind, part) => ({
          kind,
          name: t.live.outcomes[kind],
          told: whole(requests[kind]),
          values: values.outcomes[part] ?? [],
        }))}
        label={(most) => fill(t.live.requestsChart, { ...ends, ...requests, most })}
      />
      <Curve
        {...shared}
        title={t.live.tokens}
        of={t.live.latest}
        isStacked
        say={rate}
        parts={[
          { kind: "prompt_tokens", name: t.usage.parts.prompt_tokens, told: told.prompt, values: values.prompt },
          {
            kind: "completion_tokens",
            name: t.usage.parts.completion_tokens,
            told: told.completion,
            values: values.completion,
          },
        ]}
        label={(most) => fill(t.live.tokensChart, { ...ends, ...told, most })}
      />
      <Curve
        {...shared}
        title={t.live.firstToken}
        of={t.live.latest}
        say={span}
        parts={[
          { kind: "p50", name: t.live.half, told: told.half, values: values.half },
          { kind: "p95", name: t.live.most, told: told.most, values: values.most },
        ]}
        label={() => fill(t.live.firstTokenChart, { ...ends, ...told })}
      />
      <Curve
        {...shared}
        at={clock(language, true)}
        slots={values.inFlight}
        title={t.live.inFlight}
        of={t.live.now}
        say={whole}
        parts={[
          {
            kind: "in_flight",
            name: t.live.inFlight,
            told: told.now,
            values: values.inFlight.map((one) => one.count),
          },
        ]}
        label={(most) => fill(t.live.inFlightChart, { ...told, most })}
      />
    </div>
  );
}

function Curve(props: {
  title: string;
  /** Of which time the amounts are that are told while nobody points. */
  of: string;
  /** Parts stand on each other, or each on the ground. */
  isStacked?: boolean;
  slots: Array<{ at: number }>;
  parts: Array<{ kind: string; name: string; told: string; values: Array<number | null> }>;
  say: (value: number) => string;
  at: (ms: number) => string;
  /** What it shows, for whoever reads by ear. */
  label: (most: string) => string;
  pointedAt: number | undefined;
  onPoint: (at: number | undefined) => void;
}) {
  const { slots, parts, at, pointedAt } = props;
  const { most, top, paths } = useMemo(() => {
    const all = parts.map((part) => part.values);
    const most = highest(props.isStacked ? [sums(all)] : all);
    const top = roundUp(most);
    return { most, top, paths: props.isStacked ? stacked(all, top) : all.map((values) => standing(values, top)) };
  }, [slots]);
  // Slots of another length, or of another time, need not have it.
  const place = pointedAt === undefined ? -1 : slots.findLastIndex((slot) => slot.at <= pointedAt);
  const pointed = place === -1 ? undefined : place;
  const moment = pointed === undefined ? undefined : slots[pointed];
  const times = [slots[0], slots[Math.floor(slots.length / 2)], slots.at(-1)].map((slot) => at(slot?.at ?? 0));
  return (
    <section class="card">
      <div class="row between">
        <h3>{props.title}</h3>
        <span class="hint">{moment ? at(moment.at) : props.of}</span>
      </div>
      <Curves
        label={props.label(props.say(most))}
        slots={slots.length}
        paths={paths}
        most={props.say(top)}
        times={[...new Set(times)]}
        parts={parts.map(({ kind, name, told, values }) => ({
          kind,
          name,
          sum: pointed === undefined ? told : orNone(values[pointed] ?? null, props.say),
        }))}
        pointed={pointed}
        onPoint={(place) => props.onPoint(place === undefined ? undefined : slots[place]?.at)}
      />
    </section>
  );
}

function orNone(value: number | null, say: (value: number) => string): string {
  return value === null ? "—" : say(value);
}
