// Which language is spoken: the one that was chosen here before, or else the browser's.

import { type Texts, en } from "./en.ts";
import { zh } from "./zh.ts";

/** A language that there is a table for. */
export type Language = "en" | "zh";

/** The tables. */
export const TEXTS: Record<Language, Texts> = { en, zh };

const NAME = "sluice-language";

/** The language of a first look. */
export function firstLanguage(): Language {
  const kept = localStorage.getItem(NAME);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** Remembers the language. */
export function keepLanguage(language: Language): void {
  localStorage.setItem(NAME, language);
}
