// SPDX-License-Identifier: Apache-2.0
#pragma once

// The chain kernels, compiled three times from one source (european.inc) for three kinds of
// processors. Plain pointers only: a function of a standard header compiled here could end up in
// the whole program and ask for instructions that the machine does not have.
namespace bifrost::analysis::kernels {

struct Terms {
  double forward;
  double log_forward;
  double root_forward;
  double discount_factor;
  double root_years;
  double years;
  double rate;  // -ln(discount) / years; 0 at expiry
};

/// Rows run parallel; `sign` is 1 for a call, -1 for a put.
struct Contracts {
  const double* strike;
  const double* log_strike;
  const double* root_strike;
  const double* sign;
  long count;
};

struct Greeks {
  double* price;
  double* delta;
  double* gamma;
  double* theta;
  double* vega;
  double* rho;
};

struct Higher {
  double* vanna;
  double* volga;
  double* charm;
};

/// ln(s / b) on a grid of two coordinates in which it is nearly a plane; see european.inc.
struct StartTable {
  static constexpr int columns = 160;  // of ln(1 + |x| / b)
  static constexpr int rows = 160;     // of ln(root / b)
  static constexpr double column_end = 18.0;
  static constexpr double row_begin = 0.2;
  static constexpr double row_end = 14.5;
  double log_ratio[rows * columns];
};

using PriceAll = void (*)(const Terms&, const Contracts&, const double* vol, const Greeks& out);
/// `delta` and `vega` as PriceAll gave them.
using HigherAll = void (*)(const Terms&, const Contracts&, const double* vol, const double* delta,
                           const double* vega, const Higher& out);
/// `vol` becomes NaN where the fast way does not reach: the caller asks the scalar solver there.
using SolveAll = void (*)(const Terms&, const Contracts&, const StartTable&, const double* price,
                          double* vol);

/// The premium of an American put on a strike of 1 over its European value, as a Chebyshev series
/// in (xi - scale)/(xi + scale), where xi = ln(spot / boundary) / (vol sqrt(T)), and in ln vol.
struct PremiumTable {
  static constexpr int across = 28;  // in xi
  static constexpr int along = 24;   // in ln vol
  static constexpr int parts = 4;    // of the columns, each as long in ln vol as it needs
  static constexpr double scale = 2.5;
  double middle;      // of ln vol ...
  double half_width;  // ... which runs so far to either side of it
  double root_years;
  double spot;
  double log_spot;
  double sign;  // -1: moneyness is spot over strike (a put); 1: strike over spot (a call)
  double log_boundary[along];
  double premium[along * across];
  int used[parts];  // terms in ln vol
};

/// Premium and its slopes in log moneyness, twice, and in vol. exercised: the premium is -1 and the
/// rest 0.
struct Premiums {
  double* value;
  double* slope;
  double* bend;
  double* vol_slope;
};
using PremiumAll = void (*)(const PremiumTable&, const Contracts&, const double* vol,
                            const Premiums& out);
/// European prices become American ones.
using ExerciseAll = void (*)(const PremiumTable&, const Contracts&, const double* vol,
                             double* price);

struct Set {
  const char* name;
  PriceAll price_all;
  HigherAll higher_all;
  SolveAll solve_all;
  PremiumAll premium_all;
  ExerciseAll exercise_all;
};

extern const Set baseline;
#ifdef BIFROST_X86_KERNELS
extern const Set avx2;
extern const Set avx512;
#endif

}  // namespace bifrost::analysis::kernels
