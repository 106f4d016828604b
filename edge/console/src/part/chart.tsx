// Bars over time, drawn without a library and without styles of their own: what is stacked, and what it means.

/** One bar. */
export interface DrawnBar {
  /** What is shown where it is pointed at. */
  title: string;
  /** Where each part begins and ends, from 0 to 100. */
  parts: Array<[begin: number, end: number]>;
}

/** A chart. A table has the same numbers, so it is one picture to whoever reads by ear. */
export function Chart(props: {
  label: string;
  bars: DrawnBar[];
  /** The height of the highest bar, in words. */
  most: string;
  /** Which times stand below it, from the first to the last. */
  times: string[];
  parts: Array<{ kind: string; name: string; sum: string }>;
}) {
  const gap = props.bars.length > MANY ? 0 : 0.12;
  return (
    <figure class="chart">
      <div class="scale" aria-hidden="true">
        <span>{props.most}</span>
        <span>0</span>
      </div>
      <svg role="img" aria-label={props.label} viewBox={`0 0 ${props.bars.length} 100`} preserveAspectRatio="none">
        <path class="grid" d={`M0 0H${props.bars.length}M0 50H${props.bars.length}M0 100H${props.bars.length}`} />
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

/** More bars than these stand side by side. */
const MANY = 120;
