import type { ChatMessage } from '../../dist/index.js';

export const user = (content: string): ChatMessage => ({ role: 'user', content });
export const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
export const system = (content: string): ChatMessage => ({ role: 'system', content });

/** A text that several users ask about. */
export const facts = system('The vault code of Amber is 4217. Omar lives in Lisbon. The end.');

/** A short output whose length does not depend on what is drawn. */
export const some = { maxTokens: 20, ignoreEos: true } as const;
