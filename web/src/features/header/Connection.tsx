// SPDX-License-Identifier: Apache-2.0
import { useFeedState } from '../../live';

const words = {
  connecting: 'Connecting',
  live: 'Connected',
  reconnecting: 'Reconnecting',
} as const;

export function Connection({ reachable, retry }: { reachable: boolean; retry: () => void }) {
  const feed = useFeedState();
  if (!reachable) {
    return (
      <button type="button" className="connection down" onClick={retry}>
        API unreachable, try again
      </button>
    );
  }
  return (
    <span className={`connection ${feed}`} role="status">
      {words[feed]}
    </span>
  );
}
