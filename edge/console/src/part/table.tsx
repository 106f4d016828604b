// Tables, which scroll inside themselves where the page is too narrow for them.

import type { ComponentChildren } from "preact";

/** A table with a name that is read out. */
export function Table(props: { name: string; isBusy?: boolean; class?: string; children: ComponentChildren }) {
  return (
    // What scrolls can be reached with the keyboard.
    <div class="table" role="region" aria-label={props.name} tabIndex={0} aria-busy={props.isBusy ?? false}>
      <table class={props.class}>{props.children}</table>
    </div>
  );
}
