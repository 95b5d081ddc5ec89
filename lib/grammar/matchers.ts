import { EngineError } from '../errors.js';
import { findWideClass } from './character-classes.js';
import { grammarOfSchema } from './schema.js';
import type { FollowRequest, GrammarSpec } from './token-masks.js';
import type { Vocabulary } from './vocabulary.js';
import {
  type CompiledGrammar,
  type Grammar,
  loadXGrammar,
  type Matcher,
  type XGrammar,
} from './xgrammar.js';

/** Compiled grammars that are kept for later requests. */
const maxCachedGrammars = 64;
/**
 * Compiles grammars and follows samples through them. Takes the thread that it runs in: a grammar that is new takes
 * tens of milliseconds, a mask a fraction of one.
 */
export class Matchers {
  readonly #vocabulary: Vocabulary;
  readonly #matchers = new Map<number, Matcher>();
  /** In order of their last use. */
  readonly #grammars = new Map<string, CompiledGrammar>();
  readonly #refusals: string[] = [];
  #xgrammar: XGrammar | undefined;
  /** Reads grammars before the other copy does: one that it refuses leaves its memory unusable. */
  #reader: XGrammar | undefined;
  #compiler: Awaited<ReturnType<XGrammar['GrammarCompiler']['createGrammarCompiler']>> | undefined;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /**
   * Starts a sample.
   *
   * @returns the mask of its next token
   * @throws {EngineError} `ERR_SCHEMA_INVALID`, `ERR_SCHEMA_UNSUPPORTED`, `ERR_GRAMMAR_INVALID`, `ERR_GRAMMAR_STUCK`
   */
  async follow(id: number, { grammar, stopTokenIds, tokens }: FollowRequest): Promise<Int32Array> {
    const compiled = await this.#compile(grammar);
    const { GrammarMatcher } = this.#xgrammar!;
    const matcher = await GrammarMatcher.createGrammarMatcher(compiled, [...stopTokenIds]);
    this.#matchers.set(id, matcher);
    for (const token of tokens) this.#advance(matcher, token);
    return this.#maskOf(matcher);
  }

  /**
   * Notes a token of a sample.
   *
   * @returns the mask of the one after it
   * @throws {EngineError} `ERR_GRAMMAR_STUCK`
   */
  async accept(id: number, token: number): Promise<Int32Array> {
    const matcher = this.#matchers.get(id)!;
    this.#advance(matcher, token);
    return this.#maskOf(matcher);
  }

  /** Lets a sample go; an id that is not there is ignored. */
  close(id: number): void {
    this.#matchers.get(id)?.dispose();
    this.#matchers.delete(id);
  }

  #advance(matcher: Matcher, token: number): void {
    if (matcher.acceptToken(token)) return;
    throw new EngineError('ERR_GRAMMAR_STUCK', `the grammar does not allow token ${token}`);
  }

  async #maskOf(matcher: Matcher): Promise<Int32Array> {
    const mask = await matcher.getNextTokenBitmask();
    if (mask.some((word) => word !== 0)) return mask;
    throw new EngineError(
      'ERR_GRAMMAR_STUCK',
      'no token of the vocabulary continues what the grammar asks for',
    );
  }

  async #compile(spec: GrammarSpec): Promise<CompiledGrammar> {
    const key = `${spec.kind} ${spec.source}`;
    const known = this.#grammars.get(key);
    if (known !== undefined) {
      this.#grammars.delete(key);
      this.#grammars.set(key, known);
      return known;
    }
    const isSchema = spec.kind === 'schema';
    const source = isSchema ? grammarOfSchema(spec.source) : spec.source;
    await this.#check({ kind: spec.kind, source });
    this.#compiler ??= await this.#openCompiler();
    const grammar = await read(this.#xgrammar!, { kind: spec.kind, source });
    const compiled = await this.#compiler.compileGrammar(grammar);
    grammar.dispose();
    this.#grammars.set(key, compiled);
    if (this.#grammars.size > maxCachedGrammars) this.#forgetOldest();
    return compiled;
  }

  /**
   * @throws {EngineError} `ERR_SCHEMA_INVALID` or `ERR_GRAMMAR_INVALID` in XGrammar's own words, or with a class that it
   *   would take for another
   */
  async #check(spec: GrammarSpec): Promise<void> {
    const { kind, source } = spec;
    const wide = kind === 'regex' || kind === 'ebnf' ? findWideClass(source, kind) : undefined;
    if (wide !== undefined) {
      const message = `the ${nameOf(spec)} has the character class ${wide}; classes hold ASCII only`;
      throw new EngineError(
        'ERR_GRAMMAR_INVALID',
        `${message}: write others as alternatives, (é|à)`,
      );
    }
    this.#refusals.length = 0;
    this.#reader ??= loadXGrammar((line) => this.#refusals.push(line));
    try {
      (await read(this.#reader, spec)).dispose();
    } catch (cause) {
      this.#reader = undefined;
      const fatal = this.#refusals.find((line) => line.startsWith('[FATAL]')) ?? String(cause);
      const words = fatal
        .replace(/^\[FATAL\] \S+: /, '')
        .replace(/^Check failed: \(.*?\) is false: /, '');
      const code = spec.kind === 'schema' ? 'ERR_SCHEMA_INVALID' : 'ERR_GRAMMAR_INVALID';
      throw new EngineError(code, `XGrammar refuses the ${nameOf(spec)}: ${words}`);
    }
  }

  async #openCompiler() {
    this.#xgrammar = loadXGrammar(() => {});
    const { TokenizerInfo, GrammarCompiler } = this.#xgrammar;
    const { pieces, kind } = this.#vocabulary;
    const info = await TokenizerInfo.createTokenizerInfo(pieces, kind, false, pieces.length);
    return GrammarCompiler.createGrammarCompiler(info, false);
  }

  /** Samples that use it keep it alive. */
  #forgetOldest(): void {
    const [[key, compiled]] = this.#grammars;
    this.#grammars.delete(key);
    compiled.dispose();
  }
}

function read({ Grammar: grammars }: XGrammar, { kind, source }: GrammarSpec): Promise<Grammar> {
  if (kind === 'json') return grammars.fromEBNF(grammarOfSchema('{"type":"object"}'));
  if (kind !== 'regex') return grammars.fromEBNF(source);
  const format = { type: 'regex', pattern: source };
  return grammars.fromStructuralTag({ type: 'structural_tag', format });
}

function nameOf({ kind }: GrammarSpec): string {
  return kind === 'regex' ? 'pattern' : kind === 'ebnf' ? 'grammar' : 'schema';
}
