// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { ApiError } from './api/client';
import { start_theme } from './lib/theme';
import { LiveProvider } from './live';
import './styles/base.css';
import './styles/header.css';
import './styles/chain.css';
import './styles/strategies.css';
import './styles/history.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Numbers change by push and by the few explicit polls, never because a window got the focus.
      refetchOnWindowFocus: false,
      staleTime: 60_000,
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.refused),
    },
  },
});

start_theme();
const root = document.getElementById('root');
if (!root) throw new Error('index.html lacks #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <LiveProvider>
        <App />
      </LiveProvider>
    </QueryClientProvider>
  </StrictMode>,
);
