export default {
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: [
    '<rootDir>/dist',
    '<rootDir>/build',
    '<rootDir>/prebuilds',
    '<rootDir>/bench/peers',
  ],
  testEnvironment: '<rootDir>/test/setup/environment.mjs',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: 'tsconfig.test.json' }] },
};
