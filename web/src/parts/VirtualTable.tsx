// A table of any length with at most a screenful of rows in the document. One row is current; the keyboard moves
// it (J K, arrows, Page, Home, End), Enter opens it.
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { settings } from "../state";

export interface Column<R> {
  key: string;
  title: ReactNode;
  /** CSS width; one column may leave it out and takes the rest. */
  width?: string;
  className?: string;
  render: (row: R) => ReactNode;
}

interface Props<R> {
  label: string;
  rows: readonly R[];
  columns: readonly Column<R>[];
  rowKey: (row: R) => string;
  current: string | null;
  onCurrent: (key: string, row: R) => void;
  onOpen?: (row: R) => void;
  rowClass?: (row: R) => string;
  rowTestId?: (row: R) => string;
  /** Keys that the page handles itself; `visible` are the rows that are fully on the screen. */
  onKey?: (event: KeyboardEvent, row: R | null, visible: readonly R[]) => void;
  onVisible?: (visible: readonly R[]) => void;
  empty: ReactNode;
  rowHeightRem?: number;
}

const OVERSCAN = 4;

export function VirtualTable<R>(props: Props<R>) {
  const { rows, rowKey, current } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const head = useRef<HTMLTableSectionElement>(null);
  const id = useId();
  const [window_, setWindow] = useState({ top: 0, height: 600, rem: 13, head: 28 });
  const rowHeight = Math.round((props.rowHeightRem ?? 2.15) * window_.rem);

  const measure = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 13;
    const next = { top: element.scrollTop, height: element.clientHeight, rem, head: head.current?.offsetHeight ?? 28 };
    setWindow((known) =>
      known.top === next.top && known.height === next.height && known.rem === next.rem && known.head === next.head ? known : next,
    );
  }, []);
  useLayoutEffect(() => {
    measure();
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [measure]);

  const first = Math.max(0, Math.floor(window_.top / rowHeight) - OVERSCAN);
  const last = Math.min(rows.length, Math.ceil((window_.top + window_.height) / rowHeight) + OVERSCAN);
  const visible = rows.slice(
    Math.ceil(window_.top / rowHeight),
    Math.max(0, Math.floor((window_.top + window_.height - window_.head) / rowHeight)),
  );
  const onVisible = props.onVisible;
  useEffect(() => onVisible?.(visible));

  const index = current === null ? -1 : rows.findIndex((row) => rowKey(row) === current);
  const move = (to: number) => {
    const target = Math.min(rows.length - 1, Math.max(0, to));
    const row = rows[target];
    if (row === undefined) return;
    props.onCurrent(rowKey(row), row);
    reveal(scroller.current, target * rowHeight, rowHeight, window_.head);
  };
  const page = Math.max(1, visible.length - 1);
  const onKeyDown = (event: KeyboardEvent) => {
    const onTable = event.target === event.currentTarget;
    const letters = settings.get().keys && !event.ctrlKey && !event.metaKey && !event.altKey;
    const steps: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: rows.length - 1 };
    if (letters) Object.assign(steps, { j: index + 1, k: index - 1 });
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      move(step);
    } else if (event.key === "Enter" && onTable && index >= 0 && props.onOpen !== undefined) {
      event.preventDefault();
      props.onOpen(rows[index] as R);
    } else if (event.key !== " " || onTable) {
      props.onKey?.(event, rows[index] ?? null, visible);
    }
  };

  if (rows.length === 0) return <div className="table-empty">{props.empty}</div>;
  return (
    <div className="table-scroll" ref={scroller} onScroll={measure} tabIndex={-1}>
      <table
        role="grid"
        className="table"
        tabIndex={0}
        aria-label={props.label}
        aria-rowcount={rows.length + 1}
        aria-activedescendant={index >= first && index < last ? `${id}-${index}` : undefined}
        onKeyDown={onKeyDown}
      >
        <colgroup>
          {props.columns.map((column) => (
            <col key={column.key} style={column.width === undefined ? {} : { width: column.width }} />
          ))}
        </colgroup>
        <thead ref={head}>
          <tr aria-rowindex={1}>
            {props.columns.map((column) => (
              <th key={column.key} scope="col" className={column.className}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Spacer height={first * rowHeight} columns={props.columns.length} />}
          {rows.slice(first, last).map((row, offset) => {
            const at = first + offset;
            const key = rowKey(row);
            return (
              <tr
                key={key}
                id={`${id}-${at}`}
                aria-rowindex={at + 2}
                aria-selected={key === current}
                className={`${key === current ? "current " : ""}${props.rowClass?.(row) ?? ""}`}
                data-testid={props.rowTestId?.(row)}
                style={{ height: rowHeight }}
                onClick={() => props.onCurrent(key, row)}
                onDoubleClick={() => props.onOpen?.(row)}
              >
                {props.columns.map((column) => (
                  <td key={column.key} className={column.className}>
                    {column.render(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {last < rows.length && <Spacer height={(rows.length - last) * rowHeight} columns={props.columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true" className="spacer">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

function reveal(element: HTMLElement | null, top: number, height: number, head: number): void {
  if (element === null) return;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + height + head > element.scrollTop + element.clientHeight) {
    element.scrollTop = top + height + head - element.clientHeight;
  }
}
