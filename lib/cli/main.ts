#!/usr/bin/env node
import { runCli } from './program.js';

const { stdin, stdout, stderr } = process;

runCli(process.argv.slice(2), { stdin, stdout, stderr }).then((exitCode) => {
  process.exitCode = exitCode;
});
