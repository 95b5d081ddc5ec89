// Runs a tree of suites in the order of the file, one test at a time.

/** A test that says nothing else must end within this. */
const defaultTimeoutMs = 60_000;

/** Rejects when the work takes longer than it may; the work itself cannot be stopped. */
async function withinTime(body, timeoutMs) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`not done after ${timeoutMs} ms`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    await Promise.race([Promise.resolve().then(body), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a suite has a test that will run. */
function hasWork(suite, path, wants) {
  return suite.children.some((child) => {
    const name = [...path, child.title].join(' > ');
    return child.children ? hasWork(child, [...path, child.title], wants) : wants(child, name);
  });
}

/**
 * Runs a suite and those inside it.
 *
 * @param suite from `makeCollector()`
 * @param options.filter only tests whose full name matches
 * @param options.timeoutFactor stretches every test's time, for slow machines
 * @param options.report called with `{ name, status: 'passed' | 'failed' | 'skipped', error, seconds }`
 *   once per test that matches; a failed `beforeAll` or `afterAll` is reported like a test
 */
export async function runSuite(suite, { filter = /(?:)/, timeoutFactor = 1, report }) {
  const limit = (timeoutMs) => (timeoutMs ?? defaultTimeoutMs) * timeoutFactor;
  const wants = (test, name) => !test.isSkipped && filter.test(name);

  /** Runs hooks; gives the first error. */
  async function runHooks(hooks) {
    for (const hook of hooks) {
      try {
        await withinTime(hook, limit());
      } catch (error) {
        return error;
      }
    }
    return undefined;
  }

  async function runTest(test, name, before, after) {
    const started = performance.now();
    let error = await runHooks(before);
    if (error === undefined) {
      error = await withinTime(test.body, limit(test.timeoutMs)).then(
        () => undefined,
        (reason) => reason ?? new Error('rejected without a reason'),
      );
    }
    const afterError = await runHooks(after);
    const status = (error ?? afterError) === undefined ? 'passed' : 'failed';
    const seconds = (performance.now() - started) / 1000;
    report({ name, status, error: error ?? afterError, seconds });
  }

  async function runChildren({ children, hooks }, path, outerBefore, outerAfter) {
    const before = [...outerBefore, ...hooks.beforeEach];
    const after = [...hooks.afterEach, ...outerAfter];
    for (const child of children) {
      const name = [...path, child.title].join(' > ');
      if (child.children) await run(child, [...path, child.title], before, after);
      else if (wants(child, name)) await runTest(child, name, before, after);
      else if (filter.test(name)) report({ name, status: 'skipped', seconds: 0 });
    }
  }

  async function run(part, path, before, after) {
    const isNeeded = hasWork(part, path, wants);
    const failHook = (kind, error) => {
      const name = [...path, kind].join(' > ');
      if (error !== undefined) report({ name, status: 'failed', error, seconds: 0 });
    };
    const error = isNeeded ? await runHooks(part.hooks.beforeAll) : undefined;
    failHook('beforeAll', error);
    if (error === undefined) await runChildren(part, path, before, after);
    if (isNeeded) failHook('afterAll', await runHooks(part.hooks.afterAll));
  }

  await run(suite, [], [], []);
}
