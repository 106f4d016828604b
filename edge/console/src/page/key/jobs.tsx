// An account's jobs: how much it keeps, how far its batches are, and their end.

import { useState } from "preact/hooks";
import { useApp } from "../../app.tsx";
import type { Batch } from "../../api/schema.ts";
import { bytes, count } from "../../format.ts";
import { useAction, useLoad } from "../../part/load.ts";
import { Refusal, Waiting } from "../../part/notice.tsx";
import { Bar, Confirm, Id, Moment, State } from "../../part/show.tsx";
import { Table } from "../../part/table.tsx";

/** The batches of an account, and what else of its waits. */
export function Jobs({ account }: { account: string }) {
  const { api, t, may, language } = useApp();
  const path = { account };
  const jobs = useLoad((signal) => api.ask("GET /admin/v1/jobs/{account}", { path, signal }), [account], LIVE_MS);
  const [ending, setEnding] = useState<Batch>();
  const cancel = useAction(async (batch: string) => {
    await api.ask("POST /admin/v1/jobs/{account}/cancel", { path, body: { batch } });
    jobs.reload();
  });
  const found = jobs.value?.body;
  return (
    <section class="card">
      <h2>{t.jobs.title}</h2>
      <Waiting isLoading={jobs.isLoading && !found && !jobs.refused} />
      <Refusal refused={jobs.refused ?? cancel.refused} />
      {found && (
        <p class="hint">
          {t.jobs.files}: {count(found.files, language)} · {bytes(found.bytes, language)} · {t.jobs.responses}:{" "}
          {count(found.responses, language)}
        </p>
      )}
      {found?.batches.length === 0 && <p class="empty">{t.jobs.none}</p>}
      {found && found.batches.length > 0 && (
        <Table name={t.jobs.title} class="jobs">
          <thead>
            <tr>
              <th scope="col">{t.jobs.batch}</th>
              <th scope="col">{t.key.state}</th>
              <th scope="col">{t.jobs.lines}</th>
              <th scope="col">{t.key.created}</th>
              <th scope="col">{t.jobs.ends}</th>
              {may("keys") && <th scope="col">{t.jobs.act}</th>}
            </tr>
          </thead>
          <tbody>
            {found.batches.map((batch) => (
              <tr key={batch.id}>
                <th scope="row">
                  <Id text={batch.id} isShort />
                  <span class="fine">{batch.endpoint}</span>
                </th>
                <td>
                  <State kind={kindOf(batch)}>{t.jobs.status[batch.status]}</State>
                  {batch.error !== undefined && (
                    <span class="fine" lang="en">
                      {batch.error}
                    </span>
                  )}
                </td>
                <td>
                  <Progress of={batch} />
                </td>
                <td>
                  <Moment at={batch.created_at} />
                </td>
                <td>
                  <Moment at={batch.ended_at ?? batch.expires_at} />
                </td>
                {may("keys") && (
                  <td>
                    {mayEnd(batch) && (
                      <button
                        type="button"
                        class="danger"
                        aria-label={`${t.jobs.cancel} ${batch.id}`}
                        disabled={cancel.isBusy}
                        onClick={() => setEnding(batch)}
                      >
                        {t.jobs.cancel}
                      </button>
                    )}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </Table>
      )}
      {ending && (
        <Confirm
          title={t.jobs.cancelTitle}
          yes={t.jobs.cancelYes}
          no={t.jobs.cancelNo}
          onEnd={(yes) => (setEnding(undefined), yes && cancel.run(ending.id))}
        >
          <p>
            <Id text={ending.id} />
          </p>
          <p>{t.jobs.cancelWhat}</p>
        </Confirm>
      )}
    </section>
  );
}

function Progress({ of: batch }: { of: Batch }) {
  const { t, language } = useApp();
  const over = batch.completed + batch.failed;
  if (batch.total === 0) return <>—</>;
  return (
    <>
      <Bar label={t.jobs.lines} used={over} limit={batch.total} isPlain />
      {batch.failed > 0 && (
        <span class="fine">
          {t.jobs.failed}: {count(batch.failed, language)}
        </span>
      )}
    </>
  );
}

function kindOf(batch: Batch): "on" | "off" | "bad" {
  if (batch.status === "failed" || batch.status === "expired") return "bad";
  return batch.ended_at === undefined ? "on" : "off";
}

// What is over, or has nothing left to send, cannot be cancelled; nor can what is ending already.
function mayEnd(batch: Batch): boolean {
  return batch.status === "validating" || batch.status === "in_progress";
}

/** How often it is asked how far they are, in milliseconds. */
const LIVE_MS = 5_000;
