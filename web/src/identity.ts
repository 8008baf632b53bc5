// Accounts, sessions, tokens, roles and areas: the contract as types, and the calls.
import { call, type Session } from "./api";

export interface Enrolled {
  password: boolean;
  totp: boolean;
  recovery_codes: number;
  passkeys: number;
}

export interface Authenticator {
  secret: string;
  uri: string;
  qr: string[];
}

export interface User {
  name: string;
  kind: "human" | "service" | "application";
  roles: string[];
  areas: string[];
  rights: string[];
  disabled: boolean;
  valid_from: string | null;
  valid_until: string | null;
  created_at: string;
  enrolled: Enrolled;
  sealed: boolean;
  sessions: number;
}

export interface Account {
  kind: string;
  roles: string[];
  areas: string[];
  disabled: boolean;
  valid_from: string | null;
  valid_until: string | null;
  reason: string;
}

export interface UserRequest {
  id: number;
  action: string;
  target: string;
  wanted: string;
  by: string;
  at: string;
  expires_at: string;
  reason: string;
}

export interface Deed {
  done: boolean;
  secret?: string;
  waits?: UserRequest;
}

export interface Role {
  name: string;
  rights: string[];
  built_in: boolean;
  by: string | null;
  changed_at: string | null;
}

export interface Area {
  name: string;
  substations: string[];
  by: string;
  changed_at: string;
}

export interface LivingSession {
  id: string;
  user: string;
  source: string;
  began: string;
  created_at: string;
  expires_at: string;
  last_used_at: string;
  frozen?: string;
  own: boolean;
}

export interface Token {
  id: string;
  user: string;
  label: string;
  rights: string[] | null;
  areas: string[] | null;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

export interface Passkey {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
}

interface Challenge {
  id: string;
  options: { publicKey: unknown };
}

/** Whether this browser can keep passkeys for this address: it takes no address of numbers. */
export function passkeysWork(): boolean {
  return typeof PublicKeyCredential !== "undefined" && "parseCreationOptionsFromJSON" in PublicKeyCredential && !/^[\d.:[\]]+$/.test(location.hostname);
}

async function registered(challenge: Challenge): Promise<unknown> {
  const options = challenge.options.publicKey as PublicKeyCredentialCreationOptionsJSON;
  const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
  return (made as PublicKeyCredential).toJSON();
}

async function shown(user: string): Promise<{ id: string; credential: unknown }> {
  const challenge = await call<Challenge>("POST", "/session/passkey", { user });
  const options = challenge.options.publicKey as PublicKeyCredentialRequestOptionsJSON;
  const found = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return { id: challenge.id, credential: (found as PublicKeyCredential).toJSON() };
}

const at = encodeURIComponent;

export const identity = {
  provider: () => call<{ name: string | null }>("GET", "/session/oidc"),
  atProvider: () => call<{ address: string }>("POST", "/session/oidc", {}),
  signIn: (user: string, password: string, code: string) =>
    call<Session>("POST", "/session", { user, password, ...(code === "" ? {} : { code }) }),
  breakGlass: (first: string, second: string, reason: string) =>
    call<Session>("POST", "/session/break-glass", { first, second, reason }),
  password: (present: string, fresh: string) =>
    call<Session>("PUT", "/session/password", { new: fresh, ...(present === "" ? {} : { present }) }),
  beginTotp: () => call<Authenticator>("POST", "/session/totp"),
  finishTotp: (code: string) => call<{ codes: string[] }>("PUT", "/session/totp", { code }),
  stepUp: (code: string) => call<Session>("POST", "/session/step-up", { code }),
  passkeys: () => call<{ passkeys: Passkey[] }>("GET", "/session/passkeys"),
  registerPasskey: async (name: string) => {
    const challenge = await call<Challenge>("POST", "/session/passkeys");
    return call<Session>("PUT", "/session/passkeys", { id: challenge.id, name, credential: await registered(challenge) });
  },
  dropPasskey: (id: string) => call<unknown>("DELETE", `/session/passkeys/${at(id)}`),
  signInByPasskey: async (user: string) => call<Session>("POST", "/session/passkey/finish", await shown(user)),
  stepUpByPasskey: async (user: string) => call<Session>("POST", "/session/step-up/passkey", await shown(user)),
  users: () => call<{ users: User[] }>("GET", "/users"),
  putUser: (name: string, account: Account) => call<Deed>("PUT", `/users/${at(name)}`, account),
  resetUser: (name: string, reason: string) => call<Deed>("POST", `/users/${at(name)}/reset`, { reason }),
  requests: () => call<{ requests: UserRequest[] }>("GET", "/user-requests"),
  decide: (id: number, how: "approve" | "refuse") => call<Deed | null>("POST", `/user-requests/${id}/${how}`),
  roles: () => call<{ roles: Role[]; rights: string[] }>("GET", "/roles"),
  putRole: (name: string, rights: string[]) => call<unknown>("PUT", `/roles/${at(name)}`, { rights }),
  dropRole: (name: string) => call<unknown>("DELETE", `/roles/${at(name)}`),
  areas: () => call<{ areas: Area[] }>("GET", "/areas"),
  putArea: (name: string, substations: string[]) => call<unknown>("PUT", `/areas/${at(name)}`, { substations }),
  dropArea: (name: string) => call<unknown>("DELETE", `/areas/${at(name)}`),
  sessions: () => call<{ sessions: LivingSession[] }>("GET", "/sessions"),
  endSession: (id: string, reason: string) => call<Deed>("POST", `/sessions/${at(id)}/end`, { reason }),
  freeze: (id: string, reason: string) => call<unknown>("POST", `/sessions/${at(id)}/freeze`, { reason }),
  unfreeze: (id: string) => call<unknown>("POST", `/sessions/${at(id)}/unfreeze`),
  tokens: () => call<{ tokens: Token[] }>("GET", "/tokens"),
  makeToken: (body: { user?: string; label: string; rights?: string[]; areas?: string[]; days: number }) =>
    call<{ secret: string; token: Token }>("POST", "/tokens", body),
  revokeToken: (id: string) => call<unknown>("DELETE", `/tokens/${at(id)}`),
};
