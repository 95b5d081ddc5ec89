import type { FinishedEvent, TokenLogprobs, TokensEvent } from '../engine/index.js';
import { StreamDecoder } from '../text/index.js';
import type { Chunk, FinishReason } from './reply.js';
import { StopStrings } from './stop-strings.js';
import {
  type FunctionCall,
  type ReplyPart,
  ToolCallReader,
  type ToolFormat,
} from './tool-calls.js';

/** One choice while it grows: tokens come in, text goes out. */
export class ChoiceBuilder {
  readonly decoder: StreamDecoder;
  tokenIds: number[] = [];
  logprobs: TokenLogprobs[] = [];
  digests: bigint[] = [];
  text = '';
  /** The engine's last word on it; its text may still be on its way. */
  finished: FinishedEvent | undefined;
  /** All its text is here. */
  isComplete = false;
  /** Of them, those that its parent had drawn: of a fork. */
  numInherited = 0;
  readonly #stops: StopStrings | undefined;
  readonly #tools: ToolCallReader | undefined;
  #isStopped = false;
  #numChunkedTokens = 0;
  #numDecoded = 0;

  /**
   * @param contextIds the last ids of the prompt
   * @param toolFormat how calls are written, where any are read
   */
  constructor(
    readonly index: number,
    stops: readonly string[],
    contextIds: readonly number[],
    toolFormat: ToolFormat | undefined,
  ) {
    this.#tools = toolFormat && new ToolCallReader(toolFormat);
    this.#stops = stops.length > 0 ? new StopStrings(stops) : undefined;
    this.decoder = new StreamDecoder(contextIds);
  }

  /** A stop text was found; the engine may not know yet. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  get finishReason(): FinishReason {
    if (this.#isStopped) return 'stop';
    if (this.finished?.reason === 'length') return 'length';
    return this.toolCalls.length > 0 ? 'tool_calls' : 'stop';
  }

  /** Those that are whole. */
  get toolCalls(): FunctionCall[] {
    return this.#tools?.calls ?? [];
  }

  /** The text so far, read as what it stands for. */
  get parts(): readonly ReplyPart[] {
    if (this.#tools !== undefined) return this.#tools.parts;
    return this.text === '' ? [] : [{ type: 'text', text: this.text }];
  }

  /**
   * Has another's tokens from the start; their text must still be decoded.
   *
   * @param numDrawn how many of those that the other drew itself
   */
  startWith(other: ChoiceBuilder, numDrawn: number): void {
    this.numInherited = other.numInherited + numDrawn;
    this.tokenIds = other.tokenIds.slice(0, this.numInherited);
    this.logprobs = other.logprobs.slice(0, this.numInherited);
    this.digests = other.digests.slice(0, this.numInherited);
  }

  /** Takes tokens; those after a stop text do not count. */
  addTokens({ tokenIds, logprobs, digests }: TokensEvent): void {
    if (this.#isStopped) return;
    this.tokenIds.push(...tokenIds);
    if (logprobs) this.logprobs.push(...logprobs);
    if (digests) this.digests.push(...digests);
  }

  /**
   * Takes decoded text and gives what may be shown.
   *
   * @param numTokens whose text it is
   * @param isLast no text follows
   */
  addText(text: string, numTokens: number, isLast: boolean): Chunk | undefined {
    if (this.isComplete) return undefined;
    this.#numDecoded += numTokens;
    const result = this.#addToStops(text, isLast);
    const parts = this.#partsOf(result, isLast);
    this.isComplete = isLast;
    this.text += result;
    const start = this.#numChunkedTokens;
    if (this.#isStopped) this.#dropTokensFrom(this.#numDecoded);
    const end = Math.min(this.#numDecoded, this.tokenIds.length);
    if (result === '' && parts.length === 0 && !(isLast && start < end)) return undefined;
    this.#numChunkedTokens = end;
    const logprobs = this.logprobs.length > 0 ? this.logprobs.slice(start, end) : undefined;
    return {
      choice: this.index,
      text: result,
      parts,
      tokenIds: this.tokenIds.slice(start, end),
      logprobs,
    };
  }

  #partsOf(text: string, isLast: boolean): ReplyPart[] {
    if (this.#tools !== undefined) return this.#tools.push(text, isLast);
    return text === '' ? [] : [{ type: 'text', text }];
  }

  #addToStops(text: string, isLast: boolean): string {
    if (this.#isStopped) return '';
    if (!this.#stops) return text;
    const result = this.#stops.push(text, isLast);
    this.#isStopped = result.isStopped;
    return result.text;
  }

  #dropTokensFrom(numTokens: number): void {
    for (const list of [this.tokenIds, this.logprobs, this.digests]) {
      list.length = Math.min(list.length, numTokens);
    }
  }
}
