// SPDX-License-Identifier: Apache-2.0
import { type ReactNode, useLayoutEffect, useRef } from 'react';

/** A modal of the browser's own: it keeps the focus inside, closes on Escape, and gives the focus back. */
export function Dialog(props: {
  label: string;
  className: string;
  on_close: () => void;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  // A layout effect: its clean-up closes the dialog while it is still in the document, which is what makes the
  // browser give the focus back.
  useLayoutEffect(() => {
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
