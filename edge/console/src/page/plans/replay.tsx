// What a draft of the plan table would have made of the requests of the last day. Nothing is put in force by it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import { type Mistake, type Refused, asRefused, mistakesOf, untold } from "../../api/refusal.ts";
import type { PlansReplay } from "../../api/schema.ts";
import { count, fill, span, time } from "../../format.ts";
import { type Amount, type Eased, type Hit, compared, doubtsOf, easedOf, hitsOf, verdictOf } from "../../plan/replay.ts";
import type { Texts } from "../../text/en.ts";
import { money, toNanos } from "../../usage/lines.ts";
import { Notice, Refusal } from "../../part/notice.tsx";
import { Id, Moment, Name } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";

/** What was told of a draft, and of which. */
interface Tried {
  of: string;
  told: PlansReplay;
}

/** A draft that is tried, and what came of it. */
export interface Replay {
  run: () => Promise<void>;
  /** Forgets what was told, and does not wait for what is to come. */
  clear: () => void;
  isBusy: boolean;
  tried: Tried | undefined;
  /** Whether it was told of another draft, or by another table in force. */
  isOld: boolean;
  /** A refusal that is about no place in the table. */
  refused: Refused | undefined;
}

/**
 * Tries drafts, one at a time. `inForce` is the table that it is compared with, and `onMistakes` is told what the API
 * finds in the draft that was sent.
 */
export function useReplay(draft: string, inForce: string, onMistakes: (all: Mistake[], more: number) => void): Replay {
  const { api } = useApp();
  const [tried, setTried] = useState<Tried>();
  const [refused, setRefused] = useState<Refused>();
  const [isBusy, setBusy] = useState(false);
  const running = useRef<AbortController | undefined>(undefined);
  const clear = () => {
    running.current?.abort();
    running.current = undefined;
    setTried(undefined);
    setRefused(undefined);
    setBusy(false);
  };
  const run = async () => {
    if (running.current) return;
    const stop = new AbortController();
    running.current = stop;
    setBusy(true);
    setRefused(undefined);
    onMistakes([], 0);
    try {
      const { body } = await api.ask("POST /admin/v1/plans/replay", { text: draft, signal: stop.signal });
      if (running.current === stop) setTried({ of: idOf(draft, inForce), told: body });
    } catch (error) {
      if (running.current !== stop) return;
      const found = asRefused(error);
      const mistakes = found.status === 400 ? mistakesOf(found) : [];
      setTried(undefined);
      if (mistakes.length > 0) onMistakes(mistakes, untold(found));
      else setRefused(found);
    } finally {
      if (running.current === stop) {
        running.current = undefined;
        setBusy(false);
      }
    }
  };
  useEffect(() => clear, []);
  return { run, clear, isBusy, tried, isOld: tried !== undefined && tried.of !== idOf(draft, inForce), refused };
}

/** The button, and below it what came of the draft. `canTry`: the draft is JSON. */
export function ReplayCard({ of: replay, canTry }: { of: Replay; canTry: boolean }) {
  const { t, language } = useApp();
  const { tried, isBusy, isOld } = replay;
  const told = tried?.told;
  return (
    <section class={isOld ? "card replay old" : "card replay"} aria-labelledby="replay-title">
      <h2 id="replay-title">{t.replay.title}</h2>
      <div class="row wrap">
        {/* A button that is disabled loses the focus. */}
        <button type="button" disabled={!canTry} aria-disabled={isBusy} onClick={() => !isBusy && void replay.run()}>
          {t.replay.try}
        </button>
        <span class={told && !isBusy && !isOld ? "verdict" : "hint"} role="status">
          {isBusy ? t.replay.busy : told ? (isOld ? t.replay.old : inWords(t, told, language)) : t.replay.hint}
        </span>
      </div>
      <Failed refused={replay.refused} />
      {told && <Told of={told} />}
    </section>
  );
}

// Where nothing is kept there is nothing to mend at once, so that is no alarm.
function Failed({ refused }: { refused: Refused | undefined }) {
  const { t } = useApp();
  if (refused?.status !== 404) return <Refusal refused={refused} />;
  return (
    <Notice kind="plain" title={t.replay.off}>
      <p lang="en">{refused.message}</p>
    </Notice>
  );
}

function Told({ of: told }: { of: PlansReplay }) {
  const { t, language } = useApp();
  const verdict = verdictOf(told);
  const others = told.difference.other_accounts;
  const [hits, eased] = [hitsOf(told), easedOf(told)];
  if (verdict.kind === "empty") return null;
  return (
    <div class="outcome">
      <Kept of={told} />
      {verdict.kind !== "noneTried" && (
        <>
          <Both of={told} />
          {hits.length > 0 && <Hits of={hits} />}
          {eased.length > 0 && <EasedTable of={eased} />}
          {others > 0 && <p class="hint">{fill(t.replay.others, { count: count(others, language) })}</p>}
        </>
      )}
    </div>
  );
}

// Of which requests it is, and of which it is not.
function Kept({ of: { kept, lines, against } }: { of: PlansReplay }) {
  const { t, language } = useApp();
  const whole = (value: number) => count(value, language);
  const span = { since: time(kept.since, language), until: time(kept.until, language) };
  const of = { ...span, replayed: whole(lines.replayed), one_in: whole(kept.one_in), left_out: whole(kept.left_out) };
  return (
    <ul class="plain">
      <li>{fill(kept.one_in > 1 ? t.replay.sample : t.replay.all, of)}</li>
      {kept.lost > 0 && <li>{fill(t.replay.lost, { count: whole(kept.lost) })}</li>}
      {lines.unknown_plan > 0 && <li>{fill(t.replay.unknownPlan, { count: whole(lines.unknown_plan) })}</li>}
      {lines.replayed > 0 && against.as_logged < lines.replayed && (
        <li>{fill(t.replay.asLogged, { count: whole(against.as_logged), replayed: whole(lines.replayed) })}</li>
      )}
    </ul>
  );
}

function Both({ of: told }: { of: PlansReplay }) {
  const { t, language } = useApp();
  const doubts = doubtsOf(told.candidate.all);
  return (
    <>
      <Table name={t.replay.both}>
        <thead>
          <tr>
            <th scope="col">{t.replay.measure}</th>
            <th scope="col" class="number">
              {t.replay.inForce}
            </th>
            <th scope="col" class="number">
              {t.replay.draft}
            </th>
          </tr>
        </thead>
        <tbody>
          {compared(told).map((one) => (
            <tr key={one.name}>
              <th scope="row">{t.replay.measures[one.name]}</th>
              <td class="number">{amountText(one.inForce, language)}</td>
              <td class="number">{amountText(one.draft, language)}</td>
            </tr>
          ))}
        </tbody>
      </Table>
      {doubts.map(([name, requests]) => (
        <p class="hint" key={name}>
          {fill(t.replay.doubts[name], { count: count(requests, language) })}
        </p>
      ))}
    </>
  );
}

function Hits({ of: hits }: { of: Hit[] }) {
  const { t } = useApp();
  return (
    <>
      <h3>{t.replay.hits}</h3>
      <Table name={t.replay.hits} class="hits">
        <thead>
          <tr>
            <th scope="col">{t.key.account}</th>
            <th scope="col" class="number">
              {t.usage.measures.requests}
            </th>
            <th scope="col">{t.replay.by}</th>
            <th scope="col">{t.replay.first}</th>
            <th scope="col" class="number">
              {t.replay.longest}
            </th>
          </tr>
        </thead>
        {hits.map((hit) => (
          <HitRows key={hit.account} of={hit} />
        ))}
      </Table>
      <p class="hint">{t.replay.byHint}</p>
    </>
  );
}

// An account, with a row for each limit that refuses it.
function HitRows({ of: hit }: { of: Hit }) {
  const { t, language } = useApp();
  const rows: ComponentChildren[] = hit.by.map((one) => (
    <>
      <td>
        <Name text={one.limit} /> <span class="tag">{count(one.refused, language)}</span>
      </td>
      <td>
        <Moment at={one.first} isWhole />
      </td>
      <td class="number">
        {one.longest_wait_ms > 0 ? span(one.longest_wait_ms) : "—"}
        {one.never_pass > 0 && (
          <div class="fine">{fill(t.replay.never, { count: count(one.never_pass, language) })}</div>
        )}
      </td>
    </>
  ));
  if (hit.notAllowed > 0) {
    rows.push(
      <>
        <td>
          {t.replay.byPlan} <span class="tag">{count(hit.notAllowed, language)}</span>
        </td>
        <td>—</td>
        <td class="number">—</td>
      </>,
    );
  }
  return (
    <tbody>
      {rows.map((row, place) => (
        <tr key={place}>
          {place === 0 && (
            <>
              <th scope="rowgroup" rowSpan={rows.length}>
                <Account name={hit.account} />
              </th>
              <td class="number" rowSpan={rows.length}>
                {count(hit.requests, language)}
              </td>
            </>
          )}
          {row}
        </tr>
      ))}
    </tbody>
  );
}

function EasedTable({ of: eased }: { of: Eased[] }) {
  const { t, language } = useApp();
  return (
    <>
      <h3>{t.replay.eased}</h3>
      <Table name={t.replay.eased}>
        <thead>
          <tr>
            <th scope="col">{t.key.account}</th>
            <th scope="col" class="number">
              {t.usage.measures.requests}
            </th>
          </tr>
        </thead>
        <tbody>
          {eased.map((one) => (
            <tr key={one.account}>
              <th scope="row">
                <Account name={one.account} />
              </th>
              <td class="number">{count(one.requests, language)}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </>
  );
}

// Whoever may only change plans has no page of accounts.
function Account({ name }: { name: string }) {
  const { may } = useApp();
  if (!may("read") && !may("keys")) return <Id text={name} isShort />;
  return (
    <a href={`#/accounts/${encodeURIComponent(name)}`}>
      <Id text={name} isShort />
    </a>
  );
}

function inWords(t: Texts, told: PlansReplay, language: string): string {
  const verdict = verdictOf(told);
  if (verdict.kind === "nobody") return fill(t.replay.nobody, { through: count(verdict.through, language) });
  if (verdict.kind !== "hit") return t.replay[verdict.kind];
  const { requests, accounts, isMore } = verdict;
  const text = isMore ? t.replay.hitMore : t.replay.hit;
  return fill(text, { requests: count(requests, language), accounts: count(accounts, language) });
}

function amountText(amount: Amount, language: string): string {
  if (amount === undefined) return "—";
  if (typeof amount === "number") return count(amount, language);
  return `${money(toNanos(amount.amount), language)} ${amount.currency}`;
}

// A draft and the table that it was compared with.
function idOf(draft: string, inForce: string): string {
  return JSON.stringify([draft, inForce]);
}
