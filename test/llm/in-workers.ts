// Imported before other suites: their models run the engine in a Worker.
import { runInWorkers } from './engine-thread.js';

runInWorkers();
