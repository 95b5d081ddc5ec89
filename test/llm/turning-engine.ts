import { EngineCore, type EngineCoreOptions } from '../../dist/engine/index.js';
import { ArithmeticExecutor } from '../engine/arithmetic-executor.js';

/** An arithmetic executor whose steps end in a later turn of the event loop, as a device's do. */
class TurningExecutor extends ArithmeticExecutor {
  override async submit(step: Parameters<ArithmeticExecutor['submit']>[0]) {
    const outcome = super.submit(step); // has copied the step when it returns
    await new Promise((resolve) => setTimeout(resolve, 0));
    return outcome;
  }
}

/** An engine over the arithmetic model that checks all of its invariants after each step. */
export function makeTurningEngine({
  executor,
  ...options
}: Omit<EngineCoreOptions, 'executor'> & {
  readonly executor: ConstructorParameters<typeof ArithmeticExecutor>[0];
}): EngineCore {
  const core = new EngineCore({ ...options, executor: new TurningExecutor(executor) });
  core.onStep(() => core.checkInvariants());
  return core;
}
