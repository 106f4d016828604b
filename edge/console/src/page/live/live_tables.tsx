// What happens now, as tables: which limits refuse, how the origins are, which models answer, and the curves' numbers.

import { useMemo, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { LiveOrigin, LiveRequests, LiveSlot, LiveTokens, Quantiles } from "../../api/schema.ts";
import { clock, count, fill, span } from "../../format.ts";
import { type Known, OUTCOMES, codesOf, refusalsOf } from "../../live/slots.ts";
import { Name, State } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";

/** Which limits refused how often, and with which codes. */
export function Refusals({ of: known, slots }: { of: Known; slots: LiveSlot[] }) {
  const { t, language } = useApp();
  const [refusals, codes] = useMemo(() => [refusalsOf(slots), codesOf(slots)], [slots]);
  return (
    <section class="card">
      <div class="row between">
        <h3>{t.live.refusals}</h3>
        <span class="hint">{t.live.over[known.span]}</span>
      </div>
      {refusals.length === 0 ? (
        <p class="empty">{t.live.noRefusals}</p>
      ) : (
        <Table name={t.live.refusals}>
          <thead>
            <tr>
              <th scope="col">{t.key.plan}</th>
              <th scope="col">{t.plans.limit}</th>
              <th scope="col" class="number">
                {t.live.times}
              </th>
            </tr>
          </thead>
          <tbody>
            {refusals.map((one) => (
              <tr key={JSON.stringify([one.plan, one.limit])}>
                <th scope="row">
                  <Name text={one.plan} />
                </th>
                <td>
                  <Name text={one.limit} />
                </td>
                <td class="number">{count(one.count, language)}</td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
      {codes.length > 0 && (
        <p class="limits">
          <span class="hint">{t.live.codes}</span>
          {codes.map(([code, times]) => (
            <span class="tag" key={code}>
              {code} <b>{count(times, language)}</b>
            </span>
          ))}
        </p>
      )}
    </section>
  );
}

/** Whether origins take requests, and how full they are. */
export function Origins({ of: origins }: { of: LiveOrigin[] }) {
  const { t, language } = useApp();
  const percent = new Intl.NumberFormat(language, { style: "percent" });
  return (
    <section class="card">
      <h3>{t.live.origins}</h3>
      {origins.length === 0 ? (
        <p class="empty">{t.live.noOrigins}</p>
      ) : (
        <Table name={t.live.origins}>
          <thead>
            <tr>
              <th scope="col">{t.origins.name}</th>
              <th scope="col">{t.origins.requests}</th>
              <th scope="col" class="number">
                {t.live.inUse}
              </th>
              <th scope="col" class="number">
                {t.live.wait}
              </th>
            </tr>
          </thead>
          <tbody>
            {origins.map((one) => (
              <tr key={one.name ?? ""}>
                <th scope="row">
                  <Name text={one.name ?? ""} none={t.live.onlyOrigin} />
                </th>
                <td>
                  <State kind={one.takes_requests ? "on" : "bad"}>
                    {one.takes_requests ? t.origins.takes : t.origins.takesNone}
                  </State>
                </td>
                <td class="number">
                  {one.percent_in_use === undefined ? "—" : percent.format(one.percent_in_use / 100)}
                </td>
                <td class="number">{one.wait_ms === undefined ? "—" : span(one.wait_ms)}</td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
    </section>
  );
}

/** What was asked of each model, in all of the span. */
export function Models({ of: known }: { of: Known }) {
  const { t, language } = useApp();
  const at = clock(language, true)(known.modelsAt);
  return (
    <section class="card">
      <div class="row between">
        <h3>{t.live.models}</h3>
        <span class="hint">
          {t.live.over[known.span]}, {fill(t.live.modelsAt, { time: at })}
        </span>
      </div>
      {known.models.length === 0 ? (
        <p class="empty">{t.live.noModels}</p>
      ) : (
        <Table name={t.live.models} class="usage">
          <thead>
            <Columns first={t.play.model} />
          </thead>
          <tbody>
            {known.models.map((one) => (
              <tr key={one.model}>
                <th scope="row">
                  <Name text={one.model} />
                </th>
                <Amounts of={one} />
              </tr>
            ))}
          </tbody>
        </Table>
      )}
    </section>
  );
}

/** What the curves show, the newest first. Its lines are made only for whoever looks. */
export function Numbers({ of: known, slots }: { of: Known; slots: LiveSlot[] }) {
  const { t, language } = useApp();
  const [isOpen, setOpen] = useState(false);
  const at = clock(language, known.span !== "day");
  const counted = isOpen ? slots.filter((slot) => known.slots.has(slot.at)).reverse() : [];
  return (
    <details class="card" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.live.numbers}</summary>
      {isOpen && counted.length === 0 && <p class="empty">{t.live.nothing}</p>}
      {counted.length > 0 && (
        <Table name={t.live.numbers} class="usage">
          <thead>
            <Columns first={t.live.when} />
          </thead>
          <tbody>
            {counted.map((slot) => (
              <tr key={slot.at}>
                <th scope="row">{at(slot.at)}</th>
                <Amounts of={slot} />
              </tr>
            ))}
          </tbody>
        </Table>
      )}
    </details>
  );
}

// Names of what is counted, below what they are of.
function Columns({ first }: { first: string }) {
  const { t } = useApp();
  const groups: Array<[string, string[]]> = [
    [t.usage.measures.requests, OUTCOMES.map((outcome) => t.live.outcomes[outcome])],
    [t.usage.measures.tokens, [t.usage.parts.prompt_tokens, t.usage.parts.completion_tokens]],
    [t.live.firstToken, [t.live.half, t.live.most]],
  ];
  return (
    <>
      <tr>
        <th scope="col" rowSpan={2}>
          {first}
        </th>
        {groups.map(([group, names]) => (
          <th scope="colgroup" colSpan={names.length} class="group" key={group}>
            {group}
          </th>
        ))}
      </tr>
      <tr>
        {groups.flatMap(([, names]) =>
          names.map((name) => (
            <th scope="col" class="number" key={name}>
              {name}
            </th>
          )),
        )}
      </tr>
    </>
  );
}

function Amounts({ of }: { of: { requests: LiveRequests; tokens: LiveTokens; first_token_ms?: Quantiles } }) {
  const { language } = useApp();
  const told = [
    ...OUTCOMES.map((outcome) => count(of.requests[outcome], language)),
    count(of.tokens.prompt, language),
    count(of.tokens.completion, language),
    of.first_token_ms ? span(of.first_token_ms.p50) : "—",
    of.first_token_ms ? span(of.first_token_ms.p95) : "—",
  ];
  return (
    <>
      {told.map((amount, place) => (
        <td class="number" key={place}>
          {amount}
        </td>
      ))}
    </>
  );
}
