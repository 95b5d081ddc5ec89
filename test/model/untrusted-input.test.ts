import fc from 'fast-check';

import { EngineError } from '../../lib/errors.js';
import { parseConfig } from '../../lib/model/config.js';
import { readSafetensorsHeader } from '../../lib/model/safetensors.js';
import { randomConfig, safetensorsBytes } from './random-checkpoint.js';

/** Runs `parse`; an error that this package did not make fails the property. */
function acceptsOrRefuses(parse: () => void): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

describe('untrusted files', () => {
  const tensors = [
    { name: 'a', shape: [2, 3], dtype: 'f32' as const, bytes: new Uint8Array(24) },
    { name: 'b', shape: [5], dtype: 'bf16' as const, bytes: new Uint8Array(10) },
  ];
  const whole = safetensorsBytes(tensors);
  const headerBytes = whole.byteLength - 34;

  test('a header with any few bytes changed is read inside its file or refused with a code', () => {
    const edit = fc.tuple(fc.nat({ max: headerBytes - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = Uint8Array.from(whole);
        for (const [place, byte] of edits) bytes[place] = byte;
        const file = {
          byteLength: bytes.byteLength,
          read: (start: number, length: number) => bytes.slice(start, start + length),
        };
        acceptsOrRefuses(() => {
          for (const { byteOffset, byteLength } of readSafetensorsHeader(file, 'x').values()) {
            expect(byteOffset).toBeGreaterThanOrEqual(8);
            expect(byteOffset + byteLength).toBeLessThanOrEqual(bytes.byteLength);
          }
        });
      }),
      { numRuns: 3000 },
    );
  });

  test('a config with any values in any of its fields is read or refused with a code', () => {
    const extra = ['rope_scaling', 'rope_parameters', 'layer_types', 'sliding_window', 'dtype'];
    const more = [
      'use_sliding_window',
      'no_rope_layers',
      'partial_rotary_factor',
      'max_window_layers',
    ];
    const names = [...Object.keys(randomConfig()), ...extra, ...more];
    const knownValues = fc.constantFrom<unknown>(
      ['Qwen3ForCausalLM'],
      ['SmolLM3ForCausalLM'],
      { rope_type: 'llama3', factor: 8 },
      ['full_attention', 'sliding_attention'],
      [1, 0],
      true,
      0.5,
      3,
    );
    const changes = fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(fc.jsonValue(), fc.integer(), fc.double(), knownValues),
      { maxKeys: 5 },
    );
    fc.assert(
      fc.property(changes, (overrides) => {
        acceptsOrRefuses(() => {
          const config = parseConfig(randomConfig(overrides));
          expect(config.layers).toHaveLength(config.numLayers);
          expect(config.numHeads % config.numKvHeads).toBe(0);
          expect(config.rope.rotaryDim).toBeLessThanOrEqual(config.headDim);
        });
      }),
      { numRuns: 5000 },
    );
  });
});
