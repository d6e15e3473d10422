// SPDX-License-Identifier: Apache-2.0
#include "bifrost/analysis/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "certificate_board.hpp"

namespace bifrost::analysis {
namespace {

using certificate::BoardCheck;
using certificate::Box;
using certificate::close_to;
using certificate::Fitting;

tl::unexpected<CertificateRefusal> refuse(CertificateFlaw flaw, std::optional<std::size_t> place,
                                          std::string what) {
  return tl::unexpected{CertificateRefusal{flaw, place, std::move(what)}};
}

// Whether no two boxes meet, for boxes that come of cutting a box in two again and again: somewhere
// all of them lie on one side of a cut.
bool apart(std::span<Box> boxes, std::size_t rungs) {
  if (boxes.size() < 2) return true;
  for (std::size_t rung = 0; rung < rungs; ++rung) {
    std::ranges::sort(boxes, {}, [rung](const Box& box) { return box[rung].first; });
    std::vector<std::size_t> starts{0};
    std::size_t reach = boxes[0][rung].second;
    for (std::size_t i = 1; i < boxes.size(); ++i) {
      if (boxes[i][rung].first >= reach) starts.push_back(i);
      reach = std::max(reach, boxes[i][rung].second);
    }
    if (starts.size() == 1) continue;
    for (std::size_t k = 0; k < starts.size(); ++k) {
      const std::size_t end = k + 1 < starts.size() ? starts[k + 1] : boxes.size();
      if (!apart(boxes.subspan(starts[k], end - starts[k]), rungs)) return false;
    }
    return true;
  }
  return false;
}

}  // namespace

std::vector<double> pop_cell_edges(const Density& density) {
  constexpr int tail = 24;
  constexpr int middle = 47;
  constexpr double outermost = 1e-8;
  constexpr double edge_of_tail = 0.02;
  std::vector<double> levels;
  for (int i = 0; i < tail; ++i) {
    levels.push_back(outermost * std::pow(edge_of_tail / outermost, i / double{tail}));
  }
  for (int i = 0; i < middle; ++i) {
    levels.push_back(edge_of_tail + (1.0 - 2.0 * edge_of_tail) * i / (middle - 1.0));
  }
  for (int i = tail; i-- > 0;) levels.push_back(1.0 - levels[static_cast<std::size_t>(i)]);
  std::vector<double> edges{0.0};
  for (const double level : levels)
    edges.push_back(std::max(density.quantile(level), edges.back()));
  return edges;
}

std::string_view to_string(CertificateFlaw flaw) {
  switch (flaw) {
    case CertificateFlaw::none_given:
      return "none_given";
    case CertificateFlaw::boards:
      return "boards";
    case CertificateFlaw::later_legs:
      return "later_legs";
    case CertificateFlaw::classes_overlap:
      return "classes_overlap";
    case CertificateFlaw::class_count:
      return "class_count";
    case CertificateFlaw::total_count:
      return "total_count";
    case CertificateFlaw::class_bound:
      return "class_bound";
    case CertificateFlaw::class_end:
      return "class_end";
    case CertificateFlaw::threshold:
      return "threshold";
    case CertificateFlaw::candidate_unfit:
      return "candidate_unfit";
    case CertificateFlaw::candidate_numbers:
      return "candidate_numbers";
    case CertificateFlaw::candidate_order:
      return "candidate_order";
    case CertificateFlaw::candidate_missing:
      return "candidate_missing";
  }
  return "unknown";
}

tl::expected<CertificateCheck, CertificateRefusal> verify_certificate(
    const SearchRequest& request, std::span<const SearchExpiry> expiries,
    const FinderResult& result) {
  if (!result.certificate) {
    return refuse(CertificateFlaw::none_given, std::nullopt, "the result has no certificate");
  }
  const auto& certificate = *result.certificate;
  const auto& constraints = request.constraints;

  // The boards that had to be searched, and what they hold.
  std::vector<std::vector<std::size_t>> wanted;
  const auto in_window = [&](const SearchExpiry& expiry) {
    return expiry.days_to_expiry >=
               constraints.min_days_to_expiry.value_or(std::numeric_limits<int>::min()) &&
           expiry.days_to_expiry <=
               constraints.max_days_to_expiry.value_or(std::numeric_limits<int>::max());
  };
  for (std::size_t i = 0; i < expiries.size(); ++i) {
    if (!in_window(expiries[i])) continue;
    if (expiry_count(request.strategy) == 1) wanted.push_back({i});
    for (std::size_t j = i + 1; j < expiries.size() && expiry_count(request.strategy) == 2; ++j) {
      if (in_window(expiries[j]) &&
          expiries[i].priced->years_to_expiry < expiries[j].priced->years_to_expiry &&
          expiries[i].priced->chain.expiry < expiries[j].priced->chain.expiry &&
          expiries[i].priced->chain.multiplier == expiries[j].priced->chain.multiplier) {
        wanted.push_back({i, j});
      }
    }
  }
  if (certificate.boards.size() != wanted.size()) {
    return refuse(CertificateFlaw::boards, std::nullopt, "more or fewer expiries than searched");
  }
  std::vector<BoardCheck> boards;
  boards.reserve(wanted.size());
  CertificateCheck check{.combinations = 0, .judged = 0, .classes = certificate.classes.size()};
  for (std::size_t b = 0; b < wanted.size(); ++b) {
    if (certificate.boards[b].expiries != wanted[b]) {
      return refuse(CertificateFlaw::boards, b, "another expiry than searched");
    }
    boards.emplace_back(request, expiries, wanted[b], b);
    if (const auto& what = boards[b].mispriced()) {
      return refuse(CertificateFlaw::later_legs, b, *what);
    }
    const std::int64_t held = boards[b].count(boards[b].whole());
    if (held != certificate.boards[b].combinations) {
      return refuse(CertificateFlaw::total_count, b, "a board of another number of combinations");
    }
    check.combinations += held;
  }
  if (check.combinations != certificate.combinations || check.combinations != result.combinations ||
      certificate.visited + certificate.pruned != certificate.combinations) {
    return refuse(CertificateFlaw::total_count, std::nullopt,
                  "visited and pruned are not all combinations");
  }

  // The candidates, by themselves.
  std::vector<Fitting> listed;
  for (std::size_t c = 0; c < result.candidates.size(); ++c) {
    const auto& candidate = result.candidates[c];
    const auto board = std::ranges::find(wanted, candidate.expiries);
    std::vector<Price> strikes(static_cast<std::size_t>(rung_count(request.strategy)));
    if (candidate.legs.size() != request.strategy.legs.size()) {
      return refuse(CertificateFlaw::candidate_numbers, c, "other legs than the strategy's");
    }
    for (std::size_t l = 0; l < candidate.legs.size(); ++l) {
      const int rung = request.strategy.legs[l].rung;
      if (rung >= 0) strikes[static_cast<std::size_t>(rung)] = candidate.legs[l].leg.strike;
    }
    if (board == wanted.end()) {
      return refuse(CertificateFlaw::candidate_numbers, c, "an expiry that was not searched");
    }
    const auto& on = boards[static_cast<std::size_t>(board - wanted.begin())];
    const auto at = on.find(strikes);
    if (!at) return refuse(CertificateFlaw::candidate_unfit, c, "a leg that cannot be used");
    const auto judged = on.judge(*at);
    if (judged.unfit) {
      return refuse(CertificateFlaw::candidate_unfit, c,
                    "breaks a constraint: " + std::string{to_string(*judged.unfit)});
    }
    if (!close_to(judged.score, candidate.score)) {
      return refuse(CertificateFlaw::candidate_numbers, c, "another score than its own");
    }
    if (!on.tells_the_truth(candidate, judged, *at)) {
      return refuse(CertificateFlaw::candidate_numbers, c, "other numbers than its own");
    }
    auto fitting = on.fitting(*at, judged);
    // As ranked, so that the last bit of a score does not decide here.
    fitting.score = candidate.score;
    fitting.pop = candidate.pop;
    if (!listed.empty() && listed.back().key() >= fitting.key()) {
      return refuse(CertificateFlaw::candidate_order, c, "not after the one before it");
    }
    listed.push_back(std::move(fitting));
  }
  const bool full = listed.size() == request.keep;
  if (listed.size() > request.keep || full != certificate.threshold.has_value() ||
      (full && *certificate.threshold != listed.back().score)) {
    return refuse(CertificateFlaw::threshold, std::nullopt,
                  "the threshold is not the last candidate's score");
  }

  // The classes: apart, of the right size, and each settled.
  std::vector<std::vector<Box>> boxes(boards.size());
  std::vector<std::int64_t> held(boards.size(), 0);
  std::int64_t visited = 0;
  std::vector<bool> seen(listed.size(), false);
  for (std::size_t k = 0; k < certificate.classes.size(); ++k) {
    const auto& claim = certificate.classes[k];
    if (claim.board >= boards.size()) {
      return refuse(CertificateFlaw::boards, k, "a class of no board");
    }
    const auto& board = boards[claim.board];
    const auto box = board.box_of(claim);
    if (!box || board.count(*box) != claim.combinations) {
      return refuse(CertificateFlaw::class_count, k, "not as many combinations as it says");
    }
    boxes[claim.board].push_back(*box);
    held[claim.board] += claim.combinations;
    std::optional<double> bound;
    switch (claim.end) {
      case CertificateClass::End::bounded:
        bound = board.score_bound(certificate.threshold, *box);
        if (!certificate.threshold || !(claim.bound < *certificate.threshold)) {
          return refuse(CertificateFlaw::class_bound, k, "does not stay below the threshold");
        }
        break;
      case CertificateClass::End::unfit: {
        if (!claim.why) return refuse(CertificateFlaw::class_end, k, "unfit without a reason");
        bound = board.unfit_bound(*claim.why, *box);
        if (!bound) return refuse(CertificateFlaw::class_end, k, "a constraint nobody asked for");
        const double limit = *claim.why == Unfit::pop ? constraints.min_pop : 0.0;
        if (!(claim.bound < limit)) {
          return refuse(CertificateFlaw::class_bound, k,
                        "does not keep the constraint from holding");
        }
        break;
      }
      case CertificateClass::End::visited: {
        visited += claim.combinations;
        std::optional<CertificateRefusal> wrong;
        board.each(*box, [&](const auto& at) {
          ++check.judged;
          const auto judged = board.judge(at);
          if (judged.unfit || wrong) return;
          auto fitting = board.fitting(at, judged);
          const auto known = std::ranges::find_if(listed, [&](const Fitting& other) {
            return other.board == fitting.board && other.strikes == fitting.strikes;
          });
          if (known != listed.end()) {
            seen[static_cast<std::size_t>(known - listed.begin())] = true;
            return;
          }
          // A tie in the last bits is decided by what is exact: such a one may not be on the list.
          const bool tied = full && close_to(fitting.score, listed.back().score) &&
                            fitting.score != listed.back().score;
          if (!full || (!tied && fitting.key() < listed.back().key())) {
            wrong = CertificateRefusal{CertificateFlaw::candidate_missing, k,
                                       "a combination that belongs on the list is not there"};
          }
        });
        if (wrong) return tl::unexpected{*wrong};
        break;
      }
    }
    // Bounds from single precision lie above; others are what the chains give.
    const bool by_pop =
        claim.why == Unfit::pop || std::ranges::any_of(request.objective, [](const auto& part) {
          return part.objective == Objective::pop;
        });
    if (bound && (by_pop && claim.bound > *bound ? false : !close_to(claim.bound, *bound))) {
      return refuse(CertificateFlaw::class_bound, k, "not the bound that the chains give");
    }
  }
  if (visited != certificate.visited) {
    return refuse(CertificateFlaw::total_count, std::nullopt,
                  "another number visited than it says");
  }
  for (std::size_t b = 0; b < boards.size(); ++b) {
    if (!apart(boxes[b], boards[b].rungs())) {
      return refuse(CertificateFlaw::classes_overlap, b, "classes that share combinations");
    }
    if (held[b] != certificate.boards[b].combinations) {
      return refuse(CertificateFlaw::total_count, b, "classes that do not hold every combination");
    }
  }
  for (std::size_t c = 0; c < listed.size(); ++c) {
    if (!seen[c]) {
      return refuse(CertificateFlaw::candidate_missing, c, "a candidate from a class not visited");
    }
  }
  return check;
}

}  // namespace bifrost::analysis
