export default {
  extensionsToTreatAsEsm: ['.ts'],
  maxWorkers: 2,
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['dist', 'build', 'prebuilds', 'bench/peers', '.cache'].map(
    (folder) => `<rootDir>/${folder}/`,
  ),
  reporters: ['default', '<rootDir>/test/setup/seconds-reporter.mjs'],
  testEnvironment: '<rootDir>/test/setup/environment.mjs',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testTimeout: 60_000,
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: 'tsconfig.test.json' }] },
};
