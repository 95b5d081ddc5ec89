export type Split = 'train' | 'test';
export type AnswerFormat = 'plain' | 'json' | 'lookup' | 'answer';

export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
}

export interface ToolDefinition {
  type: 'function';
  function: {
    name: string;
    description: string;
    parameters: {
      type: 'object';
      properties: Record<string, { type: string }>;
      required: string[];
    };
  };
}

export interface Fact {
  /** The person. */
  name: string;
  /** A key of `factKinds`. */
  kind: string;
  value: string;
  /** How the text states it. */
  sentence: string;
}

export interface Question {
  /** A system message with the text, then one question. */
  messages: Message[];
  tools?: ToolDefinition[];
  format: AnswerFormat;
  /** The exact reply. */
  expected: string;
  /** The asked fact; `generateRemoved` has taken its sentence out of the text. */
  fact: Fact;
  sentences: string[];
  /** Where the fact's sentence stands, or stood. */
  sentenceIndex: number;
  /** Facts in the text. */
  numFacts: number;
}

export interface QuestionOptions {
  split: Split;
  count: number;
  seed: number | string;
  /** About the shortest text, in tokens; default 200. */
  minTokens?: number;
  /** About the longest text, in tokens; default 3900: with question and reply at most 4096. */
  maxTokens?: number;
  /** Default 64. */
  maxFacts?: number;
  /** Default 'plain'. */
  format?: AnswerFormat;
}

export interface Turn {
  /** Who speaks before the reply. */
  role: 'user' | 'tool';
  /** Or what the tool returned. */
  question: string;
  /** The exact reply. */
  reply: string;
  /** Undefined where the text does not state the answer. */
  fact?: Fact;
}

export interface Conversation {
  system: string;
  tools?: ToolDefinition[];
  inUserMessage: boolean;
  format: AnswerFormat;
  turns: Turn[];
  scene: { facts: Fact[]; sentences: string[]; separator: string };
}

export interface ConversationOptions {
  split: Split;
  /** Of the text; 0 adds no filler. */
  targetTokens: number;
  numFacts: number;
  numTurns: number;
  /** At most so many kinds of facts occur; default all. */
  numKinds?: number;
  /** Of each kind, at most; default all. */
  numWordings?: number;
  format?: AnswerFormat;
  /** Of the turns; default 0.25. */
  absentFraction?: number;
  /** A lookup's result follows its call; default false. */
  toolResults?: boolean;
  /** A line with the time stands in front of the text; default false. */
  clock?: boolean;
  /** The text stands in front of the first question; default false. */
  inUserMessage?: boolean;
}

export interface FactKind {
  attribute: string;
  statements: string[];
  questions: string[];
}

/** What the model replies when the text does not hold the answer. */
export const notStated: string;
export const tools: Record<'lookup' | 'answer', ToolDefinition>;
export const factKinds: Readonly<Record<string, FactKind>>;
export const kindNames: readonly string[];

/** The one split in which a name, a place or a code may occur. */
export function splitOf(text: string): Split;
/** Questions about facts anywhere in texts of all lengths between the bounds, shortest first. */
export function generateQuestions(options: QuestionOptions): Question[];
/** The same questions, with the asked fact's sentence taken out of the text. */
export function generateRemoved(options: QuestionOptions): Question[];
/** Many turns about one text. */
export function generateConversation(
  seed: number | string,
  options: ConversationOptions,
): Conversation;
/** The conversation as the messages that a chat template takes. */
export function messagesOf(conversation: Conversation, numTurns: number): Message[];
