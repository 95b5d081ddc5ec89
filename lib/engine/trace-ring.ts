/** An event of the Chrome trace format; times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  /** `X` is a span, `i` an instant, `M` a name for a track. */
  readonly ph: 'X' | 'i' | 'M';
  readonly ts: number;
  readonly dur?: number;
  /** 1 is the engine, 2 holds the requests. */
  readonly pid: number;
  readonly tid: number;
  /** Scope of an instant: its track. */
  readonly s?: 't';
  readonly args: Readonly<Record<string, unknown>>;
}

/**
 * What `trace()` gives, as plain data: written to a file as JSON, Perfetto and chrome://tracing open it.
 *
 * @see docs/scheduling.md
 */
export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: {
    /** Events that newer ones have replaced. */
    readonly numDropped: number;
  };
}

/** A line of the drawing. */
export interface TrackId {
  readonly pid: number;
  readonly tid: number;
}

export const requestsPid = 2;
export const stepsTrack: TrackId = { pid: 1, tid: 1 };

/** The newest `maxEvents` events. */
export class TraceRing {
  readonly #events: TraceEvent[] = [];
  #numAdded = 0;

  constructor(readonly maxEvents: number) {}

  addSpan(track: TrackId, name: string, startMs: number, endMs: number, args: object): void {
    const ts = microseconds(startMs);
    const dur = microseconds(endMs) - ts;
    this.#add({ name, ph: 'X', ts, dur, ...track, args: { ...args } });
  }

  addInstant(track: TrackId, name: string, atMs: number, args: object): void {
    this.#add({ name, ph: 'i', ts: microseconds(atMs), s: 't', ...track, args: { ...args } });
  }

  /** Every event of this ring and of `open`, in order of time, outer spans first, after the names of their tracks. */
  toChromeTrace(open: TraceRing): ChromeTrace {
    const events = [...this.#events, ...open.#events];
    events.sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
    return {
      traceEvents: [...namesOf(events), ...events],
      displayTimeUnit: 'ms',
      otherData: { numDropped: this.#numAdded - this.#events.length },
    };
  }

  #add(event: TraceEvent): void {
    this.#events[this.#numAdded % this.maxEvents] = event;
    this.#numAdded++;
  }
}

/** Names for processes, and for the tracks whose whole request is there. */
function namesOf(events: readonly TraceEvent[]): TraceEvent[] {
  const name = (kind: string, { pid, tid }: TrackId, text: string): TraceEvent => {
    return { name: kind, ph: 'M', ts: 0, pid, tid, args: { name: text } };
  };
  const requests = events.filter(
    ({ pid, name }) => pid === requestsPid && name.startsWith('request'),
  );
  return [
    name('process_name', stepsTrack, 'engine'),
    name('thread_name', stepsTrack, 'steps'),
    name('process_name', { pid: requestsPid, tid: 0 }, 'requests'),
    ...requests.map((event) => name('thread_name', event, event.name)),
  ];
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000);
}
