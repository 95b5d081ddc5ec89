import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** What CUDA has without a header. */
const builtIns = ['threadIdx', 'blockIdx', 'blockDim', 'gridDim'];

/** A parameter's type; the emulation's own parameters (a source line) give nothing. */
function typeOf(parameter: string): string {
  const text = parameter.replace(/=.*$/s, '').replace(/\s+/g, ' ').trim();
  if (/EMULATION_HERE|\b(file_|line_)$/.test(text)) return '';
  const array = /^(.*?)\(&\w+\)(.*)$/.exec(text);
  if (array) return `${array[1]}(&)${array[2]}`;
  return text.replace(/\s*\b\w+$/, (name) => (text === name ? name : '')).trim();
}

/** Splits at commas outside brackets. */
function splitParameters(text: string): string[] {
  return text.split(/,(?![^(<[]*[)>\]])/);
}

/** Macros, functions (not specialisations) with their parameters' types, structs with their members, and constants. */
function namesOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8')
    .replace(/\/\/.*$/gm, '')
    .replace(/\\\n/g, ' ');
  const names: string[] = [];
  for (const [, name, parameters] of text.matchAll(/^#define (\w+)(\([^)]*\))?/gm)) {
    names.push(`#define ${name}${(parameters ?? '').replace(/\s/g, '')}`);
  }
  const functions = /^DEVICE ([\w ]+?) (\w+(?:<\w+>)?)\(((?:[^()]|\([^()]*\))*)\)/gm;
  for (const [, result, name, parameters] of text.matchAll(functions)) {
    const types = splitParameters(parameters ?? '')
      .map(typeOf)
      .filter((type) => type !== '');
    names.push(`${result} ${name}(${types.join(', ')})`);
  }
  for (const [, align, name, members] of text.matchAll(
    /^struct (?:(?:__align__|alignas)\((\d+)\) )?(\w+) \{([^}]*)\}/gm,
  )) {
    names.push(`struct ${name} alignas(${align}) {${(members ?? '').replace(/\s+/g, ' ')}}`);
  }
  for (const [, type, name] of text.matchAll(/^constexpr (\w+) (\w+) =/gm)) {
    names.push(`constexpr ${type} ${name}`);
  }
  return names
    .filter((name) => !/^#define EMULATION_|_\(|\w<\w+>\(/.test(name))
    .filter((name) => !builtIns.includes(name.replace('#define ', '')))
    .sort();
}

/** Without doubles: the real header has CU_ASSERT once per kind of build. */
const setOf = (path: string) => [...new Set(namesOf(path))];

describe.each(['device.cuh', 'ptx.cuh'])('%s', (file) => {
  test('declares the same names for the GPU and for the emulation', () => {
    expect(setOf(`test/emulation/${file}`)).toEqual(setOf(`cuda/${file}`));
  });

  test('declares every kind of name that kernels use', () => {
    expect(namesOf(`cuda/${file}`).length).toBeGreaterThan(file === 'ptx.cuh' ? 9 : 50);
  });
});
