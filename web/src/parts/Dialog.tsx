// The browser's own modal dialog: it traps the focus, closes on Esc and gives the focus back.
import { type ReactNode, useEffect, useId, useRef } from "react";
import { S } from "../strings";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  testId?: string;
}

export function Dialog({ title, onClose, children, wide = false, testId }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    if (dialog !== null && !dialog.open) dialog.showModal();
    // React's autoFocus comes before showModal, which would move the focus to the closing cross.
    dialog?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      className={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      data-testid={testId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" className="plain" onClick={onClose} aria-label={S.close}>
          <svg viewBox="0 0 16 16" aria-hidden="true" className="cross">
            <path d="M3 3 13 13M13 3 3 13" />
          </svg>
        </button>
      </header>
      {children}
    </dialog>
  );
}
