// Bars and areas over time, drawn without a library and without styles of their own: what is stacked, and what it is.

import type { ComponentChildren } from "preact";
import { GAP, MANY } from "./path.ts";

/** A part of a chart: its colour, and what it is called and comes to. */
export interface Part {
  kind: string;
  name: string;
  sum: string;
}

/** What stands around every chart. A table has the same numbers, so it is one picture to whoever reads by ear. */
interface Around {
  label: string;
  /** How high the whole picture is, in words. */
  most: string;
  /** Which times stand below it, from the first to the last. */
  times: string[];
  parts: Part[];
}

/** One bar. */
export interface DrawnBar {
  /** What is shown where it is pointed at. */
  title: string;
  /** Where each part begins and ends, from 0 to 100. */
  parts: Array<[begin: number, end: number]>;
}

/** A chart of bars, each of which says what it is. */
export function Chart(props: Around & { bars: DrawnBar[] }) {
  const gap = props.bars.length > MANY ? 0 : GAP;
  return (
    <Frame {...props} slots={props.bars.length}>
      {props.bars.map((bar, place) => (
        <g key={place}>
          <title>{bar.title}</title>
          <rect class="around" x={place} y={0} width={1} height={100} />
          {bar.parts.map(([begin, end], part) =>
            begin === end ? null : (
              <rect
                key={part}
                class={props.parts[part]?.kind}
                x={place + gap}
                y={100 - end}
                width={1 - 2 * gap}
                height={end - begin}
              />
            ),
          )}
        </g>
      ))}
    </Frame>
  );
}

/** A chart that moves: one path for each part. Where it is pointed at is told, so that others can show the same. */
export function Curves(
  props: Around & {
    slots: number;
    /** In the order of the parts. */
    paths: string[];
    pointed: number | undefined;
    onPoint: (slot: number | undefined) => void;
  },
) {
  const { slots, pointed } = props;
  const point = (event: PointerEvent & { currentTarget: Element }) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const slot = Math.floor(((event.clientX - left) / width) * slots);
    props.onPoint(slot >= 0 && slot < slots ? slot : undefined);
  };
  return (
    <Frame {...props} onPoint={point} onLeave={() => props.onPoint(undefined)}>
      {pointed !== undefined && <path class="pointed" d={`M${pointed + 0.5} 0V100`} />}
      {/* The first stands before the others. */}
      {props.parts.map(({ kind }, part) => <path key={kind} class={kind} d={props.paths[part]} />).reverse()}
    </Frame>
  );
}

function Frame(
  props: Around & {
    slots: number;
    children: ComponentChildren;
    onPoint?: (event: PointerEvent & { currentTarget: Element }) => void;
    onLeave?: () => void;
  },
) {
  const { slots } = props;
  return (
    <figure class="chart">
      <div class="scale" aria-hidden="true">
        <span>{props.most}</span>
        <span>0</span>
      </div>
      <svg
        role="img"
        aria-label={props.label}
        viewBox={`0 0 ${slots} 100`}
        preserveAspectRatio="none"
        onPointerMove={props.onPoint}
        onPointerDown={props.onPoint}
        onPointerLeave={props.onLeave}
      >
        <path class="grid" d={`M0 0H${slots}M0 50H${slots}M0 100H${slots}`} />
        {props.children}
      </svg>
      <div class="times" aria-hidden="true">
        {props.times.map((time) => (
          <span key={time}>{time}</span>
        ))}
      </div>
      <figcaption>
        <ul class="legend">
          {props.parts.map(({ kind, name, sum }) => (
            <li key={kind} class={kind}>
              {name} <strong>{sum}</strong>
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}
