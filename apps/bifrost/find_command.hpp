// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bifrost/api/finds.hpp"
#include "bifrost/core/result.hpp"
#include "bifrost/core/stop_signal.hpp"
#include "chain_source.hpp"

namespace bifrost {

/// `bifrost find`: the best structures of a chain, exactly.
struct FindOptions {
  ChainSource source;
  api::FindQuery query;
  std::string expiry;
  std::string later_expiry;
  std::string density;
  std::vector<std::string> where;
  bool any_short_strikes = false;
  bool prove = false;
  bool list = false;
  bool json = false;
};

/// A condition such as "pop>=0.7" or "short_delta<=0.2" put into the query. invalid_input names
/// what is wrong.
core::Result<void> add_condition(api::FindQuery& query, const std::string& text);

/// Adds the verb to `app`; when it is parsed it becomes `work`.
void add_find_command(CLI::App& app, const std::string& env_file, FindOptions& options,
                      const core::StopSignal& stop, std::function<core::Result<void>()>& work);

}  // namespace bifrost
