// Prints each suite's seconds, slowest first, and the closing line that CI reads.
export default class SecondsReporter {
  onRunComplete(_contexts, results) {
    const rows = results.testResults
      .map(({ testFilePath, perfStats }) => ({
        file: testFilePath.slice(testFilePath.indexOf('/test/') + 1),
        seconds: (perfStats.end - perfStats.start) / 1000,
      }))
      .sort((a, b) => b.seconds - a.seconds);
    for (const { file, seconds } of rows) {
      process.stdout.write(`${seconds.toFixed(1).padStart(7)} s  ${file}\n`);
    }
    const numFailed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    process.stdout.write(`\n${results.numPassedTests} passed, ${numFailed} failed\n`);
  }
}
