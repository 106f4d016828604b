// A caller's own limits, as `GET /v1/key` tells them: they move while the page is looked at.

import { useApp } from "../app.tsx";
import type { OwnLimit } from "../api/schema.ts";
import { fill, span } from "../format.ts";
import { useLoad } from "../part/load.ts";
import { Refusal, Waiting } from "../part/notice.tsx";
import { Bar, Facts, Id, Name } from "../part/show.tsx";
import { Usage } from "./key/key_one.tsx";

const LIVE_MS = 1500;

/** `/limits`. */
export function LimitsPage() {
  const { api, t } = useApp();
  const own = useLoad((signal) => api.ask("GET /v1/key", { signal }), [], LIVE_MS);
  const models = useLoad((signal) => api.ask("GET /v1/models", { signal }), []);
  const key = own.value?.body;
  return (
    <>
      <h1>{t.pages.limits}</h1>
      <Waiting isLoading={own.isLoading && !key} />
      <Refusal refused={own.refused} />
      {key && (
        <div class="columns">
          <section class="card">
            <h2>{t.limits.now}</h2>
            {key.limits.length === 0 && <p class="empty">{t.limits.none}</p>}
            <ul class="bars">
              {key.limits.map((limit) => (
                <OneLimit key={limit.name} of={limit} />
              ))}
            </ul>
            <p class="hint">{next(t, key.next_request_in_ms)}</p>
          </section>
          <section class="card">
            <h2>{t.limits.who}</h2>
            <Facts
              of={[
                [t.key.name, <Name text={key.name} none={t.key.unnamed} />],
                [t.key.id, <Id text={key.id} />],
                [t.key.account, <Id text={key.account} />],
                [t.key.plan, key.plan],
                [t.key.models, models.value?.body.data.map((model) => model.id).join(", ") ?? "—"],
              ]}
            />
            <Refusal refused={models.refused} />
            <h2>{t.key.used}</h2>
            <Usage of={[[t.key.byAccount, key.used]]} live={key.live_leases} />
          </section>
        </div>
      )}
    </>
  );
}

function OneLimit({ of: limit }: { of: OwnLimit }) {
  const { t } = useApp();
  const isWatched = limit.would_have_refused !== undefined;
  return (
    <li>
      <div class="row between">
        <strong>{limit.name}</strong>
        <span class="fine">
          {t.limits.kinds[limit.kind]}
          {limit.period !== undefined && ` · ${limit.period}`}
          {limit.zone !== undefined && ` · ${limit.zone}`}
          {limit.period === undefined && limit.window_ms !== undefined && ` · ${span(limit.window_ms)}`}
          {` · ${limit.currency ?? t.limits.units[limit.unit]}`}
          {limit.per !== "account" && ` · ${t.limits.per[limit.per]}`}
        </span>
      </div>
      <Bar label={limit.name} used={Number(limit.used)} limit={Number(limit.limit)} isWatched={isWatched} />
      {limit.more_in_ms !== undefined && limit.kind !== "parallel" && (
        <p class="hint">
          {fill(t.limits.more, { span: span(limit.more_in_ms) })}{" "}
          {limit.whole_in_ms !== undefined && fill(t.limits.whole, { span: span(limit.whole_in_ms) })}
        </p>
      )}
      {isWatched && <p class="hint">{fill(t.limits.wouldHave, { count: limit.would_have_refused ?? 0 })}</p>}
    </li>
  );
}

function next(t: ReturnType<typeof useApp>["t"], ms: number | null): string {
  if (ms === null) return t.limits.neverNext;
  return ms === 0 ? t.limits.nextNow : fill(t.limits.next, { span: span(ms) });
}
