// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bifrost/analysis/black_scholes.hpp"

// Whole chains at once: the same numbers as black_scholes.hpp, laid out in columns, eight
// (AVX-512), four (AVX2) or two contracts to an instruction, as the processor allows.
namespace bifrost::analysis {

/// What all contracts of one expiry share. All positive; years_to_expiry may be zero.
struct ExpiryTerms {
  double forward;
  double discount_factor;
  double years_to_expiry;
};

/// The contracts of one expiry, prepared once: logarithms and roots are kept with the strikes.
class ContractColumns {
 public:
  /// Parallel; strikes are positive.
  ContractColumns(std::span<const double> strikes, std::span<const Right> rights);

  /// The same, of one right.
  ContractColumns(std::span<const double> strikes, Right right);

  /// Those at the given places, in that order.
  ContractColumns some(std::span<const std::size_t> places) const;

  std::size_t size() const { return strike_.size(); }
  double strike(std::size_t i) const { return strike_[i]; }
  Right right(std::size_t i) const { return sign_[i] > 0 ? Right::call : Right::put; }

 private:
  friend struct ChainKernels;
  ContractColumns() = default;
  std::vector<double> strike_;
  std::vector<double> log_strike_;
  std::vector<double> root_strike_;
  std::vector<double> sign_;
};

/// Members as in Valuation, one element a contract.
struct ValuationColumns {
  std::vector<double> price;
  std::vector<double> delta;
  std::vector<double> gamma;
  std::vector<double> theta;
  std::vector<double> vega;
  std::vector<double> rho;

  void resize(std::size_t n);
  Valuation operator[](std::size_t i) const;
};

/// black_scholes(right, ForwardInputs) of every contract, `vol` parallel to the contracts, none
/// negative or NaN. Prices agree with the scalar function to 4e-15 of the larger of forward and
/// strike, deltas to 4e-15 over the total deviation vol * sqrt(years). `out` is resized; reuse it.
void price_chain(const ContractColumns& contracts, const ExpiryTerms& terms,
                 std::span<const double> vol, ValuationColumns& out);

/// Members as in HigherGreeks, one element a contract.
struct HigherGreeksColumns {
  std::vector<double> vanna;
  std::vector<double> volga;
  std::vector<double> charm;
};

/// higher_greeks(right, ForwardInputs) of every contract, from what price_chain() made of the same
/// contracts, terms and vols.
void higher_greeks_chain(const ContractColumns& contracts, const ExpiryTerms& terms,
                         std::span<const double> vol, const ValuationColumns& valued,
                         HigherGreeksColumns& out);

struct ImpliedVolColumns {
  std::vector<double> vol;  // NaN where there is a refusal
  std::vector<std::optional<NoImpliedVol>> refusal;
};

/// implied_vol() of every contract. Where the price is worth less than a millionth of the smaller
/// of forward and strike above intrinsic, or close to its bound, or the fast solver has any doubt,
/// it is the scalar function itself.
void implied_vols(const ContractColumns& contracts, const ExpiryTerms& terms,
                  std::span<const double> price, ImpliedVolColumns& out);

/// Which processor's kernels serve here: "avx512", "avx2" or "baseline".
std::string_view chain_kernels();

/// For tests and benchmarks: the kernels that this machine could use, and a way to pin one (empty:
/// the best again). Not while another thread prices.
std::vector<std::string_view> available_chain_kernels();
void use_chain_kernels(std::string_view name);

}  // namespace bifrost::analysis
