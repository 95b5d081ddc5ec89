import { createInterface, type Interface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { EngineError } from '../errors.js';
import { type Llm, type LlmInfo, type LoadOptions, load, type Reply } from '../llm/index.js';
import type { ChatMessage } from '../text/index.js';
import { progressBar } from './progress-bar.js';
import { formatBytes, formatCount, say, type Terminal } from './terminal.js';

/** Options of `paged-attention chat`, as commander names them. */
export interface ChatCommandOptions
  extends Pick<
    LoadOptions,
    'backend' | 'revision' | 'dtype' | 'kvDtype' | 'contextLen' | 'threads' | 'kvCacheBytes'
  > {
  readonly system?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
}

/**
 * `paged-attention chat`: a conversation on a terminal; without one, standard input is one message.
 *
 * Replies go to standard output as they come, everything else to standard error.
 */
export async function chat(
  model: string,
  options: ChatCommandOptions,
  terminal: Terminal,
): Promise<void> {
  const { system, maxTokens, temperature, seed, ...loadOptions } = options;
  const llm = await load(model, { ...loadOptions, onProgress: progressBar(terminal) });
  const conversation = new Conversation(llm, { maxTokens, temperature, seed }, terminal);
  if (system !== undefined) conversation.messages.push({ role: 'system', content: system });
  try {
    if (terminal.stdin.isTTY) await talk(conversation, llm.info, terminal);
    else await answerInput(conversation, terminal);
  } finally {
    await llm.close('abort');
  }
}

async function answerInput(conversation: Conversation, terminal: Terminal): Promise<void> {
  const message = (await readAll(terminal.stdin)).trim();
  if (message === '') return say(terminal, 'nothing on standard input, nothing to answer');
  await conversation.ask(message);
}

/** Until Ctrl-D, or Ctrl-C while no reply is being written. */
async function talk(conversation: Conversation, info: LlmInfo, terminal: Terminal): Promise<void> {
  say(terminal, greeting(info));
  const lines = createInterface({ input: terminal.stdin, output: terminal.stderr, terminal: true });
  const closed = new AbortController();
  lines.on('close', () => closed.abort());
  lines.on('SIGINT', () => conversation.interrupt() || lines.close());
  for (;;) {
    const line = await nextLine(lines, closed.signal);
    if (line === undefined) return say(terminal, '');
    if (line.trim() !== '') await askAloud(conversation, line, terminal);
  }
}

/** @returns undefined when the person is done */
async function nextLine(lines: Interface, closed: AbortSignal): Promise<string | undefined> {
  try {
    return await lines.question('> ', { signal: closed });
  } catch (error) {
    if (closed.aborted) return undefined;
    throw error;
  }
}

/** A message that is refused is said and left out; the conversation goes on. */
async function askAloud(
  conversation: Conversation,
  line: string,
  terminal: Terminal,
): Promise<void> {
  try {
    await conversation.ask(line);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    say(terminal, `error: ${error.message} (${error.code}). The message was left out.`);
  }
}

function greeting({
  architecture,
  weightsDtype,
  deviceName,
  kvCacheBytes,
  contextLen,
}: LlmInfo): string {
  const cache = `KV cache ${formatBytes(kvCacheBytes)}, context ${formatCount(contextLen)} tokens`;
  return `${architecture}, ${weightsDtype}, on ${deviceName}; ${cache}. Ctrl-D ends.`;
}

/** Messages so far; each question sends all of them, and the cache makes that cheap. */
class Conversation {
  readonly messages: ChatMessage[] = [];
  #running: AbortController | undefined;

  constructor(
    private readonly llm: Llm,
    private readonly options: { maxTokens?: number; temperature?: number; seed?: number },
    private readonly terminal: Terminal,
  ) {}

  /** Ends the reply that is being written; false when there is none. */
  interrupt(): boolean {
    this.#running?.abort();
    return this.#running !== undefined;
  }

  /** Streams the reply and says what it cost. One that is interrupted stays as far as it came. */
  async ask(content: string): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    const question: ChatMessage = { role: 'user', content };
    const generation = this.llm.chat([...this.messages, question], {
      ...this.options,
      signal: running.signal,
    });
    try {
      for await (const piece of generation) this.terminal.stdout.write(piece);
      this.terminal.stdout.write('\n');
      say(this.terminal, costOf(await generation));
    } catch (error) {
      if (!running.signal.aborted) throw error;
      this.terminal.stdout.write('\n');
    } finally {
      this.#running = undefined;
    }
    this.messages.push(question, { role: 'assistant', content: generation.text });
  }
}

function costOf({ usage }: Reply): string {
  const { promptTokens, cachedTokens, computedTokens, outputTokens, timings } = usage;
  const prompt = `prompt ${promptTokens} tokens: ${cachedTokens} cached, ${computedTokens} computed`;
  const rate =
    outputTokens > 1
      ? `, ${(((outputTokens - 1) * 1000) / timings.decodeMs).toFixed(1)} tokens/s`
      : '';
  return `[${prompt}; first token ${timings.firstTokenMs.toFixed(0)} ms; reply ${outputTokens} tokens${rate}]`;
}
