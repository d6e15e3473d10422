// SPDX-License-Identifier: Apache-2.0
import { type ReactNode, useEffect, useRef } from 'react';

/** A modal of the browser's own: it keeps the focus inside, closes on Escape, and gives the focus back. */
export function Dialog(props: {
  label: string;
  className: string;
  on_close: () => void;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-label={props.label}
      className={props.className}
      onCancel={(event) => {
        event.preventDefault();
        props.on_close();
      }}
      onClick={(event) => {
        // Only the backdrop reports the dialog itself as the target.
        if (event.target === ref.current) props.on_close();
      }}
    >
      <div className="dialog-body">{props.children}</div>
    </dialog>
  );
}
