// With `worker: true` everything works the same: the suites of the face once more, the engine in a Worker.
import './in-workers.js';
import './cache-control.test.js';
import './generation.test.js';
import './llm.test.js';
import './prefix.test.js';
