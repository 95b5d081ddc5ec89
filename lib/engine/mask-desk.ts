import type { MaskSource, TokenMasks } from '../grammar/index.js';
import type { RequestOptions, Sequence } from './sequence.js';

/** Gives sequences the masks of their grammars. */
export class MaskDesk {
  readonly #source: MaskSource | undefined;
  readonly #onChange: () => void;

  /** @param onChange a mask, or the reason why there will be none, has come */
  constructor(source: MaskSource | undefined, onChange: () => void) {
    this.#source = source;
    this.#onChange = onChange;
  }

  /** The masks of a request's first sample: those of the sequence that it is split from, where there is one. */
  follow(options: RequestOptions, parent?: Sequence): TokenMasks | undefined {
    const { grammar, stopTokenIds } = options;
    if (grammar === undefined) return undefined;
    if (parent !== undefined) return parent.masks?.fork();
    const request = { grammar, stopTokenIds: [...stopTokenIds], tokens: [] };
    return this.#source?.follow(request, this.#onChange);
  }
}
