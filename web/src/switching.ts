// Switching orders: the contract as types, and the calls.
import { call, type Command, type TagKind } from "./api";

export type OrderKind = "planned" | "emergency" | "template";
export type OrderState = "draft" | "checked" | "approved" | "in_progress" | "completed" | "cancelled";
export type ActionName = "operate" | "verify" | "place_tag" | "remove_tags" | "issue" | "clear" | "instruct";
export type DocumentKind = "permit_to_work" | "sanction_for_test" | "limitation_of_access";

export interface Action {
  action: ActionName;
  point?: number;
  value?: number;
  tag?: TagKind;
  text?: string;
  document?: number;
}

export interface Step extends Action {
  wording: string;
  state: "open" | "running" | "done" | "skipped";
  command: number | null;
  by: string | null;
  at: string | null;
  note: string;
}

export interface SafetyDocument {
  kind: DocumentKind;
  holder: string;
  text: string;
}

export interface Order {
  id: number;
  title: string;
  kind: OrderKind;
  state: OrderState;
  reason: string;
  author: string;
  created_at: string;
  approver: string | null;
  steps: Step[];
  documents: (SafetyDocument & { state: "prepared" | "issued" | "cleared" })[];
  check: null | { at: string; by: string; findings: { step: number; fault: boolean; text: string }[] };
  next: number | null;
  end_reason: string | null;
}

export interface OrderRequest {
  title: string;
  kind: OrderKind;
  reason: string;
  steps: Action[];
  documents: SafetyDocument[];
}

const BASE = "/switching-orders";

export const orders = {
  list: () => call<{ orders: Order[] }>("GET", BASE),
  create: (order: OrderRequest) => call<Order>("POST", BASE, order),
  edit: (id: number, order: OrderRequest) => call<Order>("PUT", `${BASE}/${id}`, order),
  act: (id: number, how: "check" | "approve" | "begin") => call<Order>("POST", `${BASE}/${id}/${how}`, {}),
  cancel: (id: number, reason: string) => call<Order>("POST", `${BASE}/${id}/cancel`, { reason }),
  copy: (id: number, kind: OrderKind) => call<Order>("POST", `${BASE}/${id}/copy`, { kind }),
  doStep: (id: number, step: number) => call<{ order: Order; command: Command | null }>("POST", `${BASE}/${id}/steps/${step}/do`, {}),
  skip: (id: number, step: number, reason: string) => call<Order>("POST", `${BASE}/${id}/steps/${step}/skip`, { reason }),
};

/** What an order says, to be written again. */
export function requestOf(order: Order): OrderRequest {
  const { title, kind, reason } = order;
  return {
    title,
    kind,
    reason,
    steps: order.steps.map(({ action, point, value, tag, text, document }) => ({
      action,
      ...(point === undefined ? {} : { point }),
      ...(value === undefined ? {} : { value }),
      ...(tag === undefined ? {} : { tag }),
      ...(text === undefined ? {} : { text }),
      ...(document === undefined ? {} : { document }),
    })),
    documents: order.documents.map(({ kind, holder, text }) => ({ kind, holder, text })),
  };
}
