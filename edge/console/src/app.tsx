// The frame around every page: who is signed in, which page is shown, and in which language.

import type { ComponentChildren } from "preact";
import { createContext } from "preact";
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Api } from "./api/client.ts";
import { type Scope, type Session, forget, restore } from "./api/session.ts";
import { type Language, TEXTS, firstLanguage, keepLanguage } from "./text/language.ts";
import type { Texts } from "./text/en.ts";
import { PAGES, type Page, pageOf } from "./pages.ts";
import { SignIn } from "./page/sign_in.tsx";

/** What every page is given. */
export interface App {
  api: Api;
  session: Session;
  t: Texts;
  language: Language;
  /** Whether whoever is signed in may do this. */
  may: (scope: Scope) => boolean;
  /** The key that the playground calls with, as long as the tab is open. */
  playKey: string;
  setPlayKey: (key: string) => void;
}

const Shared = createContext<App | null>(null);

/** What the frame gives to its pages. */
export function useApp(): App {
  const app = useContext(Shared);
  if (!app) throw new Error("a page stands outside of the frame");
  return app;
}

/** All of it. */
export function Console() {
  const [language, setLanguage] = useState<Language>(firstLanguage);
  const [session, setSession] = useState<Session | null>(restore);
  const [isUnknown, setUnknown] = useState(false);
  const [playKey, setPlayKey] = useState("");
  const t = TEXTS[language];
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  // Kept at once: an effect comes a frame later, and a page that is loaded again until then would not know of it.
  const choose = useCallback((chosen: Language) => {
    keepLanguage(chosen);
    setLanguage(chosen);
  }, []);
  const leave = useCallback((unknown: boolean) => {
    forget();
    setSession(null);
    setPlayKey("");
    setUnknown(unknown);
  }, []);
  const credential = session?.credential ?? null;
  const api = useMemo(() => new Api(credential, () => leave(true)), [credential, leave]);
  const toggle = <LanguageButton language={language} onChange={choose} />;
  if (!session) {
    const enter = (entered: Session) => {
      setUnknown(false);
      setSession(entered);
    };
    return <SignIn t={t} isUnknown={isUnknown} onEnter={enter} language={toggle} />;
  }
  const may = (scope: Scope) => session.kind === "admin" && session.scopes.includes(scope);
  const key = session.kind === "caller" ? session.credential : playKey;
  const app: App = { api, session, t, language, may, playKey: key, setPlayKey };
  return (
    <Shared.Provider value={app}>
      <Frame onLeave={() => leave(false)} language={toggle} />
    </Shared.Provider>
  );
}

function Frame({ onLeave, language }: { onLeave: () => void; language: ComponentChildren }) {
  const { t, session } = useApp();
  const pages = PAGES.filter((page) => page.isFor(session));
  const [path, setPath] = useState(() => location.hash.slice(1));
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const follow = () => {
      setPath(location.hash.slice(1));
      // Whoever reads by ear, and whoever uses the keyboard, goes on at the page's beginning.
      main.current?.focus();
      scrollTo(0, 0);
    };
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const { page, rest } = pageOf(path, pages);
  useEffect(() => {
    document.title = page ? `${t.pages[page.name]} · Sluice` : "Sluice";
  }, [page, t]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => skip(event, main.current)}>
        {t.frame.skip}
      </a>
      <header class="side">
        <div class="brand">
          <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M3 5h4v14H3zM17 5h4v14h-4zM9 5h6v5H9z" />
          </svg>
          Sluice
        </div>
        <nav aria-label={t.frame.pages}>
          <ul>
            {pages.map((one) => (
              <li key={one.name}>
                <a href={`#/${one.name}`} aria-current={one === page ? "page" : undefined}>
                  {t.pages[one.name]}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="who">
          <Who />
          <div class="row">
            {language}
            <button type="button" class="quiet" onClick={onLeave}>
              {t.frame.leave}
            </button>
          </div>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {page ? <page.View key={path} rest={rest} /> : <Nowhere pages={pages} />}
      </main>
    </>
  );
}

function skip(event: Event, main: HTMLElement | null) {
  // The address names the page; it is not for places in it.
  event.preventDefault();
  main?.focus();
}

function Who() {
  const { t, session } = useApp();
  if (session.kind === "caller") return <p>{t.frame.caller}</p>;
  return (
    <p>
      {session.credential === null ? t.frame.access : t.frame.admin}
      <span class="scopes">
        {session.scopes.map((scope) => (
          <span class="tag" key={scope}>
            {scope}
          </span>
        ))}
      </span>
    </p>
  );
}

function LanguageButton({ language, onChange }: { language: Language; onChange: (language: Language) => void }) {
  const other: Language = language === "en" ? "zh" : "en";
  return (
    <button type="button" class="quiet" lang={other} onClick={() => onChange(other)}>
      {TEXTS[other].frame.thisLanguage}
    </button>
  );
}

function Nowhere({ pages }: { pages: Page[] }) {
  const { t } = useApp();
  return (
    <>
      <h1>{t.frame.nowhere}</h1>
      <p>{pages.length === 0 ? t.frame.noScope : t.frame.choose}</p>
    </>
  );
}
