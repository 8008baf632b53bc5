// Switching orders: the list, and the one that is worked on.
import { useCallback, useEffect, useState } from "react";
import { stamp } from "../format";
import { Chip, Notice, type Tone } from "../parts/marks";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { go, may, store, useRoute, useZone } from "../state";
import { S } from "../strings";
import { type Order, orders, type OrderState } from "../switching";
import { OrderDialog } from "./switching/OrderDialog";
import { OrderView } from "./switching/OrderView";

/** Source of the events that say that an order changed. */
const SOURCE = "switching";

const TONES: Record<OrderState, Tone> = {
  draft: "plain",
  checked: "plain",
  approved: "pending",
  in_progress: "pending",
  completed: "done",
  cancelled: "plain",
};

/** The orders, read again whenever an event says that one changed. */
function useOrders() {
  const [list, setList] = useState<Order[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const load = useCallback(() => {
    orders.list().then(
      (answer) => {
        setList(answer.orders);
        setProblem(null);
      },
      (error: unknown) => setProblem(S.failed(error instanceof Error ? error.message : String(error))),
    );
  }, []);
  useEffect(() => {
    load();
    let seen = store.events[store.events.length - 1]?.seq ?? 0;
    return store.subscribe("events", () => {
      const fresh = store.events.filter((event) => event.seq > seen);
      seen = fresh[fresh.length - 1]?.seq ?? seen;
      if (fresh.some((event) => event.source === SOURCE)) load();
    });
  }, [load]);
  const take = (order: Order) => setList((before) => [order, ...(before ?? []).filter((known) => known.id !== order.id)].sort((a, b) => b.id - a.id));
  return { list, problem, take };
}

export function Switching() {
  const { list, problem, take } = useOrders();
  const zone = useZone();
  const wanted = useRoute()[1];
  const [writing, setWriting] = useState<"new" | Order | null>(null);
  const shown = list?.find((order) => String(order.id) === wanted) ?? list?.[0] ?? null;
  const c = S.switching.columns;
  const columns: Column<Order>[] = [
    { key: "id", title: c.id, width: "3.6rem", className: "num", render: (row) => row.id },
    { key: "title", title: c.title, className: "ellipsis", render: (row) => <span title={row.title}>{row.title}</span> },
    { key: "kind", title: c.kind, width: "6.4rem", render: (row) => S.switching.kinds[row.kind] },
    { key: "state", title: c.state, width: "7.6rem", render: (row) => <Chip tone={TONES[row.state]}>{S.switching.states[row.state]}</Chip> },
    { key: "author", title: c.author, width: "7rem", className: "ellipsis", render: (row) => row.author },
    { key: "time", title: c.time, width: "12.2rem", className: "time", render: (row) => stamp(row.created_at, zone) },
  ];
  return (
    <div className="page">
      <div className="toolbar">
        <h1>{S.switching.title}</h1>
        <button type="button" className="primary" disabled={!may("command")} onClick={() => setWriting("new")} data-testid="order-new">
          {S.switching.write}
        </button>
        {problem !== null && (
          <span className="problem" role="alert">
            {problem}
          </span>
        )}
      </div>
      <div className="split switching">
        {list === null ? (
          <Notice>{S.loading}</Notice>
        ) : (
          <VirtualTable
            label={S.switching.title}
            rows={list}
            columns={columns}
            rowKey={(row) => String(row.id)}
            current={shown === null ? null : String(shown.id)}
            onCurrent={(key) => go("switching", key)}
            rowTestId={(row) => `order-row-${row.id}`}
            empty={<Notice>{S.switching.empty}</Notice>}
          />
        )}
        <aside className="side" aria-label={S.switching.order} tabIndex={0}>
          {shown === null ? (
            <p className="muted">{S.switching.pick}</p>
          ) : (
            <OrderView key={shown.id} order={shown} tone={TONES[shown.state]} onChange={take} onEdit={() => setWriting(shown)} />
          )}
        </aside>
      </div>
      {writing !== null && (
        <OrderDialog
          order={writing === "new" ? null : writing}
          onClose={() => setWriting(null)}
          onDone={(order) => {
            take(order);
            setWriting(null);
            go("switching", String(order.id));
          }}
        />
      )}
    </div>
  );
}
