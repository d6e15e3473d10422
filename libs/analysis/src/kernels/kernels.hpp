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
  double sign;  // -1: moneyness is spot over strike (a put); 1: strike over spot (a call)
  double log_boundary[along];
  double premium[along * across];
  int used[parts];  // terms in ln vol
};

/// Of the underlying; no table depends on it.
struct Spot {
  double value;
  double log;
};

/// Premium and its slopes in log moneyness, twice, and in vol. exercised: the premium is -1 and the
/// rest 0.
struct Premiums {
  double* value;
  double* slope;
  double* bend;
  double* vol_slope;
};
using PremiumAll = void (*)(const PremiumTable&, const Spot&, const Contracts&, const double* vol,
                            const Premiums& out);
/// European prices become American ones.
using ExerciseAll = void (*)(const PremiumTable&, const Spot&, const Contracts&, const double* vol,
                             double* price);

/// The exercise boundary of exercise_boundary.cpp: of a put on a strike of 1.
struct BoundaryTerms {
  double root_years;
  double rate;
  double yield;
  double vol;
};

/// What its nodes integrate over.
struct BoundaryPoints {
  static constexpr int nodes = 12;
  static constexpr int per_node = 32;
  static constexpr int count = nodes * per_node;
  // Of a boundary of one year: the same for all.
  double root_left[count];
  double time[count];      // to expiry
  double position[count];  // of its root in the boundary's series
  double measure[count];
  // Of one boundary.
  double minus_weight[count];
  double plus_weight[count];
};
/// Fills the weights.
using WeighPoints = void (*)(const BoundaryTerms&, BoundaryPoints&);
/// Both integrals of smooth pasting at every node, `log_ratio` being ln(boundary / limit) there and
/// `series` its square.
using Paste = void (*)(const BoundaryTerms&, const BoundaryPoints&, const double* series,
                       const double* log_ratio, double* minus_integral, double* plus_integral);

/// What the premium sums over, and what of it no spot changes.
struct BoundaryMoments {
  static constexpr int count = 48;
  double root_left[count];
  double log_boundary[count];
  double strike_weight[count];
  double spot_weight[count];
};
using BoundaryPremiums = void (*)(const BoundaryTerms&, const BoundaryMoments&, const double* spots,
                                  long count, double* out);

struct Set {
  const char* name;
  PriceAll price_all;
  HigherAll higher_all;
  SolveAll solve_all;
  PremiumAll premium_all;
  ExerciseAll exercise_all;
  WeighPoints weigh_points;
  Paste paste;
  BoundaryPremiums boundary_premiums;
};

extern const Set baseline;
#ifdef BIFROST_X86_KERNELS
extern const Set avx2;
extern const Set avx512;
#endif

}  // namespace bifrost::analysis::kernels
