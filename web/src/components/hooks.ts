// SPDX-License-Identifier: Apache-2.0
import { useEffect, useLayoutEffect, useRef, useState } from 'react';

/** The room inside an element, in CSS pixels; 0 before the first layout. */
export function useSize<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const [width, set_width] = useState(0);
  const [height, set_height] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const read = () => {
      set_width(element.clientWidth);
      set_height(element.clientHeight);
    };
    read();
    const observer = new ResizeObserver(read);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width, height] as const;
}

/** The local clock, once a second: for ages that count. */
export function useSecond(): number {
  const [now, set_now] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => set_now(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && target.closest('input[type="text"], select, textarea') !== null;

/** A key of the whole page; not while typing, not with a modifier, not behind an open dialog. */
export function usePageKey(key: string, run: () => void): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey) return;
      if (typing(event.target) || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [key]);
}
