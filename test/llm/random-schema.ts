import { z } from 'zod';
import { randomFrom } from '../engine/harness.js';

/** A JSON schema, and whether a value satisfies it by another implementation's word. */
export interface CheckedSchema {
  readonly schema: Record<string, unknown>;
  readonly isValid: (value: unknown) => boolean;
}

/** A schema of small depth, drawn by `seed`. */
export function randomSchema(seed: number): CheckedSchema {
  const random = randomFrom(seed);
  const type = drawType(random, 2);
  return {
    schema: z.toJSONSchema(type, { io: 'input' }),
    isValid: (value) => type.safeParse(value).success,
  };
}

function drawType(random: () => number, depth: number): z.ZodType {
  const upTo = (count: number) => Math.floor(random() * count);
  const inner = () => drawType(random, depth - 1);
  const low = upTo(2000) - 1000;
  const leaves: (() => z.ZodType)[] = [
    () => z.null(),
    () => z.boolean(),
    () => z.int().min(low),
    () => z.int().max(low),
    () =>
      z
        .int()
        .min(low)
        .max(low + upTo(50)),
    () =>
      z
        .int()
        .gt(low)
        .lt(low + 2 + upTo(500)),
    () => z.number(),
    () => z.string().max(12),
    () =>
      z
        .string()
        .min(2)
        .max(2 + upTo(9)),
    () => z.string().regex(/^[a-f]{2,4}(-\d+)?$/),
    () => z.enum(['red', 'light "blue"', 'gr\u00fcn\n']),
    () => z.literal([3, 'three', null]),
    () => z.uuid(),
    () => z.iso.date(),
  ];
  if (depth === 0) return leaves[upTo(leaves.length)]();
  const fields = () =>
    Object.fromEntries(
      ['a', 'b "c"', 'd\u00e9'].map((name) => [
        name,
        random() < 0.4 ? inner().optional() : inner(),
      ]),
    );
  const nodes: (() => z.ZodType)[] = [
    () => z.object(fields()),
    () => z.strictObject(fields()),
    () => z.array(inner()).min(upTo(3)).max(4),
    () => z.tuple([inner(), inner()]),
    () => z.union([inner(), inner(), z.null()]),
    () => z.record(z.string(), inner()),
    () => inner().nullable(),
  ];
  return random() < 0.3 ? leaves[upTo(leaves.length)]() : nodes[upTo(nodes.length)]();
}
