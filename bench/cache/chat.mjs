// A chat of 20 turns with the cache on and off: tokens computed and time to first token per turn.

import { generateConversation, messagesOf } from '../../tools/recall-model/generator.mjs';
import { median } from '../machine.mjs';
import { lineChart } from '../svg-chart.mjs';

const numTurns = 20;
const numRounds = 5;
/** Tokens of the text; the turns after it fill the context up to about 3,300. */
const textTokens = 2600;

/** Plays one chat turn by turn, each with the true reply of the turn before appended. */
async function playChat(llm, conversation, { cache, salt }) {
  const turns = [];
  for (let turn = 0; turn < numTurns; turn++) {
    const messages = messagesOf(conversation, turn);
    messages.push({ role: 'user', content: conversation.turns[turn].question });
    const { usage } = await llm.chat(messages, { cache, salt, temperature: 0, maxTokens: 24 });
    turns.push({
      promptTokens: usage.promptTokens,
      computedTokens: usage.computedTokens,
      firstTokenMs: usage.timings.firstTokenMs,
    });
  }
  return turns;
}

const summarize = (rounds) =>
  rounds[0].map((turn, i) => ({
    ...turn,
    firstTokenMs: median(rounds.map((round) => round[i].firstTokenMs)),
  }));

const total = (turns, field) => turns.reduce((sum, turn) => sum + turn[field], 0);

/**
 * Cache on and off take turns; every round has a salt of its own, so that each begins cold.
 *
 * @returns per turn the prompt, the computed tokens and the median time to first token, and totals
 */
export async function measureChat(llm) {
  const conversation = generateConversation(7, {
    split: 'test',
    numTurns,
    numFacts: 30,
    targetTokens: textTokens,
  });
  await playChat(llm, conversation, { cache: 'off', salt: 'warm-up' });
  const rounds = { on: [], off: [] };
  for (let round = 0; round < numRounds; round++) {
    const salt = `round ${round}`;
    rounds.on.push(await playChat(llm, conversation, { cache: 'auto', salt }));
    rounds.off.push(await playChat(llm, conversation, { cache: 'off', salt }));
  }
  const [on, off] = [summarize(rounds.on), summarize(rounds.off)];
  return {
    numRounds,
    on,
    off,
    computedOn: total(on, 'computedTokens'),
    computedOff: total(off, 'computedTokens'),
    soonerTimes: total(off.slice(1), 'firstTokenMs') / total(on.slice(1), 'firstTokenMs'),
  };
}

export function printChat({ on, off, computedOn, computedOff, soonerTimes }) {
  console.log(
    `\nA chat of ${numTurns} turns, median of ${numRounds} rounds, cache on and off in turn`,
  );
  console.log('turn  prompt  computed on    off  first token on, ms     off');
  on.forEach((turn, i) => {
    const cells = [
      String(i + 1).padStart(4),
      String(turn.promptTokens).padStart(7),
      String(turn.computedTokens).padStart(12),
      String(off[i].computedTokens).padStart(6),
      turn.firstTokenMs.toFixed(1).padStart(19),
      off[i].firstTokenMs.toFixed(1).padStart(7),
    ];
    console.log(cells.join(' '));
  });
  console.log(`computed tokens: ${computedOn} with the cache, ${computedOff} without`);
  console.log(`first token of turns 2 to ${numTurns}: ${soonerTimes.toFixed(1)} times as soon`);
}

export function drawChat({ on, off }) {
  return lineChart({
    title: `Time to first token of each turn of a chat, ms (median of ${numRounds})`,
    xLabel: 'turn',
    series: [
      { name: 'cache off', values: off.map(({ firstTokenMs }) => firstTokenMs) },
      { name: 'cache on', values: on.map(({ firstTokenMs }) => firstTokenMs) },
    ],
  });
}
