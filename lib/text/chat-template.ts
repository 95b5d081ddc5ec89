import { Template } from '@huggingface/jinja';
import { EngineError } from '../errors.js';
import type { ChatTool, TemplateMessage } from './chat-messages.js';
import { findUnsupported } from './template-support.js';
import type { TokenizerFiles } from './tokenizer-files.js';

/** What a template is rendered with. */
export interface RenderInput {
  readonly messages: readonly TemplateMessage[];
  readonly tools?: readonly ChatTool[];
  /** Ends the text with the header of the assistant's next message. */
  readonly addGenerationPrompt: boolean;
  /** Further variables that this checkpoint's template reads, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** The chat templates of one checkpoint. */
export class ChatTemplates {
  readonly #files: TokenizerFiles;
  readonly #parsed = new Map<string, Template>();

  /**
   * @throws {EngineError} `ERR_TEMPLATE` when a template that chats are rendered with has a statement, filter, test,
   *   function or method that this engine has not, with its name
   */
  constructor(files: TokenizerFiles) {
    this.#files = files;
    if (files.templates.length === 0) return;
    for (const hasTools of [false, true]) this.#parse(this.nameFor(hasTools));
  }

  /**
   * Renders messages into the text that the model was trained on.
   *
   * With tools, a template named `tool_use` is taken when the checkpoint has one.
   *
   * @throws {EngineError} `ERR_CHAT_TEMPLATE_MISSING` when the checkpoint has no template;
   *   `ERR_TEMPLATE` when it does not render, with the template's own words
   */
  render(input: RenderInput): string {
    const name = this.nameFor(input.tools !== undefined);
    const template = this.#parse(name);
    try {
      return template.render({
        ...this.#files.namedTokens,
        ...input.variables,
        messages: input.messages,
        tools: input.tools ?? null,
        add_generation_prompt: input.addGenerationPrompt,
      });
    } catch (error) {
      throw templateError(name, 'cannot render these messages', error);
    }
  }

  /**
   * The template that chats are rendered with.
   *
   * @throws {EngineError} `ERR_CHAT_TEMPLATE_MISSING`
   */
  nameFor(hasTools: boolean): string {
    const names = this.#files.templates.map((template) => template.name);
    if (names.length === 0) {
      throw new EngineError(
        'ERR_CHAT_TEMPLATE_MISSING',
        `${this.#files.folder} has no chat template`,
        { hint: 'Use generate() with a prompt, or add a chat_template.jinja to the folder.' },
      );
    }
    if (hasTools && names.includes('tool_use')) return 'tool_use';
    return names.includes('default') ? 'default' : names[0];
  }

  #parse(name: string): Template {
    const known = this.#parsed.get(name);
    if (known) return known;
    const { source } = this.#files.templates.find((one) => one.name === name)!;
    let template: Template;
    try {
      template = new Template(source);
    } catch (error) {
      throw templateError(name, 'does not parse', error, replaceIt);
    }
    const unsupported = findUnsupported(template);
    if (unsupported.length > 0) {
      throw templateError(name, 'needs what is not supported', unsupported.join(', '), replaceIt);
    }
    this.#parsed.set(name, template);
    return template;
  }
}

const replaceIt = 'Write a chat_template.jinja without it into the folder of the checkpoint.';

function templateError(name: string, what: string, cause: unknown, hint?: string): EngineError {
  const words = cause instanceof Error ? cause.message : String(cause);
  return new EngineError('ERR_TEMPLATE', `the chat template "${name}" ${what}: ${words}`, {
    cause,
    hint,
  });
}
