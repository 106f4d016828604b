// The list of pages. A page is a file in `page/`, a line here, and its name in the tables of texts.

import type { FunctionComponent } from "preact";
import type { Session } from "./api/session.ts";
import type { Texts } from "./text/en.ts";
import { AccountPage } from "./page/key/account.tsx";
import { AlertsPage } from "./page/alerts/alerts.tsx";
import { AuditPage } from "./page/audit.tsx";
import { KeyPage } from "./page/key/key.tsx";
import { LimitsPage } from "./page/limits.tsx";
import { OriginsPage } from "./page/origins.tsx";
import { OverviewPage } from "./page/overview.tsx";
import { PlansPage } from "./page/plans/plans.tsx";
import { PlaygroundPage } from "./page/play/playground.tsx";
import { UsagePage } from "./page/usage/usage.tsx";

/** One page. `rest` is what its address says behind its name. */
export interface Page {
  name: keyof Texts["pages"];
  isFor: (session: Session) => boolean;
  View: FunctionComponent<{ rest: string }>;
}

const isAdmin = (session: Session) => session.kind === "admin";
const isCaller = (session: Session) => session.kind === "caller";
const has =
  (...scopes: string[]) =>
  (session: Session) =>
    session.kind === "admin" && session.scopes.some((scope) => scopes.includes(scope));

/** All of them, in the order of the navigation. */
export const PAGES: Page[] = [
  { name: "overview", isFor: isAdmin, View: OverviewPage },
  { name: "limits", isFor: isCaller, View: LimitsPage },
  { name: "keys", isFor: has("read", "keys"), View: KeyPage },
  { name: "accounts", isFor: has("read", "keys"), View: AccountPage },
  { name: "usage", isFor: (session) => isCaller(session) || has("read")(session), View: UsagePage },
  { name: "plans", isFor: has("read", "plans"), View: PlansPage },
  { name: "origins", isFor: has("read", "origins"), View: OriginsPage },
  { name: "alerts", isFor: has("read", "plans"), View: AlertsPage },
  { name: "audit", isFor: has("read"), View: AuditPage },
  { name: "playground", isFor: () => true, View: PlaygroundPage },
];

/** The page of an address such as `/keys/key_...`, and the rest of it. The first page where it names none. */
export function pageOf(path: string, pages: Page[]): { page: Page | undefined; rest: string } {
  const [, name = "", rest = ""] = path.match(/^\/([^/]*)\/?(.*)$/s) ?? [];
  if (name === "") return { page: pages[0], rest: "" };
  return { page: pages.find((page) => page.name === name), rest: decoded(rest) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
