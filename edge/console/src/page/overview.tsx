// The first page of an admin: whether the gates answer, what happens now, which plans are in force, and what was done
// last. It shows what the API tells and invents nothing: the API has no totals, so lists say how many of their first
// entries there are.

import type { ComponentChildren } from "preact";
import { useApp } from "../app.tsx";
import { Api } from "../api/client.ts";
import { UNREACHABLE } from "../api/refusal.ts";
import { count, fill, span } from "../format.ts";
import { useLoad } from "../part/load.ts";
import { Refusal, Waiting } from "../part/notice.tsx";
import { Moment, State } from "../part/show.tsx";
import { Table } from "../part/table.tsx";
import { type Json, at, limitInWords } from "../plan/table.ts";
import { OpenAlerts } from "./alerts/alerts.tsx";
import { Entries } from "./audit.tsx";
import { LivePart } from "./live/live.tsx";

const LIVE_MS = 5000;
const SHOWN = 8;
const MOST = 100;

/** `/overview`. */
export function OverviewPage() {
  const { t, may } = useApp();
  return (
    <>
      <h1>{t.pages.overview}</h1>
      {(may("read") || may("plans")) && <OpenAlerts />}
      <div class="tiles">
        <Edge />
        <Models />
        {(may("read") || may("keys")) && <KeyCount />}
        {(may("read") || may("keys")) && <AccountCount />}
      </div>
      {may("read") && <LivePart />}
      {(may("read") || may("plans")) && <PlansInForce />}
      {may("read") && <Latest />}
      {may("read") && <FailedLogins />}
    </>
  );
}

function Tile(props: { name: string; value: ComponentChildren; hint?: ComponentChildren }) {
  return (
    <section class="card tile">
      <h2>{props.name}</h2>
      <div class="figure">{props.value}</div>
      {props.hint && <p class="hint">{props.hint}</p>}
    </section>
  );
}

// The edge itself, and how long a word of it takes from here.
function Edge() {
  const { api, t } = useApp();
  const health = useLoad(
    async (signal) => {
      const begun = performance.now();
      await api.ask("GET /healthz", { signal });
      return performance.now() - begun;
    },
    [],
    LIVE_MS,
  );
  if (health.refused) {
    const hint = health.refused.code === UNREACHABLE ? t.refusal.unreachable : health.refused.message;
    return <Tile name={t.overview.edge} value={<State kind="bad">{t.overview.silent}</State>} hint={hint} />;
  }
  return (
    <Tile
      name={t.overview.edge}
      value={health.value === undefined ? "…" : <State kind="on">{t.overview.answers}</State>}
      hint={health.value === undefined ? "" : fill(t.overview.within, { span: span(health.value) })}
    />
  );
}

// The origin answers through `GET /v1/models`, which is a caller's: it needs a key where nobody may call without one.
function Models() {
  const { t, playKey } = useApp();
  const models = useLoad(
    (signal) => new Api(playKey === "" ? null : playKey).ask("GET /v1/models", { signal }),
    [playKey],
    LIVE_MS,
  );
  if (models.refused?.status === 401) {
    const hint = <a href="#/playground">{t.overview.needsKey}</a>;
    return <Tile name={t.overview.origin} value={<State kind="off">{t.overview.notAsked}</State>} hint={hint} />;
  }
  if (models.refused) {
    const value = <State kind="bad">{t.overview.silent}</State>;
    return <Tile name={t.overview.origin} value={value} hint={models.refused.message} />;
  }
  const names = models.value?.body.data.map((model) => model.id) ?? [];
  return (
    <Tile
      name={t.overview.origin}
      value={models.value ? <State kind="on">{t.overview.answers}</State> : "…"}
      hint={names.join(", ")}
    />
  );
}

function KeyCount() {
  const { api, t } = useApp();
  const keys = useLoad((signal) => api.ask("GET /admin/v1/keys", { query: { limit: MOST }, signal }), []);
  const page = keys.value?.body;
  const off = page?.data.filter((key) => key.disabled).length ?? 0;
  return <Counted name={t.pages.keys} to="keys" of={page} off={off} refused={keys.refused?.message} />;
}

function AccountCount() {
  const { api, t } = useApp();
  const accounts = useLoad((signal) => api.ask("GET /admin/v1/accounts", { query: { limit: MOST }, signal }), []);
  const page = accounts.value?.body;
  const off = page?.data.filter((account) => account.disabled).length ?? 0;
  return <Counted name={t.pages.accounts} to="accounts" of={page} off={off} refused={accounts.refused?.message} />;
}

function Counted(props: {
  name: string;
  to: string;
  of: { data: unknown[]; next?: string } | undefined;
  off: number;
  refused: string | undefined;
}) {
  const { t, language } = useApp();
  const { of } = props;
  const isMore = of?.next !== undefined;
  const number = of ? `${count(of.data.length, language)}${isMore ? "+" : ""}` : "…";
  const hint = isMore
    ? fill(t.overview.moreThan, { count: of?.data.length ?? 0 })
    : fill(t.overview.off, { count: props.off });
  return (
    <Tile name={props.name} value={<a href={`#/${props.to}`}>{number}</a>} hint={props.refused ?? (of ? hint : "")} />
  );
}

function PlansInForce() {
  const { api, t } = useApp();
  const plans = useLoad((signal) => api.ask("GET /admin/v1/plans", { signal }), []);
  const table = plans.value?.body as Json | undefined;
  return (
    <section class="card">
      <div class="row between">
        <h2>{t.overview.plans}</h2>
        <a href="#/plans">{t.overview.toPlans}</a>
      </div>
      <Waiting isLoading={plans.isLoading && !table} />
      <Refusal refused={plans.refused} />
      <Table name={t.overview.plans}>
        <tbody>
          {Object.entries((at(table, ["plans"]) ?? {}) as Record<string, Json>).map(([name, plan]) => (
            <tr key={name}>
              <th scope="row">
                <bdi>{name}</bdi>
                {at(table, ["anonymous"]) === name && <span class="tag">{t.overview.anonymous}</span>}
              </th>
              <td>
                <span class="limits">
                  {((at(plan, ["limits"]) ?? []) as Json[]).map((limit, place) => (
                    <span class="tag" key={place}>
                      {String(at(limit, ["name"]) ?? "")} <b>{limitInWords(limit)}</b>
                    </span>
                  ))}
                </span>
              </td>
              <td class="number">
                {t.plans.priority} {String(at(plan, ["priority"]) ?? 0)}
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

function Latest() {
  const { api, t } = useApp();
  const log = useLoad((signal) => api.ask("GET /admin/v1/audit", { query: { before: "end" }, signal }), [], LIVE_MS);
  return (
    <section class="card">
      <div class="row between">
        <h2>{t.overview.latest}</h2>
        <a href="#/audit">{t.overview.toAudit}</a>
      </div>
      <Refusal refused={log.refused} />
      {log.value && <Entries of={log.value.body.data.slice(0, SHOWN)} isBrief />}
    </section>
  );
}

function FailedLogins() {
  const { api, t, language } = useApp();
  const failed = useLoad((signal) => api.ask("GET /admin/v1/failed-logins", { signal }), []);
  const rows = failed.value?.body.data ?? [];
  if (rows.length === 0) return null;
  return (
    <section class="card">
      <h2>{t.overview.failed}</h2>
      <Table name={t.overview.failed}>
        <thead>
          <tr>
            <th scope="col">{t.audit.address}</th>
            <th scope="col">{t.overview.howOften}</th>
            <th scope="col">{t.overview.last}</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN).map((row) => (
            <tr key={`${row.address} ${row.first}`}>
              <th scope="row">{row.address === "" ? t.overview.noAddress : row.address}</th>
              <td>{count(row.count, language)}</td>
              <td>
                <Moment at={row.last} />
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}
