// SPDX-License-Identifier: Apache-2.0
import type { ExitOdds, PositionMargin } from '../../api/types';
import { money, percent, signed_money } from '../../lib/format';
import type { ExitRule } from '../../lib/profit_table';
import { beyond_quotes_words, density_kind } from './words';

const rule_names: Record<string, string> = { reg_t: 'Reg T', ibkr: 'Interactive Brokers' };

/** What the position ties up, four ways that are never mixed. */
export function Margin({ margin }: { margin: PositionMargin }) {
  const shift = margin.stress_worst_shift;
  return (
    <section aria-label="Margin" className="risk">
      <h2>
        Margin<span>one unit; four ways, never mixed</span>
      </h2>
      <table className="figures" data-testid="margin">
        <thead>
          <tr>
            <td />
            <th scope="col">Initial</th>
            <th scope="col">Maintenance</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">
              Worst loss <small>at expiry, premium left out</small>
            </th>
            <td colSpan={2}>
              {margin.worst_loss === null ? 'unlimited' : money(margin.worst_loss)}
            </td>
          </tr>
          {margin.rules.map((rules) => (
            <tr key={rules.rules}>
              <th scope="row" title={`${rules.source}, valid from ${rules.valid_from}`}>
                {rule_names[rules.rules] ?? rules.rules} <small>beyond premium</small>
              </th>
              <td>{money(rules.initial)}</td>
              <td>{money(rules.maintenance)}</td>
            </tr>
          ))}
          {margin.stress !== null && (
            <tr>
              <th scope="row" title={`Estimate by the rules ${margin.stress_rules}`}>
                Stress estimate <small>premium included</small>
              </th>
              <td colSpan={2}>
                {money(margin.stress)}
                {shift !== null && (
                  <span className="faint"> at {`${shift > 0 ? '+' : ''}${percent(shift, 0)}`}</span>
                )}
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

/** Whether the target or the stop comes first, as one bar of three parts and in words. */
export function Exits({ odds, rule }: { odds: ExitOdds; rule: ExitRule }) {
  const parts = [
    {
      id: 'target',
      share: odds.target_first,
      words: `Target ${signed_money(rule.profit_target)} first`,
    },
    { id: 'neither', share: odds.neither, words: 'Neither before expiry' },
    { id: 'stop', share: odds.stop_first, words: `Stop ${money(-rule.loss_limit)} first` },
  ];
  return (
    <section aria-label="Exit odds" className="risk">
      <h2>
        Exit odds<span>half the max profit or the stop first</span>
      </h2>
      <div className="exit-bar" aria-hidden="true">
        {parts.map((p) => (
          <span key={p.id} data-part={p.id} style={{ width: `${p.share * 100}%` }} />
        ))}
      </div>
      <table className="figures" data-testid="exits">
        <tbody>
          {parts.map((p) => (
            <tr key={p.id}>
              <th scope="row" data-part={p.id}>
                {p.words}
              </th>
              <td>{percent(p.share)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="caption">
        Under the {density_kind(odds.density.kind)} density; path:{' '}
        {odds.path_model.replaceAll('_', ' ')}. {beyond_quotes_words(odds.density)}
      </p>
    </section>
  );
}
