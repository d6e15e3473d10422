// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bifrost/analysis/finder.hpp"

// A second opinion on find_best(): checks every claim of its certificate against the chains, in
// code that shares nothing with the search but quotes, pricing, payoff engine, density and, in
// bounds on margins, the MarginFormula (what is judged singly is margined as a whole book).
// American legs that outlive the first expiry are priced twice, by a table of premiums as in the
// search and by an exercise boundary for each leg: at every spot both must agree to 1e-6 of the
// larger of spot and strike, and all claims are then checked against the table.
//
// What the claims rest on. The lower half of a combination is its first rung (strategies of one or
// two strikes) or its first two; stock belongs to it. The upper half is the rest. For a half,
// origin is the profit of its legs at spot 0, and its strikes s1 < s2 (or s1 alone) bend the profit
// line of the whole strategy, which has slope m0 before s1, m1 after it, m2 after s2. Then
//   lower: rises 0, m0 s1, m0 s1 + m1 (s2 - s1); `handed` is the last rise less (the slope after
//   the
//          half) times its last strike, or the last rise itself if there is no upper half;
//          loss_1 = -origin - least rise     gain_1 = origin + greatest rise
//          loss_2 = -origin - handed         gain_2 = origin + handed
//   upper: rises m0 s1, m0 s1 + m1 (s2 - s1), without the 0;
//          loss_1 = -origin                  gain_1 = origin
//          loss_2 = -origin - least rise     gain_2 = origin + greatest rise
// and with one expiry the max loss of the combination is the larger of the sums of loss_1 and of
// loss_2 over both halves, the max profit that of gain_1 and gain_2. Cost, credit, expected profit,
// theta, strikes and the profit at a given spot are sums as well. With two expiries, under the
// model of front_model_spots(), worst is what a half loses where that is most, best what it gains
// where that is most, and the samples are minus the profits at the sampled spots: the samples bound
// the loss from below and take the place of loss_1 and loss_2 where those do, worst takes it where
// they bound it from above, best that of gain_1 and gain_2. So for every class and every such
// number, or fixed weighing of them, (the largest of the lower halves in it) + (the largest of the
// upper halves) bounds all its combinations. The bound of a class is made of such sums, called
// M[...]:
//   bounded, one objective of weight 1 and not pop, threshold T: with numerators N and denominators
//          D (1, or loss_1 and loss_2, or those of the margin), excess is, for T >= 0, the largest
//          over N of the least over D of M[N - T D], for T < 0 the largest of all M[N - T D]; bound
//          = T + excess / (largest M[D]), the 0 left out. Loss from below is meant where T >= 0,
//          from above where T < 0 and in the largest M[D].
//   bounded, otherwise: the sum over what has one denominator (1, max loss, margin) of
//          M[numerator], as it is, or over the largest of 1 unit of money and -M[-D] if it is
//          positive, or over the largest M[D] if it is not; returns, on risk or margin, of negative
//          weight count 0; plus pop's weight, if it is positive, times the most that pop can be.
//          A margin's denominators are what is required, the same plus what the options cost, that
//          cost alone, and, except under a max profit alone, 0. Required is loss_1 - cost and
//          loss_2 - cost where all options are covered by others that expire with them; else the
//          clauses of the strategy's MarginFormula, at_least where loss from below would be meant,
//          at_most where that from above: the denominator of a clause is the least of its sums, so
//          that the largest M[N - T D] over them (for T < 0 the least), the least M[D] and the
//          least -M[-D] count.
//   unfit by pop, and above: in each cell of spot between neighbouring pop_cell_edges() the most
//   that
//          either half is worth there; the mass of the cells in which the sum is positive.
//   unfit otherwise: the largest, over the ways to fulfil the constraint, of M[...] of how far it
//   is
//          fulfilled (a strike difference, a gain or loss less one unit of money, a credit less the
//          least, the most loss less the loss, profits at the ends of the stretch without
//          breakevens, one not below and the other not above zero).
namespace bifrost::analysis {

/// Where cells of spot meet that bound probabilities, currency per share, ascending, 0 first; the
/// last cell goes on for ever. Quantiles of the density: even in probability in the middle, by
/// factors in the tails, none below its neighbour.
std::vector<double> pop_cell_edges(const Density& density);

enum class CertificateFlaw : std::uint8_t {
  none_given,         // the result has no certificate
  boards,             // not the expiries that had to be searched
  later_legs,         // American ones whose two prices disagree
  classes_overlap,    // two classes share a combination
  class_count,        // a class does not hold as many combinations as it says
  total_count,        // the classes do not hold every combination, or the sums are wrong
  class_bound,        // a bound is not what the chains give, or does not settle its class
  class_end,          // an end that the request does not know
  threshold,          // not the score of the last candidate, or of a list that is not full
  candidate_unfit,    // a candidate breaks a constraint
  candidate_numbers,  // a candidate's numbers are not its own
  candidate_order,    // candidates out of order, or one twice
  candidate_missing,  // a combination that belongs on the list is not there
};
std::string_view to_string(CertificateFlaw flaw);

struct CertificateRefusal {
  CertificateFlaw flaw;
  std::optional<std::size_t> place;  // the class or the candidate
  std::string what;
};

struct CertificateCheck {
  std::int64_t combinations = 0;
  std::int64_t judged = 0;  // one by one, through the payoff engine
  std::size_t classes = 0;
};

/// `request` and `expiries` as they were searched.
tl::expected<CertificateCheck, CertificateRefusal> verify_certificate(
    const SearchRequest& request, std::span<const SearchExpiry> expiries,
    const FinderResult& result);

}  // namespace bifrost::analysis
