// What went wrong or well, said where it is looked for: in words of the API, and what can be done.

import type { ComponentChildren } from "preact";
import { useApp } from "../app.tsx";
import { type Refused, UNREACHABLE } from "../api/refusal.ts";
import { fill, span } from "../format.ts";
import type { Texts } from "../text/en.ts";

/** A box with a message. Errors are read out at once. */
export function Notice(props: { kind: "bad" | "good" | "plain"; title?: string; children?: ComponentChildren }) {
  return (
    <div class={`notice ${props.kind}`} role={props.kind === "bad" ? "alert" : "status"}>
      {props.title && <strong>{props.title}</strong>}
      {props.children}
    </div>
  );
}

/** A refusal: whose it is, what it says, when to come back, and the request's id. */
export function Refusal({ refused, children }: { refused: Refused | undefined; children?: ComponentChildren }) {
  const { t } = useApp();
  return refused ? <RefusalIn t={t} refused={refused} children={children} /> : null;
}

/** The same outside of the frame. */
export function RefusalIn(props: { t: Texts; refused: Refused; children?: ComponentChildren }) {
  const { t, refused } = props;
  if (refused.code === UNREACHABLE) {
    return (
      <Notice kind="bad" title={t.refusal.unreachable}>
        <p>{refused.message}</p>
        {props.children}
      </Notice>
    );
  }
  return (
    <Notice kind="bad" title={titleOf(t, refused)}>
      {refused.message !== "" && <p lang="en">{refused.message}</p>}
      {refused.retryAfterMs !== null && <p>{fill(t.refusal.wait, { span: span(refused.retryAfterMs) })}</p>}
      {props.children}
      <p class="fine">
        <code>
          {refused.status} {refused.code}
        </code>
        {refused.requestId && <code> {refused.requestId}</code>}
      </p>
    </Notice>
  );
}

/** Something that is not there yet, or not at all. */
export function Waiting({ isLoading }: { isLoading: boolean }) {
  const { t } = useApp();
  return isLoading ? (
    <p class="waiting" role="status">
      {t.parts.loading}
    </p>
  ) : null;
}

function titleOf(t: Texts, refused: Refused): string {
  switch (refused.status) {
    case 401:
      return t.refusal.unknown;
    case 403:
      return t.refusal.notAllowed;
    case 404:
      return t.refusal.notFound;
    case 412:
      return t.refusal.conflict;
    case 429:
      return t.refusal.limited;
    case 503:
      return t.refusal.unavailable;
    default:
      return t.refusal.refused;
  }
}
