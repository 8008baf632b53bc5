// The system: one section per topic, each shown to whom the server would answer.
import type { ComponentType } from "react";
import { go, may, session, useCell, useRoute } from "../state";
import { S } from "../strings";
import { Evidence } from "./system/Evidence";
import { Conduits } from "./system/Conduits";
import { Account } from "./system/Account";
import { Roles } from "./system/Roles";
import { Sessions } from "./system/Sessions";
import { Audit } from "./system/Audit";
import { Certificates } from "./system/Certificates";
import { State } from "./system/State";
import { Tokens } from "./system/Tokens";
import { Users } from "./system/Users";

interface Section {
  /** In the address, and in the strings under `system.sections`. */
  name: keyof typeof S.system.sections;
  /** One of these rights opens it; none for everybody who has signed in. */
  needs: readonly string[];
  view: ComponentType;
}

const SECTIONS: readonly Section[] = [
  { name: "state", needs: ["view"], view: State },
  { name: "conduits", needs: ["view"], view: Conduits },
  { name: "account", needs: [], view: Account },
  { name: "users", needs: ["manage_users", "read_audit"], view: Users },
  { name: "roles", needs: ["manage_users", "manage_roles", "read_audit"], view: Roles },
  { name: "sessions", needs: [], view: Sessions },
  { name: "tokens", needs: [], view: Tokens },
  { name: "audit", needs: ["read_audit"], view: Audit },
  { name: "evidence", needs: ["read_audit"], view: Evidence },
  { name: "certificates", needs: ["manage_users"], view: Certificates },
];

export function System({ onSignOut }: { onSignOut: () => void }) {
  useCell(session);
  const wanted = useRoute()[1];
  const open = SECTIONS.filter((section) => section.needs.length === 0 || section.needs.some(may));
  const shown = open.find((section) => section.name === wanted) ?? open[0];
  return (
    <div className="page system">
      <div className="toolbar">
        <h1>{S.system.title}</h1>
        <nav className="sections" aria-label={S.system.sectionsLabel}>
          {open.map((section) => (
            <button
              key={section.name}
              type="button"
              aria-current={section === shown ? "page" : undefined}
              onClick={() => go("system", section.name)}
              data-testid={`section-${section.name}`}
            >
              {S.system.sections[section.name]}
            </button>
          ))}
        </nav>
        <span className="grow" />
        <button type="button" onClick={onSignOut} data-testid="sign-out">
          {S.header.signOut}
        </button>
      </div>
      {shown === undefined ? <p className="muted">{S.system.noSection}</p> : <shown.view />}
    </div>
  );
}
