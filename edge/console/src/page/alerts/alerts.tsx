// Alerts: what is amiss now and what was, the rules that look for it, and whom they tell.

import type { ComponentChildren } from "preact";
import { useApp } from "../../app.tsx";
import type { AlertIncident, AlertRule } from "../../api/schema.ts";
import { type About, type Kind, aboutOf, inWords, kindOf, openText } from "../../alerts/incident.ts";
import { span } from "../../format.ts";
import { useLoad } from "../../part/load.ts";
import { Refusal, Waiting } from "../../part/notice.tsx";
import { Id, Moment, Name } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";
import { GivenUp, NoWebhooks, Rules, Webhooks } from "./alerts_told.tsx";

/** How often it is asked for anew, in milliseconds: incidents are looked for as often. */
const LIVE_MS = 10_000;

/** `/alerts`. */
export function AlertsPage() {
  const { api, t } = useApp();
  const alerts = useLoad((signal) => api.ask("GET /admin/v1/alerts", { signal }), [], LIVE_MS);
  const found = alerts.value?.body;
  return (
    <>
      <div class="row between">
        <h1>{t.pages.alerts}</h1>
        <button type="button" onClick={alerts.reload}>
          {t.parts.again}
        </button>
      </div>
      <Waiting isLoading={alerts.isLoading && !found && !alerts.refused} />
      <Refusal refused={alerts.refused} />
      {found && (
        <>
          {found.webhooks.length === 0 && <NoWebhooks />}
          <section class="card">
            <h2>{t.alerts.open}</h2>
            {found.open.length === 0 ? (
              <p class="empty">{found.webhooks.length === 0 ? t.alerts.notWatched : t.alerts.noneOpen}</p>
            ) : (
              <Incidents name={t.alerts.open} of={found.open} rules={found.rules} />
            )}
          </section>
          <section class="card">
            <h2>{t.alerts.over}</h2>
            {found.over.length === 0 ? (
              <p class="empty">{t.alerts.noneOver}</p>
            ) : (
              <Incidents name={t.alerts.over} of={found.over} rules={found.rules} isOver />
            )}
          </section>
          <Rules of={found.rules} />
          {found.webhooks.length > 0 && <Webhooks of={found} onTold={alerts.reload} />}
          <GivenUp of={found.given_up} />
        </>
      )}
    </>
  );
}

/** On the overview: how many incidents are open, if any is. */
export function OpenAlerts() {
  const { api, t, language } = useApp();
  const alerts = useLoad((signal) => api.ask("GET /admin/v1/alerts", { signal }), [], LIVE_MS);
  const text = openText(alerts.value?.body.open.length ?? 0, t.alerts.some, language);
  if (alerts.refused) {
    return (
      <p class="hint">
        <a href="#/alerts">{t.alerts.notKnown}</a>
      </p>
    );
  }
  return text === undefined ? null : (
    <p class="notice bad">
      <a href="#/alerts">{text}</a>
    </p>
  );
}

function Incidents(props: { name: string; of: AlertIncident[]; rules: AlertRule[]; isOver?: boolean }) {
  const { t } = useApp();
  return (
    <Table name={props.name} class="incidents">
      <thead>
        <tr>
          <th scope="col">{t.alerts.rule}</th>
          <th scope="col">{t.alerts.what}</th>
          <th scope="col">{props.isOver ? t.alerts.from : t.alerts.since}</th>
          {props.isOver && <th scope="col">{t.alerts.until}</th>}
        </tr>
      </thead>
      <tbody>
        {props.of.map((one) => (
          <Incident key={one.id} of={one} rules={props.rules} />
        ))}
      </tbody>
    </Table>
  );
}

function Incident({ of: one, rules }: { of: AlertIncident; rules: AlertRule[] }) {
  const { t, language } = useApp();
  const kind = kindOf(one, rules);
  const happened = kind && inWords(t.alerts.happened[kind], one.facts, language);
  return (
    <tr>
      <th scope="row">
        <Name text={one.rule} />
      </th>
      <td class="what">
        <div>{happened ?? <span lang="en">{one.title}</span>}</div>
        <Subject of={one} kind={kind} />
        {/* How it ended, the API says. */}
        {(happened === undefined || one.over_at !== undefined) && (
          <div class="fine" lang="en">
            <bdi>{one.text}</bdi>
          </div>
        )}
      </td>
      <td>
        <Moment at={one.since} />
      </td>
      {one.over_at !== undefined && (
        <td>
          <Moment at={one.over_at} />
          <div class="fine">{span(Math.max(one.over_at - one.since, 0))}</div>
        </td>
      )}
    </tr>
  );
}

// What it is about; an incident about all there is names nothing.
function Subject({ of: one, kind }: { of: AlertIncident; kind: Kind | undefined }): ComponentChildren {
  const { t } = useApp();
  const about = aboutOf(one.facts);
  if (about.length === 0) {
    const all = kind === "origin_down" || kind === "errors" || kind === "lapsed" || kind === "failed_logins";
    return all && <div class="fine">{t.alerts.everything[kind]}</div>;
  }
  return about.map(([name, value]) => (
    <div key={name}>
      <span class="fine">{t.alerts.facts[name]}</span> <Fact name={name} value={value} />
    </div>
  ));
}

function Fact({ name, value }: { name: About; value: string }) {
  const { may } = useApp();
  const mayLook = may("read") || may("keys");
  switch (name) {
    case "account":
      if (!mayLook) return <Id text={value} isShort />;
      return (
        <a href={`#/accounts/${encodeURIComponent(value)}`}>
          <Id text={value} isShort />
        </a>
      );
    case "key":
      if (!mayLook || !value.startsWith("key_")) return <Id text={value} isShort />;
      return (
        <a href={`#/keys/${encodeURIComponent(value)}`}>
          <Id text={value} isShort />
        </a>
      );
    case "until": {
      const at = Date.parse(value);
      return Number.isNaN(at) ? <Name text={value} /> : <Moment at={at} />;
    }
    default:
      return <Name text={value} />;
  }
}
