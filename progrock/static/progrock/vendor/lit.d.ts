/* The types of what the pages use of lit.js. Lit's own lie in thirty files; these are by hand. */

export interface TemplateResult {
  readonly strings: TemplateStringsArray;
  readonly values: unknown[];
}
export interface DirectiveResult {
  readonly values: unknown[];
}
export interface CSSResult {
  readonly cssText: string;
  readonly styleSheet: CSSStyleSheet | undefined;
}
export interface PropertyDeclaration {
  type?: unknown;
  attribute?: boolean | string;
  reflect?: boolean;
  state?: boolean;
  hasChanged?(value: any, before: any): boolean;
}
export interface ReactiveController {
  hostConnected?(): void;
  hostDisconnected?(): void;
  hostUpdate?(): void;
  hostUpdated?(): void;
}
export interface RenderOptions {
  host?: object;
  renderBefore?: ChildNode | null;
}
export interface Ref<T extends Element = Element> {
  readonly value?: T;
}

export const nothing: unique symbol;
export const noChange: unique symbol;
export function html(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export function svg(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export function css(strings: TemplateStringsArray, ...values: unknown[]): CSSResult;
export function render(
  value: unknown,
  container: HTMLElement | DocumentFragment,
  options?: RenderOptions,
): unknown;

export class LitElement extends HTMLElement {
  static properties: Record<string, PropertyDeclaration>;
  static styles: CSSResult | CSSResult[];
  readonly renderRoot: HTMLElement | DocumentFragment;
  readonly updateComplete: Promise<boolean>;
  readonly hasUpdated: boolean;
  readonly isUpdatePending: boolean;
  connectedCallback(): void;
  disconnectedCallback(): void;
  addController(controller: ReactiveController): void;
  removeController(controller: ReactiveController): void;
  requestUpdate(name?: PropertyKey, before?: unknown): void;
  protected createRenderRoot(): HTMLElement | DocumentFragment;
  protected performUpdate(): void | Promise<unknown>;
  protected shouldUpdate(changed: Map<PropertyKey, unknown>): boolean;
  protected willUpdate(changed: Map<PropertyKey, unknown>): void;
  protected update(changed: Map<PropertyKey, unknown>): void;
  protected render(): unknown;
  protected firstUpdated(changed: Map<PropertyKey, unknown>): void;
  protected updated(changed: Map<PropertyKey, unknown>): void;
}

export function classMap(classes: Record<string, boolean | undefined>): DirectiveResult;
export function guard(dependencies: unknown[], make: () => unknown): DirectiveResult;
export function ifDefined<T>(value: T): NonNullable<T> | typeof nothing;
export function keyed(key: unknown, value: unknown): DirectiveResult;
export function live(value: unknown): DirectiveResult;
export function createRef<T extends Element = Element>(): Ref<T>;
export function ref(to: Ref<any> | ((element: Element | undefined) => void) | undefined): DirectiveResult;
export function repeat<T>(
  items: Iterable<T>,
  key: (item: T, index: number) => unknown,
  template: (item: T, index: number) => unknown,
): DirectiveResult;
