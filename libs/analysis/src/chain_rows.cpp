// SPDX-License-Identifier: Apache-2.0
#include "chain_rows.hpp"

namespace bifrost::analysis {

std::vector<StrikeAnalytics> with_middles(const ExpiryChain& chain) {
  std::vector<StrikeAnalytics> rows(chain.rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& from = chain.rows[i];
    rows[i].strike = from.strike;
    const auto middle = [&](const std::optional<OptionSide>& side,
                            std::optional<OptionAnalytics>& option) {
      if (!side || !side->two_sided() || from.strike <= Price{}) return;
      option.emplace().mid = 0.5 * (*side->bid + *side->ask).value();
    };
    middle(from.call, rows[i].call);
    middle(from.put, rows[i].put);
  }
  return rows;
}

bool has_vol(const StrikeAnalytics& row) {
  return (row.call && row.call->implied_vol) || (row.put && row.put->implied_vol);
}

void lend_vols(std::span<StrikeAnalytics> rows, ImpliedVolColumns& solved) {
  std::size_t i = 0;
  for (auto& row : rows) {
    const std::size_t call = i;
    for (auto* option : {&row.call, &row.put}) {
      if (!*option) continue;
      if (solved.refusal[i]) {
        (*option)->implied_vol = tl::unexpected{*solved.refusal[i]};
      } else {
        (*option)->implied_vol = solved.vol[i];
      }
      ++i;
    }
    if (row.call && row.put) {
      if (solved.refusal[call]) solved.vol[call] = row.put->implied_vol.value_or(0.0);
      if (solved.refusal[call + 1]) solved.vol[call + 1] = row.call->implied_vol.value_or(0.0);
    } else if (i > call && solved.refusal[call]) {
      solved.vol[call] = 0.0;
    }
  }
}

}  // namespace bifrost::analysis
