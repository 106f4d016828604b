// Usage: who has used what, and when. An admin looks at every account, a caller at what it has used itself.

import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { type Refused, fieldOf } from "../../api/refusal.ts";
import { fill } from "../../format.ts";
import { Chart } from "../../part/chart.tsx";
import { ChoiceField, TextField, TickField } from "../../part/field.tsx";
import { useAction, useLoad } from "../../part/load.ts";
import { Notice, Refusal, Waiting } from "../../part/notice.tsx";
import { Pager, useCursor } from "../../part/pages.tsx";
import type { Texts } from "../../text/en.ts";
import { type Choice, type Found, firstChoice, gather, hasMoney, readCsv } from "../../usage/ask.ts";
import {
  MEASURES,
  type Measure,
  NAMES,
  type Name,
  type Part,
  bins,
  highest,
  money,
  partOf,
  stack,
  total,
  whole,
} from "../../usage/lines.ts";
import { type Over, RANGES, type Unit, timeText } from "../../usage/range.ts";
import { Lines, nameOf } from "./usage_lines.tsx";

/** `/usage`, `/usage/ACCOUNT` and `/usage/KEY`. */
export function UsagePage({ rest }: { rest: string }) {
  const { api, t, session } = useApp();
  const isAdmin = session.kind === "admin";
  const [choice, setChoice] = useState<Choice>(() => firstChoice(rest, Date.now()));
  const [measure, setMeasure] = useState<Measure>("requests");
  const cursor = useCursor<string>();
  const set =
    <N extends keyof Choice>(name: N) =>
    (value: Choice[N]) => {
      cursor.first();
      setChoice((all) => ({ ...all, [name]: value }));
    };
  const used = useLoad(
    (signal) => gather(api, isAdmin, choice, cursor.after, Date.now(), signal),
    [JSON.stringify(choice), cursor.after],
  );
  // What was found for other choices is not shown below a refusal of these.
  const found = used.refused ? undefined : used.value;
  const isPart = found !== undefined && (found.next !== undefined || cursor.number > 1);
  const measures = measuresOf(found);
  const shown = measures.includes(measure) ? measure : "requests";
  const save = useSave(isAdmin);
  return (
    <>
      <div class="row between">
        <h1>{t.pages.usage}</h1>
        <div class="row wrap">
          <span class="hint" role="status">
            {save.isBusy && fill(t.usage.saving, { number: save.number })}
          </span>
          <button type="button" disabled={!found || save.isBusy} onClick={() => found && save.run(found)}>
            {t.usage.save}
          </button>
          <button type="button" onClick={used.reload}>
            {t.parts.again}
          </button>
        </div>
      </div>
      <Choices of={choice} set={set} isAdmin={isAdmin} refused={used.refused} />
      {!isShownAt(used.refused, isAdmin) && <Refusal refused={used.refused} />}
      <Refusal refused={save.refused} />
      <Waiting isLoading={used.isLoading && !found && !used.refused} />
      {found && <p class="hint of-time">{fill(t.usage.utc, { from: timeText(found.from), to: timeText(found.to) })}</p>}
      {found && found.unread.length > 0 && (
        <Notice kind="plain">{fill(t.usage.unread, { accounts: found.unread.join(", ") })}</Notice>
      )}
      {found && found.lines.length === 0 && !isPart && <p class="empty">{t.usage.none}</p>}
      {found && found.lines.length > 0 && (
        <>
          {found.unit && (
            <section class="card over-time">
              <div class="row between">
                <h2>{t.usage.measures[shown]}</h2>
                <ChoiceField
                  label={t.usage.show}
                  value={shown}
                  choices={measures.map((one): [string, string] => [one, t.usage.measures[one]])}
                  onInput={(chosen) => setMeasure(measures.find((one) => one === chosen) ?? "requests")}
                />
              </div>
              <OverTime of={found} unit={found.unit} measure={shown} />
            </section>
          )}
          <Lines of={found} isAdmin={isAdmin} isBusy={used.isLoading} />
          {isPart && <p class="fine">{t.usage.ofPage}</p>}
          <p class="fine">
            {t.usage.refusedHint} {t.usage.lapsedHint}
          </p>
        </>
      )}
      {isPart && <Pager cursor={cursor} next={found.next} isLoading={used.isLoading} shown={found.lines.length} />}
    </>
  );
}

function Choices(props: {
  of: Choice;
  set: <N extends keyof Choice>(name: N) => (value: Choice[N]) => void;
  isAdmin: boolean;
  refused: Refused | undefined;
}) {
  const { t } = useApp();
  const { of: choice, set, isAdmin, refused } = props;
  const place = fieldOf(refused?.param ?? null);
  const mistake = (name: string) => (place === name ? refused?.message : undefined);
  const isOwn = choice.range === "days";
  const toggle = (name: Name, isOn: boolean) =>
    set("by")(NAMES.filter((one) => (one === name ? isOn : choice.by.includes(one))));
  return (
    <form class="filters" role="search" aria-label={t.parts.filter} onSubmit={(event) => event.preventDefault()}>
      <ChoiceField
        label={t.usage.range}
        value={choice.range}
        choices={RANGES.map((range): [string, string] => [range, t.usage.ranges[range]])}
        onInput={(chosen) => set("range")(RANGES.find((range) => range === chosen) ?? "day")}
        mistake={isOwn ? undefined : (mistake("from") ?? mistake("to"))}
      />
      {isOwn && (
        <>
          <TextField
            label={t.usage.first}
            type="date"
            value={choice.first}
            onInput={set("first")}
            mistake={mistake("from")}
          />
          <TextField
            label={t.usage.last}
            type="date"
            value={choice.last}
            onInput={set("last")}
            mistake={mistake("to")}
          />
        </>
      )}
      <ChoiceField
        label={t.usage.over}
        value={choice.over}
        choices={OVERS.map((over): [string, string] => [over, t.usage.overs[over]])}
        onInput={(chosen) => set("over")(OVERS.find((over) => over === chosen) ?? "auto")}
      />
      {isAdmin && (
        <>
          <TextField
            label={t.key.account}
            type="search"
            value={choice.account}
            onInput={set("account")}
            mistake={mistake("account")}
            isCode
          />
          <TextField
            label={t.key.one}
            type="search"
            value={choice.key}
            onInput={set("key")}
            mistake={mistake("key")}
            isCode
          />
        </>
      )}
      <fieldset>
        <legend>{t.usage.by}</legend>
        <div class="row wrap">
          {namesFor(isAdmin).map((name) => (
            <TickField
              key={name}
              label={nameOf(t, name)}
              isOn={choice.by.includes(name)}
              onInput={(isOn) => toggle(name, isOn)}
            />
          ))}
        </div>
        {mistake("by") && <p class="mistake">{mistake("by")}</p>}
      </fieldset>
    </form>
  );
}

function namesFor(isAdmin: boolean): Name[] {
  return NAMES.filter((name) => isAdmin || (name !== "account" && name !== "key"));
}

function isShownAt(refused: Refused | undefined, isAdmin: boolean): boolean {
  const place = fieldOf(refused?.param ?? null);
  return place !== null && ["from", "to", "by", ...(isAdmin ? ["account", "key"] : [])].includes(place);
}

// Without prices in the plans there is no money to show.
function measuresOf(found: Found | undefined): Measure[] {
  return found && hasMoney(found) ? ["requests", "tokens", "cost", "money"] : ["requests", "tokens", "cost"];
}

function OverTime({ of: found, unit, measure }: { of: Found; unit: Unit; measure: Measure }) {
  const { t, language } = useApp();
  const parts: readonly Part[] = MEASURES[measure];
  const bars = bins(found.lines, found.from, found.to, unit, measure);
  const most = highest(bars);
  const sums = total(found.lines);
  const said = (amount: bigint) => {
    if (measure !== "money") return whole(amount, language);
    return `${money(amount, language)} ${found.currency ?? ""}`.trim();
  };
  const times = bars.map((bar) => timeText(bar.time));
  const [first = "", middle = "", last = ""] = [times[0], times[Math.floor(times.length / 2)], times.at(-1)];
  return (
    <Chart
      label={fill(t.usage.chart, {
        measure: t.usage.measures[measure],
        unit: t.usage.units[unit],
        first,
        last,
        most: said(most),
      })}
      bars={bars.map((bar, place) => ({
        title: [times[place], ...bar.parts.map((amount, part) => `${partName(t, parts[part])}: ${said(amount)}`)].join(
          "\n",
        ),
        parts: stack(bar, most),
      }))}
      most={measure === "money" ? money(most, language) : said(most)}
      times={[...new Set([first, middle, last])]}
      parts={parts.map((part) => ({ kind: part, name: partName(t, part), sum: said(partOf(sums, part)) }))}
    />
  );
}

function partName(t: Texts, part: Part | undefined): string {
  return part === undefined ? "" : t.usage.parts[part];
}

// All pages of CSV, one after the other, as one file: of the hours that are on the page, also behind its first.
function useSave(isAdmin: boolean) {
  const { api } = useApp();
  const [number, setNumber] = useState(0);
  const stop = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const save = useAction(async (found: Found) => {
    const { signal } = (stop.current = new AbortController());
    const csv = await readCsv(api, isAdmin, found, signal, setNumber);
    download(csv, `usage-${found.from.slice(0, 10)}-${found.to.slice(0, 10)}.csv`);
  });
  return { ...save, number };
}

function download(csv: string, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
  link.download = name;
  link.click();
  // Some browsers read what the link names only after a while.
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

const OVERS: Over[] = ["auto", "hour", "day", "none"];
/** How long a file that was saved stays in memory. */
const KEPT_MS = 60_000;
