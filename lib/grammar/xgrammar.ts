import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** What lives in the memory of the WebAssembly module until it is disposed. */
interface Handle {
  dispose(): void;
}

/** A grammar as rules. */
export type Grammar = Handle;
/** A grammar with what it makes of the vocabulary. */
export type CompiledGrammar = Handle;
/** A vocabulary. */
export type TokenizerInfo = Handle;

/** One text that grows under a grammar. */
export interface Matcher extends Handle {
  /** False when the grammar does not allow it; nothing has changed then. */
  acceptToken(tokenId: number): boolean;
  /** `[ceil(vocabSize / 32)]` */
  getNextTokenBitmask(): Promise<Int32Array>;
}

/** The part of @mlc-ai/web-xgrammar that is used here. */
export interface XGrammar {
  readonly Grammar: {
    fromEBNF(rules: string): Promise<Grammar>;
    fromStructuralTag(tag: object): Promise<Grammar>;
  };
  readonly GrammarCompiler: {
    createGrammarCompiler(
      vocabulary: TokenizerInfo,
      cacheEnabled: boolean,
    ): Promise<Handle & { compileGrammar(grammar: Grammar): Promise<CompiledGrammar> }>;
  };
  readonly GrammarMatcher: {
    createGrammarMatcher(compiled: CompiledGrammar, stopTokenIds: number[]): Promise<Matcher>;
  };
  readonly TokenizerInfo: {
    createTokenizerInfo(
      pieces: readonly string[],
      kind: 'byte_level' | 'byte_fallback' | 'raw',
      prependsSpace: boolean,
      vocabSize: number,
    ): Promise<TokenizerInfo>;
  };
}

/**
 * Loads a copy of XGrammar with a memory of its own.
 *
 * Its file is a script for browsers in a package that says it is a module, so that neither `import` nor `require` takes
 * it on Node: its text is run as what it is.
 *
 * @param print gets each line that it writes, the reasons of refusals among them
 */
export function loadXGrammar(print: (line: string) => void): XGrammar {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@mlc-ai/web-xgrammar');
  const module = { exports: {} };
  const log = (...words: unknown[]) => print(words.map(String).join(' '));
  const console = { log, info: log, warn: log, error: log };
  const names = ['module', 'exports', 'require', '__filename', '__dirname', 'console'];
  const script = new Function(...names, readFileSync(path, 'utf8'));
  script(module, module.exports, require, path, dirname(path), console);
  return module.exports as XGrammar;
}
