// Whom alerts tell: rules in force, webhooks with what became of their messages, and a test for each.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { AlertGivenUp, AlertRule, AlertWebhook, Alerts, TestedAlerts } from "../../api/schema.ts";
import { count, fill } from "../../format.ts";
import { useAction } from "../../part/load.ts";
import { Notice, Refusal } from "../../part/notice.tsx";
import { Id, Moment, Name, State } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";
import type { Texts } from "../../text/en.ts";

/** That nobody is told of anything, and what to do about it. */
export function NoWebhooks() {
  const { t } = useApp();
  const [before, after] = t.alerts.noWebhooksDo.split("{file}");
  return (
    <section class="notice" aria-labelledby="no-webhooks">
      <strong id="no-webhooks">{t.alerts.noWebhooks}</strong>
      <p>{t.alerts.noWebhooksWhat}</p>
      <p>
        {before}
        <code>docs/alerts.md</code>
        {after}
      </p>
      <code>wrangler secret put ALERT_WEBHOOKS</code>
    </section>
  );
}

/** The rules in force: when each tells, and whom. */
export function Rules({ of: rules }: { of: AlertRule[] }) {
  const { t, may } = useApp();
  return (
    <section class="card">
      <div class="row between">
        <h2>{t.alerts.rules}</h2>
        <a href="#/plans">{may("plans") ? t.alerts.editRules : t.alerts.toPlans}</a>
      </div>
      {rules.length === 0 ? (
        <p class="empty">{t.alerts.noRules}</p>
      ) : (
        <Table name={t.alerts.rules} class="rules">
          <thead>
            <tr>
              <th scope="col">{t.alerts.rule}</th>
              <th scope="col">{t.alerts.when}</th>
              <th scope="col">{t.alerts.tells}</th>
            </tr>
          </thead>
          <tbody>
            {rules.map((rule) => (
              <Rule key={rule.name} of={rule} />
            ))}
          </tbody>
        </Table>
      )}
    </section>
  );
}

function Rule({ of: rule }: { of: AlertRule }) {
  const { t } = useApp();
  return (
    <tr>
      <th scope="row">
        <Name text={rule.name} />
        {rule.muted && (
          <div>
            <State kind="off">{t.alerts.muted}</State>
          </div>
        )}
      </th>
      <td class="when">
        {t.alerts.kinds[rule.kind]}
        <div class="fine" lang="en">
          {rule.says}
        </div>
        {rule.is_full && <div class="mistake">{t.alerts.isFull}</div>}
      </td>
      <td>
        {rule.send.length === 0 ? <State kind="bad">{t.alerts.tellsNobody}</State> : <Tags of={rule.send} />}
        {rule.unknown.length > 0 && (
          <div class="mistake">
            {t.alerts.unknown} <Tags of={rule.unknown} />
          </div>
        )}
      </td>
    </tr>
  );
}

function Tags({ of: names }: { of: string[] }) {
  return (
    <span class="limits">
      {names.map((name) => (
        <bdi class="tag" key={name}>
          {name}
        </bdi>
      ))}
    </span>
  );
}

/** The webhooks. Whoever may change the plans may send a test to each. */
export function Webhooks({ of: alerts, onTold }: { of: Alerts; onTold: () => void }) {
  const { api, t, may } = useApp();
  const [told, setTold] = useState<{ webhook: string; came: TestedAlerts }>();
  const [tried, setTried] = useState("");
  const test = useAction(async (webhook: string) => {
    setTried(webhook);
    setTold(undefined);
    const { body } = await api.ask("POST /admin/v1/alerts/test", { body: { webhook } });
    setTold({ webhook, came: body });
    onTold();
  });
  return (
    <section class="card">
      <h2>{t.alerts.webhooks}</h2>
      <Table name={t.alerts.webhooks}>
        <thead>
          <tr>
            <th scope="col">{t.alerts.webhook}</th>
            {may("plans") && <th scope="col">{t.alerts.act}</th>}
            <th scope="col">{t.alerts.last}</th>
            <th scope="col" class="number">
              {t.alerts.waiting}
            </th>
            <th scope="col" class="number">
              {t.alerts.givenUp}
            </th>
            <th scope="col">{t.alerts.form}</th>
            <th scope="col">{t.alerts.host}</th>
          </tr>
        </thead>
        <tbody>
          {alerts.webhooks.map((webhook) => (
            <WebhookRow
              key={webhook.name}
              of={webhook}
              givenUp={alerts.given_up.filter((one) => one.webhook === webhook.name).length}
              isTried={test.isBusy && tried === webhook.name}
              // A button that is disabled loses the focus.
              onTest={() => !test.isBusy && void test.run(webhook.name)}
            />
          ))}
        </tbody>
      </Table>
      {told && <Told of={told.came} webhook={told.webhook} />}
      <Refusal refused={test.refused}>
        <p>
          {t.alerts.webhook}: <bdi>{tried}</bdi>
        </p>
      </Refusal>
    </section>
  );
}

function WebhookRow(props: { of: AlertWebhook; givenUp: number; isTried: boolean; onTest: () => void }) {
  const { t, language, may } = useApp();
  const { of: webhook } = props;
  const { last } = webhook;
  return (
    <tr>
      <th scope="row">
        <Name text={webhook.name} />
      </th>
      {may("plans") && (
        <td>
          <button
            type="button"
            aria-label={`${t.alerts.test}: ${webhook.name}`}
            aria-disabled={props.isTried}
            onClick={props.onTest}
          >
            {props.isTried ? t.alerts.testing : t.alerts.test}
          </button>
        </td>
      )}
      <td>
        {last === undefined ? (
          <span class="none">{t.alerts.noneSent}</span>
        ) : (
          <>
            <State kind={last.result === "taken" ? "on" : "bad"}>{resultText(t, last.result, last.status)}</State>
            <div class="fine">
              <Moment at={last.at} />
            </div>
          </>
        )}
      </td>
      <td class="number">{count(webhook.waiting, language)}</td>
      <td class="number">{count(props.givenUp, language)}</td>
      <td>{t.alerts.forms[webhook.form]}</td>
      <td>
        <bdi>{webhook.host}</bdi>
        {webhook.private && (
          <>
            {" "}
            <span class="tag">{t.alerts.private}</span>
          </>
        )}
      </td>
    </tr>
  );
}

function Told({ of: came, webhook }: { of: TestedAlerts; webhook: string }) {
  const { t } = useApp();
  if (came.taken) return <Notice kind="good" title={fill(t.alerts.testTaken, { webhook })} />;
  const { status } = came;
  const text = status === undefined ? t.alerts.testUnreached : t.alerts.testRefused;
  return (
    <Notice kind="bad" title={fill(text, { webhook, status: status ?? "" })}>
      <p class="hint">{t.alerts.testHint}</p>
    </Notice>
  );
}

/** Messages that nobody tries to send any more. */
export function GivenUp({ of: messages }: { of: AlertGivenUp[] }) {
  const { t, language } = useApp();
  if (messages.length === 0) return null;
  return (
    <section class="card">
      <h2>{t.alerts.givenUpTitle}</h2>
      <Table name={t.alerts.givenUpTitle}>
        <thead>
          <tr>
            <th scope="col">{t.alerts.webhook}</th>
            <th scope="col">{t.alerts.rule}</th>
            <th scope="col">{t.alerts.at}</th>
            <th scope="col">{t.alerts.why}</th>
            <th scope="col" class="number">
              {t.alerts.tries}
            </th>
            <th scope="col">{t.alerts.message}</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((one) => (
            <tr key={`${one.notice} ${one.webhook}`}>
              <th scope="row">
                <Name text={one.webhook} />
              </th>
              <td>
                <Name text={one.rule} />
              </td>
              <td>
                <Moment at={one.at} />
              </td>
              <td>
                <State kind="bad">{resultText(t, one.result, one.status)}</State>
              </td>
              <td class="number">{count(one.tries, language)}</td>
              <td>
                <Id text={one.notice} />
              </td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}

function resultText(t: Texts, result: AlertGivenUp["result"] | "taken", status: number | undefined): string {
  return fill(t.alerts.results[result], { status: status ?? "—" });
}
